"""Exchanges that last: confirmed, kept alive, and cut when their session is over or nobody can say."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from proxy.bridge.session import Sessions, Ticket, ends
from proxy.downstream.grant import session_key
from proxy.gateway.held import Held
from proxy.gateway.rechecking import AT_ONCE, DEAF_EVERY, DEAF_TICK, EVERY, IN_DOUBT, LONGEST, TICK, TOUCH, Rechecking
from proxy.gateway.streams import Streams
from proxy.models import Connection, Session
from proxy.models.route import Route
from proxy.oidc.errors import Unavailable
from proxy.store import Get, Op
from proxy.store.memory import MemoryStore
from proxy.store.records import Unreadable
from proxy.store.redis_listen import PING_EVERY, UNANSWERED
from proxy.web.background import running
from tests.bridge.test_session import CORP, NOW, a_session
from tests.kit.waiting import eventually

ADMINS = Route.model_validate(
    {"host": "app.example", "upstream": "http://127.0.0.1:1", "allow": {"groups": ["admins"]}}
)
HOST = "app.example"


class Shaky(MemoryStore):
    """Counts round trips; may be away, or hold a record that cannot be read."""

    def __init__(self, clock: Callable[[], float]) -> None:
        super().__init__(clock)
        self.rounds: list[tuple[Op, ...]] = []
        self.away = False
        self.unreadable = ""

    async def run(self, *ops: Op) -> Any:
        """See ``Store.run``."""
        self.rounds.append(ops)
        if self.away:
            raise Unavailable("away")
        if any(isinstance(op, Get) and op.key == session_key(self.unreadable) for op in ops):
            raise Unreadable("written by another version")
        return await super().run(*ops)


@dataclass
class Desk:
    """A node's exchanges; loop and wall clock move together."""

    now: float = 1000.0
    connections: dict[str, Connection] = field(default_factory=lambda: {"corp": CORP})
    cuts: list[tuple[str, str]] = field(default_factory=list)
    store: Shaky = field(init=False)
    idle: int = 1000

    def __post_init__(self) -> None:
        self.store = Shaky(self.wall)
        self.sessions = Sessions(self.store, self.connections, idle=self.idle, absolute=10_000)
        self.streams = Streams(lambda: self.now)
        self.held = Held(lambda: self.now)
        self.active: dict[str, float] = {}
        self.rechecking = Rechecking(
            self.store, self.sessions, self.streams, self.held, self.allows, clock=lambda: self.now, wall=self.wall
        )
        self.link(True)

    def wall(self) -> float:
        """Seconds since the epoch."""
        return NOW + self.now - 1000

    def allows(self, route: Route, session: Session) -> bool:
        """The rules, as far as these tests need them."""
        return set(route.allow.groups) <= set(session.profile.get("groups", ()))

    def link(self, up: bool) -> None:
        """See ``listening``."""
        self.held.link(up)
        self.rechecking.link(up)

    async def open(self, sid: str, route: Route | None = None, **changes: Any) -> Session:
        """A session with one exchange."""
        session = a_session(**{"sid": sid, "expires_at": int(NOW) + 10_000, **changes})
        await self.store.run(self.sessions.begin(session, Ticket.new(sid), self.wall()))
        self.exchange(sid, route)
        self.store.rounds.clear()
        return session

    def exchange(self, sid: str, route: Route | None = None) -> None:
        """One more exchange of a session."""
        self.active[sid] = self.now
        self.streams.add(
            sid, lambda reason: self.cuts.append((sid, reason)), active=lambda: self.active[sid], route=route
        )

    async def after(self, seconds: float) -> None:
        """A turn, so much later."""
        self.now += seconds
        await self.rechecking.turn()


@pytest.fixture
async def desk() -> Desk:
    return Desk()


def test_p1_the_figures_keep_the_promise() -> None:
    """P1, GW-19: within five seconds when nobody is heard, noticing it included; at least every thirty otherwise."""
    noticed = (UNANSWERED + 1) * PING_EVERY
    assert noticed + IN_DOUBT + DEAF_TICK <= 5.0
    assert noticed + DEAF_EVERY + DEAF_TICK + 0.1 < 5.0
    assert EVERY + TICK <= 30.0 and LONGEST <= 60.0


async def test_gw_19_what_lasts_is_confirmed_again_and_again(desk: Desk) -> None:
    """GW-19: not before its time, in one round trip for all, and it stays open."""
    for n in range(3):
        await desk.open(f"s{n}")
    await desk.after(EVERY - 1)
    assert desk.store.rounds == []
    await desk.after(2)
    assert [len(ops) for ops in desk.store.rounds] == [3]
    await desk.after(EVERY - 1)
    assert len(desk.store.rounds) == 1
    await desk.after(2)
    assert len(desk.store.rounds) == 2 and desk.cuts == []


@pytest.mark.parametrize("how", ["dropped", "idle", "connection"])
async def test_gw_19_se_14_a_session_that_is_over_without_a_word_is_found(how: str) -> None:
    """GW-19, SE-14: dropped where nobody told, its idle end, its connection taken away; it is not held any more."""
    desk = Desk(idle=15 if how == "idle" else 1000)
    session = await desk.open("ada")
    if how == "dropped":
        await desk.store.run(ends("ada")[0])
    elif how == "connection":
        desk.connections.clear()
    await desk.after(EVERY - 1)
    assert desk.cuts == [] and desk.held.keep("c", HOST, session, desk.now)
    await desk.after(1)
    assert desk.cuts == [("ada", "session_ended")]
    assert desk.held.get("c", HOST, desk.now) is None and not desk.held.keep("c", HOST, session, desk.now)


async def test_gw_19_se_11_at_its_absolute_end_a_session_has_nothing_open(desk: Desk) -> None:
    """GW-19, SE-11: the end is known since the last answer, and kept to the turn."""
    await desk.open("ada", expires_at=int(NOW) + int(EVERY) + 5)
    await desk.after(EVERY)
    await desk.after(4.9)
    assert desk.cuts == [] and len(desk.store.rounds) == 1
    await desk.after(0.1)
    assert desk.cuts == [("ada", "session_ended")] and len(desk.store.rounds) == 1


async def test_ft_18_p1_with_the_link_lost_all_are_asked_for_at_once_and_each_second(desk: Desk) -> None:
    """FT-18, P1: a session that another node ended without our hearing is found by asking."""
    for sid in ("ada", "bob"):
        await desk.open(sid)
    await desk.after(5)
    desk.link(False)
    await desk.store.run(ends("ada")[0])
    await desk.after(0)
    assert desk.cuts == [("ada", "session_ended")]
    desk.store.rounds.clear()
    for _ in range(4):
        await desk.after(DEAF_EVERY / 2)
    assert len(desk.store.rounds) == 2
    desk.link(True)
    await desk.after(0)
    assert len(desk.store.rounds) == 3  # what was missed meanwhile is asked for once
    await desk.after(EVERY - 1)
    assert len(desk.store.rounds) == 3


async def test_ft_18_p1_what_cannot_be_confirmed_is_cut_in_time(desk: Desk) -> None:
    """P1: link and store are lost; four seconds at most after it was noticed nothing is open that nobody vouches for,
    and an exchange that began meanwhile has its own time."""
    await desk.open("ada")
    desk.store.away = True
    desk.link(False)
    await desk.after(IN_DOUBT - 0.1)
    desk.exchange("bob")
    assert desk.cuts == []
    await desk.after(0.1)
    assert desk.cuts == [("ada", "unconfirmed")] and list(desk.streams.sids()) == ["bob"]
    await desk.after(IN_DOUBT)
    assert desk.cuts[1:] == [("bob", "unconfirmed")]


async def test_ft_01_a_store_that_comes_back_in_time_cuts_nobody(desk: Desk) -> None:
    """FT-01: away for three seconds; then all is confirmed, and doubt begins anew with the next loss."""
    await desk.open("ada")
    desk.store.away = True
    desk.link(False)
    await desk.after(IN_DOUBT - 0.5)
    desk.store.away = False
    await desk.after(0.1)
    desk.store.away = True
    await desk.after(IN_DOUBT - 0.1)
    desk.store.away = False
    desk.link(True)
    await desk.after(0.05)
    assert desk.cuts == []
    desk.store.away = True
    await desk.after(LONGEST - 1)
    assert desk.cuts == []
    await desk.after(1)
    assert desk.cuts == [("ada", "unconfirmed")]


async def test_p1_a_link_that_comes_back_does_not_end_the_doubt(desk: Desk) -> None:
    """P1: while it was lost something may have been missed; the store must say so, or the exchange is cut."""
    await desk.open("ada")
    desk.store.away = True
    desk.link(False)
    await desk.after(1)
    desk.link(True)
    await desk.after(IN_DOUBT - 1)
    assert desk.cuts == [("ada", "unconfirmed")]


async def test_one_record_that_cannot_be_read_puts_no_other_in_doubt(desk: Desk) -> None:
    """FT-26: it is left as it is, and its own exchanges are cut in time."""
    for n in range(AT_ONCE + 50):
        await desk.open(f"s{n}")
    desk.store.unreadable = "s77"
    desk.link(False)
    for _ in range(10):
        await desk.after(0.5)
    assert desk.cuts == [("s77", "unconfirmed")]
    assert max(len(ops) for ops in desk.store.rounds) == AT_ONCE


async def test_se_14_gw_19_rights_that_were_taken_end_what_needed_them(desk: Desk) -> None:
    """SE-14, GW-19: the profile was written anew, without the group: looked at soon, and cut where the route asks for
    it alone."""
    session = await desk.open("ada", ADMINS, profile={"groups": ["admins"]})
    desk.exchange("ada")
    await desk.after(EVERY)
    assert desk.cuts == []
    newer = a_session(sid="ada", expires_at=session.expires_at, profile={"groups": []})
    await desk.store.run(desk.sessions.renew(newer, Ticket.new("ada"), desk.wall()))
    desk.rechecking.changed("ada")
    await desk.after(1)
    assert desk.cuts == [("ada", "forbidden")] and len(desk.streams.of("ada")) == 1


async def test_a_change_of_a_session_that_is_not_open_here_costs_nothing(desk: Desk) -> None:
    """Every node hears of every change."""
    await desk.open("ada")
    desk.rechecking.changed("eve")
    await desk.after(1)
    assert desk.store.rounds == []


async def test_an_exchange_in_which_bytes_go_keeps_its_session_alive() -> None:
    """As requests do; at most once a minute, and not one in which nothing goes."""
    desk = Desk(idle=200)
    await desk.open("ada")
    await desk.open("bob")
    for _ in range(12):
        desk.active["ada"] = desk.now + 1
        await desk.after(EVERY)
    assert desk.cuts == [("bob", "session_ended")] and list(desk.streams.sids()) == ["ada"]
    touches = [ops for ops in desk.store.rounds if not isinstance(ops[0], Get)]
    assert len(touches) == 12 * EVERY / TOUCH and all(len(ops) == 1 for ops in touches)


async def test_a_touch_that_fails_is_no_reason_to_cut(desk: Desk) -> None:
    """The session was confirmed; it is kept alive another time."""
    await desk.open("ada")
    desk.active["ada"] = desk.now + TOUCH
    plain = desk.store.run

    async def once(*ops: Op) -> Any:
        if not isinstance(ops[0], Get):
            raise Unavailable("away")
        return await plain(*ops)

    desk.store.run = once  # type: ignore[method-assign]  # only writes fail
    await desk.after(TOUCH)
    assert desk.cuts == []


async def test_ft_29_a_turn_that_fails_is_not_the_last(monkeypatch: pytest.MonkeyPatch) -> None:
    """FT-29: whatever went wrong, the next turn comes; a lost link and a change bring it at once."""
    desk, turns = Desk(), 0

    async def turn() -> None:
        nonlocal turns
        turns += 1
        raise RuntimeError("unforeseen")

    async def another() -> bool:
        desk.link(False)
        return turns > 3

    monkeypatch.setattr(desk.rechecking, "turn", turn)
    async with running(desk.rechecking.run()):
        await eventually(another)


async def test_a_turn_comes_by_itself() -> None:
    """With the running loop's time."""
    desk = Desk()
    rechecking = Rechecking(desk.store, desk.sessions, desk.streams, desk.held, desk.allows)
    loop = asyncio.get_running_loop()
    desk.now = loop.time()
    await desk.open("ada")
    await desk.store.run(ends("ada")[0])

    async def cut() -> bool:
        return desk.cuts == [("ada", "session_ended")]

    async with running(rechecking.run()):
        rechecking.link(False)
        await eventually(cut)
