"""When keys are published, sign and go: the rules of the ring, on times alone."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import count

import pytest

from proxy.downstream.ring import (
    CACHED_FOR,
    LEEWAY,
    PUBLISH_AHEAD,
    Ring,
    SigningKey,
    begun,
    due,
    published,
    revoked,
    rotated,
    signing,
    signs_in,
    states,
)

DAY = 86_400
T = 1_800_000_000
NAMES = (f"key-{n}" for n in count())


def fresh(now: int) -> SigningKey:
    return SigningKey(next(NAMES), "a private key", published_at=now)


def a_ring(now: int = T) -> Ring:
    """As it begins: one key signs, the next waits."""
    return (replace(fresh(now), signs_from=0), fresh(now))


def names(ring: Ring) -> list[str]:
    return [k.kid for k in ring]


def signer(ring: Ring, now: float) -> str:
    found = signing(ring, now)
    assert found is not None
    return found.kid


def rotate(ring: Ring, now: int) -> Ring:
    return rotated(ring, fresh(now), now, DAY)


def revoke(ring: Ring, kid: str, now: int) -> Ring:
    return revoked(ring, kid, fresh(now), now)


def test_the_first_key_signs_and_the_next_is_published() -> None:
    """From the first moment a client sees the key that will sign after the first rotation."""
    ring = a_ring()
    assert signer(ring, T) == ring[0].kid
    assert names(published(ring, T, DAY)) == names(ring)
    assert [e.state for e in states(ring, T)] == ["current", "next"]


def test_a_rotation_right_away_waits_until_the_key_is_known() -> None:
    """A key published a moment ago does not sign before every cached key set has it (OIDC Core 10.1.1)."""
    before = a_ring()
    ring = rotate(before, T + 10)
    assert signer(ring, T + PUBLISH_AHEAD - 0.1) == before[0].kid
    assert signer(ring, T + PUBLISH_AHEAD) == before[1].kid
    assert [e.state for e in states(ring, T + 10)] == ["current", "next", "next"]


def test_a_rotation_later_is_at_once() -> None:
    """A key that was published long enough signs from the rotation on; a new one is published in its place."""
    before = a_ring()
    ring = rotate(before, T + PUBLISH_AHEAD)
    assert signer(ring, T + PUBLISH_AHEAD) == before[1].kid
    assert [e.state for e in states(ring, T + PUBLISH_AHEAD)] == ["previous", "current", "next"]


def test_a_second_rotation_waits_for_the_first() -> None:
    """Rotating twice in a hurry is rotating once."""
    once = rotate(a_ring(), T + 10)
    assert rotate(once, T + 20) == once


def test_the_old_key_stays_as_long_as_its_last_token() -> None:
    """Published for the configured life of the longest token after its last signature, and some leeway; then gone."""
    before = a_ring()
    now = T + PUBLISH_AHEAD
    ring = rotate(before, now)
    old = before[0].kid
    assert old in names(published(ring, now + DAY + LEEWAY - 1, DAY))
    assert old not in names(published(ring, now + DAY + LEEWAY, DAY))
    assert old not in names(published(ring, now + 600 + LEEWAY, 600))
    assert old not in names(rotate(ring, now + DAY + LEEWAY))


class Cached:
    """A copy of our key names that is renewed every ``age`` seconds from ``source``, first at ``phase``."""

    def __init__(self, age: int, phase: int) -> None:
        self._age, self._due = age, phase
        self.names: list[str] = []

    def look(self, now: int, source: list[str]) -> list[str]:
        if now >= self._due:
            self._due, self.names = now + self._age, source
        return self.names


@pytest.mark.parametrize("hurry", [0, 60, PUBLISH_AHEAD, 3 * DAY], ids=lambda s: f"rotate-after-{s}")
def test_ft_45_no_token_fails_at_a_client_that_caches(hurry: int) -> None:
    """FT-45: over two rotations, one right after the other, clients that keep our keys for 10 minutes, behind HTTP
    caches that keep them as long as we allow, verify each token for its whole life: 0 failures, however times fall."""
    life, step = 3600, 20
    begin = T + hurry
    ring = a_ring()
    chains = [(Cached(CACHED_FOR, T + a), Cached(600, T + b)) for a in range(0, 300, 60) for b in range(0, 600, 60)]
    tokens: list[tuple[int, str]] = []
    failures, used, rotations = 0, Counter[str](), 0
    for now in range(max(T, begin - 1200), begin + 3 * life, step):
        if now >= begin and rotations < 2:
            changed = rotated(ring, fresh(now), now, life)
            rotations += changed != ring
            ring = changed
        tokens = [(t, k) for t, k in tokens if now - t < life] + [(now, signer(ring, now))]
        used[tokens[-1][1]] += 1
        here, alive = names(published(ring, now, life)), {k for _, k in tokens}
        seen = [client.look(now, cache.look(now, here)) for cache, client in chains]
        failures += sum(not alive <= set(known) for known in seen if known)
    assert (failures, len(used), rotations) == (0, 3, 2)


def test_revoking_the_key_that_signs_hands_over_at_once() -> None:
    """The next key, which clients know already, signs from now on; the revoked one is in no key set, its private half
    is nowhere, and there is a next one again."""
    before = a_ring()
    ring = revoke(before, before[0].kid, T + 5)
    assert signer(ring, T + 5) == before[1].kid
    assert before[0].kid not in names(published(ring, T + 5, DAY))
    assert next(k for k in ring if k.kid == before[0].kid).pem == ""
    assert [e.state for e in states(ring, T + 5)] == ["revoked", "current", "next"]


def test_revoking_the_key_that_signs_never_brings_an_old_one_back() -> None:
    """A key that was rotated out stays out, and stays published only as long as it would have been."""
    before = a_ring()
    now = T + PUBLISH_AHEAD
    ring = rotate(before, now)
    ring = revoke(ring, before[1].kid, now + 5)
    assert signer(ring, now + 5) not in names(before)
    assert before[0].kid in names(published(ring, now + DAY, DAY))
    assert before[0].kid not in names(published(ring, now + DAY + LEEWAY, DAY))


@pytest.mark.parametrize("behind", [0, 45, 90, 3600])
def test_ft_47_a_node_whose_clock_is_behind_has_a_key_all_the_same(behind: int) -> None:
    """FT-47: at the first start and after a revocation the key that signs is the same by every clock, and published."""
    before = a_ring()
    assert signer(before, T - behind) == before[0].kid
    now = T + PUBLISH_AHEAD + 4000
    ring = revoke(rotate(before, now), before[1].kid, now + 4000)
    assert signer(ring, now + 4000 - behind) == signer(ring, now + 4000)
    assert signer(ring, now + 4000 - behind) in names(published(ring, now + 4000 - behind, DAY))


def test_revoking_the_next_key_replaces_it() -> None:
    """The key that signs goes on, and clients get another one to know in advance."""
    before = a_ring()
    ring = revoke(before, before[1].kid, T + 5)
    assert signer(ring, T + 10 * DAY) == before[0].kid
    assert [e.state for e in states(ring, T + 5)] == ["current", "revoked", "next"]
    assert before[0].kid in names(published(ring, T + 10 * DAY, DAY))


def test_revoking_a_planned_key_cancels_the_rotation() -> None:
    """A key that never signed did not end the one before it: that one signs on, published, for as long as it does."""
    planned = rotate(a_ring(), T + 10)
    ring = revoke(planned, planned[1].kid, T + 20)
    for later in (T + PUBLISH_AHEAD, T + 10 * DAY):
        assert signer(ring, later) == planned[0].kid
        assert planned[0].kid in names(published(ring, later, DAY))
    assert signer(rotate(ring, T + 10 * DAY), T + 10 * DAY) == planned[2].kid


def test_revoking_while_a_rotation_is_planned_brings_it_forward() -> None:
    """The planned key signs now, the one that waits goes on waiting."""
    planned = rotate(a_ring(), T + 10)
    ring = revoke(planned, planned[0].kid, T + 20)
    assert signer(ring, T + 20) == planned[1].kid
    assert [k.kid for k in ring if k.is_next] == [planned[2].kid]


def test_there_is_always_exactly_one_next_key() -> None:
    """Whatever was rotated and revoked before, one key signs and one waits, both published."""
    ring, now = a_ring(), T
    for move in range(60):
        now += (10, 400, PUBLISH_AHEAD, 2 * DAY)[move % 4]
        live = [k for k in ring if not k.revoked]
        ring = rotate(ring, now) if move % 3 else revoke(ring, live[move % len(live)].kid, now)
        waiting = [k.kid for k in ring if k.is_next]
        assert len(waiting) == 1
        assert {signer(ring, now), *waiting} <= set(names(published(ring, now, DAY)))


def test_the_first_ring_of_all_signs_at_once_and_another_one_later() -> None:
    """Nobody can have a key set before the first; a ring that is added to others is published first."""
    alone = begun(fresh(T), fresh(T), T, alone=True)
    assert signer(alone, T - 3600) == alone[0].kid
    added = begun(fresh(T), fresh(T), T, alone=False)
    assert signing(added, T + PUBLISH_AHEAD - 1) is None
    assert signer(added, T + PUBLISH_AHEAD) == added[0].kid
    assert names(published(added, T, DAY)) == names(added)
    assert [(e.state, e.since) for e in states(added, T + 5)] == [("next", T), ("next", T)]
    assert [signs_in(added, T + age) for age in (0, 890, PUBLISH_AHEAD)] == [PUBLISH_AHEAD, 10, 1]


def test_revoking_the_first_key_of_an_added_ring_lets_the_other_be_first() -> None:
    """It has been published as long, so it signs as soon; there is a next one again."""
    added = begun(fresh(T), fresh(T), T, alone=False)
    ring = revoke(added, added[0].kid, T + 60)
    assert signing(ring, T + PUBLISH_AHEAD - 1) is None
    assert signer(ring, T + PUBLISH_AHEAD) == added[1].kid
    assert [e.state for e in states(ring, T + 60)] == ["revoked", "next", "next"]


@pytest.mark.parametrize(
    ("age", "expected"), [(0, False), (DAY - 1, False), (DAY, True), (10 * DAY, True)], ids=lambda v: str(v)
)
def test_a_rotation_is_due_when_the_key_has_signed_so_long(age: int, expected: bool) -> None:
    """Counted from its publication for the very first, since that one signs by any clock; once planned, not again."""
    ring = begun(fresh(T), fresh(T), T, alone=True)
    assert due(ring, T + age, DAY) is expected
    planned = rotate(ring, T + age)
    assert not due(planned, T + age, DAY)
    assert due(planned, T + age + PUBLISH_AHEAD + DAY, DAY)


def test_a_ring_that_signs_nothing_yet_is_not_due() -> None:
    """Before the first key signs there is nothing to rotate."""
    added = begun(fresh(T), fresh(T), T, alone=False)
    assert not due(added, T + PUBLISH_AHEAD - 1, 1)
    assert not due((), T, 1)


def test_a_ring_that_was_switched_off_stays_for_its_tokens() -> None:
    """Every key that may have signed is published until its last token has ended; all are previous ones."""
    ring = rotate(a_ring(), T + PUBLISH_AHEAD)
    off = T + PUBLISH_AHEAD + 100
    assert names(published(ring, off + DAY + LEEWAY - 1, DAY, off)) == names(ring)[1:]
    assert published(ring, off + DAY + LEEWAY, DAY, off) == ()
    assert {e.state for e in states(ring, off, switched_on=False)} == {"previous"}
