"""Request objects: authorization requests that the client signed (RFC 9101, OpenID Connect Core 6).

By value (``request``), or by reference (``request_uri``) at an address that the client registered: no other is ever
called. What stands inside wins; what does not is taken from outside (OpenID Connect Core 6.1), unless the client
registered ``require_signed_request_object``: then nothing outside counts (RFC 9101 5). References of pushed requests
(RFC 9126) are another feature's.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from proxy.downstream.assertion import LEEWAY, check_begun, moment
from proxy.downstream.authorize import check_redirect_uri
from proxy.downstream.authorize_endpoint import FOLDED, PUSHED
from proxy.downstream.client_keys import ClientKeys, wire_group
from proxy.features import Feature
from proxy.models import Client
from proxy.models.client import SIGNED_WITH_A_KEY
from proxy.oidc import jose
from proxy.oidc.errors import Refused, UpstreamError
from proxy.oidc.jose import JoseError
from proxy.oidc.jws import MOST_CHARACTERS
from proxy.oidc.messages import HttpRequest, HttpResponse, Send
from proxy.oidc.params import MOST_FIELDS, printable

TYPES = ("", "jwt", "oauth-authz-req+jwt")
"""``typ`` values of a request object: any other names another kind of token (RFC 8725 3.11)."""
OF_THE_TOKEN = frozenset(("iss", "aud", "sub", "exp", "nbf", "iat", "jti"))
"""Claims about the object itself: no parameters."""
FETCH_SECONDS = 3.0
_encode = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode


@dataclass(frozen=True)
class RequestObjects(Feature):
    """Unfolds ``request`` and ``request_uri``. Stands before pushed requests in the list of features: a client that
    must sign its requests has shown that its pushed ones are."""

    issuer: str
    keys: ClientKeys
    send: Send

    def metadata(self) -> Mapping[str, Any]:
        return {
            "request_parameter_supported": True,
            "request_uri_parameter_supported": True,
            "require_request_uri_registration": True,
            "request_object_signing_alg_values_supported": list(SIGNED_WITH_A_KEY),
        }

    async def unfold(self, params: Mapping[str, str], client: Client, now: float) -> Mapping[str, str]:
        """The parameters that the client signed. Raises ``Refused``, ``Shown``, ``Unavailable``."""
        if params.get("request_uri", "").startswith(PUSHED):
            return params
        if "request" in params and "request_uri" in params:
            raise Refused("invalid_request", "request and request_uri exclude each other")
        if "request_uri" in params:
            token, name = await self._fetch(params, client), "request_uri"
        elif "request" in params:
            token, name = params["request"], "request"
        elif client.require_signed_request_object:
            raise Refused("invalid_request", "the application must sign its requests", reason="request_not_signed")
        else:
            return params
        inside = as_params(await self._verified(token, name, client, now))
        return merged(params, inside, client)

    async def _fetch(self, params: Mapping[str, str], client: Client) -> str:
        """What lies at a registered address. Client and outer redirect URI are sure by then, so that a stranger's link
        makes us call nobody."""
        uri = params["request_uri"]
        if "redirect_uri" in params:
            check_redirect_uri(params, client)
        if uri not in client.request_uris:
            raise Refused("invalid_request_uri", "request_uri is not registered for this application")
        url = uri.partition("#")[0]
        headers = {"Accept": "application/oauth-authz-req+jwt, application/jwt"}
        asked = HttpRequest("GET", url, headers, seconds=FETCH_SECONDS, limit=MOST_CHARACTERS, group=wire_group(client))
        try:
            return read_answer(await self.send(asked))
        except (UpstreamError, ValueError):
            raise Refused("invalid_request_uri", "no request object can be had from request_uri") from None

    async def _verified(self, token: str, name: str, client: Client, now: float) -> Mapping[str, Any]:
        """The claims of a request object of ``client``, which came as the parameter ``name``."""
        try:
            if jose.peek(token)[0].get("alg") == "none":
                raise Refused(f"{name}_not_supported", "request objects must be signed", reason="alg_none")
            registered = client.request_object_signing_alg
            allowed = (registered,) if registered else SIGNED_WITH_A_KEY
            claims = (await self.keys.verify(client, token, allowed, TYPES)).claims
            check_claims(claims, client, self.issuer, now)
        except JoseError as error:
            raise invalid(f"the request object is not valid: {error.reason}", error.reason) from None
        return claims


def read_answer(response: HttpResponse) -> str:
    """The token in an answer, which may come as any kind of text. Raises ``ValueError``."""
    kind = response.headers.get("content-type", "text/plain").partition(";")[0].strip().lower()
    if response.status != 200 or not kind.startswith(("application/jwt", "application/oauth-authz-req+jwt", "text/")):
        raise ValueError("no request object")
    return response.body.decode("ascii").strip()


def check_claims(claims: Mapping[str, Any], client: Client, issuer: str, now: float) -> None:
    """What a request object says of itself (RFC 9101 4, 10.8). Raises ``JoseError``."""
    if claims.get("iss", client.client_id) != client.client_id:
        raise JoseError("wrong_issuer")
    if claims.get("client_id", client.client_id) != client.client_id or claims.get("sub") == client.client_id:
        raise JoseError("wrong_client")  # with the client as its subject it is an assertion
    audience = claims.get("aud", issuer)
    if audience != issuer and not (isinstance(audience, list) and issuer in audience):
        raise JoseError("wrong_audience")
    expires = moment(claims, "exp")
    if expires is not None and expires <= now - LEEWAY:
        raise JoseError("expired")
    check_begun(claims, now)


def as_params(claims: Mapping[str, Any]) -> Mapping[str, str]:
    """Claims as the parameters they stand for; an empty one is a missing one (RFC 6749 3.1). Raises ``Refused``."""
    if any(name in claims for name in FOLDED):
        raise invalid("a request object must not hold another one", "nested")
    if len(claims) > MOST_FIELDS:
        raise invalid(f"the request object holds more than {MOST_FIELDS} parameters", "too_many")
    given = {name: as_text(name, value) for name, value in claims.items() if name not in OF_THE_TOKEN}
    return {name: text for name, text in given.items() if text}


def as_text(name: str, value: Any) -> str:
    """A claim as the text of a parameter (RFC 9101 4). Raises ``Refused``."""
    if isinstance(value, str):
        return value
    if isinstance(value, int) and not isinstance(value, bool):  # max_age
        return str(value)
    if isinstance(value, dict):  # claims
        return _encode(value)
    if isinstance(value, list) and all(isinstance(one, str) for one in value):  # resource
        return " ".join(value)
    raise invalid(f"{printable(name, 60)} in the request object is neither text, number, object nor list", "bad_value")


def merged(outer: Mapping[str, str], inside: Mapping[str, str], client: Client) -> Mapping[str, str]:
    """The whole request. What is also said outside must agree where the client is identified or the kind of answer
    chosen (OpenID Connect Core 6.1). Raises ``Refused``."""
    if client.require_signed_request_object:
        return {**inside, "client_id": client.client_id}
    kind = outer.get("response_type")
    if kind is not None and inside.get("response_type", kind) != kind:
        raise invalid("response_type differs between the request and the request object", "response_type_differs")
    return {**{name: value for name, value in outer.items() if name not in FOLDED}, **inside}


def invalid(description: str, reason: str) -> Refused:
    """The answer to a request object that cannot be used (RFC 9101 6, OpenID Connect Core 3.1.2.6)."""
    return Refused("invalid_request_object", description, reason=f"request_object_{reason}")
