"""The end of a session: one function, whoever asks for it.

It drops the session (every token bound to it dies with it), cancels what the browser has under way, ends offline
grants of clients that want that, and gives every feature the chance to say farewell to its clients. All that is to be
known is read first, and all that is to be written goes in one round trip: it is done, or it is not.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from proxy.bridge import transaction as trips
from proxy.bridge.session import ends
from proxy.downstream import participants
from proxy.downstream.clients import Clients
from proxy.downstream.grant import Grant, grants_of_session
from proxy.downstream.participants import participants_of
from proxy.features import Doors, Ended, Farewell
from proxy.models import Session
from proxy.store import Drop, Get, Key, List, Op, Record, Store

log = logging.getLogger("isthmus.logout")


@dataclass(frozen=True)
class Ending:
    """What ends a session when it is written, and the pages that the browser must load for its clients. ``grants`` are
    its offline grants as they were found."""

    writes: tuple[Op, ...]
    frames: tuple[str, ...]
    grants: tuple[Key, ...]


class Logout:
    """Ends sessions. ``doors`` are the features that say farewell; ``told`` is called when one has been written."""

    def __init__(self, store: Store, clients: Clients, doors: Doors, told: Callable[[], None]) -> None:
        self._store = store
        self._clients = clients
        self._doors = doors
        self.told = told

    async def end(self, session: Session, browsers: Sequence[str], now: float) -> tuple[str, ...]:
        """End ``session`` everywhere, and what is under way in its browser. Answers the pages that the browser must
        load so that clients hear of it. Raises ``Unavailable`` when that could not be done: then it is not done."""
        ending = await self.ending(session.sid, session.user_id, browsers, now)
        *_, grants = await self._store.run(*ending.writes, List(grants_of_session(session.sid)))
        self.told()
        if late := [key for key in grants if key not in ending.grants]:  # begun while we looked
            await self._store.drop(*await self._doomed(late, await self._read(late), now))
        return ending.frames

    async def ending(self, sid: str, user_id: str, browsers: Sequence[str], now: float) -> Ending:
        """What ends the session ``sid``, for the caller to write. Raises ``Unavailable``."""
        open_trips = [List(trips.transactions_of(browser)) for browser in browsers]
        takes_part, grants, *listed = await self._store.run(
            List(participants_of(sid)), List(grants_of_session(sid)), *open_trips
        )
        records = await self._read((*takes_part, *grants))
        noted = [participants.from_value(record.value) for record in records[: len(takes_part)] if record]
        said = self._farewells(Ended(sid, user_id, tuple(one for one in noted if one)), now)
        doomed = await self._doomed(grants, records[len(takes_part) :], now)
        under_way = [trip for listing in listed for trip in listing]
        logins = [trips.last_login(browser) for browser in browsers]
        gone = map(Drop, (*takes_part, *logins, *under_way, *doomed))
        writes = (*ends(sid), *gone, *(write for one in said for write in one.writes))
        return Ending(writes, tuple(frame for one in said for frame in one.frames), grants)

    def _farewells(self, ended: Ended, now: float) -> list[Farewell]:
        """What every feature says; one that fails keeps nobody else from hearing."""
        said = []
        for feature in self._doors.farewell:
            try:
                said.append(feature.farewell(ended, now))
            except Exception:  # whatever it is, the session ends and the others hear
                log.exception("farewell_failed", extra={"feature": type(feature).__name__})
        return said

    async def _read(self, keys: Sequence[Key]) -> Sequence[Record | None]:
        return await self._store.run(*map(Get, keys)) if keys else ()

    async def _doomed(self, keys: Sequence[Key], records: Sequence[Record | None], now: float) -> Sequence[Key]:
        """Offline grants outlive a plain logout, but for clients with ``logout_revokes_offline``."""
        grants = [(key, Grant.from_value(record.value)) for key, record in zip(keys, records, strict=True) if record]
        return [key for key, grant in grants if grant and await self._revokes(grant, now)]

    async def _revokes(self, grant: Grant, now: float) -> bool:
        client = await self._clients.find(grant.client_id, now)
        return client is None or client.logout_revokes_offline
