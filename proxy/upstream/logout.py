"""Ask the tenant to log the person out, too (OpenID Connect RP-Initiated Logout 1.0)."""

from __future__ import annotations

from proxy.models import Connection
from proxy.oidc.urls import with_params
from proxy.upstream.metadata import Metadata


def build_request(connection: Connection, metadata: Metadata, *, back: str) -> str:
    """Where to send the browser, which then comes ``back``; empty for a tenant without a logout address. The tenant has
    nothing but our name to go by, so it may ask the person first (2)."""
    if not metadata.end_session_endpoint:
        return ""
    asked = {"client_id": connection.options.client_id, "post_logout_redirect_uri": back}
    return with_params(metadata.end_session_endpoint, asked)
