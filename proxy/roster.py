"""The connections there are: those of the file, which only the file changes, and those that the API made.

A mapping by name, in memory, so that a request asks nobody. What the API made lies in the store; one record there says
that something changed, and every node that looks (``refresh``) reads the connections again. While the store is away the
last copy stands: nothing can be changed meanwhile.
"""

from __future__ import annotations

import hashlib
import logging
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import SecretStr, ValidationError

from proxy.models import Connection
from proxy.oidc.errors import Unavailable
from proxy.store import Add, Drop, Get, Key, Put, Store, Swap, Touch, key

ALL: Key = key("connections", "all")
CHANGED: Key = key("connections_changed", "last")
FOREVER = 10 * 365 * 86_400
MOST = 5000
_PORTION = 200
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
SECRETS = ("client_secret", "client_secret_previous")
log = logging.getLogger("isthmus.management")


def connection_key(name: str) -> Key:
    """Where a connection that the API made lies."""
    return key("connection", name)


def new_id() -> str:
    """An id as Auth0 makes them: ``con_`` and 16 characters."""
    return "con_" + "".join(secrets.choice(_LETTERS) for _ in range(16))


def declared_id(name: str) -> str:
    """The id of a connection of the file: the same at every start."""
    number, letters = int.from_bytes(hashlib.sha256(name.encode()).digest()[:16]), ""
    for _ in range(16):
        number, at = divmod(number, len(_LETTERS))
        letters += _LETTERS[at]
    return f"con_{letters}"


class NameTaken(Exception):
    """There is a connection of that name."""


@dataclass(frozen=True)
class Entry:
    """One connection with its id. ``revision`` is what a change compares, empty for one of the file, which no change
    reaches; ``extra`` are the options that nobody here knows, kept as they came."""

    id: str
    connection: Connection
    revision: bytes = b""
    extra: Mapping[str, Any] | None = None
    created_at: int = 0

    @property
    def is_declared(self) -> bool:
        """Whether it stands in the file."""
        return not self.revision


class Roster(Mapping[str, Connection]):
    """All connections by name: those of the file first, in its order, then the others, oldest first."""

    def __init__(self, declared: Mapping[str, Connection], store: Store) -> None:
        self._store = store
        self._declared = {name: Entry(declared_id(name), one) for name, one in declared.items()}
        self._entries: dict[str, Entry] = dict(self._declared)
        self._seen: str | None = None

    def __getitem__(self, name: str) -> Connection:
        return self._entries[name].connection

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def entries(self) -> tuple[Entry, ...]:
        """Every connection with its id."""
        return tuple(self._entries.values())

    def by_id(self, id: str) -> Entry | None:
        """The connection of that id."""
        return next((entry for entry in self._entries.values() if entry.id == id), None)

    def id_of(self, name: str) -> str:
        """The id of a connection by its name; empty once it is gone."""
        return self._entries[name].id if name in self._entries else ""

    async def refresh(self) -> bool:
        """Read again if something changed since the last look; answers whether it did. Raises ``Unavailable``."""
        mark = await self._store.get(CHANGED)
        seen = str(mark.value["mark"]) if mark else ""
        if seen == self._seen:
            return False
        found: dict[str, Entry] = {}
        keys = await self._store.list(ALL)
        for start in range(0, len(keys), _PORTION):
            for record in await self._store.run(*map(Get, keys[start : start + _PORTION])):
                entry = _entry(record.value, record.revision) if record else None
                if entry and entry.connection.name not in self._declared:  # the file wins over an older record
                    found[entry.connection.name] = entry
        self._entries, self._seen = {**self._declared, **found}, seen
        return True

    async def add(self, entry: Entry) -> Entry:
        """A new connection. Raises ``NameTaken``, ``Unavailable``."""
        name = entry.connection.name
        if name in self._declared:
            raise NameTaken(name)
        was_there, *_ = await self._store.run(Add(connection_key(name), _value(entry), FOREVER, (ALL,)), _mark())
        if was_there is not None:
            raise NameTaken(name)
        return await self._again(name)

    async def replace(self, entry: Entry) -> Entry | None:
        """Another version of the connection whose record still has ``entry.revision``; None if it has not: somebody
        else changed or removed it. Raises ``Unavailable``."""
        place = connection_key(entry.connection.name)
        done, *_ = await self._store.run(Swap(place, _value(entry), FOREVER, entry.revision, (ALL,)), _mark())
        return await self._again(entry.connection.name) if done else None

    async def remove(self, name: str) -> bool:
        """Take a connection away; answers whether it was there. Raises ``Unavailable``."""
        place = connection_key(name)
        _, was_there, _ = await self._store.run(Touch(place, 1, (ALL,)), Drop(place), _mark())
        await self.refresh()
        return bool(was_there)

    async def _again(self, name: str) -> Entry:
        await self.refresh()
        if name not in self._entries:
            raise Unavailable("the connection was removed meanwhile")
        return self._entries[name]


def _mark() -> Put:
    return Put(CHANGED, {"mark": secrets.token_hex(8)}, FOREVER)


def _value(entry: Entry) -> Mapping[str, Any]:
    """The stored form. The store seals all that it holds, secrets too."""
    plain = entry.connection.model_dump(mode="json", exclude_defaults=True)
    options = entry.connection.options
    for name in SECRETS:
        secret: SecretStr | None = getattr(options, name)
        if secret is not None:
            plain["options"][name] = secret.get_secret_value()
    return {"id": entry.id, "connection": plain, "extra": dict(entry.extra or {}), "created_at": entry.created_at}


def _entry(value: Mapping[str, Any], revision: bytes) -> Entry | None:
    """Back from the stored form; None for one that today's rules refuse, or of a shape that we do not know: it serves
    nobody until it is mended, and the log says so."""
    try:
        connection = Connection.model_validate(value["connection"])
        return Entry(value["id"], connection, revision, value["extra"] or None, value["created_at"])
    except ValidationError as error:
        keys = sorted({".".join(map(str, one["loc"])) for one in error.errors(include_input=False)})
    except KeyError:
        keys = []
    log.error("connection_left_out", extra={"id": value.get("id"), "keys": keys})
    return None
