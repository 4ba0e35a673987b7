"""The gateway, put together from parts: what stands before the site when there are routes to apps."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Mapping
from typing import Any

from proxy.bridge.logout import Logout
from proxy.bridge.upstream_tokens import UpstreamTokens
from proxy.downstream.authorization_code import AuthorizationCode
from proxy.downstream.backchannel_logout import BackChannelLogout
from proxy.downstream.grant import session_key
from proxy.downstream.id_token import IdTokens
from proxy.downstream.token import Issuer
from proxy.features import Doors
from proxy.gateway.answers import Answers
from proxy.gateway.assertion import Assertions
from proxy.gateway.back import Back
from proxy.gateway.claims_source import ClaimsSource, References
from proxy.gateway.decide import broken_rule
from proxy.gateway.forward_auth import ForwardAuth
from proxy.gateway.forwarded import Senders
from proxy.gateway.gatekeeper import Gatekeeper
from proxy.gateway.health import Health
from proxy.gateway.held import Held
from proxy.gateway.identity import Identities, names_of
from proxy.gateway.links import Links
from proxy.gateway.listening import Listening
from proxy.gateway.logout import WayOut
from proxy.gateway.names import Names, configured
from proxy.gateway.own import Own
from proxy.gateway.rechecking import Rechecking
from proxy.gateway.reverse_proxy import ReverseProxy
from proxy.gateway.routes import Routes
from proxy.gateway.shown import Render, Shown
from proxy.gateway.sorting import Sorting
from proxy.gateway.streams import Streams
from proxy.gateway.tokens import CLIENT_ID, AppTokens
from proxy.gateway.upstreams import Upstreams
from proxy.gateway.visits import Visits
from proxy.http.client_address import Proxies
from proxy.http.cookies import cookie_name
from proxy.models import Session
from proxy.models.route import Route
from proxy.oidc.urls import origin
from proxy.parts import Parts
from proxy.web.background import running
from proxy.web.pages import Pages, policy


class Doorway:
    """The gateway of one tenant. ``proxy`` is what listens. Raises ``Misconfigured``."""

    def __init__(self, parts: Parts, pages: Pages) -> None:
        self._parts = parts
        settings, gateway = parts.settings, parts.settings.gateway
        self.routes = Routes(settings)
        self.streams, self.held = Streams(), Held()
        self.upstreams = Upstreams[Back](Back, gateway.routes)
        names = Names(configured(gateway))
        proxies = Proxies(settings.server.trusted_proxies)
        senders = Senders(proxies, self.routes.scheme)
        forward_auth = ForwardAuth(parts.issuer, self.routes.spelled, proxies, lambda route: names_of(route, gateway))
        self.keeper = self._keeper(senders, forward_auth, Shown(rendering(pages, parts.issuer)))
        hosts = (origin(parts.issuer).partition("://")[2], *self.routes.hosts)

        def ours(host: bytes, path: bytes) -> bool:
            """On the site's port: apps, unless they have a port of their own, and what servers ask at the issuer."""
            return path == forward_auth.path or (gateway.port is None and self.routes.names(host))

        self.proxy = ReverseProxy(
            self.keeper, Sorting(names), Answers(names, hosts), senders, self.streams, self.upstreams, ours,
            https=self.routes.scheme == "https",
        )  # fmt: skip

    def _keeper(self, senders: Senders, forward_auth: ForwardAuth, shown: Shown) -> Gatekeeper:
        parts, gateway, routes = self._parts, self._parts.settings.gateway, self.routes
        references = References(parts.issuer, parts.keys)
        links = Links(parts.store, parts.sessions)
        ended = Logout(parts.store, parts.clients, Doors(lambda: (BackChannelLogout(),)), parts.deliveries.wake)
        kept = UpstreamTokens(parts.store, parts.relying_party, parts.roster, ended.end)
        identities = Identities(
            gateway,
            routes.origin,
            Assertions(parts.issuer, parts.keys, gateway.assertion_seconds),
            references,
            AppTokens(kept.find, parts.access_tokens),
        )
        issuer = Issuer(
            parts.access_tokens, IdTokens(parts.issuer, parts.keys, parts.lifetimes.id_token), parts.subjects
        )
        client = parts.clients.declared[CLIENT_ID]
        own = Own(
            parts.issuer,
            client,
            routes,
            parts.store,
            parts.sessions,
            AuthorizationCode(parts.store, issuer, parts.lifetimes, parts.roster),
            links,
            Visits(parts.issuer, parts.store),
            ClaimsSource(references, gateway.routes, routes.origin, self._live, gateway.groups_claim),
            WayOut(parts.issuer, client, routes, parts.keys, parts.subjects),
            shown,
            parts.roster,
            gateway.groups_claim,
        )
        return Gatekeeper(
            routes, senders, forward_auth, self.held, links, identities, own, shown, parts.roster,
            gateway.groups_claim, parts.plugins.gateway_access, cookie_name("gateway", parts.issuer),
        )  # fmt: skip

    async def _live(self, sid: str, now: float) -> Session | None:
        """A session by its name, if it goes on. Raises ``Unavailable``."""
        return self._parts.sessions.alive(await self._parts.store.get(session_key(sid)), now)

    def _allows(self, route: Route, session: Session) -> bool:
        """Whether the rules of a route still let a session through."""
        connection = self._parts.roster.get(session.connection)
        return not broken_rule(route, session, connection, self._parts.settings.gateway.groups_claim)

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """What goes on beside the requests: other nodes are heard, exchanges that last looked at, servers checked."""
        parts = self._parts
        rechecking = Rechecking(parts.store, parts.sessions, self.streams, self.held, self._allows)
        listening = Listening(parts.store, self.held, self.streams, rechecking)
        async with running(listening.run()), running(rechecking.run()), running(Health(self.upstreams).run()):
            yield
        self.upstreams.close()


def rendering(pages: Pages, issuer: str) -> Render:
    """Renders pages for the hosts of apps: style and pictures come from the issuer's."""
    home = origin(issuer)

    def render(template: str, values: Mapping[str, Any], script: str, leads_away: bool) -> tuple[str, str]:
        return pages.render(template, values), policy(script=script, leads_away=leads_away, home=home)

    return render
