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
from proxy.store import Get, Key, List, Store


class Logout:
    """Ends sessions. ``features`` is asked for late: the list of features holds one that needs this."""

    def __init__(self, store: Store, clients: Mapping[str, Client], features: Callable[[], Sequence[Feature]]) -> None:
        self._store = store
        self._clients = clients
        self._features = features

    async def end(self, session: Session, browsers: Sequence[str]) -> None:
        """End ``session`` everywhere, and what is under way in its browser. Raises ``Unavailable`` when that could not
        be done: then it is not done."""
        open_trips = [List(trips.transactions_of(browser)) for browser in browsers]
        _, grants, *listed = await self._store.run(drop(session.sid), List(grants_of_session(session.sid)), *open_trips)
        under_way = [trip for listing in listed for trip in listing]
        noted = [trips.last_login(browser) for browser in browsers]
        await self._store.drop(*noted, *under_way, *await self._doomed(grants))
        for feature in self._features():
            await feature.farewell(session)

    async def _doomed(self, keys: Sequence[Key]) -> Sequence[Key]:
        """Offline grants outlive a plain logout, but for clients with ``logout_revokes_offline``."""
        if not keys or not any(client.logout_revokes_offline for client in self._clients.values()):
            return ()
        records = await self._store.run(*map(Get, keys))
        grants = [(key, Grant.from_value(record.value)) for key, record in zip(keys, records, strict=True) if record]
        return [key for key, grant in grants if grant and self._revokes(grant)]

    def _revokes(self, grant: Grant) -> bool:
        client = self._clients.get(grant.client_id)
        return client is None or client.logout_revokes_offline
