"""Ask the tenant to log the person out, too (OpenID Connect RP-Initiated Logout 1.0), and what of a login must be kept
for that and for watching its session (Session Management 1.0)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from proxy.models import Connection, Identity
from proxy.oidc.urls import with_params
from proxy.upstream.metadata import Metadata

LONGEST_HINT = 4096
"""Characters of an ID token that is kept as a hint: a longer one does not fit into an address that tenants read."""
LONGEST_STATE = 512


def build_request(connection: Connection, metadata: Metadata, *, back: str, hint: str, state: str) -> str:
    """Where to send the browser, which then comes ``back`` with ``state``; empty for a tenant without a logout address.
    ``hint`` is the ID token of the login; without one the tenant may ask the person first (2)."""
    if not metadata.end_session_endpoint:
        return ""
    asked = {
        "client_id": connection.options.client_id,
        "id_token_hint": hint,
        "post_logout_redirect_uri": back,
        "state": state,
    }
    return with_params(metadata.end_session_endpoint, {name: value for name, value in asked.items() if value})


def with_keepsakes(person: Identity, metadata: Metadata, id_token: str, params: Mapping[str, str]) -> Identity:
    """The person with what a session keeps of the tenant's answer ``params``: the ID token where the tenant has a
    logout, ``session_state`` where its session can be watched. Elsewhere nothing, since nobody would ask."""
    hint = id_token if metadata.end_session_endpoint and len(id_token) <= LONGEST_HINT else ""
    state = params.get("session_state", "") if metadata.check_session_iframe else ""
    if len(state) > LONGEST_STATE or " " in state:
        state = ""
    return replace(person, id_token=hint, session_state=state) if hint or state else person
