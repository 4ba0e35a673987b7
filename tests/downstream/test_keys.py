"""The key ring on a store: made once, shared by all nodes, changed without losing anybody's change."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from proxy.downstream import keys as key_store
from proxy.downstream.keys import PLACES, RING, KeyRing
from proxy.downstream.ring import LEEWAY, PUBLISH_AHEAD, SigningKey
from proxy.oidc import jose
from proxy.oidc.errors import Unavailable
from proxy.oidc.keys import parse_jwks
from proxy.store import Get, Swap
from proxy.store.memory import MemoryStore
from tests.downstream.world import Clock, FailingStore, SlowStore

MADE: dict[tuple[str, int], SigningKey] = {}
ALL = ("RS256", "PS256", "ES256", "EdDSA")
DAY = 86_400


@pytest.fixture(autouse=True)
def few_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """The n-th key of each test is the same real key: they take long to find."""
    real, numbers = key_store.generate, iter(range(1000))

    def generate(now: int, alg: str) -> SigningKey:
        assert threading.current_thread() is not threading.main_thread(), "it would stop the server"
        place = (alg.replace("PS", "RS"), next(numbers))
        if place not in MADE:
            MADE[place] = real(0, alg)
        return replace(MADE[place], published_at=now, alg=alg)

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
            jose.verify_own(token, parse_jwks(self.keys), typ="JWT")
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
    assert len(asked) > first


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


def published(ring: KeyRing, now: float) -> dict[str, list[str]]:
    """The names in the key set, by algorithm."""
    found: dict[str, list[str]] = {}
    for jwk in ring.jwks(now)["keys"]:
        found.setdefault(jwk["alg"], []).append(jwk["kid"])
    return found


async def loaded(store: Any, clock: Clock, algorithms: Iterable[str] = ALL, **more: Any) -> KeyRing:
    """A node that has looked once."""
    ring = KeyRing(store, algorithms=tuple(algorithms), **more)
    await ring.keep(clock.now)
    return ring


class CountingStore(MemoryStore):
    """Counts round trips and what was written."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock=clock)
        self.trips, self.writes = 0, 0

    async def run(self, *ops: Any) -> Any:
        self.trips += 1
        self.writes += sum(not isinstance(op, Get) for op in ops)
        return await super().run(*ops)


async def test_each_algorithm_has_keys_of_its_own(store: MemoryStore, clock: Clock) -> None:
    """RFC 8725 3.1: on a new store all sign at once, each with a key that is named for it and used for nothing else."""
    ring = await loaded(store, clock)
    assert {alg: len(kids) for alg, kids in published(ring, clock.now).items()} == dict.fromkeys(ALL, 2)
    jwks = ring.jwks(clock.now)["keys"]
    assert len({jwk.get("n") or jwk["x"] for jwk in jwks}) == 8
    for alg in ALL:
        token = ring.signer(clock.now, alg).sign({"sub": "a"}, typ="JWT")
        assert jose.peek(token)[0]["alg"] == alg
        assert jose.verify_own(token, ring.key_set(clock.now), typ="JWT") == {"sub": "a"}
    assert ring.key_set(clock.now) == parse_jwks(ring.jwks(clock.now))


async def test_a_key_of_one_algorithm_signs_nothing_with_another(store: MemoryStore, clock: Clock) -> None:
    """JO-03: a PS256 token by the RS256 key is none of ours, though both are RSA."""
    ring = await loaded(store, clock, ("RS256", "PS256"))
    key = next(k for k in MADE.values() if k.kid == ring.signer(clock.now).kid)
    forged = jose.Signer(key.pem, key.kid, "PS256").sign({"sub": "a"}, typ="JWT")
    with pytest.raises(jose.NoSuchKey):
        jose.verify_own(forged, ring.key_set(clock.now), typ="JWT")


async def test_an_algorithm_that_is_added_is_published_before_it_signs(store: MemoryStore, clock: Clock) -> None:
    """A store that has keys keeps them; tokens of the new algorithm come when every client can know its key."""
    before = await loaded(store, clock, ("RS256",))
    kid = before.signer(clock.now).kid
    clock.now += 5 * DAY
    ring = await loaded(store, clock)
    begin = clock.now
    assert ring.signer(begin).kid == kid
    with pytest.raises(Unavailable) as caught:
        ring.signer(begin + 300, "PS256")
    assert caught.value.retry_after == PUBLISH_AHEAD - 300
    first = published(ring, begin)["PS256"][0]
    assert ring.signer(begin + PUBLISH_AHEAD, "PS256").kid == first


@pytest.mark.parametrize("alg", ["PS256", "HS256", "none", ""])
async def test_what_is_not_switched_on_signs_nothing(store: MemoryStore, clock: Clock, alg: str) -> None:
    """Whatever a client registered while it was on."""
    ring = await loaded(store, clock, ("RS256", "ES256"))
    with pytest.raises(Unavailable):
        ring.signer(clock.now, alg)


async def test_an_algorithm_that_is_switched_off_goes_with_its_last_token(store: MemoryStore, clock: Clock) -> None:
    """It signs nothing more, is published as long as its tokens live, then leaves the store, private halves first."""
    on = await loaded(store, clock, ("RS256", "PS256"))
    token = on.signer(clock.now, "PS256").sign({"sub": "a"}, typ="JWT")
    off = await loaded(store, clock, ("RS256",))
    with pytest.raises(Unavailable):
        off.signer(clock.now, "PS256")
    assert {e.state for e in await off.entries(clock.now) if e.alg == "PS256"} == {"previous"}
    clock.now += DAY + LEEWAY - 1
    await off.keep(clock.now)
    assert jose.verify_own(token, off.key_set(clock.now), typ="JWT")
    clock.now += 1
    await off.keep(clock.now)
    assert list(published(off, clock.now)) == ["RS256"]
    record = await store.get(PLACES["PS256"])
    assert record is not None and record.value["keys"] == []


async def test_an_algorithm_that_comes_back(store: MemoryStore, clock: Clock) -> None:
    """Soon: its keys were published all the time, and sign on. Late: new ones, published first."""
    first = await loaded(store, clock, ("RS256", "PS256"))
    kid = first.signer(clock.now, "PS256").kid
    off = await loaded(store, clock, ("RS256",))
    clock.now += 3600
    soon = await loaded(store, clock, ("RS256", "PS256"))
    assert soon.signer(clock.now, "PS256").kid == kid
    clock.now += 30 * DAY
    assert (await loaded(store, clock, ("RS256", "PS256"))).signer(clock.now, "PS256").kid == kid
    await off.keep(clock.now)
    clock.now += 30 * DAY
    await off.keep(clock.now)
    late = await loaded(store, clock, ("RS256", "PS256"))
    with pytest.raises(Unavailable):
        late.signer(clock.now, "PS256")
    clock.now += PUBLISH_AHEAD
    assert late.signer(clock.now, "PS256").kid != kid


async def test_a_look_costs_one_round_trip_and_reads_no_key_again(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every few seconds: nothing is written, no private key prepared, and what was prepared to verify is kept."""
    store = CountingStore(clock)
    ring = await loaded(store, clock, rotation=30 * DAY)
    key_set, trips, writes = ring.key_set(clock.now), store.trips, store.writes
    monkeypatch.setattr(jose, "Signer", None)
    for _ in range(10):
        clock.now += 5
        await ring.keep(clock.now)
    assert (store.trips - trips, store.writes - writes) == (10, 0)
    assert ring.key_set(clock.now) is key_set


async def test_only_the_new_key_is_prepared(store: MemoryStore, clock: Clock) -> None:
    """After a rotation the signers that were there are the same objects."""
    ring = await loaded(store, clock)
    before = {alg: ring.signer(clock.now, alg) for alg in ALL}
    await ring.rotate(clock.now)
    assert {alg: ring.signer(clock.now, alg) for alg in ALL} == before
    assert all(len(kids) == 3 for kids in published(ring, clock.now).values())


async def test_one_algorithm_is_rotated_or_revoked_alone(store: MemoryStore, clock: Clock) -> None:
    """The others stay as they are; one that is not switched on is told apart from success."""
    ring = await loaded(store, clock, ("RS256", "PS256"))
    before = published(ring, clock.now)
    await ring.rotate(clock.now, "PS256")
    after = published(ring, clock.now)
    assert (after["RS256"], len(after["PS256"])) == (before["RS256"], 3)
    with pytest.raises(KeyError):
        await ring.rotate(clock.now, "ES256")
    kid = ring.signer(clock.now, "PS256").kid
    await ring.revoke(kid, clock.now)
    assert kid not in published(ring, clock.now)["PS256"]
    assert published(ring, clock.now)["RS256"] == before["RS256"]


async def test_keys_rotate_by_themselves(store: MemoryStore, clock: Clock) -> None:
    """Two nodes that look every few minutes: one rotation of each algorithm a period, by whoever is first; no key
    signs before it was published long enough; a client with a cache verifies every token; old keys go."""
    period, life, step = 7200, 1800, 300
    nodes = [KeyRing(store, life, algorithms=("RS256", "ES256"), rotation=period) for _ in range(2)]
    client, begin = CachingClient(), clock.now
    seen: dict[str, float] = {}
    signed: dict[str, float] = {}
    failures = 0
    while clock.now < begin + 4 * period + 60:
        node = nodes[int(clock.now / step) % 2]
        await node.keep(clock.now)
        for one in nodes:
            if not one.loaded:
                continue
            for jwk in one.jwks(clock.now)["keys"]:
                seen.setdefault(jwk["kid"], clock.now)
            for alg in one.algorithms:
                signer = one.signer(clock.now, alg)
                signed.setdefault(signer.kid, clock.now)
                failures += not client.verify(signer.sign({"sub": "a"}, typ="JWT"), one, clock.now)
        clock.now += step
    assert (failures, len(signed)) == (0, 2 * 5)
    later = {kid: at for kid, at in signed.items() if at > begin}
    assert len(later) == 2 * 4
    assert all(at - seen[kid] >= PUBLISH_AHEAD for kid, at in later.items())
    assert all(len(kids) <= 3 for kids in published(nodes[0], clock.now).values())


async def test_two_nodes_that_rotate_at_the_same_moment_rotate_once(clock: Clock) -> None:
    """Whoever writes first wins; the other finds it done, and both sign and publish alike."""
    store = SlowStore(MemoryStore(clock=clock))
    nodes = [KeyRing(store, algorithms=("RS256", "ES256"), rotation=30 * DAY) for _ in range(3)]
    await asyncio.gather(*(node.keep(clock.now) for node in nodes))
    old = nodes[0].signer(clock.now).kid
    clock.now += 30 * DAY
    await asyncio.gather(*(node.keep(clock.now) for node in nodes))
    assert {node.signer(clock.now).kid for node in nodes} != {old}
    assert len({node.signer(clock.now).kid for node in nodes}) == 1
    for node in nodes:
        assert published(node, clock.now) == published(nodes[0], clock.now)
        assert all(len(kids) == 3 for kids in published(node, clock.now).values())


async def test_without_a_period_keys_rotate_by_hand_only(store: MemoryStore, clock: Clock) -> None:
    """However long a key has signed."""
    ring = await loaded(store, clock, rotation=0)
    before = await ring.entries(clock.now)
    clock.now += 3650 * DAY - 1
    await ring.keep(clock.now)
    assert await ring.entries(clock.now) == before


async def test_a_rotation_by_hand_puts_the_next_one_off(store: MemoryStore, clock: Clock) -> None:
    """The period begins anew with every key that begins to sign."""
    ring = await loaded(store, clock, ("RS256",), rotation=30 * DAY)
    clock.now += 20 * DAY
    await ring.rotate(clock.now)
    kid = ring.signer(clock.now).kid
    clock.now += 30 * DAY - 1
    await ring.keep(clock.now)
    assert ring.signer(clock.now).kid == kid
    clock.now += 1
    await ring.keep(clock.now)
    assert ring.signer(clock.now).kid != kid


async def test_the_published_keys_are_made_anew_when_one_has_ended(store: MemoryStore, clock: Clock) -> None:
    """The set is kept as long as it is right, and no longer, without a look at the store."""
    ring = await loaded(store, clock, ("RS256",))
    clock.now += PUBLISH_AHEAD
    await ring.rotate(clock.now)
    kept = ring.key_set(clock.now)
    assert ring.key_set(clock.now + DAY + LEEWAY - 1) is kept
    assert len(ring.key_set(clock.now + DAY + LEEWAY).keys) == len(kept.keys) - 1
