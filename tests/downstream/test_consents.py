"""What people allowed: single things, added up, listed, taken back, and asked for at every refresh."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from proxy.downstream.authorize import AuthorizeRequest, check_request
from proxy.downstream.consents import KEPT, Consent, Consents, consent_key, consents_of, things
from proxy.downstream.grant import Grant
from proxy.models import Client
from proxy.models.client import ApiGrant
from proxy.oidc.errors import Refused, Unavailable
from proxy.store import Get, Op
from proxy.store.memory import MemoryStore
from tests.downstream.world import (
    API,
    CALLBACK,
    CORP,
    NOW,
    WEBAPP,
    Clock,
    FailingStore,
    SlowStore,
    World,
    a_session,
    asked,
)

ADA, EVE = "oidc|corp|ada", "oidc|corp|eve"
THIRD = WEBAPP.model_copy(update={"client_id": "webapp", "is_first_party": False})
TWO_APIS = THIRD.model_copy(
    update={"grants": (ApiGrant(audience=API, scopes=("read",)), ApiGrant(audience="urn:b", scopes=("read", "write")))}
)


def wanted(client: Client = THIRD, **changes: Any) -> AuthorizeRequest:
    """A checked request."""
    return check_request(asked(**changes), client, CALLBACK)


@pytest.mark.parametrize(
    ("changes", "client", "expected"),
    [
        ({"scope": "openid email"}, THIRD, ["scope openid", "scope email"]),
        ({"scope": "openid read:things"}, THIRD, ["scope openid"]),
        ({"scope": "openid read", "audience": API}, TWO_APIS, ["scope openid", f"api {API}", f"api {API} read"]),
        (
            {"scope": "read write", "resource": f"{API} urn:b"},
            TWO_APIS,
            [f"api {API}", f"api {API} read", "api urn:b", "api urn:b read", "api urn:b write"],
        ),
        (
            {
                "scope": "openid email",
                "claims": '{"userinfo":{"email":null,"nickname":null},"id_token":{"nickname":{}}}',
            },
            THIRD,
            ["scope openid", "scope email", "claim nickname"],
        ),
        ({"scope": None}, THIRD, []),
    ],
)
def test_a_consent_is_for_single_things(changes: dict[str, Any], client: Client, expected: list[str]) -> None:
    """AZ-23: scopes, APIs, each scope of each API, and claims by name that no scope covers."""
    assert list(things(wanted(client, **changes), client)) == expected


def test_a_scope_of_one_api_is_not_that_of_another() -> None:
    """AZ-23: what was allowed at two times does not add up to what was never shown."""
    first = things(wanted(TWO_APIS, scope="read", audience=API), TWO_APIS)
    second = things(wanted(TWO_APIS, scope="write", audience="urn:b"), TWO_APIS)
    third = things(wanted(TWO_APIS, scope="read", audience="urn:b"), TWO_APIS)
    both = Consent("webapp", (*first, *second), 0)
    assert both.covers(first) and both.covers(second) and not both.covers(third)


async def test_what_is_allowed_later_is_added() -> None:
    """AZ-23: stored for each person and client; what is allowed twice is there once."""
    consents = Consents(MemoryStore())
    await consents.allow(ADA, "webapp", ["scope openid"], NOW)
    await consents.allow(ADA, "webapp", ["scope openid", "scope email"], NOW + 5)
    assert await consents.covers(ADA, "webapp", ["scope email"])
    assert await consents.find(ADA, "webapp") == Consent("webapp", ("scope openid", "scope email"), int(NOW))
    assert not await consents.covers(ADA, "webapp", ["scope phone"])
    assert not await consents.covers(EVE, "webapp", ["scope openid"])
    assert not await consents.covers(ADA, "other", [])


async def test_consents_are_listed_and_taken_back() -> None:
    """ASVS 10.7.3: a person's consents can be seen, and each revoked by itself."""
    consents = Consents(MemoryStore())
    for client in ("one", "two"):
        await consents.allow(ADA, client, ["scope openid"], NOW)
    await consents.allow(EVE, "one", ["scope openid"], NOW)
    assert [c.client_id for c in await consents.given_by(ADA)] == ["one", "two"]
    assert await consents.revoke(ADA, "one") and not await consents.revoke(ADA, "one")
    assert [c.client_id for c in await consents.given_by(ADA)] == ["two"]
    assert len(await consents.given_by(EVE)) == 1 and await consents.given_by("nobody") == ()


async def test_a_consent_lives_as_long_as_it_is_of_use() -> None:
    """A consent that nobody asked for in more than a year is asked again."""
    clock = Clock()
    consents = Consents(MemoryStore(clock=clock))
    await consents.allow(ADA, "webapp", ["scope openid"], NOW)
    for _ in range(3):
        clock.now += KEPT - 1
        assert await consents.covers(ADA, "webapp", ["scope openid"])
    clock.now += KEPT + 1
    assert not await consents.covers(ADA, "webapp", ["scope openid"])


async def refreshing(first_party: bool = False) -> tuple[World, Consents, str]:
    """A client with a refresh token."""
    client = WEBAPP.model_copy(update={"is_first_party": first_party})
    world = await World(
        clients={"webapp": client}, connections={"corp": CORP.model_copy(update={"is_domain_connection": True})}
    ).begin(a_session())
    consents = Consents(world.store)
    if not first_party:
        await consents.allow(ADA, "webapp", things(wanted(scope="openid offline_access"), client), NOW)
    tokens = await world.tokens(scope="openid offline_access")
    return world, consents, tokens["refresh_token"]


def looks(op: Op) -> bool:
    """Whether an operation looks for a consent."""
    return isinstance(op, Get) and op.key.kind == "consent"


async def test_tk_17_a_refresh_asks_whether_the_consent_stands() -> None:
    """TK-17: with it the client goes on, without it the family is refused."""
    world, consents, token = await refreshing()
    token = (await world.refresh(token))["refresh_token"]
    await consents.revoke(ADA, "webapp")
    with pytest.raises(Refused) as caught:
        await world.refresh(token)
    assert (caught.value.code, caught.value.reason) == ("invalid_grant", "consent_revoked")


async def test_tk_17_a_new_consent_does_not_revive_old_tokens() -> None:
    """TK-17: what was withdrawn stays withdrawn, though the person allows the client again later."""
    world, consents, token = await refreshing()
    await consents.revoke(ADA, "webapp")
    world.clock.now += 1
    await consents.allow(ADA, "webapp", ["scope openid", "scope offline_access"], world.clock.now)
    with pytest.raises(Refused, match="invalid_grant"):
        await world.refresh(token)


async def test_a_refresh_of_a_first_party_client_asks_for_no_consent() -> None:
    """The operator's own clients cost nothing more: no record, no look for one."""
    world, _, token = await refreshing(first_party=True)
    world.store = FailingStore(world.store, looks, Unavailable("store"))
    world.build()
    await world.begin(world.session)
    assert "access_token" in await world.refresh(token)


async def test_a_consent_that_cannot_be_looked_up_is_neither_yes_nor_no() -> None:
    """FT-01: a store that does not answer is 503; the refresh token stays good."""
    world, _, token = await refreshing()
    inner = world.store
    world.store = FailingStore(inner, looks, Unavailable("store"))
    world.build()
    await world.begin(world.session)
    with pytest.raises(Unavailable):
        await world.refresh(token)
    world.store = inner
    world.build()
    await world.begin(world.session)
    assert "access_token" in await world.refresh(token)


async def test_a_clients_own_grant_needs_nobodys_consent() -> None:
    """RFC 6749 4.4: where there is no person, there is nobody to ask."""
    grant = Grant(
        id="g", client_id="webapp", user_id="", sid="", connection="", scopes=(), auth_time=0, created_at=0,
        expires_at=0, profile={},
    )  # fmt: skip
    consents = Consents(MemoryStore())
    assert await consents.still_covers(grant, THIRD)
    assert not await consents.still_covers(replace(grant, user_id=ADA), THIRD)


@pytest.mark.parametrize("value", [{"client_id": "webapp"}, {"client_id": "webapp", "things": None, "since": 1}])
async def test_a_consent_of_another_shape_is_none(value: dict[str, Any]) -> None:
    """What another version wrote allows nothing: the person is asked again."""
    store = MemoryStore()
    await store.put(consent_key("oidc|corp|ada", "webapp"), value, 100, under=(consents_of("oidc|corp|ada"),))
    assert await Consents(store).find("oidc|corp|ada", "webapp") is None
    assert await Consents(store).given_by("oidc|corp|ada") == ()


async def test_az_23_what_is_taken_back_meanwhile_stays_taken_back() -> None:
    """AZ-23: a consent that is revoked while another is being added does not come back with it, and the new one counts
    from now: tokens of before stay worthless."""
    store = SlowStore(MemoryStore())
    consents = Consents(store)
    await consents.allow(ADA, "webapp", ["scope openid", "scope email"], NOW)
    await asyncio.gather(consents.allow(ADA, "webapp", ["scope profile"], NOW + 5), consents.revoke(ADA, "webapp"))
    found = await consents.find(ADA, "webapp")
    assert found == Consent("webapp", ("scope profile",), int(NOW) + 5)


async def test_two_consents_in_one_moment_both_count() -> None:
    """Two tabs allow different things."""
    consents = Consents(SlowStore(MemoryStore()))
    await asyncio.gather(*(consents.allow(ADA, "webapp", [f"scope {n}"], NOW) for n in ("openid", "email", "phone")))
    found = await consents.find(ADA, "webapp")
    assert found is not None and set(found.things) == {"scope openid", "scope email", "scope phone"}
