"""Register ourselves at a tenant (RFC 7591, OpenID Connect Registration 1.0), and take that back (RFC 7592).

What we ask for follows from what the tenant's discovery document offers and from what our connection will do; nothing
is asked for that the tenant does not name. What it answers is what holds, whatever was asked.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from proxy.models.checks import address
from proxy.models.connection_options import BACK, FAMILIES, FRONT
from proxy.oidc.errors import UpstreamError
from proxy.oidc.messages import HttpRequest, HttpResponse
from proxy.oidc.params import printable
from proxy.oidc.strict_json import NotStrict, load_object
from proxy.oidc.urls import is_loopback, origin

Document = Mapping[str, Any]

METHODS = ("private_key_jwt", "client_secret_basic", "client_secret_post", "client_secret_jwt")
"""How we like to authenticate, the best first: a key of our own never leaves us."""
ALGORITHMS = (
    "RS256",
    "PS256",
    "ES256",
    "EdDSA",
    *(alg for alg in FAMILIES if alg not in ("RS256", "PS256", "ES256", "EdDSA")),
)
SIGNS_WITH = ("RS256", "PS256", "ES256")
"""What signs our client assertions, the likeliest first."""
SECONDS = 10.0


@dataclass(frozen=True)
class Ourselves:
    """We, as a tenant will know us: our issuer, our name, and the name of the connection."""

    issuer: str
    name: str
    connection: str
    scope: str = "openid profile email"
    own_callback: bool = False

    @property
    def callback(self) -> str:
        """Where the tenant sends answers."""
        return f"{self.issuer}login/callback{f'/{self.connection}' if self.own_callback else ''}"


@dataclass(frozen=True, repr=False)
class Registered:
    """What came of it: the options of the connection, how the registration can be taken back, when the secret ends (0:
    never), all that holds at the tenant, and what of it is not as asked."""

    options: Mapping[str, Any]
    client_uri: str = ""
    access_token: str = ""
    secret_ends: int = 0
    holds: Mapping[str, Any] = field(default_factory=dict)
    changed: Mapping[str, Any] = field(default_factory=dict)


def build_metadata(document: Document, us: Ourselves) -> Mapping[str, Any]:
    """What we say of ourselves (RFC 7591 2), fitted to the tenant's discovery ``document``. Raises ``UpstreamError``
    when we and the tenant have nothing in common."""
    code = "code" in _listed(document, "response_types_supported", ("code",))
    method = _best(METHODS, _listed(document, "token_endpoint_auth_methods_supported", ("client_secret_basic",)))
    if not code and "id_token" not in _listed(document, "response_types_supported", ()):
        raise bad("the tenant offers neither code nor id_token", "no_response_type")
    if code and not method:
        raise bad("the tenant takes no client authentication that we know", "no_auth_method")
    algorithm = _best(ALGORITHMS, _listed(document, "id_token_signing_alg_values_supported", ("RS256",)))
    if not algorithm:
        raise bad("the tenant signs ID tokens with no algorithm that we know", "no_algorithm")
    refresh = "refresh_token" in _listed(document, "grant_types_supported", ())
    return {
        "application_type": "native" if is_loopback(us.issuer) else "web",
        "client_name": us.name,
        "redirect_uris": [us.callback],
        "response_types": ["code"] if code else ["id_token"],
        "grant_types": ["authorization_code", *(["refresh_token"] if refresh else [])] if code else ["implicit"],
        "scope": us.scope,
        "id_token_signed_response_alg": algorithm,
        **(_authentication(document, us, method) if code else {"token_endpoint_auth_method": method or "none"}),
        **_logout(document, us),
        **({} if is_loopback(us.issuer) else {"initiate_login_uri": f"{us.issuer}login/initiate"}),
    }


def _authentication(document: Document, us: Ourselves, method: str) -> Mapping[str, Any]:
    asked: dict[str, Any] = {"token_endpoint_auth_method": method}
    if method == "private_key_jwt":
        offered = _listed(document, "token_endpoint_auth_signing_alg_values_supported", SIGNS_WITH)
        asked["token_endpoint_auth_signing_alg"] = _best(SIGNS_WITH, offered) or "RS256"
        asked["jwks_uri"] = f"{us.issuer}login/keys/{us.connection}"
    return asked


def _logout(document: Document, us: Ourselves) -> Mapping[str, Any]:
    """How we want to hear of logouts, by the channels the tenant has, and where we come back to from ours."""
    asked: dict[str, Any] = {}
    for channel in ("backchannel", "frontchannel"):
        if document.get(f"{channel}_logout_supported") is True:
            asked[f"{channel}_logout_uri"] = f"{us.issuer}login/{channel}-logout"
            asked[f"{channel}_logout_session_required"] = document.get(f"{channel}_logout_session_supported") is True
    if asked.get("frontchannel_logout_session_required") is False:  # we act on no notice without iss and sid
        del asked["frontchannel_logout_uri"], asked["frontchannel_logout_session_required"]
    if document.get("end_session_endpoint"):
        asked["post_logout_redirect_uris"] = [f"{us.issuer}login/logged-out"]
    return asked


def build_request(endpoint: str, metadata: Mapping[str, Any], token: str, group: str) -> HttpRequest:
    """The request (RFC 7591 3.1), with the initial access ``token`` if there is one."""
    headers = {"Content-Type": "application/json", "Accept": "application/json", **_bearer(token)}
    body = json.dumps(metadata).encode()
    return HttpRequest("POST", endpoint, headers=headers, body=body, seconds=SECONDS, group=group)


def check_response(response: HttpResponse, asked: Mapping[str, Any], endpoint: str) -> Registered:
    """What the tenant made of it (RFC 7591 3.2). Raises ``UpstreamError`` with the tenant's own words for a refusal."""
    said = _object(response)
    if response.status not in (200, 201):
        raise _refusal(response.status, said)
    client_id = said.get("client_id")
    if not isinstance(client_id, str) or not client_id:
        raise bad("the answer holds no client_id", "no_client_id")
    holds = {**asked, **{name: said[name] for name in asked if said.get(name) is not None}}
    if asked["redirect_uris"][0] not in holds["redirect_uris"]:
        raise bad("the tenant registered another redirect URI", "other_redirect_uri")
    ends = said.get("client_secret_expires_at", 0)
    uri, token = _management(said, endpoint)
    return Registered(
        options={"client_id": client_id, **_options(holds, said)},
        client_uri=uri,
        access_token=token,
        secret_ends=ends if isinstance(ends, int) else 0,
        holds=holds,
        changed={name: value for name, value in holds.items() if value != asked[name]},
    )


def _options(holds: Mapping[str, Any], said: Mapping[str, Any]) -> Mapping[str, Any]:
    """The connection's options that the registration decides. Raises ``UpstreamError``."""
    method, secret = holds["token_endpoint_auth_method"], said.get("client_secret")
    by_code = "code" in holds["response_types"]
    found: dict[str, Any] = {
        "type": BACK if by_code else FRONT,
        "scope": holds["scope"],
        "id_token_signed_response_algs": [holds["id_token_signed_response_alg"]],
    }
    if not by_code:
        return found
    if method not in (*METHODS, "none"):
        raise bad("the tenant chose a client authentication that we do not know", "no_auth_method")
    found["token_endpoint_auth_method"] = method
    if method == "private_key_jwt":
        found["token_endpoint_auth_signing_alg"] = holds.get("token_endpoint_auth_signing_alg", "RS256")
    elif method != "none":
        if not isinstance(secret, str) or not secret:
            raise bad("the answer holds no client_secret", "no_client_secret")
        found["client_secret"] = secret
    return found


def _management(said: Mapping[str, Any], endpoint: str) -> tuple[str, str]:
    """Where the registration is managed, and the token for that (RFC 7592 3): only where we registered, since the token
    goes along."""
    uri, token = said.get("registration_client_uri"), said.get("registration_access_token")
    if not isinstance(uri, str) or not isinstance(token, str) or not token:
        return "", ""
    try:
        return (address(uri), token) if origin(uri) == origin(endpoint) else ("", "")
    except ValueError:
        return "", ""


def build_removal(client_uri: str, token: str, group: str) -> HttpRequest:
    """The request that takes the registration back (RFC 7592 2.3)."""
    return HttpRequest("DELETE", client_uri, headers=_bearer(token), seconds=SECONDS, group=group)


def _bearer(token: str) -> Mapping[str, str]:
    return {"Authorization": f"Bearer {token}"} if token else {}


def _object(response: HttpResponse) -> Mapping[str, Any]:
    try:
        return load_object(response.body)
    except NotStrict:
        raise bad(f"the tenant answered {response.status} without JSON", "bad_json") from None


def _refusal(status: int, said: Mapping[str, Any]) -> UpstreamError:
    code, text = printable(str(said.get("error", ""))), printable(str(said.get("error_description", "")))
    told = ": ".join(filter(None, (code, text))) or f"status {status}"
    return bad(f"the tenant refused the registration, {told}", "registration_refused")


def _listed(document: Document, name: str, unsaid: Sequence[str]) -> Sequence[str]:
    """What the document lists, or what silence means (Discovery 3)."""
    listed = document.get(name)
    return [one for one in listed if isinstance(one, str)] if isinstance(listed, list) else unsaid


def _best(liked: Sequence[str], offered: Sequence[str]) -> str:
    return next((one for one in liked if one in offered), "")


def bad(description: str, reason: str) -> UpstreamError:
    """The registration did not come about."""
    return UpstreamError("server_error", description, reason=reason, status=502)
