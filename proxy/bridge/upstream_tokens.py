"""What a tenant gave at a login, kept for clients that call its APIs for the person (RFC 8693).

Only for connections that say so. Under person and connection: each login takes the place of the one before, and the
record ends when the session of that login ends at the latest. The store seals it like all that holds tokens.
"""

from __future__ import annotations

from proxy.models import TenantTokens
from proxy.store import Key, Op, Put, Store, key


def tokens_key(user_id: str, connection: str) -> Key:
    """Where the tokens of a person's last login through a connection lie."""
    return key("upstream_tokens", connection, group=user_id)


def keep(user_id: str, connection: str, tokens: TenantTokens, seconds: int) -> Op:
    """What writes the tokens of a login."""
    return Put(tokens_key(user_id, connection), vars(tokens), seconds)


class UpstreamTokens:
    """Reads what was kept."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def find(self, user_id: str, connection: str) -> TenantTokens | None:
        """The tokens of the person's last login through the connection. Raises ``Unavailable``."""
        record = await self._store.get(tokens_key(user_id, connection))
        try:  # of a shape that we do not know, they count no more than what is not there
            return TenantTokens(**record.value) if record else None
        except TypeError:
            return None
