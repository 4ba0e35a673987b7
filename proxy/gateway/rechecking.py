"""Exchanges that last are looked at again: does the session go on, and may it still go where it went (GW-19)?

While the messages of other nodes are heard, a session's end is known at once, and this is for what nobody tells: its
idle and its absolute limit, a connection that was taken away. While they are not, every session with something open is
asked for each second, some hundred in one round trip; what cannot be confirmed in time is cut (P1: within five
seconds).

An exchange in which bytes go keeps its session alive, as requests do.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from proxy.bridge.session import Sessions
from proxy.downstream.grant import session_key
from proxy.gateway.held import Held
from proxy.gateway.lately import Clock, loop_time
from proxy.gateway.streams import Streams
from proxy.models import Session
from proxy.models.route import Route
from proxy.oidc.errors import Unavailable
from proxy.store import Get, Op, Record, Store
from proxy.store.records import Unreadable
from proxy.telemetry import logs

TICK, DEAF_TICK = 2.0, 0.5
"""Seconds between two turns while others are heard, and while they are not."""
EVERY, DEAF_EVERY = 20.0, 1.0
"""Seconds after which a session is asked for again, likewise."""
LONGEST, IN_DOUBT = 35.0, 3.0
"""Seconds without an answer after which its exchanges are cut: while others are heard, and from when something may have
been missed. A lost link takes a second to be noticed, and a turn comes half a second later: together less than
five."""
TOUCH: Final = 60.0
"""Seconds between two signs of life for one session."""
AT_ONCE = 200
Allows = Callable[[Route, Session], bool]
"""Whether a route's rules still let the session through."""


@dataclass(slots=True)
class Known:
    """What is known of a session. Loop times: ``confirmed``, by the store; in ``doubt`` since; ``touched``, kept alive.
    ``ends`` is its absolute end, seconds since the epoch."""

    confirmed: float
    doubt: float | None
    touched: float
    ends: float


class Rechecking:
    """Looks at the exchanges of ``streams``. ``clock`` is the loop's time, ``wall`` seconds since the epoch."""

    def __init__(
        self,
        store: Store,
        sessions: Sessions,
        streams: Streams,
        held: Held,
        allows: Allows,
        *,
        clock: Clock = loop_time,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._store, self._sessions, self._streams, self._held = store, sessions, streams, held
        self._allows, self._clock, self._wall = allows, clock, wall
        self._known: dict[str, Known] = {}
        self._up_since: float | None = None
        self._changed: set[str] = set()
        self._wake = asyncio.Event()

    def link(self, up: bool) -> None:
        """Whether the messages of others are heard."""
        self._up_since = self._clock() if up else None
        for known in self._known.values():
            known.doubt = known.doubt if known.doubt is not None else self._clock()
        self._wake.set()

    def changed(self, sid: str) -> None:
        """The session was written anew: look at it soon."""
        self._changed.add(sid)
        self._wake.set()

    async def run(self) -> None:
        """Turn after turn, until cancelled."""
        while True:
            try:
                await self.turn()
            except Exception as error:  # noqa: BLE001  # whatever it is, the next turn must come
                logs.event("recheck_failed", exc_info=error)
            await self._pause()

    async def turn(self) -> None:
        """Ask for what is due, and cut what has ended or could not be confirmed."""
        self._wake.clear()
        self._look_around()
        due, self._changed = self._due(self._clock()), set()
        for some in _parts(due):
            if not await self._ask(some):
                break
        self._cut(self._clock())

    async def _pause(self) -> None:
        await asyncio.sleep(0.1)
        try:
            async with asyncio.timeout(TICK if self._up_since is not None else DEAF_TICK):
                await self._wake.wait()
        except TimeoutError:
            return

    def _look_around(self) -> None:
        """Who has something open now. What is new was decided by what the store said lately."""
        before, self._known = self._known, {}
        for sid, began in self._streams.beginnings().items():
            self._known[sid] = before.get(sid) or Known(began, self._doubt(began), began, float("inf"))

    def _doubt(self, confirmed: float) -> float | None:
        """Since when a session that was confirmed then is in doubt."""
        return None if self._up_since is not None and self._up_since <= confirmed else confirmed

    def _due(self, now: float) -> list[str]:
        after = EVERY if self._up_since is not None else DEAF_EVERY
        return [
            sid
            for sid, known in self._known.items()
            if now - known.confirmed >= after
            or sid in self._changed
            or (known.doubt is not None and self._up_since is not None)
        ]

    async def _ask(self, sids: Sequence[str]) -> bool:
        """Ask for some sessions in one round trip; answers whether the store could be asked."""
        asked = self._clock()
        try:
            records: Sequence[Record | None] = await self._store.run(*(Get(session_key(sid)) for sid in sids))
        except Unreadable:
            # One that another version wrote must not put all others in doubt.
            half = len(sids) // 2
            return half == 0 or (await self._ask(sids[:half]) and await self._ask(sids[half:]))
        except Unavailable:
            return False
        touches = [op for sid, record in zip(sids, records, strict=True) for op in self._hear(sid, record, asked)]
        await self._touch(touches)
        return True

    def _hear(self, sid: str, record: Record | None, asked: float) -> Iterator[Op]:
        """What the store said of one session at ``asked``; answers what keeps it alive, if anything has to."""
        session, known = self._sessions.alive(record, self._wall()), self._known.get(sid)
        if session is None:
            self._end(sid)
            return
        for cut, exchange in self._streams.of(sid):
            if exchange.route is not None and not self._allows(exchange.route, session):
                self._streams.cut(sid, cut, "forbidden")
        if known is None:
            return
        known.confirmed, known.doubt, known.ends = asked, self._doubt(asked), session.expires_at
        if asked - known.touched >= min(TOUCH, self._sessions.idle / 3) and self._active(sid) > known.touched:
            known.touched = asked
            yield self._sessions.keep_alive(session, self._wall())

    def _active(self, sid: str) -> float:
        """When bytes went last in an exchange of the session."""
        return max((each.active() for _, each in self._streams.of(sid) if each.active is not None), default=0.0)

    async def _touch(self, ops: list[Op]) -> None:
        try:
            if ops:
                await self._store.run(*ops)
        except Unavailable:
            logs.seldom("sessions_not_kept_alive")

    def _cut(self, now: float) -> None:
        wall = self._wall()
        for sid, known in self._known.items():
            if known.ends <= wall:
                self._end(sid)
            elif now - known.confirmed >= LONGEST or (known.doubt is not None and now - known.doubt >= IN_DOUBT):
                count = self._streams.end(sid, "unconfirmed")
                logs.seldom("exchanges_unconfirmed", exchanges=count)

    def _end(self, sid: str) -> None:
        self._held.drop(sid)
        self._streams.end(sid, "session_ended")


def _parts(sids: list[str]) -> Iterator[list[str]]:
    for start in range(0, len(sids), AT_ONCE):
        yield sids[start : start + AT_ONCE]
