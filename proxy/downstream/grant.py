"""A grant: what one person allowed one client, from the code to the last refresh token (RFC 6749 1.3, RFC 9700 4.14).

Every token of a grant points to this one record: dropping it ends the whole family at once. Records name tokens by
their hashes only.

    code     {grant to be}                 60 seconds, taken once
    grant    client, person, scopes        as long as the longest of its tokens
    access   grant, scopes, audience       an opaque access token; a JWT one carries the same in its claims
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from proxy.models import Session
from proxy.store import Key, digest, key

TOMBSTONE: Mapping[str, Any] = {"revoked": True}
"""Stands where a grant was revoked, so that one still being written cannot come to life."""


@dataclass(frozen=True)
class Lifetimes:
    """How long things live, in seconds."""

    code: int = 60
    access_token: int = 86_400
    id_token: int = 36_000
    refresh_idle: int = 15 * 86_400
    refresh_absolute: int = 30 * 86_400
    reuse_window: int = 10


@dataclass(frozen=True)
class Grant:
    """What was granted. ``sid`` is the session it came from; ``offline`` lets it outlive that session.

    ``head`` is the hash of the refresh token that is good, ``previous`` of the one before, rotated at ``rotated_at``.
    """

    id: str
    client_id: str
    user_id: str
    sid: str
    connection: str
    scopes: tuple[str, ...]
    auth_time: int
    created_at: int
    expires_at: int
    profile: Mapping[str, Any]
    audience: str = ""
    nonce: str = ""
    offline: bool = False
    head: str = ""
    previous: str = ""
    rotated_at: int = 0

    def as_value(self) -> Mapping[str, Any]:
        """As plain values, for the stored record."""
        return asdict(self)

    @classmethod
    def from_value(cls, value: Mapping[str, Any]) -> Grant | None:
        """Back from the stored record; None for a revoked one."""
        return None if value.get("revoked") else cls(**{**value, "scopes": tuple(value["scopes"])})


@dataclass(frozen=True)
class Refresh:
    """A refresh token, taken apart: which grant it belongs to, and its secret's hash."""

    grant_id: str
    hash: str

    @classmethod
    def parse(cls, token: str) -> Refresh | None:
        """``<grant id>.<secret>``, both ours to make: anything else is None."""
        grant_id, dot, secret = token.partition(".")
        well_formed = dot and len(grant_id) == 22 and len(secret) == 43 and token.isascii()
        return cls(grant_id, digest(token)) if well_formed else None


def new_id() -> str:
    """A grant's id: 128 random bits, no secret."""
    return secrets.token_urlsafe(16)


def new_secret() -> str:
    """A code or token: 256 random bits (RFC 6749 10.10)."""
    return secrets.token_urlsafe(32)


def code_key(code: str) -> Key:
    """Where a code lies."""
    return key("code", code)


def grant_key(grant_id: str) -> Key:
    """Where a grant lies."""
    return key("grant", grant_id)


def access_key(token: str) -> Key:
    """Where an opaque access token lies."""
    return key("access", token)


def session_key(sid: str) -> Key:
    """Where the session of a ``sid`` lies. Written by the bridge; downstream asks only whether it still exists."""
    return key("session", sid)


def grants_of_session(sid: str) -> Key:
    """The index of the offline grants that began in a session."""
    return key("session_grants", sid)


def rotate(grant: Grant, lifetimes: Lifetimes, now: float) -> tuple[Grant, str]:
    """The grant with a new head, and the refresh token for it."""
    token = f"{grant.id}.{new_secret()}"
    return replace(grant, head=digest(token), previous=grant.head, rotated_at=int(now)), token


def lifetime(grant: Grant, lifetimes: Lifetimes, now: float) -> int:
    """Seconds the record must be kept from ``now``: offline grants by the idle and absolute limits of their refresh
    tokens, others as long as an access token lives."""
    if not grant.offline:
        return lifetimes.access_token
    return max(1, min(max(lifetimes.refresh_idle, lifetimes.access_token), int(grant.expires_at - now)))


@dataclass(frozen=True)
class Code:
    """What a code stands for until it is redeemed: the request it answers and the session that answered."""

    client_id: str
    redirect_uri: str
    sid: str
    scopes: tuple[str, ...]
    audience: str = ""
    nonce: str = ""
    challenge: str = ""
    person: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, request: Any, session: Session) -> Code:
        """The code of a checked request, answered by ``session``."""
        person = {
            "user_id": session.user_id,
            "connection": session.connection,
            "auth_time": session.auth_time,
            "profile": dict(session.profile),
        }
        return cls(
            request.client_id,
            request.redirect_uri,
            session.sid,
            request.scopes,
            request.audience,
            request.nonce,
            request.challenge,
            person,
        )

    def as_value(self) -> Mapping[str, Any]:
        """As plain values, for the stored record."""
        return asdict(self)

    @classmethod
    def from_value(cls, value: Mapping[str, Any]) -> Code:
        """Back from the stored record."""
        return cls(**{**value, "scopes": tuple(value["scopes"])})

    def grant(self, grant_id: str, lifetimes: Lifetimes, now: float) -> Grant:
        """The grant it becomes when it is redeemed."""
        return Grant(
            id=grant_id,
            client_id=self.client_id,
            sid=self.sid,
            scopes=self.scopes,
            audience=self.audience,
            nonce=self.nonce,
            created_at=int(now),
            expires_at=int(now) + lifetimes.refresh_absolute,
            offline="offline_access" in self.scopes,
            **self.person,
        )
