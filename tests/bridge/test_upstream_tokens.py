"""What a tenant gave at a login: kept where the connection says so, replaced at each login, and not for ever."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from proxy.bridge import transaction as trips
from proxy.bridge.upstream_tokens import UpstreamTokens, keep, tokens_key
from proxy.models import Identity, TenantTokens
from proxy.oidc.errors import UpstreamError
from proxy.store.memory import MemoryStore
from tests.bridge.test_arrival import BROWSER, World

GIVEN = TenantTokens("access", "refresh", "openid calendar", 1_800_003_600)
ADA = Identity("corp", "https://idp.example", "ada", {"name": "Ada"}, tokens=GIVEN)


class Clock:
    now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


async def found(world: World, user_id: str = "oidc|corp|ada") -> TenantTokens | None:
    return await UpstreamTokens(world.store).find(user_id, "corp")


async def test_a_login_keeps_them_and_the_next_replaces_them() -> None:
    """Under person and connection; nobody else's are touched."""
    world = World()
    world.tenant.says = ADA
    await world.login()
    assert await found(world) == GIVEN and await found(world, "oidc|corp|bob") is None
    world.tenant.says = replace(ADA, tokens=TenantTokens("newer"))
    await world.login()
    assert await found(world) == TenantTokens("newer")


async def test_what_did_not_come_is_not_kept() -> None:
    """A connection that keeps none costs no record."""
    world = World()
    await world.login()
    assert await found(world) is None


async def test_they_end_with_the_session_at_the_latest() -> None:
    """Their life is the absolute life of a session (here 10,000 seconds)."""
    clock = Clock()
    world = World(store=MemoryStore(clock=clock))
    world.tenant.says = ADA
    await world.login()
    clock.now += 9_999
    assert await found(world) == GIVEN
    clock.now += 1
    assert await found(world) is None


async def test_rp_19_a_person_of_another_issuer_replaces_nothing() -> None:
    """RP-19: a login that is refused leaves the tokens of the person it claimed to be."""
    world = World()
    world.tenant.says = ADA
    await world.login()
    await world.store.drop(trips.last_login(BROWSER))
    world.tenant.says = replace(ADA, issuer="https://evil.example", tokens=TenantTokens("evil"))
    await world.trip()
    with pytest.raises(UpstreamError):
        await world.arrive()
    assert await found(world) == GIVEN


async def test_they_show_in_no_traceback() -> None:
    """Neither by themselves nor within the identity they came with."""
    assert "access" not in repr(GIVEN) and "refresh" not in repr(ADA)


@pytest.mark.parametrize("tokens", [GIVEN, TenantTokens("only")])
async def test_back_from_the_store_they_are_what_they_were(tokens: TenantTokens) -> None:
    """Every field, empty ones too; the key is of its own kind, so that the store seals it apart."""
    store: Any = MemoryStore()
    await store.run(keep("oidc|corp|ada", "corp", tokens, 60))
    assert await UpstreamTokens(store).find("oidc|corp|ada", "corp") == tokens
    assert tokens_key("oidc|corp|ada", "corp").kind == "upstream_tokens"


async def test_tokens_of_another_shape_are_none() -> None:
    """What another version wrote is not handed on: the next login brings others."""
    store = MemoryStore()
    await store.put(tokens_key("oidc|corp|ada", "corp"), {"access_token": "x", "a_field_of_later": 1}, 100)
    assert await UpstreamTokens(store).find("oidc|corp|ada", "corp") is None
