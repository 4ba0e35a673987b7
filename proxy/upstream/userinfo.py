"""What the tenant's UserInfo endpoint says of the person (OpenID Connect Core 5.3): plain, or signed by the tenant.

It is believed only about the person of the verified ID token (5.3.2): an access token that was exchanged on the way
would otherwise bring somebody else's claims.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from proxy.models import Connection, Identity
from proxy.oidc import jose
from proxy.oidc.errors import UpstreamError
from proxy.oidc.keys import KeySet
from proxy.oidc.messages import KILOBYTE, HttpRequest, HttpResponse
from proxy.oidc.strict_json import NotStrict, load_object
from proxy.upstream.id_token import plain_claims
from proxy.upstream.metadata import Metadata
from proxy.upstream.patience import later

SECONDS = 5.0
LARGEST = 64 * KILOBYTE
TYPES = ("", "jwt")
"""``typ`` of a signed answer: none or JWT, never that of another kind of token (RFC 8725 3.11)."""


def build_request(connection: Connection, metadata: Metadata, scheme: str, access_token: str) -> HttpRequest:
    """The request, the token in its header and nowhere else (5.3.1). Raises ``UpstreamError`` without an endpoint."""
    if not metadata.userinfo_endpoint:
        raise _broken("no_userinfo_endpoint")
    if not (access_token.isascii() and access_token.isprintable()):
        raise _broken("bad_access_token")
    headers = {"Authorization": f"{scheme} {access_token}", "Accept": "application/json, application/jwt"}
    url, group = metadata.userinfo_endpoint, connection.name
    return HttpRequest("GET", url, headers=headers, seconds=SECONDS, limit=LARGEST, group=group)


def signed_body(response: HttpResponse, connection: Connection) -> str:
    """The token that the answer is, or empty for one in plain JSON. Raises ``UpstreamError`` for any other answer, and
    for a plain one where ``userinfo_signed_response_alg`` promised a signature."""
    if response.status in (429, 503):
        raise later()
    if response.status != 200:
        raise _broken("userinfo_status")
    kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "application/jwt":
        return response.body.decode("ascii", "replace")
    if kind != "application/json" or connection.options.userinfo_signed_response_alg:
        raise _broken("userinfo_type")
    return ""


def kid_of(token: str) -> str | None:
    """The name of the key that is said to have signed an answer. Raises ``UpstreamError``."""
    try:
        return jose.kid_of(token)
    except jose.JoseError as error:
        raise _broken(f"userinfo_{error.reason}") from None


def check_plain(response: HttpResponse, person: Identity) -> Mapping[str, Any]:
    """The claims of a plain answer about ``person``. Raises ``UpstreamError``."""
    try:
        return _about(load_object(response.body), person)
    except NotStrict:
        raise _broken("userinfo_json") from None


def check_signed(token: str, keys: KeySet, connection: Connection, person: Identity) -> Mapping[str, Any]:
    """The claims of a signed answer: from the person's issuer, for us, about them (5.3.2). Raises ``UpstreamError``."""
    options = connection.options
    alg = options.userinfo_signed_response_alg
    try:
        claims = jose.verify(token, keys, (alg,) if alg else options.id_token_signed_response_algs, TYPES).claims
    except jose.JoseError as error:
        raise _broken(f"userinfo_{error.reason}") from None
    if claims.get("iss") != person.issuer:
        raise _broken("userinfo_iss_mismatch")
    if claims.get("aud") not in (options.client_id, [options.client_id]):
        raise _broken("userinfo_aud_mismatch")
    return _about(claims, person)


def _about(claims: Mapping[str, Any], person: Identity) -> Mapping[str, Any]:
    """Core 5.3.2: ``sub`` must be there, and exactly the ID token's."""
    if not isinstance(claims.get("sub"), str) or claims["sub"] != person.claims["sub"]:
        raise _broken("userinfo_sub_mismatch")
    return plain_claims(claims)


def _broken(reason: str) -> UpstreamError:
    text = "the login service gave no usable answer about the person"
    return UpstreamError("server_error", text, reason=reason, status=502)
