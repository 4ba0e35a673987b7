"""Refusals are short, and told in the caller's words."""

from __future__ import annotations

import json

import pytest
from aiohttp.test_utils import make_mocked_request

from proxy.web.refusals import TEXTS, refusal

ISSUER = "https://sso.example/"


@pytest.mark.parametrize("status", TEXTS)
def test_a_person_hears_words_and_a_program_json(status: int) -> None:
    """A browser gets plain text, never markup; a program the OAuth error body."""
    person = refusal(make_mocked_request("GET", "/", headers={"Accept": "text/html"}), status, ISSUER)
    program = refusal(make_mocked_request("GET", "/"), status, ISSUER)
    assert (person.content_type, person.text) == ("text/plain", TEXTS[status])
    assert set(json.loads(program.text or "")) == {"error", "error_description"}
    assert ("Retry-After" in program.headers) is (status == 503)
    assert ("Allow" in program.headers) is (status == 405)


def test_those_turned_away_come_back_at_different_times() -> None:
    """The time to come back is not the same for all, or all would come at once (P9)."""
    told = {refusal(make_mocked_request("GET", "/"), 503, ISSUER).headers["Retry-After"] for _ in range(100)}
    assert len(told) > 1
