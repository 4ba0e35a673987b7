"""The store in memory: one process, gone with it. Keeps the same promises as Redis, word for word.

Nothing here awaits between reading and writing, so each operation is atomic by itself. Values pass through JSON, so
that nobody can depend on what Redis would not give back. The clock is an argument: tests move it by hand.
"""

from __future__ import annotations

import asyncio
import json
import math
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from proxy.store import (
    Add,
    Count,
    Drop,
    Get,
    Heard,
    Key,
    Link,
    List,
    Op,
    Put,
    Record,
    Scan,
    Scanned,
    Store,
    Swap,
    Take,
    Taken,
    Tell,
    Touch,
    Used,
    Value,
)

_encode = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode
SWEEP_EVERY = 1000


@dataclass(slots=True)
class _Entry:
    text: str
    revision: bytes
    ends: float
    used: str | None = None

    def record(self) -> Record:
        return Record(json.loads(self.text), self.revision) if self.used is None else Record({}, b"")


class MemoryStore(Store):
    """See the module. ``clock`` answers seconds since the epoch."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._entries: dict[str, _Entry] = {}
        self._indexes: dict[str, dict[str, float]] = {}
        self._writes = 0
        self._ears: dict[object, tuple[frozenset[str], Heard]] = {}
        self._do: dict[type[Any], Callable[[Any], Any]] = {
            Get: self._get,
            Put: self._put,
            Add: self._add,
            Take: self._take,
            Swap: self._swap,
            Touch: self._touch,
            Count: self._count,
            Drop: self._drop,
            List: self._list,
            Scan: self._scan,
            Tell: self._tell,
        }

    async def run(self, *ops: Op) -> Sequence[Any]:
        """See ``Store.run``. Never unavailable."""
        return [self._do[type(op)](op) for op in ops]

    async def ping(self) -> float:
        """The clock."""
        return self._clock()

    async def listen(self, topics: Sequence[str], heard: Heard, link: Link) -> None:
        """See ``Store.listen``. The link is never lost."""
        ear = object()
        self._ears[ear] = (frozenset(topics), heard)
        link(True)
        try:
            await asyncio.Event().wait()
        finally:
            del self._ears[ear]
            link(False)

    async def close(self) -> None:
        """Forget everything."""
        self._entries.clear()
        self._indexes.clear()

    def _live(self, name: str) -> _Entry | None:
        entry = self._entries.get(name)
        return entry if entry is not None and entry.ends > self._clock() else None

    def _ends(self, ttl: int | None) -> float:
        return math.inf if ttl is None else self._clock() + max(1, ttl)

    def _write(self, key: Key, value: Value, ttl: int | None) -> None:
        self._entries[key.name] = _Entry(_encode(dict(value)), secrets.token_bytes(8), self._ends(ttl))
        self._writes += 1
        if self._writes % SWEEP_EVERY == 0:
            self._sweep()

    def _sweep(self) -> None:
        """Let go of what has ended, which nobody may ever ask for again."""
        now = self._clock()
        self._entries = {name: entry for name, entry in self._entries.items() if entry.ends > now}
        trimmed = {index: {n: e for n, e in names.items() if e > now} for index, names in self._indexes.items()}
        self._indexes = {index: names for index, names in trimmed.items() if names}

    def _link(self, key: Key, ttl: int | None, under: tuple[Key, ...]) -> None:
        for index in under:
            names = self._indexes.setdefault(index.name, {})
            names.pop(key.name, None)  # written again: it is the newest now
            names[key.name] = self._ends(ttl)

    def _get(self, op: Get) -> Record | None:
        entry = self._live(op.key.name)
        return entry.record() if entry is not None and entry.used is None else None

    def _put(self, op: Put) -> None:
        self._write(op.key, op.value, op.ttl)
        self._link(op.key, op.ttl, op.under)
        if op.cap is not None:
            self._evict(op.under[0].name, op.cap)

    def _evict(self, index: str, cap: int) -> None:
        names = {n: e for n, e in self._indexes[index].items() if self._live(n)}
        oldest = sorted(names, key=names.__getitem__)[: max(0, len(names) - cap)]
        for name in oldest:
            del names[name], self._entries[name]
        self._indexes[index] = names

    def _add(self, op: Add) -> Record | None:
        self._link(op.key, op.ttl, op.under)
        entry = self._live(op.key.name)
        if entry is not None:
            return entry.record()
        self._write(op.key, op.value, op.ttl)
        return None

    def _take(self, op: Take) -> Taken | Used | None:
        entry = self._live(op.key.name)
        if entry is None:
            return None
        if entry.used is not None:
            return Used(entry.used)
        self._entries[op.key.name] = _Entry("", b"", self._ends(op.keep), op.led_to)
        return Taken(json.loads(entry.text))

    def _swap(self, op: Swap) -> bool:
        self._link(op.key, op.ttl, op.under)
        entry = self._live(op.key.name)
        if entry is None or entry.used is not None or op.revision not in (None, entry.revision):
            return False
        self._write(op.key, op.value, op.ttl)
        return True

    def _touch(self, op: Touch) -> bool:
        self._link(op.key, op.ttl, op.under)
        entry = self._live(op.key.name)
        if entry is None or entry.used is not None:
            return False
        entry.ends = self._ends(op.ttl)
        return True

    def _count(self, op: Count) -> int:
        entry = self._live(op.key.name)
        found = int(entry.text) + op.step if entry is not None else op.step
        self._entries[op.key.name] = _Entry(str(found), b"", self._ends(op.ttl))
        return found

    def _drop(self, op: Drop) -> bool:
        found = self._live(op.key.name) is not None
        self._entries.pop(op.key.name, None)
        return found

    def _list(self, op: List) -> tuple[Key, ...]:
        now = self._clock()
        names = {n: e for n, e in self._indexes.get(op.index.name, {}).items() if e > now}
        return tuple(Key(name) for name in sorted(names, key=names.__getitem__))

    def _scan(self, op: Scan) -> Scanned:
        return Scanned(tuple(key for key in map(Key, self._entries) if key.kind == op.kind and self._live(key.name)))

    def _tell(self, op: Tell) -> None:
        for topics, heard in tuple(self._ears.values()):
            if op.topic in topics:
                heard(op.topic, op.text)
