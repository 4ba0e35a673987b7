"""Initial access tokens: what the operator hands out so that a client may register (RFC 7591 3).

``<id>.<secret>``; the store knows the secret's hash. A token counts its uses down, or has no such count; it ends at its
time in any case, or when it is revoked.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from proxy.downstream.registered import hashed, listed, matches, new_secret, unlist
from proxy.oidc.errors import Refused, Unavailable
from proxy.store import Key, Put, Record, Store, key

ALL = key("initial_tokens", "all")
LONGEST = 100
"""Characters of a token, at most."""
_TRIES = 20


@dataclass(frozen=True)
class InitialToken:
    """A token. ``uses`` are left, None without a count; ``first_party`` makes what it registers the operator's own."""

    id: str
    hash: str
    uses: int | None
    created_at: int
    expires_at: int
    first_party: bool = False

    @classmethod
    def from_value(cls, value: Mapping[str, Any]) -> InitialToken | None:
        """Back from the stored record; None for one of a shape that we do not know."""
        try:
            return cls(**value)
        except TypeError:
            return None


def token_key(id: str) -> Key:
    """Where a token lies."""
    return key("initial_token", id)


class InitialTokens:
    """Makes, counts and revokes them. Everything here raises ``Unavailable``."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def issue(self, now: float, *, uses: int | None, seconds: int, first_party: bool = False) -> str:
        """A new token, readable this once."""
        secret, id = new_secret(), secrets.token_hex(8)
        made = InitialToken(id, hashed(secret), uses, int(now), int(now) + seconds, first_party)
        await self._store.run(Put(token_key(id), vars(made), seconds, (ALL,)))
        return f"{id}.{secret}"

    async def check(self, token: str, now: float) -> InitialToken:
        """The token, if it is good now. Raises ``Refused`` (invalid_token)."""
        return (await self._good(token, now))[0]

    async def spend(self, token: str, now: float) -> InitialToken:
        """Use it once, however many do so at the same moment. Raises ``Refused`` (invalid_token)."""
        for _ in range(_TRIES):
            found, record = await self._good(token, now)
            if found.uses is None:
                return found
            left, seconds = replace(found, uses=found.uses - 1), found.expires_at - int(now)
            if await self._store.swap(token_key(found.id), vars(left), seconds, record.revision):
                return left
        raise Unavailable("the initial access token is in use by many")

    async def _good(self, token: str, now: float) -> tuple[InitialToken, Record]:
        id, _, secret = token.partition(".")
        record = await self._store.get(token_key(id)) if 0 < len(token) <= LONGEST else None
        found = InitialToken.from_value(record.value) if record else None
        right = matches(secret, (found.hash,) if found else ())
        if not right or record is None or found is None or found.uses == 0 or found.expires_at <= now:
            raise Refused("invalid_token", "the access token is missing, unknown, used up or expired", status=401)
        return found, record

    async def all(self) -> tuple[InitialToken, ...]:
        """Every token that has not ended, used up ones too."""
        found = map(InitialToken.from_value, await listed(self._store, ALL))
        return tuple(each for each in found if each is not None)

    async def revoke(self, id: str) -> bool:
        """End it at once. Answers whether it was there."""
        return await unlist(self._store, token_key(id), ALL)
