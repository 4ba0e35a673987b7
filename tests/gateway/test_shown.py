"""Answers of the gateway's own: pages, JSON, redirects."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from proxy.gateway.request import Asked
from proxy.gateway.shown import CODES, NEEDED, TOLD, Shown, redirect, told
from proxy.models.route import Allow

RULES = {
    "users": "user", "email_domains": "email_domain", "groups": "group", "claims": "claim", "connections": "connection",
}  # fmt: skip
"""The kinds of rules, and the words of the decision."""
PERSON = Asked(b"GET", b"/", id="r-1")
PROGRAM = Asked(b"GET", b"/", seen={b"sec-fetch-mode": b"cors"}, id="r-1")


def render(template: str, values: Mapping[str, Any], script: str, leads_away: bool) -> tuple[str, str]:
    """Says what it was given."""
    return json.dumps([template, dict(values), script, leads_away]), "policy"


SHOWN = Shown(render)


def test_a_page_has_its_policy() -> None:
    """And what else it is given."""
    page = SHOWN.page("x.html", 200, {"a": 1}, script="s", leads_away=True, headers=(("X", "y"),))
    assert page.headers[1:] == (("Content-Security-Policy", "policy"), ("X", "y"))
    assert json.loads(page.body) == ["x.html", {"a": 1}, "s", True]


@pytest.mark.parametrize("status", [*TOLD, 418, 599])
def test_p10_every_status_has_words(status: int) -> None:
    """P10: for people and for programs; what is not known is ours from 500 on, and the request's below."""
    page, plain = SHOWN.trouble(PERSON, status), SHOWN.trouble(PROGRAM, status)
    title = json.loads(page.body)[1]["title"]
    assert (
        title == json.loads(plain.body)["error_description"] == TOLD.get(status, TOLD[400 if status < 500 else 500])[0]
    )
    assert json.loads(plain.body)["error"] == CODES.get(status, "invalid_request" if status < 500 else "server_error")
    assert page.status == plain.status == status


def test_a_detail_takes_the_place_of_the_text() -> None:
    """And headers come with both."""
    for asked in (PERSON, PROGRAM, None):
        reply = SHOWN.trouble(asked, 503, detail="so it is", again="/", headers=(("Retry-After", "1"),))
        assert b"so it is" in reply.body and reply.headers[-1] == ("Retry-After", "1")


@pytest.mark.parametrize("rule", [*NEEDED, "plugin", "what nobody knows"])
def test_who_may_not_hears_what_kind_of_thing_is_needed(rule: str) -> None:
    """And everybody the same of one kind, whatever the operator wrote; of what has no words nothing is said."""
    page, plain = SHOWN.forbidden(PERSON, rule, "/out"), SHOWN.forbidden(PROGRAM, rule, "/out")
    needed = NEEDED.get(rule, "")
    assert (page.status, plain.status) == (403, 403)
    assert json.loads(page.body)[:2] == [
        "gateway_forbidden.html", {"needed": needed, "again": "/out", "reference": "r-1"},
    ]  # fmt: skip
    assert json.loads(plain.body)["error_description"] == f"This is not for you. {needed}".strip()


def test_every_rule_that_keeps_people_out_has_words() -> None:
    """But for what another login may mend, and what a plugin alone knows."""
    kinds = set(Allow.model_fields) - {"acr", "plugin"}
    assert set(NEEDED) == {RULES[kind] for kind in kinds}


def test_a_program_is_told_more() -> None:
    """Beside error and description."""
    assert json.loads(told(401, "text", login="x").body) == {
        "error": "login_required", "error_description": "text", "login": "x",
    }  # fmt: skip


def test_a_redirect_is_a_303() -> None:
    """A POST does not go on as one."""
    reply = redirect("https://x.example/", "a=b", "c=d")
    assert (reply.status, reply.body) == (303, b"")
    assert reply.headers == (("Location", "https://x.example/"), ("Set-Cookie", "a=b"), ("Set-Cookie", "c=d"))
