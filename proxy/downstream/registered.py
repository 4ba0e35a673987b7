"""Registered clients as the store holds them, and the secrets they are given.

A record has the metadata and the hashes of all secrets; a secret itself only where signatures are made with it (every
record is sealed by the store). Written here, read by ``clients``.
"""

from __future__ import annotations

import base64
import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from proxy.downstream.client_metadata import needs_readable_secret, needs_secret
from proxy.downstream.clients import client_key, from_record, listed_under, secret_hash
from proxy.models import Client
from proxy.models.client import REGISTERED
from proxy.oidc.errors import Refused, Unavailable
from proxy.store import Drop, Get, Key, Put, Store, Swap, Touch, Value, key

ALL = key("clients", "all")
FOREVER = 10 * 365 * 86_400
MOST = 10_000
"""Registered clients, at most."""
COUNTED_FOR = 10.0
"""Seconds that a count of them is good."""
_PORTION = 500


def new_id() -> str:
    """The id of a client: 128 random bits, no secret."""
    return f"{REGISTERED}{secrets.token_hex(16)}"


def new_secret() -> str:
    """A secret or token: 256 random bits."""
    return secrets.token_urlsafe(32)


def hashed(secret: str) -> str:
    """How a record names a secret."""
    return base64.b64encode(secret_hash(secret)).decode("ascii")


def matches(given: str, hashes: tuple[str, ...]) -> bool:
    """Whether ``given`` is one of the secrets, in the same time for every answer."""
    found = [hmac.compare_digest(hashed(given), one) for one in hashes or (hashed(""),)]
    return any(found) and bool(given)


@dataclass(frozen=True)
class Registered:
    """A client in the store. ``token`` is the hash of its registration access token, empty for one that was added by a
    command; ``hashes`` are those of its secrets, the newest first; ``secret`` and ``previous`` the secrets themselves
    where they must be readable."""

    client: Client
    issued_at: int
    token: str = ""
    hashes: tuple[str, ...] = ()
    secret: str = field(default="", repr=False)
    previous: str = field(default="", repr=False)

    def as_value(self) -> Value:
        """As plain values, for the stored record."""
        apart = {"client_secret", "client_secret_previous", "is_first_party"}
        return {
            "metadata": self.client.model_dump(mode="json", exclude_defaults=True, exclude=apart),
            "first_party": self.client.is_first_party,
            "hashes": list(self.hashes),
            "secret": self.secret,
            "previous": self.previous,
            "token": self.token,
            "issued_at": self.issued_at,
        }

    @classmethod
    def from_value(cls, value: Mapping[str, Any]) -> Registered | None:
        """Back from the stored record; None for one that breaks a rule of today (``clients.from_record``)."""
        names = ("issued_at", "token", "secret", "previous")
        known = from_record({**value, "secret": "", "previous": ""})
        if known is None or not all(name in value for name in names):
            return None
        return cls(client=known.client, hashes=tuple(value["hashes"]), **{name: value[name] for name in names})

    def having(self, client: Client, shown: str = "", *, renew: bool = False) -> tuple[Registered, str]:
        """The record for changed metadata, and the secret that had to be made for it, if any. ``shown`` is the secret
        as the client knows it. With ``renew`` it gets another one, and the one before stays good until the next."""
        if not needs_secret(client):
            return replace(self, client=client, hashes=(), secret="", previous=""), ""
        readable = needs_readable_secret(client)
        if self.hashes and not renew and (self.secret or shown or not readable):
            kept = (self.secret or shown, self.previous) if readable else ("", "")
            return replace(self, client=client, secret=kept[0], previous=kept[1]), ""
        made = new_secret()
        hashes = (hashed(made), *self.hashes[:1]) if renew else (hashed(made),)
        plain = (made, self.secret if renew else "") if readable else ("", "")
        return replace(self, client=client, hashes=hashes, secret=plain[0], previous=plain[1]), made


class Registry:
    """Adds, changes and removes registered clients. Everything here raises ``Unavailable``."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._counted = (float("-inf"), 0)

    async def check_room(self, now: float) -> None:
        """Raises ``Refused`` (503) when there are as many clients as there may be."""
        at, count = self._counted
        if now - at >= COUNTED_FOR:
            count = len(await self._store.list(ALL))
            self._counted = (now, count)
        if count >= MOST:
            raise Refused("temporarily_unavailable", "no more clients can be registered here; remove some", status=503)

    async def add(self, entry: Registered) -> None:
        """A new client."""
        under = (ALL, *listed_under(entry.client))
        await self._store.run(Put(client_key(entry.client.client_id), entry.as_value(), FOREVER, under))
        self._counted = (self._counted[0], self._counted[1] + 1)

    async def find(self, client_id: str) -> tuple[Registered, bytes] | None:
        """The client and the revision of its record, or None."""
        record = await self._store.get(client_key(client_id)) if 0 < len(client_id) <= 255 else None
        entry = Registered.from_value(record.value) if record else None
        return (entry, record.revision) if record and entry else None

    async def replace(self, entry: Registered, revision: bytes) -> None:
        """Other metadata for the client whose record still has ``revision``; one that is gone does not come back."""
        place = client_key(entry.client.client_id)
        swap = Swap(place, entry.as_value(), FOREVER, revision, listed_under(entry.client))
        if not (await self._store.run(swap))[0]:
            raise Unavailable("the client is being changed by somebody else")

    async def remove(self, client_id: str) -> bool:
        """Take the client away. Answers whether it was there."""
        return await unlist(self._store, client_key(client_id), ALL)

    async def all(self) -> tuple[Registered, ...]:
        """Every registered client, oldest first."""
        entries = map(Registered.from_value, await listed(self._store, ALL))
        return tuple(entry for entry in entries if entry is not None)


async def listed(store: Store, index: Key) -> list[Value]:
    """The values of all records under an index."""
    keys, found = await store.list(index), list[Value]()
    for start in range(0, len(keys), _PORTION):
        records = await store.run(*map(Get, keys[start : start + _PORTION]))
        found += [record.value for record in records if record]
    return found


async def unlist(store: Store, place: Key, index: Key) -> bool:
    """Delete a record that would live for years, and its entry in the index with it: that ends within a second."""
    _, was_there = await store.run(Touch(place, 1, (index,)), Drop(place))
    return bool(was_there)
