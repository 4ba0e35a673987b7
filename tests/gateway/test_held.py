"""Sessions in this process: held for seconds, gone with a message, and never there when nobody can be heard."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from proxy.gateway.held import FRESH, Held
from proxy.gateway.lately import SECONDS
from proxy.models import Session
from tests.bridge.test_session import a_session

HOST = "app.example"
ADA, BOB = a_session(sid="ada"), a_session(sid="bob")


@dataclass
class Desk:
    """A cache whose clock a test moves."""

    now: float = 100.0
    held: Held = field(init=False)

    def __post_init__(self) -> None:
        self.held = Held(lambda: self.now, most=3)
        self.held.link(True)
        self.now += 10

    def keep(self, cookie: str, session: Session, host: str = HOST) -> bool:
        """The store said so just now."""
        return self.held.keep(cookie, host, session, self.now)

    def get(self, cookie: str, host: str = HOST) -> Session | None:
        """What a request gets."""
        return self.held.get(cookie, host, self.now)


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_p1_an_answer_of_the_store_is_used_for_five_seconds_at_most(desk: Desk) -> None:
    """P1: from when the store was asked, however late the answer came; the session itself, so that what was worked out
    of it can be kept beside it."""
    desk.held.keep("c", HOST, ADA, desk.now - 1.0)
    assert FRESH == 5.0
    desk.now += 3.9
    assert desk.get("c") is ADA
    desk.now += 0.1
    assert desk.get("c") is None


def test_p1_a_session_is_not_held_beyond_its_end(desk: Desk) -> None:
    """P1, SE-11: two seconds before its absolute end it is held for two seconds."""
    desk.held.keep("c", HOST, ADA, desk.now, 2.0)
    desk.now += 1.9
    assert desk.get("c") is ADA
    desk.now += 0.1
    assert desk.get("c") is None
    desk.held.keep("c", HOST, ADA, desk.now, 0.0)
    assert desk.get("c") is None and len(desk.held) == 0


def test_se_06_a_cookie_counts_on_its_host_alone(desk: Desk) -> None:
    """SE-06: what is held for one host is nothing on another, nor under another cookie."""
    desk.keep("c", ADA)
    assert (desk.get("c", "other.example"), desk.get("d"), desk.get("c")) == (None, None, ADA)


def test_lo_17_se_14_a_session_that_ended_is_gone_with_the_message(desk: Desk) -> None:
    """LO-17, SE-14: under each of its cookies, and nobody else's."""
    desk.keep("a1", ADA)
    desk.keep("a2", ADA, "other.example")
    desk.keep("b", BOB)
    desk.held.drop("ada")
    assert (desk.get("a1"), desk.get("a2", "other.example"), desk.get("b")) == (None, None, BOB)
    desk.held.drop("ada")
    desk.held.drop("unknown")
    assert len(desk.held) == 1


def test_se_13_what_was_read_before_the_message_is_not_kept_after_it(desk: Desk) -> None:
    """SE-13: the store was asked, then came the message, then the store's older answer."""
    asked = desk.now
    desk.now += 0.2
    desk.held.drop("ada")
    desk.now += 0.2
    assert not desk.held.keep("c", HOST, ADA, asked) and desk.get("c") is None
    assert desk.keep("b", BOB)
    desk.now += SECONDS
    assert desk.keep("c", ADA)  # a session that was changed may be held again


def test_ft_18_p1_nothing_is_held_while_nobody_can_be_heard(desk: Desk) -> None:
    """FT-18, P1: the link is lost: all that was held is gone, and nothing is kept until it is back; what was read while
    it was lost is not kept then either, since a message may have been missed."""
    desk.keep("c", ADA)
    desk.held.link(False)
    assert desk.get("c") is None and not desk.keep("c", ADA) and len(desk.held) == 0
    asked = desk.now
    desk.now += 1
    desk.held.link(True)
    assert not desk.held.keep("c", HOST, ADA, asked)
    assert desk.keep("c", ADA) and desk.get("c") is ADA


def test_p1_nothing_is_held_before_there_was_a_link() -> None:
    """P1: decision variables begin as "no"."""
    held = Held(lambda: 0.0)
    assert not held.keep("c", HOST, ADA, 0.0) and held.get("c", HOST, 0.0) is None


def test_p8_of_too_many_the_oldest_go_and_what_is_not_fresh_before_them(desk: Desk) -> None:
    """P8: bounded; kept again, an entry is the newest."""
    for cookie in ("a", "b", "c", "a", "d"):
        desk.keep(cookie, ADA)
    assert [desk.get(cookie) is ADA for cookie in "abcd"] == [True, False, True, True]
    desk.now += FRESH
    desk.keep("e", BOB)
    assert len(desk.held) == 1
    desk.held.drop("ada")
    assert desk.get("e") is BOB


def test_kept_again_for_another_session_it_is_the_newer_one(desk: Desk) -> None:
    """The same cookie never leads to two sessions, but a message for the one before must not take the newer."""
    desk.keep("c", ADA)
    desk.keep("c", BOB)
    desk.held.drop("ada")
    assert desk.get("c") is BOB
    desk.held.drop("bob")
    assert desk.get("c") is None and len(desk.held) == 0


async def test_the_running_loop_has_the_time() -> None:
    """Without a clock of its own."""
    held = Held()
    held.link(True)
    assert len(held) == 0
