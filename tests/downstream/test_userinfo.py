"""Userinfo: the claims of the granted scopes, to a token that was granted ``openid``."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from proxy.downstream.id_token import SCOPE_CLAIMS
from proxy.features import Bearer, Caller
from proxy.oidc.errors import Refused
from tests.downstream.world import API, World, a_session

WHOLE: dict[str, Any] = {
    **{name: f"some {name}" for names in SCOPE_CLAIMS.values() for name in names},
    "email_verified": True,
    "phone_number_verified": False,
    "updated_at": 1_700_000_000,
    "address": {"formatted": "1 Main Street"},
    "roles": ["admin"],
}


@pytest.mark.parametrize(
    ("scope", "claims"),
    [
        ("openid", set()),
        ("openid email", set(SCOPE_CLAIMS["email"])),
        ("email openid", set(SCOPE_CLAIMS["email"])),
        ("openid profile", {*SCOPE_CLAIMS["profile"], "roles"}),
        ("openid address", {"address"}),
        ("openid phone", set(SCOPE_CLAIMS["phone"])),
        ("openid profile email address phone", set(WHOLE)),
    ],
)
async def test_in_15_only_the_claims_of_the_granted_scopes(world: World, scope: str, claims: set[str]) -> None:
    """IN-15 (oidcc-scope-*): every claim of each scope and nothing besides; what plugins add goes with profile."""
    world.session = a_session(profile=WHOLE)
    answer = await world.userinfo((await world.tokens(scope=scope))["access_token"])
    assert set(answer) == {"sub", *claims}
    assert {name: answer[name] for name in claims} == {name: WHOLE[name] for name in claims}


async def test_rp_27_a_profile_cannot_say_who_somebody_is(world: World) -> None:
    """RP-27, IN-15: ``sub`` is ours, whatever the profile holds."""
    world.session = a_session(profile={"sub": "oidc|corp|eve", "name": "Ada"})
    assert (await world.userinfo((await world.tokens())["access_token"]))["sub"] == "oidc|corp|ada"


@pytest.mark.parametrize(
    "bearer", [None, Bearer("webapp", (), (), "oidc|corp|ada", {}), Bearer("webapp", ("email",), (), "x", {})]
)
async def test_in_05_a_token_without_openid_is_not_enough(world: World, bearer: Bearer | None) -> None:
    """IN-05: 403 insufficient_scope (RFC 6750 3.1)."""
    with pytest.raises(Refused) as caught:
        await world.userinfo_endpoint.serve(replace(world.request({}), bearer=bearer))
    assert (caught.value.code, caught.value.status) == ("insufficient_scope", 403)


async def test_in_05_an_opaque_token_without_openid_is_not_enough(world: World) -> None:
    """IN-05: a token of plain OAuth is known here, and has no claims to get."""
    token = (await world.tokens(scope="email"))["access_token"]
    with pytest.raises(Refused) as caught:
        await world.userinfo(token)
    assert (caught.value.code, caught.value.status) == ("insufficient_scope", 403)


async def test_the_token_of_an_api_is_good_here_with_openid(world: World) -> None:
    """As at Auth0: ``openid`` beside an audience puts userinfo into ``aud``."""
    token = (await world.tokens(scope="openid email read:things", audience=API))["access_token"]
    assert set(await world.userinfo(token)) == {"sub", "email", "email_verified"}


def test_get_and_post_by_a_bearer(world: World) -> None:
    """OIDC Core 5.3.1 (oidcc-userinfo-get, -post-header, -post-body): both methods, the wrapper checks the token."""
    (endpoint,) = world.userinfo_endpoint.endpoints()
    assert (endpoint.path, endpoint.methods, endpoint.caller) == ("userinfo", ("GET", "POST"), Caller.BEARER)
