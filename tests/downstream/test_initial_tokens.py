"""Initial access tokens: counted, ended, revoked; never twice."""

from __future__ import annotations

import asyncio

import pytest

from proxy.downstream.initial_tokens import ALL, InitialTokens, token_key
from proxy.oidc.errors import Refused, Unavailable
from proxy.store.memory import MemoryStore
from tests.downstream.world import NOW, Clock, FailingStore, World

DAY = 86_400


@pytest.fixture
def clock() -> Clock:
    """Moved by hand."""
    return Clock()


@pytest.fixture
def tokens(clock: Clock) -> InitialTokens:
    """On a store of their own."""
    return InitialTokens(MemoryStore(clock=clock))


async def test_rg_01_a_token_counts_its_uses(tokens: InitialTokens) -> None:
    """RG-01: two uses are two; the third is 401. To look at it costs nothing."""
    token = await tokens.issue(NOW, uses=2, seconds=DAY)
    for left in (1, 0):
        await tokens.check(token, NOW)
        assert (await tokens.spend(token, NOW)).uses == left
    for ask in (tokens.check, tokens.spend):
        with pytest.raises(Refused) as refused:
            await ask(token, NOW)
        assert (refused.value.code, refused.value.status) == ("invalid_token", 401)


async def test_rg_01_unlimited_until_revoked(tokens: InitialTokens) -> None:
    """RG-01: without a count it is good until the operator ends it."""
    token = await tokens.issue(NOW, uses=None, seconds=DAY, first_party=True)
    for _ in range(5):
        assert (await tokens.spend(token, NOW)).first_party
    assert await tokens.revoke(token.partition(".")[0])
    with pytest.raises(Refused):
        await tokens.spend(token, NOW)
    assert not await tokens.revoke(token.partition(".")[0])


@pytest.mark.parametrize("later", [DAY, DAY + 1, 10 * DAY])
async def test_rg_01_an_expired_token(tokens: InitialTokens, later: int) -> None:
    """RG-01: a token ends at its time, whatever the store's own clock says."""
    token = await tokens.issue(NOW, uses=None, seconds=DAY)
    with pytest.raises(Refused):
        await tokens.check(token, NOW + later)


@pytest.mark.parametrize("change", ["", ".", "x", "x" * 101, "{id}", "{id}.", "{id}.x", "{id}.{secret}x", "{secret}"])
async def test_rg_01_only_the_token_itself_is_good(tokens: InitialTokens, change: str) -> None:
    """RG-01: its id, a part of it and anything longer are nothing."""
    id, _, secret = (await tokens.issue(NOW, uses=None, seconds=DAY)).partition(".")
    with pytest.raises(Refused):
        await tokens.check(change.format(id=id, secret=secret), NOW)


async def test_rg_01_racing_uses_are_counted_each(nodes: tuple[World, World]) -> None:
    """RG-01: ten at the same moment on two nodes share three uses."""
    one, two = (InitialTokens(world.store) for world in nodes)
    token = await one.issue(NOW, uses=3, seconds=DAY)
    tries = [node.spend(token, NOW) for _ in range(5) for node in (one, two)]
    outcomes = await asyncio.gather(*tries, return_exceptions=True)
    assert sorted(type(each).__name__ for each in outcomes) == ["InitialToken"] * 3 + ["Refused"] * 7


async def test_tokens_are_hashed_and_listed(clock: Clock) -> None:
    """RG-11: the store does not know the token; the list tells what is left of it, and forgets it at its end."""
    store = MemoryStore(clock=clock)
    tokens = InitialTokens(store)
    counted = await tokens.issue(NOW, uses=1, seconds=DAY)
    await tokens.issue(NOW, uses=None, seconds=2 * DAY)
    await tokens.spend(counted, NOW)
    id, _, secret = counted.partition(".")
    record = await store.get(token_key(id))
    assert record is not None and secret not in str(record.value)
    assert [each.uses for each in await tokens.all()] == [0, None]
    await tokens.revoke(id)
    clock.now += 1
    assert len(await store.list(ALL)) == 1
    clock.now += 2 * DAY
    assert await tokens.all() == ()


async def test_could_not_look_is_not_unknown() -> None:
    """The store away is 503, never 401."""
    away = FailingStore(MemoryStore(), lambda op: True, Unavailable("store"))
    with pytest.raises(Unavailable):
        await InitialTokens(away).check("a.b", NOW)


async def test_rg_01_a_token_of_another_shape_is_no_token(tokens: InitialTokens) -> None:
    """RG-01: what another version wrote opens nothing, and hides no other in the list."""
    old, good = [await tokens.issue(NOW, uses=1, seconds=DAY) for _ in range(2)]
    where = token_key(old.partition(".")[0])
    record = await tokens._store.get(where)
    assert record is not None
    await tokens._store.put(where, {**record.value, "of_later": 1}, DAY)
    with pytest.raises(Refused):
        await tokens.check(old, NOW)
    assert [each.id for each in await tokens.all()] == [good.partition(".")[0]]
