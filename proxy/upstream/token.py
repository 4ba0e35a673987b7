"""A code for tokens at the tenant's token endpoint (OpenID Connect Core 3.1.3, RFC 6749 4.1.3)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from proxy.models import TenantTokens
from proxy.oidc.errors import UpstreamError
from proxy.oidc.messages import HttpResponse
from proxy.oidc.strict_json import NotStrict, load_object
from proxy.upstream.patience import later

BEARER, DPOP = "Bearer", "DPoP"


@dataclass(frozen=True, repr=False)
class Tokens:
    """What the tenant gave. Nothing of it is checked yet but that it is there."""

    id_token: str
    access_token: str
    refresh_token: str = ""
    scope: str = ""
    expires_in: int | None = None

    def kept(self, asked: tuple[str, ...], now: float) -> TenantTokens:
        """As they are kept for clients. Without ``scope`` the tenant gave what was ``asked`` (RFC 6749 5.1)."""
        ends = None if self.expires_in is None else int(now) + self.expires_in
        return TenantTokens(self.access_token, self.refresh_token, self.scope or " ".join(asked), ends)


def build_exchange(*, code: str, verifier: str, redirect_uri: str) -> Mapping[str, str]:
    """The form of the token request, but for what authenticates it."""
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": redirect_uri}
    return {**form, "code_verifier": verifier} if verifier else form


def check_exchange(response: HttpResponse, token_type: str = BEARER) -> Tokens:
    """The tokens (RFC 6749 5.1), the access token of exactly the type that was asked for. Raises ``UpstreamError``: 400
    for a code that is not good, 502 for a broken answer, 503 for a tenant that is busy."""
    found = check_answer(response, token_type)
    id_token = found.get("id_token")
    if not isinstance(id_token, str) or not id_token:
        raise _broken("token_missing")
    return tokens(found, id_token)


def check_answer(response: HttpResponse, token_type: str = BEARER) -> Mapping[str, Any]:
    """The answer of a token endpoint with an access token in it. Raises ``UpstreamError``."""
    if response.status in (429, 503):
        raise later()
    if response.status in (400, 401, 403):
        raise _refusal(response)
    if response.status != 200:
        raise _broken("token_status")
    found = _object(response)
    access_token, kind = found.get("access_token"), found.get("token_type")
    if not isinstance(kind, str) or kind.lower() != token_type.lower():
        raise _broken("token_type")
    if not isinstance(access_token, str) or not access_token:
        raise _broken("token_missing")
    return found


def tokens(found: Mapping[str, Any], id_token: str) -> Tokens:
    """The tokens of an answer that holds an access token, or of an authorization response (Core 3.2.2.5)."""
    return Tokens(
        id_token, found["access_token"], _text(found, "refresh_token"), _text(found, "scope"), _seconds(found)
    )


def _text(found: Mapping[str, Any], name: str) -> str:
    value = found.get(name)
    return value if isinstance(value, str) else ""


def _seconds(found: Mapping[str, Any]) -> int | None:
    """``expires_in``, which some write as text; None for what is no number of seconds."""
    digits = str(found.get("expires_in"))
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) < 10 else None


def _refusal(response: HttpResponse) -> UpstreamError:
    """An OAuth error (RFC 6749 5.2). Only a bad code is the browser's; the rest is between the tenant and us."""
    if response.status == 400 and _object(response).get("error") == "invalid_grant":
        return UpstreamError("access_denied", "the login service refused the code", reason="upstream_invalid_grant")
    return _broken("token_refused")


def _object(response: HttpResponse) -> dict[str, Any]:
    try:
        return load_object(response.body)
    except NotStrict:
        raise _broken("token_json") from None


def _broken(reason: str) -> UpstreamError:
    return UpstreamError("server_error", "the login service gave no usable answer", reason=reason, status=502)
