"""How we show a tenant that we are its client (OpenID Connect Core 9, RFC 6749 2.3.1, RFC 7523 2.2)."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote_plus

from proxy.models import ConnectionOptions
from proxy.oidc import jose
from proxy.oidc.errors import UpstreamError
from proxy.oidc.jose import Signer
from proxy.upstream.issuer import is_template
from proxy.upstream.metadata import Metadata

ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
LIFE = 60
"""Seconds that an assertion of ours is good for."""


@dataclass(frozen=True, repr=False)
class Credentials:
    """What we authenticate with: ``secret`` or ``signer``, as the ``method`` needs. ``audience`` is whom an assertion
    is meant for."""

    client_id: str
    method: str
    audience: str
    secret: str = ""
    signer: Signer | None = None


def method_of(options: ConnectionOptions, metadata: Metadata) -> str:
    """The configured method; else Basic where the tenant takes it (one that does not say takes it: Discovery 3), else
    the secret in the form; none without a secret."""
    if options.token_endpoint_auth_method:
        return options.token_endpoint_auth_method
    if options.client_secret is None:
        return "none"
    basic = not metadata.auth_methods or "client_secret_basic" in metadata.auth_methods
    return "client_secret_basic" if basic else "client_secret_post"


def audience_of(options: ConnectionOptions, metadata: Metadata) -> str:
    """The tenant's issuer, or its token endpoint where that was asked for, or where no one issuer can be named."""
    by_endpoint = options.token_endpoint_jwtca_aud_format == "token_endpoint" or is_template(options)
    return metadata.token_endpoint if by_endpoint else metadata.issuer


def authentication(known: Credentials, now: float) -> tuple[Mapping[str, str], Mapping[str, str]]:
    """The headers and the form fields that authenticate a request. Raises ``UpstreamError`` for a secret that cannot
    sign."""
    if known.method == "client_secret_basic":
        return {"Authorization": _basic(known.client_id, known.secret)}, {}
    fields = {"client_id": known.client_id}
    if known.method == "client_secret_post":
        fields["client_secret"] = known.secret
    if known.method in ("client_secret_jwt", "private_key_jwt"):
        fields |= {"client_assertion_type": ASSERTION, "client_assertion": _assertion(known, now)}
    return {}, fields


def _basic(client_id: str, secret: str) -> str:
    """Both parts form-urlencoded before they are joined (RFC 6749 2.3.1)."""
    pair = f"{quote_plus(client_id)}:{quote_plus(secret)}"
    return f"Basic {base64.b64encode(pair.encode('ascii')).decode('ascii')}"


def _assertion(known: Credentials, now: float) -> str:
    """Good once, for a minute (RFC 7523 3)."""
    claims: Mapping[str, Any] = {
        "iss": known.client_id,
        "sub": known.client_id,
        "aud": known.audience,
        "iat": int(now),
        "exp": int(now) + LIFE,
        "jti": secrets.token_urlsafe(16),
    }
    if known.signer is not None:
        return known.signer.sign(claims, typ="JWT")
    try:
        return jose.sign_mac(claims, known.secret, "HS256", "JWT")
    except ValueError:
        text = "the login service cannot be asked"
        raise UpstreamError("server_error", text, reason="weak_client_secret", status=502) from None
