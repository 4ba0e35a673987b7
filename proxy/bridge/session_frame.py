"""Watch the session at the tenant (OpenID Connect Session Management 1.0 3.1, 4): ``login/session`` frames the tenant's
page, sends it ``client_id session_state`` again and again, and acts on what it answers.

*changed* ends nothing by itself: a browser that keeps the tenant's cookie out of frames makes it say so always. The
page tells the window that frames it, if that is ours, and goes to ``login/session/changed``, which asks the tenant
without a word to the person (``recheck``), and the person where the tenant cannot be asked.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from proxy.bridge.federated_logout import watched_last
from proxy.bridge.recheck import OURS, unsure
from proxy.features import Answer, Caller, Endpoint, Feature, Request
from proxy.models import Connection, Session
from proxy.oidc.errors import Shown, UpstreamError
from proxy.oidc.urls import origin
from proxy.store import Get, Store
from proxy.upstream.connections import Connections

PATH = "login/session"
SECONDS = 5
"""How often the tenant's page is asked."""


@dataclass(frozen=True)
class SessionFrame(Feature):
    """``GET login/session`` and ``GET login/session/changed``."""

    issuer: str
    store: Store
    tenants: Connections
    connections: Mapping[str, Connection]
    recheck: Callable[[Session, Connection, Request], Awaitable[Answer]]

    def endpoints(self) -> Sequence[Endpoint]:
        return (
            Endpoint(PATH, ("GET",), Caller.BROWSER, self.watch),
            Endpoint(f"{PATH}/changed", ("GET",), Caller.BROWSER, self.changed),
        )

    async def watch(self, request: Request) -> Answer:
        """The page that watches: the live session, or the one that this browser had until a moment ago. Raises
        ``Shown``, ``Unavailable``."""
        session = await request.session() if request.session else None
        name, state = (session.connection, session.session_state) if session else await self._last(request)
        connection = self.connections.get(name)
        page = await self._page(connection, request.now) if connection and state else ""
        if connection is None or not page:
            raise Shown("invalid_request", "there is no session here that can be watched", reason="nothing_to_watch")
        values = {
            "frame": page,
            "origin": origin(page),
            "message": f"{connection.options.client_id} {state}",
            "seconds": SECONDS,
            "changed": f"{self.issuer}{PATH}/changed" if session else "",
            "home": origin(self.issuer),
            "checked": "checked" in request.params,
            "connection": connection.label,
        }
        frames = (origin(page),)
        return Answer(page="session.html", values=values, script="session", frame_sources=frames, framed_by=OURS)

    async def changed(self, request: Request) -> Answer:
        """To the tenant, to ask; where it cannot be asked, to the person. Raises ``Unavailable``."""
        session = await request.session() if request.session else None
        connection = self.connections.get(session.connection) if session else None
        if session is None or connection is None:
            return Answer(page="logged_out.html", framed_by=OURS)
        try:
            return await self.recheck(session, connection, request)
        except UpstreamError:
            return unsure(self.issuer, connection)

    async def _last(self, request: Request) -> tuple[str, str]:
        keys = [watched_last(browser) for browser in request.browsers]
        found = await self.store.run(*map(Get, keys)) if keys else ()
        noted = next((record.value for record in found if record), None)
        return (noted["connection"], noted["session_state"]) if noted else ("", "")

    async def _page(self, connection: Connection, now: float) -> str:
        """The tenant's page, or empty. A name with blanks or of letters beyond ASCII cannot be framed by its origin."""
        try:
            page = (await self.tenants.metadata(connection, since=now)).check_session_iframe
        except UpstreamError:
            return ""
        return page if urlsplit(page).netloc.isascii() else ""
