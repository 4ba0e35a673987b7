"""What a tenant gave at a login, kept for clients that call its APIs for the person (RFC 8693).

Only for connections that say so. Under person and connection: each login takes the place of the one before, and the
record ends when the session of that login ends at the latest. The store seals it like all that holds tokens.

An access token that has ended is refreshed when somebody asks for it, once, however many ask on however many nodes: one
has the lock, and the others wait for what it brings. The ID token that may come along is checked as a first one is
(OpenID Connect Core 12.2); if it does not count, or is about somebody else, the session ends (RP-31).
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NoReturn, Protocol

from proxy.bridge.session import from_value
from proxy.downstream.grant import Grant, session_key
from proxy.downstream.token_exchange import log_in_again
from proxy.models import Connection, Session, TenantTokens
from proxy.oidc.errors import Refused, UpstreamError
from proxy.store import Add, Get, Key, Op, Put, Record, Store, Swap, key
from proxy.upstream.refreshed import Known
from proxy.upstream.token import Tokens

HELD = 60
"""Seconds after which the lock of a node that died is free: more than any refresh takes."""
PATIENCE, EVERY = 8.0, 0.1
"""Seconds that others wait for the one that refreshes, and between two looks."""


def tokens_key(user_id: str, connection: str) -> Key:
    """Where the tokens of a person's last login through a connection lie."""
    return key("upstream_tokens", connection, group=user_id)


def lock_key(user_id: str, connection: str) -> Key:
    """Where it is written that somebody refreshes them."""
    return key("upstream_refresh", connection, group=user_id)


@dataclass(frozen=True, repr=False)
class Kept:
    """Tokens with whose they are: of which session, and who the person is at which issuer. ``until`` is when the record
    ends."""

    tokens: TenantTokens
    sid: str
    known: Known
    until: int

    def as_value(self) -> Mapping[str, Any]:
        """As plain values, for the stored record."""
        return {"tokens": vars(self.tokens), "sid": self.sid, "known": vars(self.known), "until": self.until}

    @classmethod
    def of(cls, record: Record | None) -> Kept | None:
        """Back from the stored record; one of a shape that we do not know counts no more than none."""
        value = record.value if record else {}
        try:
            return cls(TenantTokens(**value["tokens"]), value["sid"], Known(**value["known"]), value["until"])
        except (KeyError, TypeError):
            return None


def keep(session: Session, tokens: TenantTokens, now: float) -> Op:
    """What writes the tokens of the login that led to ``session``."""
    kept = Kept(tokens, session.sid, Known(session.issuer, session.subject), session.expires_at)
    return Put(tokens_key(session.user_id, session.connection), kept.as_value(), session.expires_at - int(now))


class Refreshes(Protocol):
    """Who asks the tenant: ``RelyingParty``."""

    async def refresh(self, connection: Connection, refresh_token: str, known: Known, now: float) -> Tokens:
        """New tokens. Raises ``UpstreamError``, ``Unavailable``."""


@dataclass(frozen=True)
class UpstreamTokens:
    """Reads what was kept, and keeps it good. ``end`` ends a session; ``pause`` waits so many seconds."""

    store: Store
    tenants: Refreshes
    connections: Mapping[str, Connection]
    end: Callable[[Session, Sequence[str], float], Awaitable[Any]]
    pause: Callable[[float], Awaitable[None]] = field(default=asyncio.sleep)

    async def find(self, grant: Grant, now: float) -> TenantTokens | None:
        """The tokens of the person's last login through the grant's connection; None without any. Raises ``Refused``
        for some that are good no more, or cannot be had now, ``Unavailable``."""
        record = await self.store.get(tokens_key(grant.user_id, grant.connection))
        kept = Kept.of(record)
        if kept is None:
            return None
        if _is_good(kept, now):
            return kept.tokens
        if not kept.tokens.refresh_token:
            raise log_in_again("tenant_token_expired")
        return await self._refreshed(grant, now)

    async def _refreshed(self, grant: Grant, now: float) -> TenantTokens:
        """Refresh, or wait for the one that does."""
        place, lock = tokens_key(grant.user_id, grant.connection), lock_key(grant.user_id, grant.connection)
        mark = {"by": secrets.token_hex(8)}
        for _ in range(int(PATIENCE / EVERY)):
            busy, record = await self.store.run(Add(lock, mark, HELD), Get(place))
            kept = Kept.of(record)
            if kept is None or _is_good(kept, now):
                if busy is None:
                    await self.store.drop(lock)
                if kept is None:
                    raise log_in_again("no_tenant_token")
                return kept.tokens
            if busy is None and record is not None:
                try:
                    return await self._ask(grant, kept, record, now)
                finally:
                    await self.store.drop(lock)
            await self.pause(EVERY)
        raise try_later("tenant_refresh_busy")

    async def _ask(self, grant: Grant, kept: Kept, record: Record, now: float) -> TenantTokens:
        """Ask the tenant, and write down what it gave unless a newer login did."""
        connection, place = self.connections.get(grant.connection), tokens_key(grant.user_id, grant.connection)
        if connection is None:
            raise log_in_again("connection_removed")
        try:
            given = await self.tenants.refresh(connection, kept.tokens.refresh_token, kept.known, now)
        except UpstreamError as error:
            await self._failed(grant, kept, error, now)
        fresh = replace(kept, tokens=joined(kept.tokens, given, now))
        life = max(1, kept.until - int(now))
        await self.store.run(Swap(place, fresh.as_value(), life, record.revision))
        return fresh.tokens

    async def _failed(self, grant: Grant, kept: Kept, error: UpstreamError, now: float) -> NoReturn:
        """Raises ``Refused`` for everything that the tenant said. What counts no more is let go of; with tokens that
        are not the person's, the sessions end too."""
        if error.status >= 500:
            raise try_later(error.reason) from error
        await self.store.drop(tokens_key(grant.user_id, grant.connection))
        if error.reason != "upstream_invalid_grant":
            for sid in {kept.sid, grant.sid}:
                record = await self.store.get(session_key(sid))
                if record and (session := from_value(record.value)):
                    await self.end(session, (), now)
        raise log_in_again(error.reason) from error


def joined(before: TenantTokens, given: Tokens, now: float) -> TenantTokens:
    """What is kept after a refresh: the refresh token and the scope stay unless others came (RFC 6749 5.1, 6)."""
    fresh = given.kept((), now)
    refresh_token, scope = fresh.refresh_token or before.refresh_token, fresh.scope or before.scope
    return replace(fresh, refresh_token=refresh_token, scope=scope)


def _is_good(kept: Kept, now: float) -> bool:
    ends = kept.tokens.expires_at
    return ends is None or now < ends


def try_later(reason: str) -> Refused:
    """The tenant cannot be asked now, or is being asked for longer than anybody should wait."""
    text = "the tenant cannot be asked for a new token now; try again later"
    return Refused("temporarily_unavailable", text, reason=reason, status=503)
