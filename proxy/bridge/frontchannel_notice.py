"""A tenant's page loads ours in a frame because its session ended (OpenID Connect Front-Channel Logout 1.0 2, 3).

Only a session that ``iss`` and ``sid`` name ends: the browser's own, if its cookie came, and every other that began
with that session of the tenant, since browsers keep our cookie out of other sites' frames. So whoever can name the
session may end it; ``sid`` is for the tenant and its clients to know, and guesses are counted. A request without both
ends nothing, cookie or not: any page could make a browser send it (LO-03).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from proxy.bridge.logout import Logout
from proxy.bridge.upstream_sessions import of_issuer, sessions_named
from proxy.downstream.leaving import farewell, gone
from proxy.features import Answer, Caller, Endpoint, Feature, Request
from proxy.models import Connection, Session
from proxy.oidc.errors import Shown, UpstreamError
from proxy.oidc.urls import origin
from proxy.store import Store
from proxy.upstream.connections import Connections

PATH = "login/frontchannel-logout"


@dataclass(frozen=True)
class FrontChannelNotices(Feature):
    """``GET`` and ``POST login/frontchannel-logout``. ``check`` raises ``Refused`` for an address that guessed too
    often, ``failed`` counts a guess."""

    store: Store
    tenants: Connections
    connections: Mapping[str, Connection]
    logout: Logout
    check: Callable[[str, float], None]
    failed: Callable[[str, float], None]

    def endpoints(self) -> Sequence[Endpoint]:
        return (Endpoint(PATH, ("GET", "POST"), Caller.BROWSER, self.hear),)

    async def hear(self, request: Request) -> Answer:
        """One notice. Raises ``Shown``, ``Refused``, ``Unavailable``."""
        self.check(request.source, request.now)
        issuer, sid = request.params.get("iss", ""), request.params.get("sid", "")
        if not issuer or not sid:
            text = "the request names no session: it needs iss and sid"
            raise Shown("invalid_request", text, reason="no_session_named")
        connections = of_issuer(issuer, self.connections)
        if not connections:
            self.failed(request.source, request.now)
            raise Shown("invalid_request", "iss is no login service of ours", reason="unknown_issuer")
        sessions = await sessions_named(self.store, connections, issuer, sid=sid)
        if not sessions:
            self.failed(request.source, request.now)
        return await self._end(request, connections, issuer, sessions)

    async def _end(
        self, request: Request, connections: Sequence[Connection], issuer: str, sessions: Sequence[Session]
    ) -> Answer:
        own = await request.session() if request.session and sessions else None
        frames: list[str] = []
        is_own = False
        for session in sessions:
            here = own is not None and own.sid == session.sid
            is_own = is_own or here
            frames += await self.logout.end(session, request.browsers if here else (), request.now)
        parents = {origin(issuer), *[one for each in connections for one in await self._pages(each, request.now)]}
        answer = farewell(tuple(dict.fromkeys(frames)), gone("")) if frames else gone("")
        about = {"connection": connections[0].name, "sessions": str(len(sessions))}
        return replace(
            answer,
            framed_by=tuple(sorted(parents)),
            sign_out=is_own,
            event="tenant_logout" if sessions else "",
            about=about,
        )

    async def _pages(self, connection: Connection, now: float) -> tuple[str, ...]:
        """Where the tenant's own pages are, as far as is known: its logout may live at another host than its issuer."""
        try:
            metadata = await self.tenants.metadata(connection, since=now)
        except UpstreamError:
            return ()
        pages = (metadata.authorization_endpoint, metadata.end_session_endpoint)
        return tuple(origin(page) for page in pages if page)
