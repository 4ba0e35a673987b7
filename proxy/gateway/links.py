"""The cookie of an app's host: a link to the one session, good on that host alone.

The cookie is ``<sid>.<secret>``. The link's record lies beside its session and names the host; both are read in one
round trip. A link opens nothing without its session: when that ends, wherever it ends, all its links have ended (GW-29,
SE-03: the store holds the hash of the secret and no more).
"""

from __future__ import annotations

import secrets
from collections import OrderedDict
from dataclasses import dataclass, field

from proxy.bridge.session import Sessions
from proxy.downstream.grant import session_key
from proxy.models import Session
from proxy.store import Get, Key, Op, Put, Store, Touch, key

TOUCH = 60.0
"""Seconds between two signs of life of one session, from one process."""
MOST = 20_000
"""Sessions whose last sign of life is remembered."""
MOST_OF_ONE = 1000
"""Links to one session; the oldest make room."""
GRACE = 60
"""Seconds for which a cookie that was replaced opens what it opened."""


def link_key(sid: str, secret: str) -> Key:
    """Where a link lies."""
    return key("gate", secret, group=sid)


def links_of(sid: str) -> Key:
    """The index of a session's links."""
    return key("gates", "open", group=sid)


def parts_of(cookie: str) -> tuple[str, str] | None:
    """The session's name and the secret; None for what never was a cookie of ours."""
    sid, dot, secret = cookie.partition(".")
    return (sid, secret) if dot and len(sid) == 22 and len(secret) == 43 else None


@dataclass
class Links:
    """Makes and follows links."""

    store: Store
    sessions: Sessions
    _touched: OrderedDict[str, float] = field(default_factory=OrderedDict)

    def begin(self, session: Session, host: str, now: float, before: str = "") -> tuple[str, tuple[Op, ...]]:
        """A new link to a session: the cookie, 256 random bits (ASVS 7.2.3), and what writes it. The cookie that the
        browser had ``before`` is good only for what is under way with it."""
        secret, sid = secrets.token_urlsafe(32), session.sid
        life = max(1, int(session.expires_at - now))
        write = Put(link_key(sid, secret), {"host": host}, life, (links_of(sid),), MOST_OF_ONE)
        last = parts_of(before)
        return f"{sid}.{secret}", (write, Touch(link_key(*last), GRACE)) if last else (write,)

    async def follow(self, cookie: str, host: str, now: float) -> Session | None:
        """The live session that a cookie on ``host`` leads to, or None; a session that is used lives on. Raises
        ``Unavailable``: "could not look" is not "logged out"."""
        parts = parts_of(cookie)
        if parts is None:
            return None
        link, record = await self.store.run(Get(link_key(*parts)), Get(session_key(parts[0])))
        if link is None or link.value.get("host") != host:
            return None
        session = self.sessions.alive(record, now)
        if session is not None and self._is_due(session.sid, now):
            await self.store.run(self.sessions.keep_alive(session, now))
        return session

    def _is_due(self, sid: str, now: float) -> bool:
        """Whether the session has not been kept alive from here for a while."""
        if now - self._touched.get(sid, 0.0) < min(TOUCH, self.sessions.idle / 4):
            return False
        self._touched[sid] = now
        self._touched.move_to_end(sid)
        while len(self._touched) > MOST:
            self._touched.popitem(last=False)
        return True
