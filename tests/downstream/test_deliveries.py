"""The queue of notices: every one is tried until it arrives or is given up, once at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace

import pytest

from proxy.downstream.deliveries import (
    AT_ONCE,
    BACKOFF,
    LEASE,
    OF_ONE_CLIENT,
    OF_REGISTERED,
    READ_AT_ONCE,
    Deliveries,
    Delivery,
    all_of,
    new,
)
from proxy.models.client import REGISTERED
from proxy.oidc.errors import Unavailable, UpstreamError
from proxy.store import Key, Put
from proxy.store.memory import MemoryStore
from tests.downstream.world import NOW, Clock


class Desk:
    """A node with its queue; ``says`` is what becomes of each try."""

    def __init__(self, store: MemoryStore, clock: Clock, says: Callable[[], str] = lambda: "") -> None:
        self.tried: list[Delivery] = []
        self.says = says
        self.queue = Deliveries(store, self.carry, clock)

    async def carry(self, delivery: Delivery, now: float) -> str:
        self.tried.append(delivery)
        await asyncio.sleep(0)
        return self.says()

    async def work(self) -> float:
        """One look, and all that it began."""
        seconds = await self.queue.look()
        await asyncio.gather(*self.queue._tasks)
        return seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(clock: Clock) -> MemoryStore:
    return MemoryStore(clock=clock)


async def test_a_delivery_arrives_once_and_its_outcome_can_be_seen(store: MemoryStore, clock: Clock) -> None:
    """Tried at once; afterwards it is done, and nobody tries it again."""
    await store.run(new("app", "ada", "sid", clock.now))
    desk = Desk(store, clock)
    await desk.work()
    clock.now += 3600
    await desk.work()
    assert len(desk.tried) == 1
    (seen,) = await all_of(store)
    assert (seen.client_id, seen.state, seen.attempts, seen.last) == ("app", "delivered", 1, "ok")


async def test_a_failed_one_is_tried_later_and_later_and_given_up(store: MemoryStore, clock: Clock) -> None:
    """Each pause of the table, then ``failed`` with the last reason."""
    await store.run(new("app", "ada", "sid", clock.now))
    desk = Desk(store, clock, lambda: "status_500")
    for pause in BACKOFF:
        await desk.work()
        before = len(desk.tried)
        await desk.work()  # too early
        assert len(desk.tried) == before
        clock.now += pause + 0.1
    await desk.work()
    assert len(desk.tried) == len(BACKOFF) + 1
    (seen,) = await all_of(store)
    assert (seen.state, seen.last, seen.attempts) == ("failed", "status_500", len(BACKOFF) + 1)


@pytest.mark.parametrize(
    ("error", "reason"),
    [(UpstreamError("x", "y", reason="timeout"), "timeout"), (Unavailable("no key"), "no key"),
     (ZeroDivisionError(), "ZeroDivisionError")],
)  # fmt: skip
async def test_whatever_goes_wrong_is_a_failed_try(
    store: MemoryStore, clock: Clock, error: Exception, reason: str
) -> None:
    """A broken client, a missing key or a fault of ours: noted, and tried again."""

    def fail() -> str:
        raise error

    await store.run(new("app", "ada", "sid", clock.now))
    await Desk(store, clock, fail).work()
    (seen,) = await all_of(store)
    assert (seen.state, seen.last, seen.attempts) == ("pending", reason, 1)


async def test_two_nodes_do_not_try_the_same_at_once(store: MemoryStore, clock: Clock) -> None:
    """Who takes it moves its next time away; one that dies with it leaves it to the others after ``LEASE``."""
    await store.run(*(new("app", "ada", f"sid-{n}", clock.now) for n in range(5)))
    desks = [Desk(store, clock) for _ in range(2)]
    await asyncio.gather(*(desk.work() for desk in desks))
    assert sorted(one.sid for desk in desks for one in desk.tried) == [f"sid-{n}" for n in range(5)]


async def test_a_node_that_dies_leaves_its_work(store: MemoryStore, clock: Clock) -> None:
    """After the lease another node tries."""
    await store.run(new("app", "ada", "sid", clock.now))
    dead, alive = Desk(store, clock), Desk(store, clock)
    await dead.queue.look()
    for task in dead.queue._tasks:
        task.cancel()
    await alive.work()
    assert not alive.tried
    clock.now += LEASE + 1
    await alive.work()
    assert len(alive.tried) == 1


async def test_lo_13_a_client_that_hangs_holds_up_nobody_else(store: MemoryStore, clock: Clock) -> None:
    """LO-13: so many at once, so many of one client; the others' notices go out meanwhile."""
    await store.run(*(new("tarpit", "ada", f"t{n}", clock.now) for n in range(2 * READ_AT_ONCE)))
    await store.run(*(new(f"app-{n}", "ada", "s", clock.now) for n in range(100)))
    gate, begun, at_once = asyncio.Event(), [], []

    async def carry(delivery: Delivery, now: float) -> str:
        begun.append(delivery.client_id)
        at_once.append(len(queue._under_way))
        if delivery.client_id == "tarpit":
            await gate.wait()
        return ""

    queue = Deliveries(store, carry, clock)
    for _ in range(50):
        await queue.look()
        for _ in range(5):
            await asyncio.sleep(0)
    assert begun.count("tarpit") == OF_ONE_CLIENT and len(set(begun)) == 101 and max(at_once) <= AT_ONCE
    gate.set()
    await asyncio.gather(*queue._tasks)


async def test_the_work_goes_on_when_the_store_was_away(clock: Clock) -> None:
    """A failed look is followed by another; a ring of the bell makes it soon; the end stops what is under way."""
    looks, looked = 0, asyncio.Event()

    class Flaky(MemoryStore):
        async def list(self, index: Key) -> tuple[Key, ...]:
            nonlocal looks
            looks += 1
            looked.set()
            if looks == 1:
                raise Unavailable("store")
            return ()

    queue = Deliveries(Flaky(clock=clock), Desk(MemoryStore(), clock).carry, clock)
    task = asyncio.create_task(queue.run())
    await looked.wait()
    looked.clear()
    queue.wake()
    await looked.wait()
    assert looks == 2
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_nobody_knows_of_a_delivery_before_it_is_written(store: MemoryStore) -> None:
    """An empty queue shows nothing."""
    assert await all_of(store) == ()
    assert new("app", "ada", "sid", NOW).ttl == 3600  # type: ignore[union-attr]


@pytest.mark.parametrize("change", [{"of_later": 1}, {"client_id": None, "created_at": "soon"}, {"attempts": "many"}])
async def test_lo_13_a_notice_of_another_shape_holds_up_nobody(
    store: MemoryStore, clock: Clock, change: dict[str, object], caplog: pytest.LogCaptureFixture
) -> None:
    """LO-13: what another version wrote is passed over and said in the log; those behind it go out."""
    poison, good = new("app", "ada", "sid", clock.now), new("app", "ada", "sid-2", clock.now)
    assert isinstance(poison, Put)
    await store.run(replace(poison, value={**poison.value, **change}), good)
    desk = Desk(store, clock)
    for _ in range(3):
        await desk.work()
    assert [one.sid for one in desk.tried] == ["sid-2"]
    assert [one.sid for one in await all_of(store)] == ["sid-2"]
    assert [record.message for record in caplog.records].count("delivery_unreadable") == 1


async def test_lo_13_clients_that_registered_themselves_leave_room(store: MemoryStore, clock: Clock) -> None:
    """LO-13: hundreds of them that hang, few notices each, hold up no client of the operator's."""
    await store.run(*(new(f"{REGISTERED}{n}", "eve", "t", clock.now) for n in range(2 * READ_AT_ONCE)))
    await store.run(new("webapp", "ada", "s", clock.now))
    gate, begun = asyncio.Event(), []

    async def carry(delivery: Delivery, now: float) -> str:
        begun.append(delivery.client_id)
        if delivery.client_id != "webapp":
            await gate.wait()
        return ""

    queue = Deliveries(store, carry, clock)
    for _ in range(10):
        await queue.look()
        await asyncio.sleep(0)
    assert "webapp" in begun and len(begun) == OF_REGISTERED + 1 < AT_ONCE
    gate.set()
    await asyncio.gather(*queue._tasks)
