"""Whether what was granted still stands: asked at every use of a token, as it was at the login (RFC 9700 4.14.2, ASVS
10.4.8). A token that outlives the permission behind it would be worth more than the person, or the operator, meant."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from proxy.downstream.consents import Consents
from proxy.downstream.grant import Grant
from proxy.models import Client, Connection
from proxy.models.connection import serves


@dataclass(frozen=True)
class Standing:
    """The policy as it is now. Only the tokens of third-party clients cost a look into the store."""

    connections: Mapping[str, Connection]
    consents: Consents

    async def holds(self, grant: Grant, client: Client) -> bool:
        """Whether ``client`` still has its APIs, its connection and the person's consent. Raises ``Unavailable``."""
        if any(client.api(audience) is None for audience in grant.audiences):
            return False
        if grant.user_id and not serves(self.connections.get(grant.connection), client):
            return False
        return await self.consents.still_covers(grant, client)
