"""Resource indicators at the token endpoint: fewer of the granted APIs for one token, and never another."""

from __future__ import annotations

from typing import Any

import pytest

from proxy.models import Client
from tests.downstream.test_authorization_code import refused
from tests.downstream.world import API, ISSUER, SECRET, WEBAPP, World, a_session, payload

SECOND = "https://second-api.example/"
BOTH = Client.model_validate(
    {
        **WEBAPP.model_dump(exclude_defaults=True),
        "client_secret": SECRET,
        "grants": [
            {"audience": API, "scopes": ["read:things"]},
            {"audience": SECOND, "scopes": ["write:others"]},
            {"audience": "https://never-asked.example/", "scopes": []},
        ],
    }
)
ASKED = {"scope": "openid read:things write:others offline_access", "resource": f"{API} {SECOND}"}
USERINFO = f"{ISSUER}userinfo"
NEVER_GRANTED = [
    pytest.param({"resource": "https://foreign.example/"}, id="az-30-foreign"),
    pytest.param({"audience": f"{ISSUER}api/v2/"}, id="az-30-management-without-a-grant"),
    pytest.param({"resource": f"{API}#fragment"}, id="az-30-fragment"),
    pytest.param({"resource": API.rstrip("/")}, id="az-30-prefix"),
    pytest.param({"resource": f"{API} https://foreign.example/"}, id="az-30-one-of-two"),
    pytest.param({"resource": "https://never-asked.example/"}, id="az-30-allowed-but-not-granted"),
    pytest.param({"resource": " ".join(f"{API}{n}" for n in range(50))}, id="az-30-fifty"),
    pytest.param({"resource": USERINFO}, id="az-30-userinfo"),
]


@pytest.fixture
async def both() -> World:
    """A client with two APIs; Ada is logged in."""
    return await World(clients={"webapp": BOTH, "other": WEBAPP}).begin(a_session())


def held(answer: dict[str, Any]) -> tuple[Any, str]:
    """Audience and scope of the access token."""
    claims = payload(answer["access_token"])
    assert claims["scope"] == answer["scope"]
    return claims["aud"], answer["scope"]


async def test_a_code_buys_a_token_for_one_api(both: World) -> None:
    """RFC 8707 2.2: the token is for the API asked for, with the scopes that mean something there."""
    answer = await both.redeem(await both.new_code(**ASKED), resource=SECOND)
    assert held(answer) == ([SECOND, USERINFO], "openid write:others offline_access")


async def test_a_narrowed_code_narrows_no_refresh(both: World) -> None:
    """RFC 8707 2.2: the refresh token keeps the whole grant, and each refresh may ask for another part."""
    one = await both.redeem(await both.new_code(**ASKED), resource=API)
    two = await both.refresh(one["refresh_token"], audience=SECOND)
    assert held(two) == ([SECOND, USERINFO], "openid write:others offline_access")
    three = await both.refresh(two["refresh_token"], resource=API, scope="read:things write:others")
    assert held(three) == (API, "read:things")
    four = await both.refresh(three["refresh_token"])
    assert held(four) == ([API, SECOND, USERINFO], ASKED["scope"])


async def test_all_that_was_granted_may_be_named(both: World) -> None:
    """In any order, under either name."""
    answer = await both.redeem(await both.new_code(**ASKED), resource=SECOND, audience=API)
    assert held(answer) == ([API, SECOND, USERINFO], ASKED["scope"])


@pytest.mark.parametrize("params", NEVER_GRANTED)
async def test_az_30_what_was_not_granted_is_no_target_of_a_code(both: World, params: dict[str, str]) -> None:
    """AZ-30: invalid_target, and the code is used up."""
    code = await both.new_code(**ASKED)
    await refused(both.redeem(code, **params), "invalid_target")
    await refused(both.redeem(code))


@pytest.mark.parametrize("params", NEVER_GRANTED)
async def test_az_30_nor_of_a_refresh_token(both: World, params: dict[str, str]) -> None:
    """AZ-30: invalid_target, and the refresh token is as good as before."""
    tokens = await both.tokens(**ASKED)
    await refused(both.refresh(tokens["refresh_token"], **params), "invalid_target")
    assert "access_token" in await both.refresh(tokens["refresh_token"])


@pytest.mark.parametrize("params", [{"resource": API}, {"audience": API}])
async def test_az_30_a_grant_without_apis_has_none_to_name(both: World, params: dict[str, str]) -> None:
    """AZ-30: what was not asked at the authorization endpoint is not had at the token endpoint."""
    await refused(both.redeem(await both.new_code(scope="openid"), **params), "invalid_target")


async def test_tk_17_an_api_that_was_taken_away_ends_the_refreshing(both: World) -> None:
    """TK-17: the grant of the client for an API is asked for at every refresh; given back, it works."""
    one = await both.tokens(**ASKED)
    both.clients["webapp"] = BOTH.model_copy(update={"grants": BOTH.grants[:1]})
    assert await refused(both.refresh(one["refresh_token"])) == "api_taken_away"
    assert await refused(both.refresh(one["refresh_token"], resource=API)) == "api_taken_away"
    both.clients["webapp"] = BOTH
    assert "access_token" in await both.refresh(one["refresh_token"])


async def test_tk_17_a_scope_that_was_taken_away_is_not_given_again(both: World) -> None:
    """TK-17: a refresh gives what the client may have now."""
    one = await both.tokens(**ASKED)
    poorer = (BOTH.grants[0].model_copy(update={"scopes": ()}), *BOTH.grants[1:])
    both.clients["webapp"] = BOTH.model_copy(update={"grants": poorer})
    two = await both.refresh(one["refresh_token"])
    assert held(two) == ([API, SECOND, USERINFO], "openid write:others offline_access")
