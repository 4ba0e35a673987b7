"""People as we know them: one record for each ``user_id``, its profile as Auth0 normalises it.

What lasts and what each login brings lie apart, so that a login reads nothing before it writes:

    user          who they are, and what the first login said; never overwritten by another
    user_login    what the last login said, under the issuer that said it
    user_logins   how many there were
    user_blocked  is there for a person who may not log in, with their last login: attempts overwrite the other

The first login binds its issuer: another under the same ``user_id`` is refused (RP-19). All of it is forgotten
``KEPT`` seconds after the last login, but a block is not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from proxy.downstream.grant import blocked_key
from proxy.models import Connection, Session
from proxy.oidc.errors import ProtocolError, Shown, UpstreamError
from proxy.plugins import Mapped
from proxy.store import Add, Count, Drop, Get, Key, Op, Put, Record, Store, Touch, key

KEPT = 400 * 86_400
ROOT = ("name", "given_name", "family_name", "nickname", "picture")
"""The attributes that ``set_user_root_attributes`` is about, as at Auth0."""
PROVIDER = "oidc"
_PORTION = 200


def user_key(user_id: str) -> Key:
    """Where a person is kept."""
    return key("user", user_id)


def login_key(user_id: str, issuer: str) -> Key:
    """Where the last login of a person is kept."""
    return key("user_login", issuer, group=user_id)


def count_key(user_id: str, issuer: str) -> Key:
    """Where a person's logins are counted."""
    return key("user_logins", issuer, group=user_id)


def users_of(connection: str) -> Key:
    """The index of the people who came through a connection."""
    return key("connection_users", connection)


# --- a login ---


@dataclass(frozen=True)
class Visit:
    """A login, as it is written down. ``source`` is the network address it came from."""

    session: Session
    connection: Connection
    source: str

    def writes(self) -> tuple[Op, ...]:
        """What writes it down. The block is looked at last: whoever blocks a person finds either the session that
        stands before this in the same round trip, or a login that sees the block."""
        who, issuer = self.session.user_id, self.session.issuer
        place, listed = user_key(who), (users_of(self.session.connection),)
        return (
            Add(place, self._first(), KEPT, listed),
            Touch(place, KEPT),
            Put(login_key(who, issuer), self._last(), KEPT),
            Count(count_key(who, issuer), KEPT),
            Get(blocked_key(who)),
        )

    def refusal(self, answers: Sequence[Any]) -> ProtocolError | None:
        """Why the person may not log in, by the answers to ``writes``; None if they may."""
        bound, *_, blocked = answers
        if self._is_strange(bound):
            return UpstreamError("access_denied", "this person is known from another issuer", reason="issuer_changed")
        return None if blocked is None else Shown("access_denied", "user is blocked", reason="user_blocked", status=403)

    def undo(self, answers: Sequence[Any]) -> tuple[Op, ...]:
        """What takes it back: it did not count, and of an issuer that is not the person's nothing stays."""
        who, issuer = self.session.user_id, self.session.issuer
        if self._is_strange(answers[0]):
            return Drop(login_key(who, issuer)), Drop(count_key(who, issuer))
        return (Count(count_key(who, issuer), KEPT, -1),)

    def _is_strange(self, bound: Record | None) -> bool:
        return bound is not None and bound.value["issuer"] != self.session.issuer

    def _first(self) -> Mapping[str, Any]:
        root = {name: value for name, value in self._kept().items() if name in ROOT}
        names = ("user_id", "connection", "subject", "issuer")
        return {**{name: getattr(self.session, name) for name in names}, "created_at": self._when(), "root": root}

    def _last(self) -> Mapping[str, Any]:
        return {"profile": self._kept(), "last_login": self._when(), "last_ip": self.source}

    def _kept(self) -> Mapping[str, Any]:
        passing = self.connection.options.non_persistent_attrs
        return {name: value for name, value in self.session.profile.items() if name not in passing}

    def _when(self) -> int:
        return self.session.auth_time


async def with_root(store: Store, connection: Connection, user_id: str, mapped: Mapped) -> Mapped:
    """The profile with the root attributes that the connection lets a login set: by default all, and nobody is asked.
    Raises ``Unavailable``."""
    mode, passing = connection.options.set_user_root_attributes, connection.options.non_persistent_attrs
    if mode == "on_each_login":
        return mapped
    record = await store.get(user_key(user_id))
    if mode == "on_first_login" and record is None:
        return mapped
    fixed = [name for name in ROOT if mode == "never_on_login" or name not in passing]
    root = {name: value for name, value in record.value["root"].items() if name in fixed} if record else {}
    kept = {name: value for name, value in mapped.profile.items() if name not in fixed}
    sources = {name: source for name, source in mapped.sources.items() if name in kept}
    return Mapped({**kept, **root}, {**sources, **dict.fromkeys(root, "isthmus")})


# --- who there is ---


@dataclass(frozen=True)
class User:
    """A person with the profile of their last login. Times are seconds since the epoch."""

    user_id: str
    connection: str
    issuer: str
    subject: str
    created_at: int
    updated_at: int
    last_login: int
    last_ip: str
    logins_count: int
    blocked: bool
    profile: Mapping[str, Any]
    app_metadata: Mapping[str, Any] = field(default_factory=dict)
    user_metadata: Mapping[str, Any] = field(default_factory=dict)

    @property
    def identities(self) -> tuple[Mapping[str, Any], ...]:
        """Auth0's list of what a person is linked to: here always the one login they have."""
        own = self.user_id.partition("|")[2]
        return ({"connection": self.connection, "user_id": own, "provider": PROVIDER, "isSocial": False},)


class Users:
    """Reads who there is. Everything here raises ``Unavailable``."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def find(self, user_id: str) -> User | None:
        """One person."""
        return next(iter(await self._read([user_key(user_id)])), None)

    async def of_connection(self, name: str, start: int, count: int) -> tuple[tuple[User, ...], int]:
        """``count`` people of a connection from the ``start``-th on, those who have not come for the longest time
        first; and how many there are, give or take those who were deleted."""
        keys = await self._store.list(users_of(name))
        return await self._read(keys[start : start + count]), len(keys)

    async def _read(self, keys: Sequence[Key]) -> tuple[User, ...]:
        found: list[User] = []
        for at in range(0, len(keys), _PORTION):
            records = await self._store.run(*map(Get, keys[at : at + _PORTION]))
            found += await self._completed([record for record in records if record])
        return tuple(found)

    async def _completed(self, records: Sequence[Record]) -> list[User]:
        reads: list[Op] = []
        for who, issuer in ((record.value["user_id"], record.value["issuer"]) for record in records):
            counted = Count(count_key(who, issuer), KEPT, 0)
            reads += (Get(login_key(who, issuer)), counted, Get(blocked_key(who)))
        answers = await self._store.run(*reads) if reads else ()
        return [_user(record, answers[3 * n : 3 * n + 3]) for n, record in enumerate(records)]


def _user(record: Record, answers: Sequence[Any]) -> User:
    login, count, blocked = answers
    first, last = dict(record.value), login.value if login else {}
    if blocked:
        last = blocked.value["login"]
    root = first.pop("root")
    when = last.get("last_login", first["created_at"])
    return User(
        **first,
        updated_at=max(when, blocked.value["since"] if blocked else 0),
        last_login=when,
        last_ip=last.get("last_ip", ""),
        logins_count=count,
        blocked=blocked is not None,
        profile=last.get("profile", root),
    )
