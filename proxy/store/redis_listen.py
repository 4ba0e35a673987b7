"""Hearing what other nodes say, by Redis' publish and subscribe: one connection of its own, made anew when lost.

Redis says a message once, to whom it reaches just then. So what matters as much as hearing is to know when something
may have been missed: the server is asked with a PING several times a second, and a connection that says anything else
than what a subscription says, or leaves ``UNANSWERED`` of our questions without a word, is no link. Questions are
counted, not seconds: a process that is held up itself has not lost its link.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any, cast

import hiredis
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import RedisError

from proxy.store import Heard, Link
from proxy.store.commands import Command, channel

PING_EVERY = 0.25
"""Seconds between two questions to the server."""
UNANSWERED = 3
"""Questions without a word after which the link counts as lost: a second after the last word at the latest."""
SOONEST, LATEST = 0.05, 1.0
"""Seconds until a lost link is made anew: about the first at once, then longer, never more than the second."""
FAULTS = (RedisError, OSError, UnicodeError, ValueError, TypeError)
"""What a connection raises that is refused, cut, late or fed with garbage. A late one raises TimeoutError (OSError)."""
_pack = cast("Callable[[Command], bytes]", hiredis.pack_command)
_PING = _pack(("PING",))


class Ear:
    """Listens to ``topics`` on connections that ``make`` makes. ``connect`` is the time one may take."""

    def __init__(
        self, make: Callable[[], AbstractConnection], topics: Sequence[str], heard: Heard, link: Link, connect: float
    ) -> None:
        self._make, self._heard, self._link, self._connect = make, heard, link, connect
        self._topics = {channel(topic).encode(): topic for topic in topics}
        self._up = False
        self._open = 0

    async def run(self) -> None:
        """Listen until cancelled."""
        pause = SOONEST
        while True:
            try:
                await self._once()
            except FAULTS:
                pause = SOONEST if self._up else min(LATEST, 2 * pause)
            finally:
                self._set(False)
            await asyncio.sleep(pause * (0.5 + secrets.randbelow(1000) / 1000))

    async def _once(self) -> None:
        """One connection, from its beginning to its end. Raises one of ``FAULTS``."""
        connection = self._make()
        asking: asyncio.Task[None] | None = None
        try:
            connect: Callable[[], Awaitable[None]] = connection.connect  # has no types of its own
            async with asyncio.timeout(self._connect):
                await connect()
                await self._subscribe(connection)
            self._set(True)
            async with asyncio.timeout(None) as patience:
                asking = asyncio.create_task(self._ask(connection, patience))
                while True:
                    self._take(await connection.read_response())
                    self._open = 0
        finally:
            if asking is not None:
                asking.cancel()
            await connection.disconnect(nowait=True)

    async def _subscribe(self, connection: AbstractConnection) -> None:
        await connection.send_packed_command(_pack(("SUBSCRIBE", *self._topics)), check_health=False)
        for _ in self._topics:
            match await connection.read_response():
                case [b"subscribe", bytes(where), int()] if where in self._topics:
                    pass
                case _:
                    raise ValueError("no subscription")

    async def _ask(self, connection: AbstractConnection, patience: asyncio.Timeout) -> None:
        """PING again and again, and end the listener's ``patience`` when that is not answered."""
        self._open = 0
        with suppress(*FAULTS):
            while connection.is_connected and self._open < UNANSWERED:  # else the library would connect it again
                self._open += 1
                await connection.send_packed_command(_PING, check_health=False)
                await asyncio.sleep(PING_EVERY)
        patience.reschedule(asyncio.get_running_loop().time())

    def _take(self, said: Any) -> None:
        """A message, or the answer to PING. Raises ``ValueError`` for anything else."""
        match said:
            case [b"pong", b""]:
                pass
            case [b"message", bytes(where), bytes(text)] if where in self._topics:
                self._heard(self._topics[where], text.decode())
            case _:
                raise ValueError("no message")

    def _set(self, up: bool) -> None:
        if up != self._up:
            self._up = up
            self._link(up)
