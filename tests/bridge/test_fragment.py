"""Answers in a fragment: our page posts them on, and nobody else's form is taken for it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from proxy.bridge import fragment
from proxy.features import Request

NOW = 1_800_000_000.0
BROWSER, OTHER = "b" * 43, "o" * 43
COMES = Request("GET", "/login/callback/corp", {}, {}, NOW, browsers=(BROWSER, OTHER))


def proof() -> str:
    return str(fragment.page(COMES).values["proof"])


def posted(params: dict[str, str], *browsers: str) -> str:
    return fragment.mode_of(replace(COMES, method="POST", params=params, browsers=browsers or (BROWSER,)))


def test_the_page_posts_to_the_address_it_stands_at() -> None:
    """Own callbacks too; by the one script that its policy names; the next redirect may lead to the application."""
    answer = fragment.page(COMES)
    assert (answer.page, answer.script, answer.leads_away) == ("fragment.html", "fragment", True)
    assert answer.values["action"] == "/login/callback/corp"
    assert BROWSER not in str(answer.values)


def test_cb_07_the_way_an_answer_came_is_known_for_sure() -> None:
    """CB-07: in the address, by a tenant's form, by the form of our page in this browser."""
    assert fragment.mode_of(COMES) == "query"
    assert posted({"code": "c"}) == "form_post"
    assert posted({"code": "c", fragment.MARK: proof()}) == "fragment"
    assert posted({fragment.MARK: proof()}, OTHER, BROWSER) == "fragment"
    for method in ("HEAD", "PUT"):
        assert fragment.mode_of(replace(COMES, method=method)) == ""


@pytest.mark.parametrize("mark", ["", "1", "true", "\u00e9", "\ud800", "A" * 43])
def test_cb_07_a_tenants_form_is_no_fragment(mark: str) -> None:
    """CB-07: whatever it puts into the field."""
    assert posted({fragment.MARK: mark}) == "form_post"


def test_cb_02_the_page_of_one_browser_serves_no_other() -> None:
    """CB-02: its proof is made of the browser's own secret."""
    assert posted({fragment.MARK: proof()}, OTHER) == "form_post"
    assert fragment.mode_of(Request("POST", "/", {fragment.MARK: proof()}, {}, NOW)) == "form_post"
