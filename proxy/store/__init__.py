"""The store: a few verbs, and ``run``, which does several in one round trip.

    get    the record, or None
    put    write, with a lifetime; listed under indexes if asked
    add    write only if absent; answers what was there
    take   once, however many ask at the same moment: the value, *used* with what the use led to, or None
    swap   write only if the record is still the one that was read (compare and set); never revives a dropped one
    touch  a new lifetime, if it still exists
    count  add to a counter; answers the sum
    drop   delete
    list   the keys under an index
    tell   say something to every node that listens; who does not listen just then never hears it
    scan   every key of a kind; it reads through the whole store, for an operator's commands and nothing else

Values are plain JSON objects. A record that cannot be looked up raises ``errors.Unavailable``: that is never "absent".
Keys hold hashes, never a secret; values are sealed (``store.sealing``), but for counters, which are numbers and nothing
else. Lifetimes are whole seconds, at least one, counted by the store's own clock. What must be atomic lies within one
hash tag (``group``), so that a cluster can hold it; indexes are repaired, not transacted.
"""

from __future__ import annotations

import base64
import hashlib
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

PREFIX = "isthmus:"
Value = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Key:
    """The name of a record in the store. Made by ``key``, never by hand."""

    name: str

    @property
    def kind(self) -> str:
        """What kind of record it is; sealed values are bound to it."""
        return self.name.split(":")[2]


def digest(text: str) -> str:
    """SHA-256 of ``text``, base64url: how a secret or an id becomes part of a key."""
    raw = hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")


def key(kind: str, id: str, *, group: str | None = None) -> Key:
    """The key of one record: ``isthmus:{hash of group or id}:kind[:hash of id]``."""
    if group is None:
        return Key(f"{PREFIX}{{{digest(id)}}}:{kind}")
    return Key(f"{PREFIX}{{{digest(group)}}}:{kind}:{digest(id)}")


@dataclass(frozen=True, slots=True)
class Record:
    """A stored value, and the revision that ``Swap`` compares."""

    value: Value
    revision: bytes


@dataclass(frozen=True, slots=True)
class Taken:
    """The value, for the one that took it."""

    value: Value


@dataclass(frozen=True, slots=True)
class Used:
    """Somebody took it before; ``led_to`` is what they said the use leads to."""

    led_to: str


@dataclass(frozen=True, slots=True)
class Get:
    """Answers ``Record`` or None. A used record is None."""

    key: Key


@dataclass(frozen=True, slots=True)
class Put:
    """Write for ``ttl`` seconds, listed under the index keys ``under``. With ``cap`` (then ``under`` is one index in
    the record's own group) at most that many are kept there: the oldest are dropped. Answers None."""

    key: Key
    value: Value
    ttl: int
    under: tuple[Key, ...] = ()
    cap: int | None = None


@dataclass(frozen=True, slots=True)
class Add:
    """Write only if absent. Answers None when written, else the ``Record`` that was there (an empty one if it is used).
    It is listed under the indexes either way."""

    key: Key
    value: Value
    ttl: int | None
    under: tuple[Key, ...] = ()


@dataclass(frozen=True, slots=True)
class Take:
    """Answers ``Taken`` once, ``Used`` afterwards (for ``keep`` seconds), None if unknown. Never repeated by us."""

    key: Key
    led_to: str = ""
    keep: int = 600


@dataclass(frozen=True, slots=True)
class Swap:
    """Write only if the record still has ``revision``, or with None if it exists at all. Answers whether it did.
    ``under`` names the indexes it is listed in, so that its entries there live as long as it does."""

    key: Key
    value: Value
    ttl: int
    revision: bytes | None
    under: tuple[Key, ...] = ()


@dataclass(frozen=True, slots=True)
class Touch:
    """A new lifetime in seconds, for its entries in the indexes ``under`` too. Answers whether the record exists."""

    key: Key
    ttl: int
    under: tuple[Key, ...] = ()


@dataclass(frozen=True, slots=True)
class Count:
    """Add ``step`` to a counter, which begins at nought, and let it live for ``ttl`` seconds. Answers the sum. A key
    that counts holds no record."""

    key: Key
    ttl: int
    step: int = 1


@dataclass(frozen=True, slots=True)
class Drop:
    """Delete. Answers whether there was something."""

    key: Key


@dataclass(frozen=True, slots=True)
class List:
    """The keys under an index, oldest first; a listed record may have ended since. Answers a tuple of ``Key``."""

    index: Key


@dataclass(frozen=True, slots=True)
class Scan:
    """Some keys of a ``kind``, from where ``cursor`` left off. Answers ``Scanned``."""

    kind: str
    cursor: str = "0"


@dataclass(frozen=True, slots=True)
class Scanned:
    """Keys that a scan came by, and where to go on; an empty ``cursor`` is the end."""

    keys: tuple[Key, ...]
    cursor: str = ""


@dataclass(frozen=True, slots=True)
class Tell:
    """Say ``text``, no secret, to every node that listens to ``topic`` (``Store.listen``). Answers None."""

    topic: str
    text: str


Op = Get | Put | Add | Take | Swap | Touch | Count | Drop | List | Scan | Tell
Heard = Callable[[str, str], None]
"""Called with the topic and the text of what was said. Never raises."""
Link = Callable[[bool], None]
"""Called with True when what is said can be heard from now on, and with False as soon as it is not sure that it can."""


class Store(ABC):
    """Where records live. ``run`` is all that an implementation writes; the verbs are its short forms."""

    @abstractmethod
    async def run(self, *ops: Op) -> Sequence[Any]:
        """Do ``ops`` in order in one round trip, each atomic by itself; the answers in the same order.

        Raises ``errors.Unavailable`` when any of it could not be done or its outcome is not known.
        """

    @abstractmethod
    async def ping(self) -> float:
        """Ask for a sign of life; answers the store's clock (seconds since the epoch). Raises ``Unavailable``."""

    @abstractmethod
    async def listen(self, topics: Sequence[str], heard: Heard, link: Link) -> None:
        """Hear what is said about ``topics`` until cancelled. A lost link is noticed within a second and made anew.

        ``link(True)`` comes before anything is heard, ``link(False)`` whenever something may have been missed.
        """

    @abstractmethod
    async def close(self) -> None:
        """Let go of connections."""

    async def get(self, key: Key) -> Record | None:
        """See ``Get``."""
        found: Record | None = (await self.run(Get(key)))[0]
        return found

    async def put(self, key: Key, value: Value, ttl: int, *, under: tuple[Key, ...] = ()) -> None:
        """See ``Put``."""
        await self.run(Put(key, value, ttl, under))

    async def add(self, key: Key, value: Value, ttl: int | None) -> Record | None:
        """See ``Add``."""
        found: Record | None = (await self.run(Add(key, value, ttl)))[0]
        return found

    async def take(self, key: Key, *, led_to: str = "", keep: int = 600) -> Taken | Used | None:
        """See ``Take``."""
        found: Taken | Used | None = (await self.run(Take(key, led_to, keep)))[0]
        return found

    async def swap(self, key: Key, value: Value, ttl: int, revision: bytes) -> bool:
        """See ``Swap``."""
        return bool((await self.run(Swap(key, value, ttl, revision)))[0])

    async def drop(self, *keys: Key) -> int:
        """Delete the records; answers how many there were."""
        return sum(await self.run(*map(Drop, keys))) if keys else 0

    async def list(self, index: Key) -> tuple[Key, ...]:
        """See ``List``."""
        found: tuple[Key, ...] = (await self.run(List(index)))[0]
        return found

    async def scan(self, kind: str) -> AsyncIterator[Key]:
        """Every key of ``kind`` that is there from beginning to end, each once; one that comes or goes meanwhile may be
        among them or not."""
        seen: set[Key] = set()
        cursor = "0"
        while cursor:
            part: Scanned = (await self.run(Scan(kind, cursor)))[0]
            for each in part.keys:
                if each not in seen:
                    seen.add(each)
                    yield each
            cursor = part.cursor
