"""What lets a client's page watch the session."""

from __future__ import annotations

import hashlib

import pytest

from proxy.downstream.authorize import check_request
from proxy.downstream.session_management import SessionManagement, session_state, web_origin
from tests.downstream.world import ISSUER, NOW, WEBAPP, World, a_session, asked

WATCH = SessionManagement(ISSUER, "__Host-isthmus-state-1")
CALLBACK = "https://app.example/cb"


def test_every_answer_carries_a_session_state() -> None:
    """Session Management 2: a salted hash of client, origin and the browser's state, another salt each time."""
    request = check_request(asked(), WEBAPP, CALLBACK)
    session = a_session(browser_state="state-of-ada")
    seen = set()
    for _ in range(2):
        fields, writes = WATCH.accompany(request, WEBAPP, session, NOW)
        digest, _, salt = fields["session_state"].partition(".")
        text = f"webapp https://app.example state-of-ada {salt}"
        assert digest == hashlib.sha256(text.encode()).hexdigest() and not writes
        seen.add(salt)
    assert len(seen) == 2


def test_a_session_without_a_state_has_nothing_to_watch() -> None:
    """It began before management was switched on."""
    assert WATCH.accompany(check_request(asked(), WEBAPP, CALLBACK), WEBAPP, a_session(), NOW) == ({}, ())


def test_the_state_changes_with_each_of_its_parts() -> None:
    """Another client, origin, state or salt is another hash."""
    parts = ("app", "https://app.example", "state", "salt")
    one = session_state(*parts)
    for place in range(3):
        other = [*parts]
        other[place] += "x"
        assert session_state(*other) != one
    assert one.endswith(".salt")


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://app.example/cb?x=1", "https://app.example"),
        ("https://APP.example:443/cb", "https://app.example"),
        ("http://127.0.0.1:5000/cb", "http://127.0.0.1:5000"),
    ],
)
def test_the_origin_is_what_a_browser_says(url: str, origin: str) -> None:
    """RFC 6454 6.2: the frame compares it with the sender of a message."""
    assert web_origin(url) == origin


async def test_az_22_the_frame_may_be_framed_by_anybody(world: World) -> None:
    """AZ-22: the page that watches, and no other; it names the cookie and holds nothing else."""
    answer = await WATCH.check(world.request({}))
    assert (answer.page, answer.framed_by, answer.script) == ("check_session.html", ("*",), "check_session")
    assert answer.values == {"cookie": "__Host-isthmus-state-1"}
    assert WATCH.metadata() == {"check_session_iframe": f"{ISSUER}session/check"}
