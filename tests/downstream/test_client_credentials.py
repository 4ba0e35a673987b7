"""Client credentials: a token for the client itself, for an API it has a grant for, and for nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from proxy.downstream.client_credentials import ClientCredentials
from proxy.downstream.grant import Grant, grant_key, grants_of_session, revoke
from proxy.models import Client
from proxy.oidc.errors import Refused, Unavailable
from proxy.store import List, Op, Store
from tests.downstream.test_authorization_code import refused
from tests.downstream.world import API, ISSUER, SECRET, FailingStore, World, payload

MANAGEMENT = f"{ISSUER}api/v2/"
OTHER_API = "https://other-api.example/"
ROBOT = Client.model_validate(
    {
        "client_id": "robot",
        "client_secret": SECRET,
        "grant_types": ["client_credentials"],
        "grants": [{"audience": API, "scopes": ["read:things", "write:things"]}],
    }
)
TWO = {"grants": [{"audience": API, "scopes": ["read:things"]}, {"audience": OTHER_API, "scopes": ["other"]}]}


class Counting(FailingStore):
    """A store that notes what is asked of it in one round trip."""

    def __init__(self, inner: Store) -> None:
        super().__init__(inner, lambda op: False, Unavailable("never"))
        self.seen: list[tuple[str, ...]] = []

    async def run(self, *ops: Op) -> Sequence[Any]:
        self.seen.append(tuple(op.key.kind for op in ops if not isinstance(op, List)))
        return await super().run(*ops)


async def factory(**changes: Any) -> World:
    """A world with a client that acts for itself; nobody is logged in."""
    robot = Client.model_validate(
        {
            "token_endpoint_auth_method": None,
            **ROBOT.model_dump(exclude_defaults=True),
            "client_secret": SECRET,
            **changes,
        }
    )
    world = await World(clients={"robot": robot}).begin(None)
    return with_the_grant(world)


def with_the_grant(world: World) -> World:
    feature = ClientCredentials(world.store, world.code.issuer)
    world.token = replace(world.token, grant_types={**world.token.grant_types, **feature.grants()})
    return world


async def ask(world: World, **params: str) -> dict[str, Any]:
    return await world.exchange("robot", **{"grant_type": "client_credentials", **params})


async def test_a_client_gets_a_token_of_its_own() -> None:
    """RFC 6749 4.4.3, RFC 9068 2.2: an at+jwt about the client; no ID token, no refresh token, no session."""
    world = await factory()
    answer = await ask(world)
    assert set(answer) == {"access_token", "token_type", "expires_in", "scope"}
    assert (answer["token_type"], answer["scope"]) == ("Bearer", "read:things write:things")
    claims = payload(answer["access_token"])
    assert (claims["iss"], claims["sub"], claims["aud"], claims["client_id"]) == (ISSUER, "robot", API, "robot")
    assert (claims["gty"], claims["scope"]) == ("client-credentials", "read:things write:things")
    assert "sid" not in claims and claims["exp"] - claims["iat"] == answer["expires_in"]


@pytest.mark.parametrize("name", ["audience", "resource"])
async def test_the_api_goes_by_either_name(name: str) -> None:
    """Auth0's ``audience`` and RFC 8707's ``resource`` name the API."""
    world = await factory(**TWO)
    assert payload((await ask(world, **{name: OTHER_API}))["access_token"])["aud"] == OTHER_API


@pytest.mark.parametrize(
    ("params", "code"),
    [
        pytest.param({"audience": MANAGEMENT}, "invalid_target", id="az-30-management-without-a-grant"),
        pytest.param({"resource": OTHER_API}, "invalid_target", id="az-30-foreign"),
        pytest.param({"resource": f"{API}#x"}, "invalid_target", id="az-30-fragment"),
        pytest.param({"resource": API.rstrip("/")}, "invalid_target", id="az-30-prefix"),
        pytest.param({"resource": f"{API} {OTHER_API}"}, "invalid_target", id="az-30-two"),
        pytest.param({"resource": " ".join(f"{API}{n}" for n in range(50))}, "invalid_target", id="az-30-fifty"),
        pytest.param({"scope": "admin"}, "invalid_scope", id="scope"),
        pytest.param({"scope": "read:things openid"}, "invalid_scope", id="openid"),
        pytest.param({"scope": "offline_access"}, "invalid_scope", id="offline"),
        pytest.param({"scope": "READ:things"}, "invalid_scope", id="case"),
    ],
)
async def test_az_30_beyond_its_grant_there_is_nothing(params: dict[str, str], code: str) -> None:
    """AZ-30: another API, several at once, a scope that is not in the grant; nothing is stored."""
    world = await factory()
    world.store = FailingStore(world.store, lambda op: True, AssertionError("asked"))
    world.build()
    await refused(ask(with_the_grant(world), **params), code)


@pytest.mark.parametrize(("grants", "words"), [(TWO["grants"], "grants for several APIs"), ([], "no grant for an API")])
async def test_without_an_api_there_must_be_one_alone(grants: list[Any], words: str) -> None:
    """The error names the parameter that is missing, as Auth0's users look for it."""
    with pytest.raises(Refused, match=f"invalid_request: audience is missing, and the client has {words}"):
        await ask(await factory(grants=grants))


async def test_fewer_scopes_are_given_as_asked() -> None:
    """RFC 6749 3.3: what was asked, within the grant."""
    answer = await ask(await factory(), scope="write:things")
    assert answer["scope"] == payload(answer["access_token"])["scope"] == "write:things"


async def test_in_05_the_token_is_about_no_person() -> None:
    """IN-05: at userinfo it is 403 insufficient_scope; at its API it is good."""
    world = await factory()
    token = (await ask(world))["access_token"]
    with pytest.raises(Refused) as caught:
        await world.userinfo(token)
    assert (caught.value.code, caught.value.status) == ("insufficient_scope", 403)
    bearer = await world.access_tokens.check(token, API, world.clock.now)
    assert (bearer.client_id, bearer.user_id, bearer.scopes) == ("robot", "", ("read:things", "write:things"))
    with pytest.raises(Refused, match="invalid_token"):
        await world.access_tokens.check(token, MANAGEMENT, world.clock.now)


async def test_it_lives_its_time_and_can_be_revoked() -> None:
    """There is a grant behind it like behind any other: it ends with it, and at ``exp``."""
    world = await factory()
    one, two = [(await ask(world))["access_token"] for _ in range(2)]
    await world.store.run(revoke(payload(one)["jti"].partition(".")[0]))
    with pytest.raises(Refused, match="invalid_token"):
        await world.access_tokens.check(one, API, world.clock.now)
    world.clock.now += world.lifetimes.access_token - 1
    await world.access_tokens.check(two, API, world.clock.now)
    world.clock.now += 1
    with pytest.raises(Refused, match="invalid_token"):
        await world.access_tokens.check(two, API, world.clock.now)


async def test_one_round_trip_and_no_index() -> None:
    """The whole grant is one write: nothing is read, nothing is listed under a session that is none."""
    world = await factory()
    sound, trips = world.store, Counting(world.store)
    world.store = trips
    world.build()
    await world.begin(None)
    trips.seen.clear()
    token = (await ask(with_the_grant(world)))["access_token"]
    assert trips.seen == [("grant",)]
    assert await sound.list(grants_of_session("")) == ()
    record = await world.store.get(grant_key(payload(token)["jti"].partition(".")[0]))
    grant = Grant.from_value(record.value) if record else None
    assert grant is not None and (grant.user_id, grant.offline, grant.head) == ("", True, "")


async def test_tk_19_a_public_client_is_nobody() -> None:
    """TK-19: without a secret anyone could be it; the configuration says so, and the endpoint too."""
    world = await factory()
    world.clients["robot"] = ROBOT.model_copy(update={"client_secret": None})
    await refused(ask(world), "unauthorized_client")
    with pytest.raises(ValueError, match="RFC 6749 4.4"):
        await factory(client_secret=None, token_endpoint_auth_method="none")


async def test_tk_19_a_client_without_the_grant_gets_nothing() -> None:
    """TK-19: an API grant alone is no right to act without a person."""
    world = await factory(grant_types=["refresh_token"])
    await refused(ask(world), "unauthorized_client")


async def test_tk_29_a_person_beside_it_changes_nothing() -> None:
    """TK-29: codes, tokens and user names of others are not read."""
    world = await factory()
    mixed = {"username": "ada", "password": "x", "subject_token": "x", "code": "x", "refresh_token": "x"}
    assert payload((await ask(world, **mixed))["access_token"])["sub"] == "robot"


async def test_tk_26_what_cannot_be_written_is_not_given() -> None:
    """TK-26: 503, no token."""
    world = await factory()
    world.store = FailingStore(world.store, lambda op: op.key.kind == "grant", Unavailable("store"))
    world.build()
    await world.begin(None)
    with pytest.raises(Unavailable):
        await ask(with_the_grant(world))


def test_a_signing_client_may_too() -> None:
    """RFC 6749 4.4: any client that proves who it is, not only one with a secret."""
    signs = ROBOT.model_copy(update={"client_secret": None, "token_endpoint_auth_method": "private_key_jwt"})
    assert not signs.is_public
