"""The doctor's rounds: every connection looked at about once an hour, by one node, beside all requests.

Who writes the lock makes the round. It ends by itself after about an hour, so that the rounds of one fleet fall on
another minute each time, and a node that dies on its round holds up nobody for longer.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from proxy.models import Connection
from proxy.store import Key, Store, key
from proxy.upstream.status import Statuses
from proxy.upstream.visit import Doctor

LOCK: Final[Key] = key("connection_rounds", "lock")
BETWEEN = range(3000, 4200)
"""Seconds from one round to the next."""
AT_ONCE = 5
"""Tenants visited at the same time: few, so that logins have the wire to themselves."""
log = logging.getLogger("isthmus.upstream")


@dataclass(frozen=True)
class Rounds:
    """Looks at ``connections`` and keeps what was found."""

    connections: Mapping[str, Connection]
    doctor: Doctor
    statuses: Statuses
    store: Store

    async def turn(self) -> bool:
        """Make a round if it is time; answers whether. Raises ``Unavailable``."""
        seconds = BETWEEN.start + secrets.randbelow(len(BETWEEN))
        if await self.store.add(LOCK, {}, seconds) is not None:
            return False
        places = asyncio.Semaphore(AT_ONCE)
        async with asyncio.TaskGroup() as group:
            for connection in tuple(self.connections.values()):
                await places.acquire()
                visit = group.create_task(self.look(connection))
                visit.add_done_callback(lambda _: places.release())
        return True

    async def look(self, connection: Connection) -> Mapping[str, Any]:
        """Visit one now, and keep what was found. Raises ``Unavailable``."""
        health = await self.doctor.see(connection)
        return await self.statuses.keep(connection, health, self.doctor.clock())

    async def status(self, connection: Connection) -> Mapping[str, Any]:
        """The last status; looked for now if there is none. Raises ``Unavailable``."""
        return await self.statuses.find(connection) or await self.look(connection)
