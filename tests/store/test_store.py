"""What every store promises, in memory and on a real server alike."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial

import pytest

from proxy.store import Add, Count, Drop, Get, Key, List, Put, Record, Store, Swap, Take, Taken, Tell, Touch, Used, key
from proxy.web.background import running
from tests.kit.waiting import eventually
from tests.store.conftest import Promise

CODE = key("code", "c0de")
INDEX = key("sessions", "anna", group="anna")


def session(n: int) -> Key:
    """A record in the index's own group."""
    return key("session", f"s{n}", group="anna")


VALUES = {
    "empty": {},
    "nested": {"a": [1, 2.5, None, True, {"b": "c"}]},
    "unicode": {"name": "Zoë 東京 \U0001f980", "": "\x00\r\n"},
    "half a character": {"name": "\ud800"},
    "large": {"text": "x" * 1_000_000},
}


@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES)
async def test_a_value_comes_back_as_it_went_in(store: Store, value: dict[str, object]) -> None:
    """Any JSON object can be stored."""
    await store.put(CODE, value, 60)
    found = await store.get(CODE)
    assert found is not None
    assert found.value == value


@pytest.mark.parametrize("value", [{"t": {1, 2}}, {"n": float("nan")}], ids=["set", "nan"])
async def test_what_is_not_json_is_refused(store: Store, value: dict[str, object]) -> None:
    """A value that Redis could not give back is refused at the door, by every store."""
    with pytest.raises((TypeError, ValueError)):
        await store.put(CODE, value, 60)


async def test_absent_is_none(store: Store) -> None:
    """What was never stored is None, False, or nothing."""
    ops = (Get(CODE), Take(CODE), Swap(CODE, {}, 9, b"12345678"), Swap(CODE, {}, 9, None), Touch(CODE, 9), Drop(CODE))
    assert list(await store.run(*ops)) == [None, None, False, False, False, False]
    assert await store.list(INDEX) == ()
    assert await store.get(CODE) is None


async def test_run_answers_in_order(store: Store) -> None:
    """Several operations in one run see each other's effects and are answered in order."""
    answers = await store.run(Put(CODE, {"n": 1}, 60, (INDEX,)), Get(CODE), List(INDEX), Take(CODE, "x"), Get(CODE))
    assert answers[0] is None
    assert isinstance(answers[1], Record)
    assert list(answers[2:]) == [(CODE,), Taken({"n": 1}), None]
    assert list(await store.run()) == []


@pytest.mark.parametrize("seconds", [1, 0, -5])
async def test_a_record_ends(promise: Promise, seconds: int) -> None:
    """After its lifetime, of one second at least, a record is gone, and an add may take its place."""
    store = promise.store
    await store.run(Put(CODE, {"n": 1}, seconds), Put(session(1), {}, 60))

    async def gone() -> bool:
        return await store.get(CODE) is None

    await promise.until(gone)
    assert await store.take(CODE) is None
    assert await store.add(CODE, {"n": 2}, 60) is None
    assert await store.get(session(1)) is not None


async def test_touch_lengthens_a_life(promise: Promise) -> None:
    """A touched record outlives one that was written with it, and so does its entry in the index."""
    store = promise.store
    await store.run(*(Put(session(n), {"n": n}, 1, (INDEX,)) for n in (1, 2)))
    assert list(await store.run(Touch(session(1), 60, (INDEX,)))) == [True]

    async def other_gone() -> bool:
        return await store.get(session(2)) is None

    await promise.until(other_gone)
    await store.put(session(3), {}, 60, under=(INDEX,))
    assert await store.get(session(1)) is not None
    assert await store.list(INDEX) == (session(1), session(3))


async def test_add_without_end(store: Store) -> None:
    """A record may have no end, and an index keeps its entry."""
    await store.run(Add(session(1), {"n": 1}, None, (INDEX,)), Put(session(2), {}, 60, (INDEX,)))
    assert await store.list(INDEX) == (session(2), session(1))
    assert await store.get(session(1)) is not None


async def test_add_answers_what_was_there(store: Store) -> None:
    """The second add changes nothing and hears of the first; over a used record it hears of something empty."""
    assert await store.add(CODE, {"n": 1}, 60) is None
    found = await store.add(CODE, {"n": 2}, 60)
    assert found == await store.get(CODE)
    assert found is not None
    assert found.value == {"n": 1}
    await store.take(CODE)
    assert await store.add(CODE, {"n": 3}, 60) == Record({}, b"")
    assert await store.get(CODE) is None


async def test_a_used_record_says_what_it_led_to(promise: Promise) -> None:
    """The first take has the value, later ones hear what it led to, for as long as asked; nothing brings it back."""
    store = promise.store
    await store.put(CODE, {"n": 1}, 60)
    assert await store.take(CODE, led_to="grant-1", keep=1) == Taken({"n": 1})
    assert await store.take(CODE, led_to="grant-2") == Used("grant-1")
    assert list(await store.run(Touch(CODE, 60), Swap(CODE, {}, 60, None), Get(CODE))) == [False, False, None]

    async def forgotten() -> bool:
        return await store.take(CODE) is None

    await promise.until(forgotten)


async def test_swap_compares(store: Store) -> None:
    """A swap writes over the revision that was read, once; without one, over whatever is there."""
    await store.put(CODE, {"n": 1}, 60)
    read = await store.get(CODE)
    assert read is not None
    assert await store.swap(CODE, {"n": 2}, 60, read.revision)
    assert not await store.swap(CODE, {"n": 3}, 60, read.revision)
    assert list(await store.run(Swap(CODE, {"n": 4}, 60, None))) == [True]
    found = await store.get(CODE)
    assert found is not None
    assert found.value == {"n": 4}
    assert found.revision != read.revision


async def test_a_dropped_record_is_never_revived(store: Store) -> None:
    """After a drop neither a swap with the revision read before nor a touch brings the record back."""
    await store.put(CODE, {"n": 1}, 60)
    read = await store.get(CODE)
    assert read is not None
    assert await store.drop(CODE, session(9)) == 1
    ops = (Swap(CODE, {}, 60, read.revision), Swap(CODE, {}, 60, None), Touch(CODE, 60), Get(CODE))
    assert list(await store.run(*ops)) == [False, False, False, None]


async def test_index_lists_oldest_first(store: Store) -> None:
    """Records are listed in the order they end, under each index that was named; written again is newest."""
    other = key("grants", "app")
    for n in (1, 2, 3):
        await store.put(session(n), {}, 60, under=(INDEX, other))
    await store.put(session(1), {}, 60, under=(INDEX,))
    assert await store.list(INDEX) == (session(2), session(3), session(1))
    assert await store.list(other) == (session(1), session(2), session(3))


async def test_a_cap_drops_the_oldest(store: Store) -> None:
    """With a cap the newest stay, and records that were dropped meanwhile take nobody's place."""
    for n in range(5):
        await store.run(Put(session(n), {}, 60, (INDEX,), cap=3))
    assert await store.list(INDEX) == (session(2), session(3), session(4))
    assert await store.get(session(1)) is None
    await store.drop(session(3), session(4))
    await store.run(Put(session(5), {}, 60, (INDEX,), cap=3))
    assert await store.list(INDEX) == (session(2), session(5))
    assert await store.get(session(2)) is not None


async def test_rs_07_one_taker_of_fifty(store: Store) -> None:
    """RS-07: of fifty that take at once one has the value, and all others hear what its use led to."""
    await store.put(CODE, {"n": 1}, 60)
    answers = await asyncio.gather(*(store.take(CODE, led_to=str(n)) for n in range(50)))
    winners = [n for n, answer in enumerate(answers) if isinstance(answer, Taken)]
    assert len(winners) == 1
    assert [a for a in answers if not isinstance(a, Taken)] == [Used(str(winners[0]))] * 49


async def test_rs_07_one_adder_of_fifty(store: Store) -> None:
    """RS-07: of fifty that add at once one writes, and all others read what it wrote."""
    answers = await asyncio.gather(*(store.add(CODE, {"n": n}, 60) for n in range(50)))
    winners = [n for n, answer in enumerate(answers) if answer is None]
    assert len(winners) == 1
    assert [a.value["n"] for a in answers if a is not None] == winners * 49


async def test_rs_07_one_swapper_of_fifty(store: Store) -> None:
    """RS-07: of fifty that swap the revision they all read, one writes."""
    await store.put(CODE, {"n": -1}, 60)
    read = await store.get(CODE)
    assert read is not None
    answers = await asyncio.gather(*(store.swap(CODE, {"n": n}, 60, read.revision) for n in range(50)))
    found = await store.get(CODE)
    assert found is not None
    assert [n for n, won in enumerate(answers) if won] == [found.value["n"]]


async def test_rs_07_the_cap_holds_in_a_race(store: Store) -> None:
    """RS-07: fifty capped writes at once leave as many records as the cap says, and the index knows each."""
    await asyncio.gather(*(store.run(Put(session(n), {}, 60, (INDEX,), cap=4)) for n in range(50)))
    listed = await store.list(INDEX)
    alive = [n for n in range(50) if await store.get(session(n)) is not None]
    assert len(listed) == 4
    assert {session(n) for n in alive} == set(listed)


async def test_rs_07_fifty_that_count_are_fifty(store: Store) -> None:
    """RS-07: none is lost, each hears another sum; a step may be none or back, and what was dropped begins anew."""
    sums = [answer for (answer,) in await asyncio.gather(*(store.run(Count(CODE, 60)) for _ in range(50)))]
    assert sorted(sums) == list(range(1, 51))
    steps = Count(CODE, 60, 0), Count(CODE, 60, -1), Drop(CODE), Count(CODE, 60)
    assert list(await store.run(*steps)) == [50, 49, True, 1]


async def test_a_count_ends(promise: Promise) -> None:
    """After its lifetime it begins at nought."""
    store = promise.store
    assert list(await store.run(Count(CODE, 1), Count(session(1), 60))) == [1, 1]

    await promise.until(partial(_dropped, store))
    assert list(await store.run(Count(CODE, 60), Count(session(1), 60))) == [1, 2]


async def _dropped(store: Store) -> bool:
    """Whether the counter is there no more; asked so that asking does not lengthen its life."""
    return [each async for each in store.scan("code")] == []


IDS = ["", "a:b", "a", "{x}", "*", "isthmus:{x}:code", "\u0430", "\u00e9", "e\u0301", "x" * 1_000_000, "\x00", "\ud800"]


async def test_rs_03_odd_ids_do_not_collide(store: Store) -> None:
    """RS-03: ids with separators, braces, wildcards, look-alikes, nothing or a megabyte are records of their own."""
    keys = [key("code", i) for i in IDS] + [key("code", i, group=g) for g in ("a", "a:b") for i in ("b:c", "c")]
    await store.run(*(Put(k, {"n": n}, 60) for n, k in enumerate(keys)))
    found = await store.run(*map(Get, keys))
    assert [record.value["n"] for record in found] == list(range(len(keys)))
    assert all(len(k.name) < 150 and k.kind == "code" for k in keys)


async def test_ping_answers_the_clock(store: Store) -> None:
    """A sign of life is the store's clock, seconds since the epoch."""
    assert await store.ping() >= 1_000_000


async def test_a_scan_finds_every_key_of_a_kind_and_no_other(store: Store) -> None:
    """More than one step's worth, each once; not kinds that begin alike, indexes, or what was dropped."""
    wanted = {key("session", f"s{n}") for n in range(1200)}
    await store.run(*(Put(each, {}, 60) for each in wanted), Put(session(1), {}, 60, (INDEX,)))
    await store.run(Put(key("session_grants", "x"), {}, 60), Put(CODE, {}, 60), Put(key("session", "gone"), {}, 60))
    await store.drop(key("session", "gone"))
    found = [each async for each in store.scan("session")]
    assert set(found) == {*wanted, session(1)} and len(found) == len(wanted) + 1
    assert [each async for each in store.scan("nothing")] == []


# --- what nodes tell each other ---


@dataclass
class Ear:
    """Notes what it hears, and the link going up and down."""

    noted: list[tuple[str, str] | bool] = field(default_factory=list)

    def heard(self, topic: str, text: str) -> None:
        """See ``Heard``."""
        self.noted.append((topic, text))

    def link(self, up: bool) -> None:
        """See ``Link``."""
        self.noted.append(up)

    async def saw(self, *noted: tuple[str, str] | bool) -> None:
        """Wait until this and nothing else was noted."""

        async def all_of_it() -> bool:
            return len(self.noted) >= len(noted)

        await eventually(all_of_it)
        assert self.noted == list(noted)


@asynccontextmanager
async def listening(store: Store, *topics: str) -> AsyncIterator[Ear]:
    """An ear that listens until the end of the block."""
    ear = Ear()
    async with running(store.listen(topics, ear.heard, ear.link)):
        yield ear


async def test_what_is_told_is_heard_by_all_who_listen_to_it(store: Store) -> None:
    """In the order it was told, by each ear that listens to the topic; the link is up before, and down at the end."""
    async with listening(store, "ended", "changed") as one, listening(store, "ended") as other:
        await one.saw(True)
        await other.saw(True)
        answers = await store.run(Tell("ended", "s1"), Put(CODE, {"n": 1}, 60), Tell("changed", "Zoë"), Get(CODE))
        assert answers[:3] == [None] * 3 and isinstance(answers[3], Record)
        await store.run(Tell("another", "s9"), Tell("ended", "s2"))
        await one.saw(True, ("ended", "s1"), ("changed", "Zoë"), ("ended", "s2"))
        await other.saw(True, ("ended", "s1"), ("ended", "s2"))
    assert one.noted[-1] is other.noted[-1] is False


async def test_who_listens_later_hears_nothing_of_before(store: Store) -> None:
    """Nothing is kept: a node that was away asks the store."""
    await store.run(Tell("ended", "s1"))
    async with listening(store, "ended") as ear:
        await ear.saw(True)
        await store.run(Tell("ended", "s2"))
        await ear.saw(True, ("ended", "s2"))
