"""The access token that the app of a route is given for the person: the tenant's, or one of ours for an API.

Held in memory per session and route until shortly before it ends; whoever comes while one is being fetched waits for
the same one. Ours is of a grant of the session, for the client ``gateway``: it dies with the session wherever it is
shown to us. The tenant's is what it gave at the login, refreshed where it has ended.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from proxy.downstream import grant as grants
from proxy.downstream.access_token import AccessTokens
from proxy.downstream.grant import Grant, grant_key
from proxy.gateway.spelling import CannotSay
from proxy.models import Session, TenantTokens
from proxy.models.route import Route
from proxy.oidc.errors import Refused, Unavailable
from proxy.store import Put

CLIENT_ID = "gateway"
"""The client that the gateway is."""
MOST, LONGEST = 4096, 16_384
"""How many tokens are held, and how many bytes the text of one has at most."""
MARGIN, LOOK_AGAIN = 60, 60
"""Seconds that a token must still live when it is handed over, if it ever had as many; and seconds until a tenant's
token is read from the store anew."""
Find = Callable[[Grant, float], Awaitable[TenantTokens | None]]
"""What the tenant gave at the last login of a grant's person, refreshed if it has ended (``UpstreamTokens.find``)."""
_Key = tuple[str, str, int]


@dataclass(frozen=True, slots=True)
class Token:
    """The text of a token, good for handing over until ``until``."""

    text: str = field(repr=False)
    until: float


class AppTokens:
    """Fetches and holds them."""

    def __init__(self, find: Find, access_tokens: AccessTokens) -> None:
        self._find = find
        self._access_tokens = access_tokens
        self._held: dict[_Key, Token] = {}
        self._fetching: dict[_Key, asyncio.Task[Token]] = {}

    def held(self, route: Route, session: Session, now: float) -> Token | None:
        """The token for the session and the route, if it is here and good."""
        token = self._held.get(_key(route, session))
        return token if token is not None and now < token.until else None

    async def prepare(self, route: Route, session: Session, now: float) -> Token:
        """The same, fetched if need be. Raises ``CannotSay``: 403 when only a new login brings one, 503 when it may
        come later."""
        if (token := self.held(route, session, now)) is not None:
            return token
        key = _key(route, session)
        task = self._fetching.get(key)
        if task is None:
            task = self._fetching[key] = asyncio.create_task(self._fetch(key, route, session, now))
            task.add_done_callback(lambda _: self._fetching.pop(key, None))
        try:
            return await asyncio.shield(task)
        except Unavailable as error:
            raise CannotSay(error.reason, status=503, retry_after=error.retry_after) from error
        except Refused as error:
            later = error.status >= 500
            raise CannotSay("token_later" if later else "log_in_again", status=503 if later else 403) from error

    async def _fetch(self, key: _Key, route: Route, session: Session, now: float) -> Token:
        token = await (self._ours if route.token == "ours" else self._upstream)(route, session, now)
        if not re.fullmatch(r"[!-~]+", token.text) or len(token.text) > LONGEST:
            raise CannotSay("token_unprintable")
        self._held.pop(key, None)
        if len(self._held) >= MOST:
            del self._held[next(iter(self._held))]
        self._held[key] = token
        return token

    async def _ours(self, route: Route, session: Session, now: float) -> Token:
        """An ``at+jwt`` for the route's audience (RFC 9068)."""
        seconds = self._access_tokens.lifetimes.access_token
        grant = grant_of(session, (route.audience,), now, seconds)
        text, writes = self._access_tokens.issue(grant, (), now)
        await self._access_tokens.store.run(Put(grant_key(grant.id), grant.as_value(), seconds), *writes)
        return Token(text, good_until(now, int(now) + seconds))

    async def _upstream(self, route: Route, session: Session, now: float) -> Token:
        given = await self._find(grant_of(session, (), now, LOOK_AGAIN), now)
        if given is None:
            raise CannotSay("log_in_again")
        until = now + LOOK_AGAIN
        if given.expires_at is not None:
            until = min(until, good_until(now, given.expires_at))
        return Token(given.access_token, until)


def good_until(now: float, ends: int) -> float:
    """Until when a token that ends at ``ends`` may be handed over: the margin before, or half of what is left."""
    return max(ends - MARGIN, now + (ends - now) / 2)


def grant_of(session: Session, audiences: tuple[str, ...], now: float, seconds: int) -> Grant:
    """A grant of the session to the gateway, without any scope: who the person is, and whom a token is for."""
    return Grant(
        id=grants.new_id(),
        client_id=CLIENT_ID,
        user_id=session.user_id,
        sid=session.sid,
        connection=session.connection,
        scopes=(),
        auth_time=session.auth_time,
        created_at=int(now),
        expires_at=int(now) + seconds,
        profile={},
        subject=session.user_id,
        acr=session.acr,
        amr=session.amr,
        audiences=audiences,
    )


def _key(route: Route, session: Session) -> _Key:
    return session.sid, session.user_id, id(route)
