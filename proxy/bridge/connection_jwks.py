"""``login/keys/{connection}``: the public keys we sign with towards a connection's tenant, for its ``jwks_uri``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from proxy.features import Answer, Caller, Endpoint, Feature, Request
from proxy.models import Connection
from proxy.oidc.errors import Refused
from proxy.upstream.connection_keys import ConnectionKeys, algorithms

SECONDS = 60
"""How long a copy of the keys may be kept."""


@dataclass(frozen=True)
class ConnectionJwks(Feature):
    """Public keys of connections that sign."""

    keys: ConnectionKeys
    connections: Mapping[str, Connection]

    def endpoints(self) -> Sequence[Endpoint]:
        return (Endpoint("login/keys/{connection}", ("GET",), Caller.ANYONE, self.serve),)

    async def serve(self, request: Request) -> Answer:
        """The key set (RFC 7517 5). Raises ``Refused`` (404), ``Unavailable``."""
        connection = self.connections.get(request.variables["connection"])
        if connection is None or not algorithms(connection.options):
            raise Refused("not_found", "no connection of that name signs", status=404)
        headers = {"Cache-Control": f"public, max-age={SECONDS}"}
        return Answer(json=await self.keys.jwks(connection, request.now), headers=headers)
