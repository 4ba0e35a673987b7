"""Register ourselves at a tenant (RFC 7591, OpenID Connect Registration 1.0), and take that back (RFC 7592).

What we ask for is in ``ourselves``; what the tenant answers is what holds, whatever was asked.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from proxy.models.checks import address
from proxy.models.connection_options import BACK, FRONT
from proxy.oidc.errors import UpstreamError
from proxy.oidc.messages import HttpRequest, HttpResponse
from proxy.oidc.params import printable
from proxy.oidc.strict_json import NotStrict, load_object
from proxy.oidc.urls import origin
from proxy.upstream.ourselves import METHODS, bad

SECONDS = 10.0
READ = (
    *("redirect_uris", "response_types", "scope", "id_token_signed_response_alg"),
    *("token_endpoint_auth_method", "token_endpoint_auth_signing_alg"),
)
"""What of the answer the connection is made of."""
LAST = 253_402_300_800
"""The end of the year 9999, in seconds: what can be written as a date."""


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
    for name in READ:
        if name in asked and type(holds[name]) is not type(asked[name]):
            raise bad(f"the answer holds a {name} of another type than is registered", "bad_registration")
    if asked["redirect_uris"][0] not in holds["redirect_uris"]:
        raise bad("the tenant registered another redirect URI", "other_redirect_uri")
    uri, token = _management(said, endpoint)
    return Registered(
        options={"client_id": client_id, **_options(holds, said)},
        client_uri=uri,
        access_token=token,
        secret_ends=_end(said.get("client_secret_expires_at")),
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


def _end(said: Any) -> int:
    """When the secret ends; 0, which is never, for what is no time."""
    return said if isinstance(said, int) and not isinstance(said, bool) and 0 < said < LAST else 0


def management(response: HttpResponse, endpoint: str) -> tuple[str, str]:
    """How a registration is managed that was made, whatever else is wrong with the answer; both empty if it was not, or
    does not say."""
    try:
        said = load_object(response.body)
    except NotStrict:
        return "", ""
    return _management(said, endpoint) if response.status in (200, 201) else ("", "")


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
