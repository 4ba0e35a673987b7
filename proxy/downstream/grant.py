"""A grant: what one person allowed one client, from the code to the last refresh token (RFC 6749 1.3, RFC 9700 4.14).

Every token of a grant points to this one record: once it is gone or revoked, the whole family has ended. Records name
tokens by their hashes only.

    code     {grant to be}                 60 seconds, taken once
    grant    client, person, scopes        as long as the longest of its tokens
    access   grant, scopes, audience       an opaque access token; a JWT one carries the same in its claims
    denied   nothing                       a JWT access token that was revoked by itself, until it ends
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from proxy.models import Client
from proxy.oidc.errors import Refused
from proxy.store import Key, Op, Put, digest, key

REMEMBERED = 600
"""Seconds that a used code and a revoked grant are remembered: longer than a code lives or a request can last."""


@dataclass(frozen=True)
class Lifetimes:
    """How long things live, in seconds."""

    code: int = 60
    access_token: int = 86_400
    id_token: int = 36_000
    refresh_idle: int = 15 * 86_400
    refresh_absolute: int = 30 * 86_400
    reuse_window: int = 10

    @property
    def signed(self) -> int:
        """The longest life of a token that carries our signature."""
        return max(self.access_token, self.id_token)


@dataclass(frozen=True)
class Grant:
    """What was granted. ``sid`` is the session it came from; ``offline`` lets it outlive that session.

    ``seed`` is what its refresh tokens prove their origin with; ``head`` the hash of the one that is good, ``previous``
    of the one before, rotated at ``rotated_at``. ``expires_at`` ends the last of them. ``subject`` is who the person is
    to the client, ``acr`` and ``amr`` how they logged in, ``claims`` what the client asked for by name, at ``id_token``
    and ``userinfo``, ``jkt`` the key the refresh tokens are bound to (RFC 9449 5), or empty. Without a ``user_id`` it
    is the client's own (RFC 6749 4.4).
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
    subject: str = ""
    acr: str = ""
    amr: tuple[str, ...] = ()
    claims: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    audiences: tuple[str, ...] = ()
    jkt: str = ""
    offline: bool = False
    seed: str = ""
    head: str = ""
    previous: str = ""
    rotated_at: int = 0

    def as_value(self) -> Mapping[str, Any]:
        """As plain values, for the stored record."""
        return dict(vars(self))

    @classmethod
    def from_value(cls, value: Mapping[str, Any]) -> Grant | None:
        """Back from the stored record; None for a revoked one, and for one of a shape that we do not know: what another
        version wrote counts no more than what is not there."""
        if value.get("revoked"):
            return None
        try:
            lists = {name: tuple(value[name]) for name in ("scopes", "amr", "audiences")}
            claims = {place: tuple(names) for place, names in value["claims"].items()}
            return cls(**{**value, **lists, "claims": claims})
        except (AttributeError, KeyError, TypeError):
            return None


@dataclass(frozen=True)
class Refresh:
    """A refresh token, taken apart: ``<grant id>.<secret>.<proof>``. The proof tells an old token of the family, whose
    return ends it, from a text that never was one (RFC 9700 4.14.2)."""

    grant_id: str
    secret: str
    proof: str

    @classmethod
    def parse(cls, token: str) -> Refresh | None:
        """The parts, or None for a text of another form."""
        parts = token.split(".")
        return cls(*parts) if token.isascii() and list(map(len, parts)) == [22, 43, 43] else None

    @property
    def hash(self) -> str:
        """How the grant's record names it."""
        return digest(f"{self.grant_id}.{self.secret}.{self.proof}")

    def is_of(self, grant: Grant) -> bool:
        """Whether the grant ever gave it out. One without a seed gave out none: a proof without one is anybody's."""
        return bool(grant.seed) and hmac.compare_digest(self.proof, _proof(grant, self.secret))


def _proof(grant: Grant, secret: str) -> str:
    mac = hmac.new(grant.seed.encode(), f"{grant.id}.{secret}".encode(), hashlib.sha256).digest()
    return base64.urlsafe_b64encode(mac).rstrip(b"=").decode("ascii")


def new_id() -> str:
    """A grant's id: 128 random bits, no secret."""
    return secrets.token_urlsafe(16)


def new_secret() -> str:
    """A code or token: 256 random bits (RFC 6749 10.10)."""
    return secrets.token_urlsafe(32)


def grant_key(grant_id: str) -> Key:
    """Where a grant lies."""
    return key("grant", grant_id)


def access_key(token: str) -> Key:
    """Where an opaque access token lies."""
    return key("access", token)


def denied_key(jti: str) -> Key:
    """Where it is remembered that a JWT access token was revoked by itself."""
    return key("denied", jti)


def session_key(sid: str) -> Key:
    """Where the session of a ``sid`` lies. Written by the bridge; downstream asks only whether it still exists."""
    return key("session", sid)


def grants_of_session(sid: str) -> Key:
    """The index of the offline grants that began in a session."""
    return key("session_grants", sid)


def grants_of_user(user_id: str) -> Key:
    """The index of a person's offline grants."""
    return key("user_grants", user_id)


def blocked_key(user_id: str) -> Key:
    """Where it is written that a person is blocked. Written by the bridge; downstream asks only whether it exists."""
    return key("user_blocked", user_id)


def user_blocked() -> Refused:
    """A blocked person gets no tokens, whatever was granted before."""
    return Refused("invalid_grant", "user is blocked", reason="user_blocked")


def listed_under(grant: Grant) -> tuple[Key, ...]:
    """The indexes a grant is listed in. One that ends with its session needs none."""
    return (grants_of_session(grant.sid), grants_of_user(grant.user_id)) if grant.offline else ()


def revoke(grant_id: str) -> Op:
    """What ends a grant: a tombstone takes its place, so that one still being written cannot come to life."""
    return Put(grant_key(grant_id), {"revoked": True}, REMEMBERED)


def bound(grant: Grant, client: Client, jkt: str) -> Grant:
    """The grant with its refresh tokens bound to the key ``jkt``, if ``client`` has nothing else to prove that they are
    its own (RFC 9449 5)."""
    return replace(grant, jkt=jkt) if client.is_public else grant


def rotate(grant: Grant, now: float) -> tuple[Grant, str]:
    """The grant with a new head, and the refresh token for it."""
    secret = new_secret()
    token = f"{grant.id}.{secret}.{_proof(grant, secret)}"
    return replace(grant, head=digest(token), previous=grant.head, rotated_at=int(now)), token


def refresh_ends(grant: Grant, lifetimes: Lifetimes) -> int:
    """When the newest refresh token of the grant ends: by its idle limit or by the absolute one."""
    return min(grant.rotated_at + lifetimes.refresh_idle, grant.expires_at)


def lifetime(grant: Grant, lifetimes: Lifetimes, now: float) -> int:
    """Seconds the record must be kept from ``now``: as long as its newest access or refresh token lives."""
    refresh = refresh_ends(grant, lifetimes) - int(now) if grant.offline else 0
    return max(lifetimes.access_token, refresh)
