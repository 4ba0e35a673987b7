"""The lab's pages keep what a person or a claim says in its place, and run under their own policy."""

from __future__ import annotations

import pytest

from proxy.lab import pages
from proxy.lab.page import Reader, submits_itself
from proxy.lab.people import PEOPLE

EVIL = '"><script>alert(1)</script>'


@pytest.mark.parametrize(
    "html",
    [
        pages.login("T", EVIL, PEOPLE, "/login?" + EVIL, EVIL),
        pages.message(EVIL, EVIL),
        pages.post_back("http://127.0.0.1/" + EVIL, {"error": EVIL, EVIL: "x"}),
        pages.claims(EVIL, EVIL, {"name": EVIL, EVIL: 1}, [{"href": "/x", "text": EVIL, "kind": ""}]),
    ],
)
def test_no_value_becomes_markup(html: str) -> None:
    """Whatever stands in a value is shown, never run."""
    assert EVIL not in html
    reader = Reader("http://127.0.0.1/")
    reader.feed(html)
    assert [script.text for script in reader.scripts] in ([], [pages.SEND])


def test_the_post_page_runs_under_its_policy_and_has_a_button() -> None:
    """It sends itself where script runs, and by a button where it does not."""
    reader = Reader("http://127.0.0.1/")
    reader.feed(pages.post_back("http://127.0.0.1:9/cb", {"id_token": "x"}))
    assert submits_itself(reader, pages.POST_HEADERS["Content-Security-Policy"])
    assert not submits_itself(reader, pages.HEADERS["Content-Security-Policy"])
    assert [button.name for button in reader.forms[0].buttons] == ["Continue"]
