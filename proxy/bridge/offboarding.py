"""The end of a person here, or of all of a connection: blocked, deleted, or of a tenant that was replaced by another.

First it is written that they may not log in, or the record is gone; then their sessions end, with every token that is
bound to them, and the refresh tokens that outlive a session. Whoever logs in meanwhile is found by one or the other.
What is half done when the store goes away is done again by asking again.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any

from proxy.bridge.session import from_value, sessions_of_user
from proxy.bridge.upstream_tokens import tokens_key
from proxy.bridge.users import KEPT, count_key, login_key, user_key, users_of
from proxy.downstream import grant as grants
from proxy.downstream.consents import consents_of
from proxy.downstream.grant import blocked_key, grants_of_user
from proxy.models import Connection, Session
from proxy.store import Drop, Get, Key, List, Op, Put, Record, Store, Touch
from proxy.upstream.issuer import may_speak, speakers

_PORTION = 100
End = Callable[[Session, Sequence[str], float], Awaitable[Any]]


class Offboarding:
    """Ends people. ``end`` ends a session (``Logout.end``). Everything here raises ``Unavailable``."""

    def __init__(self, store: Store, end: End) -> None:
        self._store = store
        self._end = end

    async def block(self, user_id: str, now: float) -> bool:
        """Let a person in no more, on any node, and end all they have. Answers whether they are known."""
        user = await self._store.get(user_key(user_id))
        issuer = user.value["issuer"] if user else ""
        login = await self._store.get(login_key(user_id, issuer)) if user else None
        block = {"since": int(now), "issuer": issuer, "login": login.value if login else {}}
        await self._store.add(blocked_key(user_id), block, None)
        await self._end_all([user_id], now)
        return user is not None

    async def unblock(self, user_id: str) -> bool:
        """Let a person in again: by a new login. Answers whether they were blocked."""
        block = await self._store.get(blocked_key(user_id))
        if block is None:
            return False
        issuer, login = block.value["issuer"], block.value["login"]
        back = (Put(login_key(user_id, issuer), login, KEPT),) if login else ()
        await self._store.run(*back, Drop(blocked_key(user_id)))
        return True

    async def delete(self, user_id: str, now: float) -> bool:
        """Forget a person and end all they have. Who logs in afterwards is new. Answers whether they were known."""
        return await self._delete([user_id], now) > 0

    async def delete_of_connection(self, name: str, now: float) -> int:
        """Forget everybody who came through a connection (MG-15). Answers how many there were."""
        deleted = 0
        for keys in _portions(await self._store.list(users_of(name))):
            who = [user.value["user_id"] for user in await self._store.run(*map(Get, keys)) if user]
            # Before they are forgotten, too: if that is interrupted, those who are left are still in the list.
            await self._end_all(who, now)
            deleted += await self._delete(who, now)
        return deleted

    async def end_strangers(self, before: Connection, after: Connection, now: float) -> int:
        """End all of those whose issuer a changed connection does not hear any more. Answers how many they were."""
        if speakers(before.options) == speakers(after.options):
            return 0
        ended = 0
        for keys in _portions(await self._store.list(users_of(after.name))):
            users = [user.value for user in await self._store.run(*map(Get, keys)) if user]
            who = [user["user_id"] for user in users if not may_speak(user["issuer"], after.options)]
            await self._end_all(who, now)
            ended += len(who)
        return ended

    async def _delete(self, who: Sequence[str], now: float) -> int:
        answers = await self._read(who, lambda one: (Get(user_key(one)), List(consents_of(one))))
        known = [(one, user) for one, user in zip(who, answers[::2], strict=True) if user is not None]
        writes = [write for one, user in known for write in _forget(one, user)]
        writes += [Drop(blocked_key(one)) for one in who] + [Drop(each) for given in answers[1::2] for each in given]
        await self._store.run(*writes)
        await self._end_all(who, now)
        return len(known)

    async def _end_all(self, who: Sequence[str], now: float) -> None:
        kept = (Drop(tokens_key(one, connection_of(one))) for one in who)
        await self._store.run(*kept)
        for record in await self._listed(who, sessions_of_user):
            if session := from_value(record.value):
                await self._end(session, (), now)
        # After the sessions: a code that was redeemed before its session ended has put its grant into this list.
        found = await self._listed(who, grants_of_user)
        await self._store.run(*(grants.revoke(grant.value["id"]) for grant in found if "id" in grant.value))

    async def _listed(self, who: Sequence[str], index: Callable[[str], Key]) -> list[Record]:
        """The records under an index of each of these people. A grant's may be a tombstone, without an ``id``."""
        keys = [key for listed in await self._read(who, lambda one: (List(index(one)),)) for key in listed]
        found: list[Record] = []
        for some in _portions(keys):
            found += [record for record in await self._store.run(*map(Get, some)) if record]
        return found

    async def _read(self, who: Sequence[str], ops: Callable[[str], Sequence[Op]]) -> Sequence[Any]:
        """The answers to the same questions about each of these people, in one round trip."""
        return await self._store.run(*(op for one in who for op in ops(one)))


def connection_of(user_id: str) -> str:
    """The connection of a ``user_id``: no name holds the sign that ends it."""
    return user_id.split("|")[1] if user_id.count("|") >= 2 else ""


def _forget(user_id: str, user: Record) -> tuple[Op, ...]:
    """The record goes, and soon its name in the index."""
    issuer, listed = user.value["issuer"], (users_of(user.value["connection"]),)
    places = (user_key(user_id), login_key(user_id, issuer), count_key(user_id, issuer))
    return (Touch(user_key(user_id), 1, listed), *map(Drop, places))


def _portions(keys: Sequence[Key]) -> Iterator[Sequence[Key]]:
    return (keys[at : at + _PORTION] for at in range(0, len(keys), _PORTION))
