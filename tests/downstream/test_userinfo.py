"""Userinfo: the claims of the granted scopes, to a token that was granted ``openid``."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import KeySet

from proxy.downstream.consents import Consents
from proxy.downstream.id_token import SCOPE_CLAIMS
from proxy.downstream.standing import Standing
from proxy.features import Answer, Bearer, Caller
from proxy.oidc.errors import Refused, Unavailable
from tests.downstream.world import API, CORP, ISSUER, WEBAPP, FailingStore, World, a_session, payload

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
        await world.userinfo_endpoint.serve(replace(world.request({}), bearer=bearer, client=WEBAPP))
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


async def serve(world: World, token: str) -> Answer:
    """The whole answer to a token."""
    bearer = await world.access_tokens.check(token, f"{ISSUER}userinfo", world.clock.now)
    return await world.userinfo_endpoint.serve(world.request({}, bearer=bearer, client=world.clients[bearer.client_id]))


async def test_a_client_may_want_it_signed(world: World) -> None:
    """oidcc-userinfo-rs256: ``iss`` and ``aud`` inside, no ``nonce``, RS256, verified by another library."""
    token = (await world.tokens())["access_token"]
    plain = await world.userinfo(token)
    world.clients["webapp"] = WEBAPP.model_copy(update={"userinfo_signed_response_alg": "RS256"})
    answer = await serve(world, token)
    assert answer.json is None and answer.jwt_type == ""
    keys = KeySet.import_key_set(dict(world.keys.jwks(world.clock.now)))  # type: ignore[arg-type]
    found = jwt.decode(answer.jwt, keys, algorithms=["RS256"])
    assert found.claims == {**plain, "iss": ISSUER, "aud": "webapp"} and found.header["alg"] == "RS256"
    assert world.userinfo_endpoint.metadata()["userinfo_signing_alg_values_supported"] == ["RS256"]


async def test_rp_27_a_profile_cannot_say_who_signed(world: World) -> None:
    """RP-27: ``iss`` and ``aud`` are ours, whatever the profile holds."""
    world.session = a_session(profile={"iss": "https://evil.example/", "aud": "other", "sub": "eve", "name": "Ada"})
    world.clients["webapp"] = WEBAPP.model_copy(update={"userinfo_signed_response_alg": "RS256"})
    said = payload((await serve(world, (await world.tokens())["access_token"])).jwt)
    assert (said["iss"], said["aud"], said["sub"]) == (ISSUER, "webapp", "oidc|corp|ada")


async def test_claims_asked_for_by_name(world: World) -> None:
    """oidcc-claims-essential: ``name`` without its scope, here and not in the ID token."""
    tokens = await world.tokens(scope="openid", claims='{"userinfo": {"name": {"essential": true}}}')
    assert await world.userinfo(tokens["access_token"]) == {"sub": "oidc|corp|ada", "name": "Ada"}
    assert "name" not in payload(tokens["id_token"])


@pytest.mark.parametrize("audience", [None, API], ids=["opaque", "at+jwt"])
async def test_in_15_no_token_and_nothing_internal_is_told(world: World, audience: str | None) -> None:
    """IN-15: neither a token of the tenant or ours, nor groups without the profile scope."""
    profile = {**WHOLE, "groups": ["staff"], "_internal": 1, "access_token": "upstream"}
    world.session = a_session(profile=profile)
    token = (await world.tokens(scope="openid email", audience=audience))["access_token"]
    assert set(await world.userinfo(token)) == {"sub", "email", "email_verified"}


@pytest.mark.parametrize("what", ["connection", "api", "consent", "store"])
async def test_in_09_a_token_opens_nothing_that_is_not_allowed_any_more(what: str) -> None:
    """IN-09: after the connection was disabled for the client, an API taken away or the consent revoked, userinfo
    says no as introspection does; a store that cannot say is no yes."""
    third = WEBAPP.model_copy(update={"is_first_party": False})
    world = await World(clients={"webapp": third}).begin(a_session())
    consents = Consents(world.store)
    await consents.allow("oidc|corp|ada", "webapp", ("scope openid", f"api {API}"), world.clock.now)
    token = (await world.tokens(scope="openid", audience=API))["access_token"]
    assert (await world.userinfo(token))["sub"] == "oidc|corp|ada"
    if what == "connection":
        world.connections["corp"] = CORP.model_copy(update={"enabled_clients": ("other",)})
    elif what == "api":
        world.clients["webapp"] = third.model_copy(update={"grants": ()})
    elif what == "consent":
        assert await consents.revoke("oidc|corp|ada", "webapp")
    else:
        broken = Consents(FailingStore(world.store, lambda op: True, Unavailable("store")))
        world.userinfo_endpoint = replace(world.userinfo_endpoint, standing=Standing(world.connections, broken))
    with pytest.raises((Unavailable, Refused)) as caught:
        await world.userinfo(token)
    error = caught.value
    assert (error.code, error.status) == ("invalid_token", 401) if isinstance(error, Refused) else what == "store"
