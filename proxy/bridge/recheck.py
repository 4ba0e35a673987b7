"""Ask the tenant, without a word to the person, whether it still knows them (Session Management 1.0 3.1).

The browser goes there with ``prompt=none`` and the ID token as a hint, and comes back to ``login/callback`` like from
any trip; a trip without a client is such a question. ``login_required``, or somebody else, ends our session, and our
clients hear; the same person goes on. Where the tenant says anything else, the person is asked.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from proxy.bridge import fragment
from proxy.bridge import transaction as trips
from proxy.bridge.logout import Logout
from proxy.bridge.session import Sessions, changed, from_value
from proxy.downstream.grant import session_key
from proxy.downstream.leaving import farewell, gone
from proxy.features import Answer, Request
from proxy.models import Connection, Identity, Session, Transaction, Wishes
from proxy.oidc.errors import Shown, UpstreamError
from proxy.store import Store
from proxy.upstream.relying_party import RelyingParty

GONE = "upstream_login_required"
OURS = ("'self'",)
"""Who may show these pages in a frame: our own."""


@dataclass(frozen=True)
class Recheck:
    """Asks, and hears the answer. ``watching`` is the page that watches a session."""

    issuer: str
    store: Store
    sessions: Sessions
    relying_party: RelyingParty
    connections: Mapping[str, Connection]
    logout: Logout
    watching: str

    async def depart(self, session: Session, connection: Connection, request: Request) -> Answer:
        """To the tenant. Raises ``UpstreamError``, ``Unavailable``."""
        browser = request.browsers[0] if request.browsers else trips.new_browser()
        state, hint = trips.new_id(browser), {"id_token_hint": session.id_token} if session.id_token else {}
        wishes = Wishes(scopes=connection.options.scopes, prompt=("none",), passed_on=hint)
        departure = await self.relying_party.begin(connection, wishes, state=state, now=request.now)
        trip = Transaction(
            id=state,
            request={},
            client_id="",
            started_at=int(request.now),
            previous=trips.outline(session),
            connection=connection.name,
            nonce=departure.nonce,
            verifier=departure.verifier,
            issuer=departure.issuer,
            wishes=wishes,
        )
        await self.store.run(trips.save(browser, trip))
        return Answer(redirect=departure.url, browser=browser)

    async def arrive(self, request: Request, trip: Transaction) -> Answer:
        """What the tenant said. Raises ``Shown``, ``Unavailable``."""
        connection = self.connections.get(trip.connection)
        own = f"/{trip.connection}" if connection is not None and connection.options.own_callback else ""
        if connection is None or request.path != f"{urlsplit(self.issuer).path}login/callback{own}":
            raise Shown("invalid_request", "this answer came to another connection's address", reason="wrong_callback")
        identity: Identity | None = None
        try:
            identity = await self.relying_party.finish(
                connection, trip, request.params, mode=fragment.mode_of(request), now=request.now
            )
        except UpstreamError as error:
            if error.reason != GONE:
                return unsure(self.issuer, connection)
        return await self._decide(str(trip.previous["sid"]), identity, request)

    async def _decide(self, sid: str, identity: Identity | None, request: Request) -> Answer:
        record = await self.store.get(session_key(sid))
        session = from_value(record.value) if record else None
        if record is None or session is None:
            return gone("")
        if identity is None or (identity.issuer, identity.subject) != (session.issuer, session.subject):
            return await self._end(session, request)
        newer = replace(
            session, upstream_sid=identity.sid, id_token=identity.id_token, session_state=identity.session_state
        )
        await self.store.run(self.sessions.rewrite(newer, record, request.now), changed(sid))
        return Answer(redirect=f"{self.watching}?checked=1")

    async def _end(self, session: Session, request: Request) -> Answer:
        frames = await self.logout.end(session, request.browsers, request.now)
        answer = farewell(frames, gone("")) if frames else gone("")
        about = {"connection": session.connection, "sessions": "1"}
        return replace(answer, sign_out=True, event="tenant_logout", about=about)


def unsure(issuer: str, connection: Connection) -> Answer:
    """The page that asks the person, where the tenant does not say."""
    values = {"connection": connection.label, "logout": f"{issuer}oidc/logout"}
    return Answer(page="session_changed.html", values=values, framed_by=OURS)
