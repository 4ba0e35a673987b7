"""Revocation: what is given back is dead, with its family or alone, and nobody harms another."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any

import pytest

from proxy.downstream.access_token import CLOCKS_APART
from proxy.downstream.grant import denied_key
from proxy.downstream.revocation import Revocation
from proxy.features import Answer, Caller
from proxy.oidc.errors import Refused, Unavailable
from proxy.store import Get, Put
from tests.downstream.world import API, ISSUER, FailingStore, World, payload

OFFLINE = "openid read:things offline_access"
KINDS = pytest.mark.parametrize("audience", [None, API], ids=["opaque", "at+jwt"])


async def revoke(world: World, token: str, client: str = "webapp", **more: str) -> Answer:
    """Give a token back."""
    asks = world.request({"token": token, **more}, "POST", client=world.clients[client])
    return await Revocation(world.access_tokens).revoke(asks)


async def works(awaitable: Awaitable[Any]) -> bool:
    """Whether it was not refused."""
    try:
        await awaitable
    except Refused:
        return False
    return True


@KINDS
async def test_in_13_a_refresh_token_takes_its_family_along(world: World, audience: str | None) -> None:
    """IN-13: its access tokens, those rotated from it and those before it are all dead."""
    one = await world.tokens(scope=OFFLINE, audience=audience)
    two = await world.refresh(one["refresh_token"])
    three = await world.refresh(two["refresh_token"])
    assert await works(world.userinfo(one["access_token"]))
    await revoke(world, three["refresh_token"])
    for answer in (one, two, three):
        assert not await works(world.userinfo(answer["access_token"]))
        assert not await works(world.refresh(answer["refresh_token"]))


@pytest.mark.parametrize("which", [0, 1])
async def test_in_13_an_older_refresh_token_does_it_too(world: World, which: int) -> None:
    """IN-13: whichever of the family the client still has."""
    answers = [await world.tokens(scope=OFFLINE)]
    for _ in range(2):
        answers.append(await world.refresh(answers[-1]["refresh_token"]))
    await revoke(world, answers[which]["refresh_token"])
    assert not await works(world.refresh(answers[-1]["refresh_token"]))
    assert not await works(world.userinfo(answers[-1]["access_token"]))


async def test_in_13_other_families_live_on(world: World) -> None:
    """IN-13: another login of the same person at the same client is another family."""
    one, two = await world.tokens(scope=OFFLINE), await world.tokens(scope=OFFLINE)
    await revoke(world, one["refresh_token"])
    assert await works(world.userinfo(two["access_token"])) and await works(world.refresh(two["refresh_token"]))


@KINDS
async def test_an_access_token_goes_alone(world: World, audience: str | None) -> None:
    """RFC 7009 2.1: the token is dead, its siblings and the refresh token are not."""
    one = await world.tokens(scope=OFFLINE, audience=audience)
    two = await world.refresh(one["refresh_token"])
    await revoke(world, one["access_token"])
    assert not await works(world.userinfo(one["access_token"]))
    assert await works(world.userinfo(two["access_token"])) and await works(world.refresh(two["refresh_token"]))


@pytest.mark.parametrize("tail", ["=", "==", "\n", " "])
async def test_in_14_a_jwt_is_denied_by_its_name(world: World, tail: str) -> None:
    """IN-14: no other text of the token escapes, also not one that was signed with the same name again."""
    token = (await world.tokens(scope=OFFLINE, audience=API))["access_token"]
    await revoke(world, token)
    twin = world.keys.signer(world.clock.now).sign({**payload(token), "extra": 1}, typ="at+jwt")
    for text in (token, token + tail, twin):
        assert not await works(world.userinfo(text))


async def test_in_14_a_denied_jwt_is_remembered_until_it_ends(world: World) -> None:
    """IN-14: and a little longer, since the store counts by its own clock; then it is dead by itself."""
    token = (await world.tokens(scope=OFFLINE, audience=API))["access_token"]
    name = denied_key(payload(token)["jti"])
    await revoke(world, token)
    world.clock.now = payload(token)["exp"] + CLOCKS_APART - 1.0
    assert await world.store.get(name) is not None and not await works(world.userinfo(token))
    world.clock.now += 2
    assert await world.store.get(name) is None and not await works(world.userinfo(token))


@pytest.mark.parametrize("what", ["refresh_token", "access_token", "id_token"])
@KINDS
async def test_in_11_another_clients_token_comes_to_no_harm(world: World, what: str, audience: str | None) -> None:
    """IN-11: the answer for a token of somebody else is the answer for an unknown one, and nothing happens."""
    tokens = await world.tokens(scope=OFFLINE, audience=audience)
    answer = await revoke(world, tokens[what], "other")
    assert answer == await revoke(world, "unknown", "other") == Answer(json={})
    assert await works(world.userinfo(tokens["access_token"])) and await works(world.refresh(tokens["refresh_token"]))


@pytest.mark.parametrize(
    "token", ["x", "a.b.c", "é", "\udcff", "x" * 20_000, f"{'a' * 22}.{'b' * 43}.{'c' * 43}", "=="]
)
async def test_in_11_an_unknown_token_is_fine(world: World, token: str) -> None:
    """RFC 7009 2.2: what the client wanted is the case already; hostile texts too."""
    assert await revoke(world, token) == Answer(json={})


async def test_a_forged_refresh_token_ends_no_family(world: World) -> None:
    """A text with the right grant and a wrong proof never was a token: it does no harm."""
    token = (await world.tokens(scope=OFFLINE))["refresh_token"]
    grant_id, secret, proof = token.split(".")
    await revoke(world, f"{grant_id}.{secret[::-1]}.{proof}")
    assert await works(world.refresh(token))


async def test_a_second_time_is_as_good_as_the_first(world: World) -> None:
    """RFC 7009 2.2: revoking what is dead answers 200."""
    token = (await world.tokens(scope=OFFLINE))["refresh_token"]
    assert await revoke(world, token) == await revoke(world, token) == Answer(json={})


@pytest.mark.parametrize("hint", ["refresh_token", "access_token", "nonsense"])
@pytest.mark.parametrize("what", ["refresh_token", "access_token"])
async def test_a_hint_is_only_a_hint(world: World, hint: str, what: str) -> None:
    """RFC 7009 2.1: a wrong ``token_type_hint`` changes nothing."""
    tokens = await world.tokens(scope=OFFLINE)
    await revoke(world, tokens[what], token_type_hint=hint)
    assert not await works(world.userinfo(tokens["access_token"]))


async def test_a_public_client_gives_back_its_own(world: World) -> None:
    """RFC 7009 2.1: by its name alone, and only what is its own."""
    tokens = await world.tokens(client_id="spa", scope=OFFLINE)
    await revoke(world, tokens["refresh_token"], "spa")
    assert not await works(world.userinfo(tokens["access_token"]))


async def test_without_a_token_there_is_nothing_to_revoke(world: World) -> None:
    """RFC 7009 2.1: ``token`` is required."""
    with pytest.raises(Refused, match="token is missing"):
        await Revocation(world.access_tokens).revoke(world.request({}, "POST", client=world.clients["webapp"]))


@pytest.mark.parametrize("what", ["refresh_token", "access_token"])
@pytest.mark.parametrize("kind", [Get, Put])
async def test_tk_26_what_could_not_be_revoked_is_not_said_to_be(world: World, what: str, kind: type) -> None:
    """TK-26: a store that does not answer is 503, so that the client comes again."""
    tokens = await world.tokens(scope=OFFLINE, audience=API)
    whole = world.access_tokens
    broken = FailingStore(world.store, lambda op: isinstance(op, kind), Unavailable("the store is away"))
    world.access_tokens = type(whole)(ISSUER, broken, world.keys, world.lifetimes)
    with pytest.raises(Unavailable):
        await revoke(world, tokens[what])
    world.access_tokens = whole
    assert await works(world.userinfo(tokens["access_token"]))


def test_where_it_is_and_what_is_advertised(world: World) -> None:
    """RFC 8414 2: the endpoint, and how clients prove who they are there; public ones by name."""
    feature = Revocation(world.access_tokens)
    (endpoint,) = feature.endpoints()
    assert (endpoint.path, endpoint.methods, endpoint.caller, endpoint.cors) == (
        "oauth/revoke",
        ("POST",),
        Caller.CLIENT,
        "clients",
    )
    said = feature.metadata()
    assert said["revocation_endpoint"] == f"{ISSUER}oauth/revoke"
    assert "none" in said["revocation_endpoint_auth_methods_supported"]
