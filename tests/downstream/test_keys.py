"""The key ring on a store: made once, shared by all nodes, changed without losing anybody's change."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

import pytest

from proxy.downstream import keys as key_store
from proxy.downstream.keys import RING, KeyRing
from proxy.downstream.ring import LEEWAY, PUBLISH_AHEAD, SigningKey
from proxy.oidc import jose
from proxy.oidc.errors import Unavailable
from proxy.store import Swap
from proxy.store.memory import MemoryStore
from tests.downstream.world import Clock, FailingStore, SlowStore

MADE: dict[int, SigningKey] = {}


@pytest.fixture(autouse=True)
def few_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """The n-th key of each test is the same real key: they take long to find."""
    real, numbers = key_store.generate, iter(range(100))

    def generate(now: int) -> SigningKey:
        number = next(numbers)
        if number not in MADE:
            MADE[number] = real(0)
        return SigningKey(MADE[number].kid, MADE[number].pem, published_at=now)

    monkeypatch.setattr(key_store, "generate", generate)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(clock: Clock) -> MemoryStore:
    return MemoryStore(clock=clock)


@dataclass
class CachingClient:
    """A client that fetches our keys from a node at most every 10 minutes."""

    fetched_at: float = -1e9
    keys: Any = field(default_factory=dict)

    def verify(self, token: str, node: KeyRing, now: float) -> bool:
        if now - self.fetched_at >= 600:
            self.fetched_at, self.keys = now, node.jwks(now)
        try:
            jose.verify_own(token, self.keys, typ="JWT")
        except jose.JoseError:
            return False
        return True


async def test_the_first_node_makes_the_ring_and_the_others_find_it(clock: Clock) -> None:
    """Started at the same moment on one store, all nodes sign with one key."""
    store = SlowStore(MemoryStore(clock=clock))
    nodes = [KeyRing(store) for _ in range(5)]
    await asyncio.gather(*(node.load(clock.now) for node in nodes))
    assert len({node.signer(clock.now).kid for node in nodes}) == 1
    assert all(node.jwks(clock.now) == nodes[0].jwks(clock.now) for node in nodes)


async def test_the_key_set_has_what_clients_need_and_nothing_private(store: MemoryStore, clock: Clock) -> None:
    """RFC 7517 4, 5: RSA keys for signatures, each with a name of its own, no private member."""
    ring = KeyRing(store)
    await ring.load(clock.now)
    keys = ring.jwks(clock.now)["keys"]
    assert len(keys) == 2 == len({k["kid"] for k in keys})
    for one in keys:
        assert set(one) == {"kty", "n", "e", "kid", "use", "alg"}
        assert (one["kty"], one["use"], one["alg"]) == ("RSA", "sig", "RS256")


async def test_ft_45_two_rotations_under_load(store: MemoryStore, clock: Clock) -> None:
    """FT-45: a client with a 10 minute cache verifies every token over two rotations, and old ones to their end."""
    life = 1800
    node, client = KeyRing(store, life), CachingClient()
    await node.load(clock.now)
    tokens: list[tuple[float, str]] = []
    begin, kids, failures = clock.now, set(), 0
    rotations = [begin + 60, begin + 3600]
    while clock.now < begin + 3 * 3600:
        if rotations and clock.now >= rotations[0]:
            del rotations[0]
            await node.rotate(clock.now)
        signer = node.signer(clock.now)
        kids.add(signer.kid)
        tokens = [(t, s) for t, s in tokens if clock.now - t < life] + [
            (clock.now, signer.sign({"sub": "a"}, typ="JWT"))
        ]
        failures += sum(not client.verify(token, node, clock.now) for token in (tokens[0][1], tokens[-1][1]))
        clock.now += 60
    assert (failures, len(kids)) == (0, 3)


async def test_ft_46_a_node_that_reads_late_publishes_what_the_other_signs_with(
    store: MemoryStore, clock: Clock
) -> None:
    """FT-46: node 2 sees each change 30 s late; whatever either signs is in the key set of the other at that moment."""
    one, two = KeyRing(store), KeyRing(store)
    await one.load(clock.now)
    await two.load(clock.now)
    begin, failures, changes = clock.now, 0, 0
    while clock.now < begin + 2 * 3600:
        age = clock.now - begin
        if age in (60, 3600):
            await one.rotate(clock.now)
            changes += 1
        if age in (90, 3630):
            await two.load(clock.now)
        for signs, publishes in ((one, two), (two, one)):
            kid = signs.signer(clock.now).kid
            failures += kid not in {k["kid"] for k in publishes.jwks(clock.now)["keys"]}
        clock.now += 10
    assert (failures, changes) == (0, 2)
    assert one.signer(clock.now).kid == two.signer(clock.now).kid


async def test_ft_46_a_revoked_key_hands_over_to_one_the_others_publish(store: MemoryStore, clock: Clock) -> None:
    """FT-46: after a revocation the new signatures are good at a node that has not heard of it."""
    one, two = KeyRing(store), KeyRing(store)
    await one.load(clock.now)
    await two.load(clock.now)
    await one.revoke(one.signer(clock.now).kid, clock.now)
    assert one.signer(clock.now).kid in {k["kid"] for k in two.jwks(clock.now)["keys"]}


async def test_keys_stay_for_the_configured_life(store: MemoryStore, clock: Clock) -> None:
    """A deployment with short tokens takes its old keys out soon, one with long tokens late."""
    short, long = KeyRing(store, 60), KeyRing(store, 7 * 86_400)
    await short.load(clock.now)
    old = short.signer(clock.now).kid
    clock.now += PUBLISH_AHEAD
    await short.rotate(clock.now)
    await long.load(clock.now)
    clock.now += 60 + LEEWAY
    assert old not in {k["kid"] for k in short.jwks(clock.now)["keys"]}
    assert old in {k["kid"] for k in long.jwks(clock.now)["keys"]}


async def test_every_change_counts(clock: Clock) -> None:
    """Two operators at the same moment: one revokes, one rotates, and both have happened."""
    store = SlowStore(MemoryStore(clock=clock))
    one, two = KeyRing(store), KeyRing(store)
    await one.load(clock.now)
    await two.load(clock.now)
    clock.now += PUBLISH_AHEAD
    old = one.signer(clock.now).kid
    await asyncio.gather(one.rotate(clock.now), two.revoke(old, clock.now))
    entries = {e.kid: e.state for e in await one.entries(clock.now)}
    assert entries[old] == "revoked"
    assert sorted(entries.values()).count("next") >= 1 and list(entries.values()).count("current") == 1


async def test_only_a_key_we_have_can_be_revoked(store: MemoryStore, clock: Clock) -> None:
    """An unknown name, or one revoked before, is told apart from success."""
    ring = KeyRing(store)
    entries = await ring.entries(clock.now)
    with pytest.raises(KeyError):
        await ring.revoke("no-such-key", clock.now)
    await ring.revoke(entries[0].kid, clock.now)
    with pytest.raises(KeyError):
        await ring.revoke(entries[0].kid, clock.now)


async def test_a_revoked_keys_private_half_is_gone(store: MemoryStore, clock: Clock) -> None:
    """Neither the store nor the copy in memory can sign with it again."""
    ring = KeyRing(store)
    await ring.load(clock.now)
    old = ring.signer(clock.now).kid
    await ring.revoke(old, clock.now)
    record = await store.get(RING)
    assert record is not None and [k["pem"] for k in record.value["keys"] if k["kid"] == old] == [""]
    assert old not in ring._signers


async def test_a_store_that_is_away_leaves_the_keys_we_know(store: MemoryStore, clock: Clock) -> None:
    """A node that has keys goes on with them; one that never had any is not ready."""
    away = FailingStore(store, lambda op: True, Unavailable("store"))
    ring = KeyRing(store)
    await ring.load(clock.now)
    ring._store = away
    await ring.refresh(clock.now + 10, older_than=1)
    assert ring.loaded and ring.signer(clock.now + 10)
    empty = KeyRing(away)
    with pytest.raises(Unavailable):
        await empty.refresh(clock.now, older_than=1)
    with pytest.raises(Unavailable):
        empty.signer(clock.now)
    assert not empty.loaded and empty.jwks(clock.now) == {"keys": []}


async def test_a_fresh_copy_is_not_read_again(store: MemoryStore, clock: Clock) -> None:
    """Within ``older_than`` seconds the store is left alone."""
    asked: list[object] = []
    ring = KeyRing(FailingStore(store, lambda op: bool(asked.append(op)), Unavailable("never")))  # type: ignore[func-returns-value]
    await ring.refresh(clock.now, older_than=1)
    first = len(asked)
    await ring.refresh(clock.now + 0.5, older_than=1)
    assert len(asked) == first
    await ring.refresh(clock.now + 1, older_than=1)
    assert len(asked) == first + 1


async def test_a_change_that_never_gets_through_is_no_success(store: MemoryStore, clock: Clock) -> None:
    """Somebody else always changes the ring first: 503 after a few tries, and nothing is changed."""

    class Losing(MemoryStore):
        async def run(self, *ops: Any) -> Any:
            return [False if isinstance(op, Swap) else (await super(Losing, self).run(op))[0] for op in ops]

    ring = KeyRing(Losing(clock=clock))
    before = await ring.entries(clock.now)
    with pytest.raises(Unavailable):
        await ring.rotate(clock.now)
    assert await ring.entries(clock.now) == before
