"""Transactions: one trip, one browser, once."""

from __future__ import annotations

from proxy.bridge import transaction as trips
from proxy.models import Transaction, Wishes
from proxy.store import Take, Taken, Used
from proxy.store.memory import MemoryStore


def a_trip(id: str = "") -> Transaction:
    return Transaction(
        id=id or trips.new_id(),
        request={"client_id": "webapp"},
        client_id="webapp",
        started_at=1,
        wishes=Wishes(scopes=("openid", "email"), prompt=("login",), max_age=5, fresh=True),
        previous={"sid": "s", "user_id": "u", "auth_time": 1},
    )


async def test_a_transaction_comes_back_as_it_was_saved() -> None:
    """Every field survives the store, tuples as tuples."""
    store, trip = MemoryStore(), a_trip()
    await store.run(trips.save("b" * 43, trip))
    record = await store.get(trips.transaction_key("b" * 43, trip.id))
    assert record is not None and trips.from_value(record.value) == trip


async def test_cb_02_another_browser_finds_nothing() -> None:
    """CB-02: the state alone does not find the transaction; the browser's secret is part of its key."""
    store, trip = MemoryStore(), a_trip()
    await store.run(trips.save("mine", trip))
    (stolen,) = await store.run(Take(trips.transaction_key("theirs", trip.id)))
    (own,) = await store.run(Take(trips.transaction_key("mine", trip.id)))
    assert stolen is None and isinstance(own, Taken)


async def test_cb_03_a_state_is_taken_once() -> None:
    """CB-03: the second time it is known as used."""
    store, trip = MemoryStore(), a_trip()
    await store.run(trips.save("mine", trip))
    first, second = await store.run(*[Take(trips.transaction_key("mine", trip.id))] * 2)
    assert isinstance(first, Taken) and isinstance(second, Used)


async def test_cb_15_at_most_a_hundred_trips_are_open_in_a_browser() -> None:
    """CB-15: of 500 begun the last 100 are there, the oldest made room."""
    store = MemoryStore()
    for number in range(500):
        await store.run(trips.save("mine", a_trip(f"t{number}")))
    kept = [n for n in range(500) if await store.get(trips.transaction_key("mine", f"t{n}"))]
    assert kept == list(range(400, 500))


async def test_lo_18_a_logout_cancels_the_browsers_open_trips() -> None:
    """LO-18: afterwards none of them can finish, and another browser's can."""
    store, mine, theirs = MemoryStore(), a_trip(), a_trip()
    await store.run(trips.save("mine", mine), trips.save("theirs", theirs))
    await trips.forget(store, "mine")
    assert await store.get(trips.transaction_key("mine", mine.id)) is None
    assert await store.get(trips.transaction_key("theirs", theirs.id)) is not None
