"""The exchanges under way, by the session they go in: when a session ends, they are cut, on every node.

A message from the node where the session ended comes first (``listening``). Beside it every exchange that lasts is
looked at again now and then, and soon when messages cannot be heard: what cannot be confirmed is cut, too
(``rechecking``). WebSockets are counted here by person (DS-17).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from proxy.gateway.lately import Clock, Lately, loop_time
from proxy.models.route import Route
from proxy.telemetry import logs, metrics

Cut = Callable[[str], None]
"""Ends one exchange; told the reason, a word of a fixed set (``session_ended``, ``unconfirmed``, ``forbidden``,
``stopping``)."""
Seat = tuple[str, str]
"""Where WebSockets are counted: a route's label, and a person (or an address where nobody is known)."""


@dataclass(slots=True)
class Exchange:
    """One exchange. ``started`` is the loop's time; ``active`` answers when bytes went last, in either direction;
    ``route`` is whose rules the session must go on to fit."""

    started: float = 0.0
    active: Callable[[], float] | None = None
    route: Route | None = None


class Streams:
    """Who has what open."""

    def __init__(self, clock: Clock = loop_time) -> None:
        self._of: dict[str, dict[Cut, Exchange]] = {}
        self._ended = Lately(clock)
        self._seats: Counter[Seat] = Counter()
        self._clock = clock

    def add(self, sid: str, cut: Cut, *, active: Callable[[], float] | None = None, route: Route | None = None) -> None:
        """An exchange of the session begins. If the session ended just now, it is cut at once, before this returns."""
        there = self._of.get(sid)
        if there is None:
            there = self._of[sid] = {}
        there[cut] = Exchange(self._clock(), active, route)
        if sid in self._ended:
            self.end(sid, "session_ended")

    def discard(self, sid: str, cut: Cut) -> None:
        """It is over."""
        there = self._of.get(sid)
        if there is not None:
            there.pop(cut, None)
            if not there:
                del self._of[sid]

    def end(self, sid: str, reason: str) -> int:
        """Cut what the session has open; answers how many. One that ``session_ended`` never comes back."""
        if reason == "session_ended":
            self._ended.note(sid)
        there = self._of.pop(sid, {})
        for cut in there:
            try:
                cut(reason)
            except Exception as error:  # noqa: BLE001  # whatever it is, the others must end
                logs.event("failed", reason=type(error).__name__, exc_info=error)
        if there:
            metrics.STREAMS_ENDED.labels(reason).inc(len(there))
        return len(there)

    def cut(self, sid: str, cut: Cut, reason: str) -> None:
        """Cut one exchange."""
        self.discard(sid, cut)
        cut(reason)
        metrics.STREAMS_ENDED.labels(reason).inc()

    def sids(self) -> Iterator[str]:
        """The sessions that have something open."""
        return iter(tuple(self._of))

    def of(self, sid: str) -> tuple[tuple[Cut, Exchange], ...]:
        """What a session has open."""
        return tuple(self._of.get(sid, {}).items())

    def beginnings(self) -> dict[str, float]:
        """The sessions that have something open, and when the first of it began."""
        return {sid: min(each.started for each in there.values()) for sid, there in self._of.items()}

    def sit(self, seat: Seat, most: int) -> bool:
        """A WebSocket begins there; answers whether there is room among ``most``. If so, ``rise`` must follow."""
        if self._seats[seat] >= most:
            return False
        self._seats[seat] += 1
        metrics.WEBSOCKETS.inc()
        return True

    def rise(self, seat: Seat) -> None:
        """A WebSocket is over."""
        metrics.WEBSOCKETS.dec()
        self._seats[seat] -= 1
        if self._seats[seat] <= 0:
            del self._seats[seat]
