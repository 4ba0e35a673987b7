"""Who has what open: cut when a session ends, each once, and counted by person."""

from __future__ import annotations

from dataclasses import dataclass, field

from prometheus_client import generate_latest

from proxy.gateway.lately import SECONDS
from proxy.gateway.streams import Streams
from proxy.telemetry import metrics


@dataclass
class Desk:
    """Exchanges that note why they were cut."""

    now: float = 100.0
    noted: list[tuple[str, str]] = field(default_factory=list)
    streams: Streams = field(init=False)

    def __post_init__(self) -> None:
        self.streams = Streams(lambda: self.now)

    def cut(self, name: str, sid: str = "") -> Cutter:
        """The cut of one exchange."""
        return Cutter(self, name, sid)


@dataclass(eq=False)
class Cutter:
    """Notes, and takes itself out as an exchange does."""

    desk: Desk
    name: str
    sid: str

    def __call__(self, reason: str) -> None:
        self.desk.noted.append((self.name, reason))
        self.desk.streams.discard(self.sid, self)


def test_lo_17_the_end_of_a_session_cuts_what_it_has_open_and_nothing_else() -> None:
    """LO-17: each once; what was over before is left alone."""
    desk = Desk()
    one, two, other, over = desk.cut("one", "ada"), desk.cut("two", "ada"), desk.cut("other"), desk.cut("over")
    for sid, cut in (("ada", one), ("ada", two), ("bob", other), ("ada", over)):
        desk.streams.add(sid, cut)
    desk.streams.discard("ada", over)
    assert desk.streams.end("ada", "session_ended") == 2
    assert desk.noted == [("one", "session_ended"), ("two", "session_ended")]
    assert desk.streams.end("ada", "session_ended") == 0 and list(desk.streams.sids()) == ["bob"]
    desk.streams.discard("ada", one)
    desk.streams.discard("bob", other)
    assert list(desk.streams.sids()) == []
    assert b'isthmus_streams_ended_total{reason="session_ended"}' in generate_latest(metrics.REGISTRY)


def test_lo_17_an_exchange_that_begins_as_its_session_ends_is_cut_at_once() -> None:
    """LO-17, SE-13: it was let through by what the store said before the message."""
    desk = Desk()
    desk.streams.end("ada", "session_ended")
    desk.now += 1
    desk.streams.add("ada", desk.cut("late", "ada"))
    assert desk.noted == [("late", "session_ended")] and list(desk.streams.sids()) == []
    desk.streams.end("bob", "unconfirmed")
    desk.streams.add("bob", desk.cut("again"))  # the session may well be there
    desk.now += SECONDS + 1
    desk.streams.add("ada", desk.cut("later"))
    assert len(desk.noted) == 1


def test_gw_19_what_is_open_is_found() -> None:
    """GW-19: the sessions to ask for again, with the beginning of their first exchange."""
    desk = Desk()
    desk.streams.add("ada", desk.cut("one"))
    desk.now += 10
    desk.streams.add("ada", desk.cut("two"))
    desk.streams.add("bob", desk.cut("three"), active=lambda: 7.0)
    assert desk.streams.beginnings() == {"ada": 100.0, "bob": 110.0}
    ((cut, exchange),) = desk.streams.of("bob")
    assert exchange.active is not None and exchange.active() == 7.0 and desk.streams.of("eve") == ()
    desk.streams.cut("bob", cut, "forbidden")
    assert desk.noted == [("three", "forbidden")] and list(desk.streams.sids()) == ["ada"]


def test_ds_17_websockets_are_counted_by_route_and_person() -> None:
    """DS-17: one person may have so many on a route; the seat of one that is over is free."""
    streams = Desk().streams
    seat = ("app", "oidc|corp|ada")
    assert [streams.sit(seat, 2) for _ in range(3)] == [True, True, False]
    assert streams.sit(("app", "oidc|corp|bob"), 2) and streams.sit(("other", "oidc|corp|ada"), 2)
    streams.rise(seat)
    assert [streams.sit(seat, 2) for _ in range(2)] == [True, False]


def test_gw_19_one_that_cannot_be_cut_keeps_none_of_the_others_open() -> None:
    """GW-19: a session's end ends all that it can."""
    desk, ended = Desk(), list[str]()

    def cannot(reason: str) -> None:
        raise RuntimeError(reason)

    for cut in (cannot, ended.append):
        desk.streams.add("s1", cut)
    assert desk.streams.end("s1", "session_ended") == 2
    assert ended == ["session_ended"] and not list(desk.streams.sids())
