"""The rings as records: what an older version wrote is read, and no change is lost."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from proxy.downstream import key_record
from proxy.downstream.key_record import FOREVER, PLACES, RING, Held
from proxy.downstream.ring import LEEWAY, SigningKey
from proxy.oidc.errors import Unavailable
from proxy.settings.shape import SIGNING
from proxy.store import Get, Op, Record, key
from proxy.store.memory import MemoryStore
from tests.downstream.world import NOW, Clock, FailingStore

FIRST = SigningKey("first", "a private key", published_at=int(NOW), signs_from=0)
SECOND = SigningKey("second", "another", published_at=int(NOW), alg="PS256")


def test_every_algorithm_of_the_settings_has_its_place() -> None:
    """Each its own, and that of RS256 is where it always was."""
    assert tuple(PLACES) == SIGNING
    assert len(set(PLACES.values())) == len(SIGNING)
    assert PLACES["RS256"] == RING == key("signing_keys", "ring")


@pytest.mark.parametrize("held", [Held((FIRST, SECOND)), Held((FIRST,), ended=int(NOW)), Held()], ids=str)
def test_a_ring_comes_back_as_it_was_written(held: Held) -> None:
    """All that a ring is lies in its record."""
    assert key_record.from_record(Record(key_record.to_value(held), b"")) == held


def test_a_record_without_algorithms_is_read() -> None:
    """Before there were several, every key was for RS256."""
    old = {"kid": "first", "pem": "a private key", "published_at": int(NOW), "signs_from": 0, "revoked": False}
    assert key_record.from_record(Record({"keys": [old]}, b"")) == Held((FIRST,))


@pytest.mark.parametrize(
    ("held", "serves"),
    [
        (Held(), False),
        (Held((FIRST,)), True),
        (Held((FIRST,), ended=int(NOW) - 600 - LEEWAY), False),
        (Held((FIRST,), ended=int(NOW) - 600 - LEEWAY + 1), True),
    ],
    ids=["empty", "on", "over", "not-yet-over"],
)
def test_a_ring_serves_until_its_last_token_has_ended(held: Held, serves: bool) -> None:
    """Switched off, it is kept for the life of a token and some leeway."""
    assert held.serves(NOW, 600) is serves


async def test_all_rings_are_read_in_one_round_trip() -> None:
    """However many algorithms there are; what is not there is left out."""
    trips: list[tuple[Op, ...]] = []

    class Counting(MemoryStore):
        async def run(self, *ops: Op) -> Any:
            trips.append(ops)
            return await super().run(*ops)

    store = Counting(clock=Clock())
    await key_record.add(store, {"PS256": Held((SECOND,)), "RS256": Held((FIRST,))})
    assert await key_record.read(store) == {"RS256": Held((FIRST,)), "PS256": Held((SECOND,))}
    assert [len(ops) for ops in trips] == [2, len(PLACES)]
    assert all(isinstance(op, Get) for op in trips[1])


async def test_a_ring_that_is_there_is_not_begun_again() -> None:
    """Whoever was first made it."""
    store = MemoryStore(clock=Clock())
    await key_record.add(store, {"RS256": Held((FIRST,))})
    await key_record.add(store, {"RS256": Held((replace(FIRST, kid="late"),))})
    assert await key_record.read(store) == {"RS256": Held((FIRST,))}


async def test_a_change_is_asked_again_when_somebody_was_first() -> None:
    """Both changes are in it; one that changes nothing writes nothing."""
    store = MemoryStore(clock=Clock())
    await key_record.add(store, {"RS256": Held((FIRST,))})
    seen: list[Held] = []

    async def interfere() -> None:
        record = await store.get(RING)
        assert record is not None
        assert await store.swap(RING, key_record.to_value(Held((FIRST,), ended=7)), FOREVER, record.revision)

    class Late(MemoryStore):
        async def run(self, *ops: Op) -> Any:
            answers = await store.run(*ops)
            if not seen and isinstance(ops[0], Get):
                await interfere()
            return answers

    def add_second(old: Held) -> Held:
        seen.append(old)
        return replace(old, ring=(*old.ring, SECOND))

    assert await key_record.change(Late(clock=Clock()), "RS256", add_second) == Held((FIRST, SECOND), ended=7)
    assert [old.ended for old in seen] == [None, 7]
    reading = FailingStore(store, lambda op: not isinstance(op, Get), Unavailable("nothing may be written"))
    assert await key_record.change(reading, "RS256", lambda old: old) == Held((FIRST, SECOND), ended=7)


async def test_a_ring_that_is_gone_cannot_be_changed() -> None:
    """A store that lost the keys is no store with an empty ring."""
    with pytest.raises(Unavailable, match="gone"):
        await key_record.change(MemoryStore(clock=Clock()), "RS256", lambda old: Held((FIRST,)))
