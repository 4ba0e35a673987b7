"""Logged out at the tenant as well: away to it, back to ``login/logged-out``, and on to where the application wants.

The tenant gets the ID token of the login as a hint, so that it need not ask. What it says when the browser comes back
decides nothing: the way on lies in the store, under a secret of this browser. ``state`` is sent, and compared for the
log alone, since some tenants lose or change it.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from proxy.bridge import transaction as trips
from proxy.downstream.leaving import gone
from proxy.features import Answer, Caller, Endpoint, Feature, Request
from proxy.models import Connection, Session
from proxy.oidc.errors import Unavailable, UpstreamError
from proxy.store import Drop, Get, Key, Op, Put, Store, key
from proxy.upstream.relying_party import RelyingParty

PATH = "login/logged-out"
log = logging.getLogger("isthmus.logout")


def way_on(browser: str) -> Key:
    """Where it is kept how a browser goes on after the tenant."""
    return key("logged_out", "target", group=browser)


def watched_last(browser: str) -> Key:
    """Where it is noted which session at a tenant a browser had before it logged out there."""
    return key("watched", "last", group=browser)


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
        connection, state = self.connections.get(session.connection), secrets.token_urlsafe(16)
        url = await self._address(connection, session, state, request.now) if connection else ""
        if not url:
            return None
        browser = request.browsers[0] if request.browsers else trips.new_browser()
        on = Put(way_on(browser), {"target": target, "state": state}, trips.LIFETIME)
        try:
            await self.store.run(on, *_note(browser, session))
        except Unavailable as error:
            return self._skipped(session.connection, error.reason)
        return Answer(redirect=url, browser=browser)

    async def _address(self, connection: Connection, session: Session, state: str, now: float) -> str:
        back = f"{self.issuer}{PATH}"
        try:
            return await self.relying_party.end_session_url(
                connection, back=back, hint=session.id_token, state=state, now=now
            )
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
        ways = [(key, record.value) for key, record in zip(keys, found, strict=True) if record]
        if not ways:
            return gone("")
        await self.store.run(*(Drop(key) for key, _ in ways))
        state = request.params.get("state", "")
        told = "as sent" if any(way.get("state") == state for _, way in ways) else "another" if state else "none"
        return replace(gone(ways[0][1]["target"]), event="logged_out_at_tenant", about={"state": told})


def _note(browser: str, session: Session) -> tuple[Op, ...]:
    """So that the page that watches the tenant's session can look once more (Session Management 1.0 4)."""
    if not session.session_state:
        return ()
    value = {"connection": session.connection, "session_state": session.session_state}
    return (Put(watched_last(browser), value, trips.LIFETIME),)
