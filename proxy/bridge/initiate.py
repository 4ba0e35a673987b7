"""A tenant begins a login with us (OpenID Connect Core 4): ``login/initiate`` finds the connection by ``iss``, then the
application, and sends the browser to the page of it where a login begins.

We never begin one ourselves: the application keeps the state that ties the answer to the browser, so it must be the one
that asks. The login it starts is an ordinary one, at the tenant named by ``connection``. A person who is logged in
through another tenant is asked first, so that no link changes without notice who they are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from proxy.bridge.upstream_sessions import of_issuer
from proxy.downstream.answers import IN_A_POPUP
from proxy.downstream.clients import Clients
from proxy.downstream.third_party_login import hint, is_own, target
from proxy.features import Answer, Caller, Endpoint, Feature, Request
from proxy.models import Client, Connection, Session
from proxy.models.connection import serves
from proxy.oidc.errors import Shown
from proxy.oidc.urls import with_params

PATH = "login/initiate"
Way = tuple[Client, Connection]


@dataclass(frozen=True)
class Initiate(Feature):
    """``GET`` and ``POST login/initiate``. ``admit`` raises ``Refused`` for an address that comes too often."""

    issuer: str
    clients: Clients
    connections: Mapping[str, Connection]
    admit: Callable[[str, float], None]

    def endpoints(self) -> Sequence[Endpoint]:
        return (Endpoint(PATH, ("GET", "POST"), Caller.BROWSER, self.begin),)

    async def begin(self, request: Request) -> Answer:
        """To the application's ``initiate_login_uri``. Parameters but the three of section 4 are ignored. Raises
        ``Shown``, ``Refused``, ``Unavailable``."""
        self.admit(request.source, request.now)
        connections = of_issuer(request.params.get("iss", ""), self.connections)
        if not connections:
            raise Shown("invalid_request", "iss is no login service of ours", reason="unknown_issuer")
        client, connection = await self._application(connections, request)
        told = {
            "iss": self.issuer,
            **hint(request.params),
            **target(request.params, client),
            "connection": connection.name,
        }
        way_on = with_params(client.initiate_login_uri, told)
        session = await request.session() if request.session else None
        if session is not None and session.connection != connection.name:
            return ask(session, client, connection, way_on)
        about = {"client_id": client.client_id, "connection": connection.name}
        return Answer(redirect=way_on, event="login_initiated", about=about)

    async def _application(self, connections: Sequence[Connection], request: Request) -> Way:
        """The one that ``target_link_uri`` is an address of; without one the only one that may use the connection."""
        wanted, ways = request.params.get("target_link_uri", ""), await self._ways(connections, request.now)
        if wanted:
            ways = [way for way in ways if is_own(wanted, way[0])]
            if not ways:
                text = "target_link_uri is not an address of an application of this login service"
                raise Shown("invalid_request", text, reason="target_link_uri")
        if len({client.client_id for client, _ in ways}) > 1:
            text = "several applications use this login service: target_link_uri must say which is meant"
            raise Shown("invalid_request", text, reason="several_applications")
        if not ways:
            raise Shown("invalid_request", "no application uses this login service", reason="no_application")
        if not ways[0][0].initiate_login_uri:
            text = f"{ways[0][0].label} has no page where a login begins: open it, and log in there"
            raise Shown("invalid_request", text, reason="no_launch")
        return ways[0]

    async def _ways(self, connections: Sequence[Connection], now: float) -> list[Way]:
        """The operator's applications that may use one of the connections, in the order of the configuration."""
        found = []
        for connection in connections:
            for client_id in connection.enabled_clients:
                client = await self.clients.find(client_id, now)
                if client is not None and serves(connection, client) and self._is_operators(client):
                    found.append((client, connection))
        return found

    def _is_operators(self, client: Client) -> bool:
        """A link of ours that led to wherever somebody registered would lend them our name."""
        return client.is_first_party or client.client_id in self.clients.declared


def ask(session: Session, client: Client, connection: Connection, way_on: str) -> Answer:
    """The page that says who is logged in and what would become of it."""
    values = {
        "person": session.profile.get("name") or session.profile.get("email") or "",
        "client": client.label,
        "connection": connection.label,
        "url": way_on,
    }
    return Answer(page="initiate.html", values=values, headers=IN_A_POPUP)
