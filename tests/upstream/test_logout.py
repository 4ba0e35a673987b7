"""What we send a tenant so that it logs a person out, too."""

from __future__ import annotations

from dataclasses import replace

from proxy.models import Connection
from proxy.upstream.logout import build_request
from proxy.upstream.metadata import Metadata

CORP = Connection.model_validate(
    {"name": "corp", "options": {"client_id": "isthmus", "discovery_url": "https://idp.example"}}
)
THEIRS = Metadata(
    issuer="https://idp.example",
    authorization_endpoint="https://idp.example/authorize",
    jwks_uri="https://idp.example/jwks",
    end_session_endpoint="https://idp.example/bye?x=1",
)


def test_the_tenant_hears_who_asks_and_where_to_send_the_browser() -> None:
    """RP-Initiated Logout 2: ``client_id`` and our address; a query of theirs is kept."""
    assert build_request(CORP, THEIRS, back="https://sso.example/login/logged-out") == (
        "https://idp.example/bye?x=1&client_id=isthmus"
        "&post_logout_redirect_uri=https%3A%2F%2Fsso.example%2Flogin%2Flogged-out"
    )


def test_a_tenant_without_a_logout_address_is_skipped() -> None:
    """Our own logout does not depend on it."""
    assert build_request(CORP, replace(THEIRS, end_session_endpoint=""), back="https://sso.example/") == ""
