"""The end of a session: one function, whoever asks for it.

It drops the session (every token bound to it dies with it), cancels what the browser has under way, ends offline
grants of clients that want that, and gives every feature the chance to say farewell to its clients.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from proxy.bridge import transaction as trips
from proxy.bridge.session import drop
from proxy.downstream.grant import Grant, grants_of_session
from proxy.features import Feature
from proxy.models import Client, Session
from proxy.store import Drop, Get, Key, List, Op, Store


class Logout:
    """Ends sessions. ``features`` is asked for late: the list of features holds one that needs this."""

    def __init__(self, store: Store, clients: Mapping[str, Client], features: Callable[[], Sequence[Feature]]) -> None:
        self._store = store
        self._clients = clients
        self._features = features

    async def end(self, session: Session, browser: str) -> None:
        """End ``session`` everywhere. Raises ``Unavailable`` when that could not be done: then it is not done."""
        listed = List(grants_of_session(session.sid))
        *_, offline = await self._store.run(drop(session.sid), *self._cancel(browser), listed)
        await self._end_offline(offline)
        await trips.forget(self._store, browser)
        for feature in self._features():
            await feature.farewell(session)

    def _cancel(self, browser: str) -> Sequence[Op]:
        return (Drop(trips.last_login(browser)),) if browser else ()

    async def _end_offline(self, keys: Sequence[Key]) -> None:
        """Offline grants outlive a plain logout, but for clients with ``logout_revokes_offline``."""
        if not any(c.logout_revokes_offline for c in self._clients.values()) or not keys:
            return
        records = await self._store.run(*map(Get, keys))
        grants = [(k, Grant.from_value(r.value)) for k, r in zip(keys, records, strict=True) if r]
        doomed = [k for k, grant in grants if grant and self._revokes(grant)]
        await self._store.drop(*doomed)

    def _revokes(self, grant: Grant) -> bool:
        client = self._clients.get(grant.client_id)
        return client is None or client.logout_revokes_offline
