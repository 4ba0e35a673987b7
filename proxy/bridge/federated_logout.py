"""Logged out at the tenant as well: away to it, back to ``login/logged-out``, and on to where the application wants.

What the tenant says when the browser comes back is not looked at, ``state`` or none: the way on lies in the store,
under a secret of this browser.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from proxy.bridge import transaction as trips
from proxy.downstream.leaving import gone
from proxy.features import Answer, Caller, Endpoint, Feature, Request
from proxy.models import Connection, Session
from proxy.oidc.errors import Unavailable, UpstreamError
from proxy.store import Drop, Get, Key, Store, key
from proxy.upstream.relying_party import RelyingParty

PATH = "login/logged-out"
log = logging.getLogger("isthmus.logout")


def way_on(browser: str) -> Key:
    """Where it is kept how a browser goes on after the tenant."""
    return key("logged_out", "target", group=browser)


@dataclass(frozen=True)
class FederatedLogout(Feature):
    """``GET login/logged-out``, and the way there over the tenant."""

    issuer: str
    store: Store
    relying_party: RelyingParty
    connections: Mapping[str, Connection]

    def endpoints(self) -> Sequence[Endpoint]:
        return (Endpoint(PATH, ("GET",), Caller.BROWSER, self.arrive),)

    async def depart(self, session: Session, target: str, request: Request) -> Answer | None:
        """To the tenant that ``session`` came from, and then to ``target``; None for a tenant that is gone, does not
        answer, or has no logout address, and when the way on cannot be kept: our own session has ended all the same,
        and nobody may be told the contrary."""
        connection = self.connections.get(session.connection)
        url = await self._address(connection, request.now) if connection else ""
        if not url:
            return None
        browser = request.browsers[0] if request.browsers else trips.new_browser()
        try:
            await self.store.put(way_on(browser), {"target": target}, trips.LIFETIME)
        except Unavailable as error:
            return self._skipped(session.connection, error.reason)
        return Answer(redirect=url, browser=browser)

    async def _address(self, connection: Connection, now: float) -> str:
        try:
            return await self.relying_party.end_session_url(connection, f"{self.issuer}{PATH}", now)
        except UpstreamError as error:
            self._skipped(connection.name, error.reason)
            return ""

    @staticmethod
    def _skipped(connection: str, reason: str) -> None:
        log.warning("federated_logout_skipped", extra={"connection": connection, "reason": reason})

    async def arrive(self, request: Request) -> Answer:
        """Back from the tenant. Raises ``Unavailable``."""
        keys = [way_on(browser) for browser in request.browsers]
        found = await self.store.run(*map(Get, keys)) if keys else ()
        targets = [(key, record.value["target"]) for key, record in zip(keys, found, strict=True) if record]
        if not targets:
            return gone("")
        await self.store.run(*(Drop(key) for key, _ in targets))
        return gone(targets[0][1])
