"""What we send a tenant so that it logs a person out, too, and what a session keeps for that."""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import parse_qsl, urlsplit

import pytest

from proxy.models import Connection, Identity
from proxy.upstream.logout import LONGEST_HINT, build_request, with_keepsakes
from proxy.upstream.metadata import Metadata

CORP = Connection.model_validate(
    {"name": "corp", "options": {"client_id": "isthmus", "discovery_url": "https://idp.example"}}
)
THEIRS = Metadata(
    issuer="https://idp.example",
    authorization_endpoint="https://idp.example/authorize",
    jwks_uri="https://idp.example/jwks",
    end_session_endpoint="https://idp.example/bye?x=1",
    check_session_iframe="https://idp.example/check",
)
BACK = "https://sso.example/login/logged-out"
ADA = Identity("corp", "https://idp.example", "ada", {})


@pytest.mark.parametrize("hint", ["a.b.c", ""])
def test_the_tenant_hears_who_asks_about_whom_and_where_to_send_the_browser(hint: str) -> None:
    """RP-Initiated Logout 2: the ID token, if there is one, ``client_id``, our address, a state; a query of theirs is
    kept."""
    url = build_request(CORP, THEIRS, back=BACK, hint=hint, state="s")
    assert url.startswith("https://idp.example/bye?x=1&")
    asked = {"x": "1", "client_id": "isthmus", "post_logout_redirect_uri": BACK, "state": "s"}
    assert dict(parse_qsl(urlsplit(url).query)) == (asked | {"id_token_hint": hint} if hint else asked)


def test_a_tenant_without_a_logout_address_is_skipped() -> None:
    """Our own logout does not depend on it."""
    assert build_request(CORP, replace(THEIRS, end_session_endpoint=""), back=BACK, hint="", state="s") == ""


@pytest.mark.parametrize(
    ("changes", "token", "state", "kept"),
    [
        ({}, "a.b.c", "hash.salt", ("a.b.c", "hash.salt")),
        ({"end_session_endpoint": ""}, "a.b.c", "hash.salt", ("", "hash.salt")),
        ({"check_session_iframe": ""}, "a.b.c", "hash.salt", ("a.b.c", "")),
        ({"check_session_iframe": "", "end_session_endpoint": ""}, "a.b.c", "hash.salt", ("", "")),
        ({}, "t" * (LONGEST_HINT + 1), "hash.salt", ("", "hash.salt")),
        ({}, "a.b.c", "two words", ("a.b.c", "")),
        ({}, "a.b.c", "s" * 513, ("a.b.c", "")),
        ({}, "a.b.c", "", ("a.b.c", "")),
    ],
)
def test_a_session_keeps_what_its_tenant_has_a_use_for(
    changes: dict[str, str], token: str, state: str, kept: tuple[str, str]
) -> None:
    """The ID token for a logout there, unless no address could hold it, and the state for the frame that watches."""
    person = with_keepsakes(ADA, replace(THEIRS, **changes), token, {"session_state": state} if state else {})
    assert (person.id_token, person.session_state) == kept
    assert "a.b.c" not in repr(person)
