"""What is written: one JSON object a line, no secret, nothing that a stranger shaped."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
from aiohttp import web

from proxy.telemetry import logs
from tests.kit.serving_site import knocking


class Paper(io.StringIO):
    """A stream whose lines can be read as events."""

    def events(self) -> list[dict[str, Any]]:
        logs.close()
        return [json.loads(line) for line in self.getvalue().splitlines()]


@pytest.fixture
def paper() -> Iterator[Paper]:
    """The log, from level debug, on paper."""
    stream = Paper()
    kept = logging.getLogger().handlers[:], logging.getLogger().level
    logs._quiet.clear()
    logs.configure("debug", stream)
    yield stream
    logs.close()
    logging.getLogger().handlers[:], level = kept
    logging.getLogger().setLevel(level)


@pytest.mark.parametrize(
    "evil",
    ["a\r\nb", '"}\n{"event":"forged"', "\x1b[31mred", "%s %d {} {0}", "\u2028\u2029", "\x7f\x9b", "\ud800", "\x00"],
)
def test_cf_06_mg_13_one_object_a_line(paper: Paper, evil: str) -> None:
    """Line breaks, terminal codes, format marks and JSON in any field forge nothing (CF-06, MG-13)."""
    logs.event("refused", client_id=evil, reason=evil)
    logging.getLogger("isthmus.test").warning(evil, extra={"group": evil})
    events = paper.events()
    assert [event["level"] for event in events] == ["info", "warning"]
    assert paper.getvalue().isascii()
    assert not any(ord(char) < 32 or ord(char) == 127 for char in paper.getvalue().replace("\n", ""))


@pytest.mark.parametrize("name", sorted(logs.SECRETS))
def test_cf_05_fields_that_hold_secrets_are_hidden(paper: Paper, name: str) -> None:
    """Whatever is logged under the name of a secret does not show (CF-05)."""
    logs.event("refused", **{name: "MARKER"})
    logging.getLogger("isthmus.test").warning("x", extra={name: "MARKER"})
    paper.events()
    assert "MARKER" not in paper.getvalue()


def test_cf_05_an_exception_tells_its_place_not_its_values(paper: Paper) -> None:
    """A traceback shows types and places; tokens inside the words are hidden (CF-05)."""
    secret = "MARKERabcdefghijklmnopqrstuvwxyz0123456789"
    try:
        raise ValueError(f"bad token {secret}")
    except ValueError as error:
        logs.event("failed", exc_info=error)
        logging.getLogger("aiohttp.server").exception("handling %s", secret)
    first, second = paper.events()
    assert "MARKER" not in paper.getvalue()
    assert first["exception"] == second["exception"] == "ValueError"
    assert "test_logs.py" in first["at"][-1]


def test_cf_05_libraries_say_nothing_below_warning(paper: Paper) -> None:
    """Debug and info lines of libraries are not ours to vouch for (CF-05)."""
    for name in ("aiohttp.client", "redis", "asyncio"):
        logging.getLogger(name).debug("MARKER")
        logging.getLogger(name).info("MARKER")
    assert paper.events() == []


async def test_cf_05_the_access_line_has_no_query_cookie_or_referer(paper: Paper) -> None:
    """Markers in every part of a request show up nowhere in the log, whatever becomes of it (CF-05)."""

    async def handler(request: web.Request) -> web.Response:
        if request.query_string:
            raise RuntimeError("no")
        return web.Response(text="ok")

    marked = dict.fromkeys(("Cookie", "Referer", "Authorization", "User-Agent", "X-Forwarded-For"), "MARKER")
    async with knocking(handler) as site:
        await site.ask("/item/MARKER?code=MARKER&state=MARKER", headers=marked)
        await site.ask("/item/MARKER", "POST", b"client_secret=MARKER", marked)
        await site.ask("/MARKER?code=MARKER", headers=marked)
        await site.raw(b"MARKER\r\n\r\n")
    events = paper.events()
    assert "MARKER" not in paper.getvalue()
    requests = [event for event in events if event["event"] == "request"]
    assert [(event["route"], event["status"]) for event in requests] == [
        ("/item/{name}", 500),
        ("/item/{name}", 200),
        ("unmatched", 404),
    ]
    assert all(event["client"] == "127.0.0.1" and len(event["request_id"]) == 16 for event in requests)


def test_ds_14_texts_are_cut(paper: Paper) -> None:
    """A megabyte of error text is two hundred characters (DS-14)."""
    logs.event("refused", reason="x" * 1_000_000, many=["y" * 1000] * 1000)
    logging.getLogger("isthmus.test").warning("z " * 500_000)
    paper.events()
    assert max(map(len, paper.getvalue().splitlines())) < 200 * 14


def test_ds_14_what_a_stranger_can_cause_is_told_seldom(paper: Paper) -> None:
    """A thousand bad requests in a second are one line, and the next one counts the others (DS-14)."""
    for _ in range(1000):
        logs.seldom("malformed_request")
    lines = len(paper.events())
    assert 1 <= lines <= 3
    assert logs._quiet["malformed_request"][1] + lines >= 900


def test_levels_and_names(paper: Paper) -> None:
    """Below the configured level nothing is written; before configuring, nothing at all."""
    logs.configure("warning", paper)
    logs.event("quiet")
    logs.event("loud", level="warning")
    assert [event["event"] for event in paper.events()] == ["loud"]
    logs.event("after")
    assert "after" not in paper.getvalue()


def test_a_terminal_gets_plain_lines() -> None:
    """On a terminal a line is for people, and control characters are still escaped."""

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    stream = Terminal()
    logs.configure("info", stream)
    logs.event("refused", reason="a\nb\x1b[31m")
    logs.close()
    assert stream.getvalue().count("\n") == 1
    assert 'reason="a\\nb\\u001b[31m"' in stream.getvalue()


def test_mg_13_the_name_of_an_event_is_told_however_long(paper: Paper) -> None:
    """MG-13: an audit line whose event is hidden audits nothing; a token in a sentence is still hidden."""
    names = ("registration_left_at_tenant", "federated_logout_skipped")
    for name in names:
        logging.getLogger("isthmus.upstream").warning(name)
    logging.getLogger("isthmus.upstream").warning("token MARKERabcdefghijklmnopqrstuvwxyz")
    logging.getLogger("redis").warning("markerabcdefghijklmnopqrstuvwxyz")
    events = paper.events()
    assert tuple(event["event"] for event in events[:2]) == names
    assert "marker" not in paper.getvalue().lower()
