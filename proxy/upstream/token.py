"""A code for tokens at the tenant's token endpoint (OpenID Connect Core 3.1.3, RFC 6749 4.1.3)."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote_plus, urlencode

from proxy.models import Connection, TenantTokens
from proxy.oidc.errors import UpstreamError
from proxy.oidc.messages import HttpRequest, HttpResponse
from proxy.oidc.strict_json import NotStrict, load_object
from proxy.upstream.metadata import Metadata
from proxy.upstream.patience import later

EXCHANGE_SECONDS = 5.0


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


def build_exchange(
    connection: Connection, metadata: Metadata, *, code: str, verifier: str, redirect_uri: str
) -> HttpRequest:
    """The token request, authenticated as the connection says (Core 9)."""
    options = connection.options
    secret = options.client_secret.get_secret_value() if options.client_secret else ""
    method = options.token_endpoint_auth_method or default_method(metadata, has_secret=bool(secret))
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": redirect_uri}
    headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
    if verifier:
        form["code_verifier"] = verifier
    if method == "client_secret_basic":
        headers["Authorization"] = _basic(options.client_id, secret)
    else:
        form["client_id"] = options.client_id
    if method == "client_secret_post":
        form["client_secret"] = secret
    body = urlencode(form).encode("ascii")
    return HttpRequest(
        "POST", metadata.token_endpoint, headers=headers, body=body, seconds=EXCHANGE_SECONDS, group=connection.name
    )


def default_method(metadata: Metadata, *, has_secret: bool) -> str:
    """Basic where the tenant takes it (one that does not say takes it: Discovery 3), else the secret in the form."""
    if not has_secret:
        return "none"
    basic = not metadata.auth_methods or "client_secret_basic" in metadata.auth_methods
    return "client_secret_basic" if basic else "client_secret_post"


def _basic(client_id: str, secret: str) -> str:
    """Both parts form-urlencoded before they are joined (RFC 6749 2.3.1)."""
    pair = f"{quote_plus(client_id)}:{quote_plus(secret)}"
    return f"Basic {base64.b64encode(pair.encode('ascii')).decode('ascii')}"


def check_exchange(response: HttpResponse) -> Tokens:
    """The tokens (RFC 6749 5.1). Raises ``UpstreamError``: 400 for a code that is not good, 502 for a broken answer,
    503 for a tenant that is busy."""
    if response.status in (429, 503):
        raise later()
    if response.status in (400, 401, 403):
        raise _refusal(response)
    if response.status != 200:
        raise _broken("token_status")
    found = _object(response)
    id_token, access_token, token_type = (found.get(name) for name in ("id_token", "access_token", "token_type"))
    if not isinstance(token_type, str) or token_type.lower() != "bearer":
        raise _broken("token_type")
    if not isinstance(id_token, str) or not isinstance(access_token, str) or not (id_token and access_token):
        raise _broken("token_missing")
    return Tokens(id_token, access_token, _text(found, "refresh_token"), _text(found, "scope"), _seconds(found))


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
