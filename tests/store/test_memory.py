"""The memory store beyond what every store promises."""

from __future__ import annotations

from proxy.store import Put, key
from proxy.store.memory import SWEEP_EVERY, MemoryStore


async def test_what_has_ended_is_let_go() -> None:
    """Records and index entries that nobody asks for again do not stay in memory."""
    now = [0.0]
    store = MemoryStore(clock=lambda: now[0])
    index = key("sessions", "anna")
    await store.run(*(Put(key("code", str(n)), {}, 10, (index,)) for n in range(SWEEP_EVERY - 1)))
    now[0] = 11
    await store.put(key("code", "last"), {}, 10)
    assert len(store._entries) == 1
    assert store._indexes == {}


async def test_close_forgets() -> None:
    """A closed memory store holds nothing."""
    store = MemoryStore()
    await store.put(key("code", "a"), {}, 10)
    await store.close()
    assert await store.get(key("code", "a")) is None
