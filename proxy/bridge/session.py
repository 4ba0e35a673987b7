"""Sessions: who is logged in, in one browser; begun at a login, ended by a logout, an idle or an absolute limit.

The cookie is ``<sid>.<secret>``. The record lies under the sid and holds the secret's hash alone, so neither the store
nor a ``sid`` in an ID token opens a session. A login in the same browser by the same person keeps the sid (the apps
know it) and makes a new secret; by another person it ends the first session. A dropped session is never revived: a kept
sid is written only where its record still exists.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from proxy.downstream.grant import session_key
from proxy.models import Connection, Session
from proxy.store import Drop, Key, Op, Put, Record, Store, Swap, Tell, Touch, digest, key
from proxy.upstream.issuer import may_speak

ENDED, CHANGED = "session_ended", "session_changed"
"""What nodes tell each other about a session, by its sid: it is over; its record is another one."""


def sessions_of_user(user_id: str) -> Key:
    """The index of a person's sessions."""
    return key("user_sessions", user_id)


def sessions_of_upstream(issuer: str, connection: str, sid: str) -> Key:
    """The index of the sessions that one session at the tenant led to."""
    return key("upstream_sessions", f"{connection}\n{issuer}\n{sid}")


def new_sid() -> str:
    """A session's name: 128 random bits, no secret."""
    return secrets.token_urlsafe(16)


@dataclass(frozen=True)
class Ticket:
    """A new cookie for a session: its value, and the hash that the record keeps."""

    cookie: str
    hash: str

    @classmethod
    def new(cls, sid: str) -> Ticket:
        """256 random bits (ASVS 7.2.3)."""
        secret = secrets.token_urlsafe(32)
        return cls(f"{sid}.{secret}", digest(secret))


class Sessions:
    """Reads and writes session records. ``idle`` and ``absolute`` are lifetimes in seconds."""

    def __init__(self, store: Store, connections: Mapping[str, Connection], *, idle: int, absolute: int) -> None:
        self._store = store
        self._connections = connections
        self.idle = idle
        self.absolute = absolute

    async def load(self, cookie: str, now: float) -> Session | None:
        """The live session of a cookie, or None. Raises ``Unavailable``: "could not look" is not "logged out"."""
        sid, dot, secret = cookie.partition(".")
        if not dot or len(sid) != 22 or len(secret) != 43:
            return None
        record = await self._store.get(session_key(sid))
        if record is None or not hmac.compare_digest(digest(secret), str(record.value.get("secret"))):
            return None
        return self.alive(record, now)

    def alive(self, record: Record | None, now: float) -> Session | None:
        """The session in ``record``, if there is one and it has not ended."""
        session = from_value(record.value) if record is not None else None
        return session if session and now < session.expires_at and self._is_heard(session) else None

    def _is_heard(self, session: Session) -> bool:
        """Whether its connection is there, and its issuer is still one of that connection's."""
        connection = self._connections.get(session.connection)
        return connection is not None and may_speak(session.issuer, connection.options)

    def lifetime(self, session: Session, now: float) -> int:
        """Seconds until the idle end, or the absolute one if that is nearer."""
        return max(1, min(self.idle, int(session.expires_at - now)))

    def keep_alive(self, session: Session, now: float) -> Op:
        """A used session lives on for the idle time."""
        return Touch(session_key(session.sid), self.lifetime(session, now), _indexes(session))

    def begin(self, session: Session, ticket: Ticket, now: float) -> Op:
        """What writes a new session."""
        return Put(session_key(session.sid), _value(session, ticket), self.lifetime(session, now), _indexes(session))

    def renew(self, session: Session, ticket: Ticket, now: float) -> Op:
        """What writes a new login over a session with the same sid; it answers False when that one has ended."""
        return Swap(
            session_key(session.sid), _value(session, ticket), self.lifetime(session, now), None, _indexes(session)
        )

    def rewrite(self, session: Session, record: Record, now: float) -> Op:
        """What changes a session that lies in ``record``, and leaves its cookie good."""
        value = {**vars(session), "secret": record.value["secret"]}
        place, life = session_key(session.sid), self.lifetime(session, now)
        return Swap(place, value, life, record.revision, _indexes(session))


def from_value(value: Mapping[str, Any]) -> Session | None:
    """A session back from its record; None for one of a shape that we do not know."""
    fields = {name: each for name, each in value.items() if name != "secret"}
    try:
        return Session(**{**fields, "amr": tuple(value["amr"])})
    except (KeyError, TypeError):
        return None


def _value(session: Session, ticket: Ticket) -> Mapping[str, Any]:
    return {**vars(session), "secret": ticket.hash}


def _indexes(session: Session) -> tuple[Key, ...]:
    of_user = sessions_of_user(session.user_id)
    if not session.upstream_sid:
        return (of_user,)
    return (of_user, sessions_of_upstream(session.issuer, session.connection, session.upstream_sid))


def ends(sid: str) -> tuple[Op, Op]:
    """What ends a session, and lets every node know. Tokens that are bound to it die with it: each use asks for its
    record."""
    return Drop(session_key(sid)), Tell(ENDED, sid)


def changed(sid: str) -> Op:
    """What lets every node know that a session was written anew, so that nobody goes on with what it was."""
    return Tell(CHANGED, sid)
