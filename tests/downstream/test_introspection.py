"""Introspection: what a token means, told to those who may know it, and true at that moment."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import KeySet
from pydantic import SecretStr

from proxy.downstream.client_credentials import ClientCredentials
from proxy.downstream.clients import Clients
from proxy.downstream.consents import Consents, things
from proxy.downstream.grant import session_key
from proxy.downstream.introspection import INACTIVE, SIGNED, Introspection, wants_signed
from proxy.downstream.revocation import Revocation
from proxy.features import Answer, Caller
from proxy.models import Client
from proxy.oidc.errors import Refused, Unavailable
from proxy.store import Get
from tests.downstream.test_dpop import ADA, bound
from tests.downstream.world import (
    API,
    CORP,
    ISSUER,
    SECRET,
    WEBAPP,
    FailingStore,
    World,
    a_session,
    payload,
)

USERINFO = f"{ISSUER}userinfo"
OFFLINE = "openid email read:things offline_access"
THE_API = Client(client_id=API, client_secret=SecretStr(SECRET), grant_types=("client_credentials",))
AS_JWT = {"Accept": f"application/{SIGNED}"}


def feature(world: World) -> Introspection:
    """Introspection of that world, with what it knows now."""
    clients = Clients(world.clients, world.store)
    return Introspection(world.access_tokens, clients, world.connections, Consents(world.store))


async def ask(world: World, token: str, client: str = "webapp", headers: Any = None, **more: str) -> Answer:
    """A request for introspection."""
    asker = {API: THE_API, "webapp": WEBAPP, **world.clients}[client]
    request = world.request({"token": token, **more}, "POST", client=asker)
    return await feature(world).introspect(replace(request, headers=headers or {}))


async def about(world: World, token: str, client: str = "webapp", **more: str) -> dict[str, Any]:
    """What a client is told of a token."""
    return dict((await ask(world, token, client, **more)).json or {})


async def test_what_is_said_of_an_opaque_token(world: World) -> None:
    """RFC 7662 2.2: to its own client, every member with the right type."""
    token = (await world.tokens(scope=OFFLINE))["access_token"]
    now = int(world.clock.now)
    assert await about(world, token) == {
        "active": True,
        "iss": ISSUER,
        "client_id": "webapp",
        "sub": "oidc|corp|ada",
        "scope": "openid email offline_access",
        "sid": a_session().sid,
        "token_type": "Bearer",
        "aud": USERINFO,
        "iat": now,
        "exp": now + world.lifetimes.access_token,
    }


@pytest.mark.parametrize("asker", ["webapp", API])
async def test_what_is_said_of_an_at_jwt(world: World, asker: str) -> None:
    """RFC 7662 2.2: the same that the token says, to its client and to the API it is for."""
    token = (await world.tokens(scope=OFFLINE, audience=API))["access_token"]
    told = await about(world, token, asker)
    assert told == {**payload(token), "active": True, "token_type": "Bearer"}


async def test_what_is_said_of_a_refresh_token(world: World) -> None:
    """RFC 7662 2.2: until when it is good, to its own client alone."""
    tokens = await world.tokens(scope=OFFLINE, audience=API)
    told = await about(world, tokens["refresh_token"])
    assert told["active"] is True and told["scope"] == "openid email read:things offline_access"
    assert told["exp"] == int(world.clock.now) + world.lifetimes.refresh_idle
    assert not {"token_type", "aud", "jti"} & told.keys()
    for other in ("other", API):
        assert await about(world, tokens["refresh_token"], other) == INACTIVE


async def test_what_is_said_of_a_clients_own_token(world: World) -> None:
    """RFC 9068 2.2: about no person, the client is the subject."""
    world.clients["webapp"] = WEBAPP.model_copy(update={"grant_types": ("client_credentials",)})
    grant = ClientCredentials(world.store, world.code.issuer)
    asks = world.request({}, "POST", client=world.clients["webapp"])
    token = (await grant.redeem(asks, world.clients["webapp"]))["access_token"]
    told = await about(world, token, API)
    assert (told["active"], told["sub"], told["aud"]) == (True, "webapp", API) and "sid" not in told


async def test_the_key_a_token_is_bound_to_is_told(world: World) -> None:
    """RFC 9449 6.2: token_type DPoP and ``cnf``; no proof is needed to ask."""
    for audience in (None, API):
        told = await about(world, (await bound(world, audience=audience))["access_token"])
        assert (told["token_type"], told["cnf"]) == ("DPoP", {"jkt": ADA.jkt})


async def test_a_user_name_is_told_with_its_scope(world: World) -> None:
    """RFC 7662 2.2, IN-15: only what the token was granted."""
    world.session = a_session(profile={"preferred_username": "ada"})
    for scope, told in (("openid", None), ("openid profile", "ada")):
        assert (await about(world, (await world.tokens(scope=scope))["access_token"])).get("username") == told


@pytest.mark.parametrize("what", ["access_token", "refresh_token", "id_token"])
@pytest.mark.parametrize("audience", [None, API], ids=["opaque", "at+jwt"])
async def test_in_07_a_client_outside_learns_nothing(world: World, what: str, audience: str | None) -> None:
    """IN-07: exactly {"active": false}, as for a text that never was a token; signed, the same and nothing more."""
    token = (await world.tokens(scope=OFFLINE, audience=audience))[what]
    assert await about(world, token, "other") == await about(world, "unknown", "other") == {"active": False}
    signed = await ask(world, token, "other", AS_JWT)
    assert signed.json is None and set(payload(signed.jwt)) == {"iss", "aud", "iat", "token_introspection"}
    assert payload(signed.jwt)["token_introspection"] == {"active": False}


@pytest.mark.parametrize("named", [f"{API}x", API.rstrip("/"), API.upper(), "x"])
async def test_in_07_an_audience_is_one_string(world: World, named: str) -> None:
    """IN-07, IN-02: a client with nearly the name of the API is not the API."""
    world.clients[named] = THE_API.model_copy(update={"client_id": named})
    token = (await world.tokens(scope=OFFLINE, audience=API))["access_token"]
    assert await about(world, token, named) == INACTIVE


async def test_in_06_a_public_client_has_no_right_to_ask(world: World) -> None:
    """IN-06: 401 for its own token, another's and none, always alike."""
    tokens = [(await world.tokens(client_id="spa"))["access_token"], (await world.tokens())["access_token"], "x", ""]
    said = set()
    for token in tokens:
        with pytest.raises(Refused) as caught:
            await ask(world, token, "spa")
        said.add((caught.value.code, caught.value.status, caught.value.description))
    assert len(said) == 1 and {one[:2] for one in said} == {("invalid_client", 401)}


async def test_without_a_token_there_is_nothing_to_say(world: World) -> None:
    """RFC 7662 2.1: ``token`` is required."""
    with pytest.raises(Refused, match="token is missing"):
        await ask(world, "")


# --- IN-09: stale "active" ---


async def logout(world: World) -> None:
    await world.store.drop(session_key(a_session().sid))


async def client_gone(world: World) -> None:
    del world.clients["webapp"]


async def connection_closed(world: World) -> None:
    world.connections["corp"] = CORP.model_copy(update={"enabled_clients": ("other",)})


async def connection_gone(world: World) -> None:
    del world.connections["corp"]


async def api_taken_away(world: World) -> None:
    world.clients["webapp"] = WEBAPP.model_copy(update={"grants": ()})


async def consent_needed(world: World) -> None:
    world.clients["webapp"] = WEBAPP.model_copy(update={"is_first_party": False})


async def time_over(world: World) -> None:
    world.clock.now += world.lifetimes.refresh_absolute


Event = Callable[[World], Awaitable[None]]
EVENTS: list[Event] = [client_gone, connection_closed, connection_gone, api_taken_away, consent_needed, time_over]


@pytest.mark.parametrize("event", EVENTS, ids=lambda e: e.__name__)
@pytest.mark.parametrize("what", ["access_token", "refresh_token"])
async def test_in_09_what_was_taken_away_is_not_active(world: World, event: Event, what: str) -> None:
    """IN-09: whatever ended the right ends "active" at once, for the API and for the client."""
    token = (await world.tokens(scope=OFFLINE, audience=API))[what]
    asker = API if what == "access_token" else "webapp"
    assert (await about(world, token, asker))["active"] is True
    await event(world)
    assert await about(world, token, asker) == INACTIVE


@pytest.mark.parametrize("audience", [None, API], ids=["opaque", "at+jwt"])
async def test_in_09_after_a_logout(world: World, audience: str | None) -> None:
    """IN-09: a token of the session is inactive, one that may outlive it is not."""
    bound_to_it = (await world.tokens(scope="openid", audience=audience))["access_token"]
    offline = await world.tokens(scope=OFFLINE, audience=audience)
    await logout(world)
    assert await about(world, bound_to_it) == INACTIVE
    assert (await about(world, offline["access_token"]))["active"] is True
    assert (await about(world, offline["refresh_token"]))["active"] is True


@pytest.mark.parametrize("audience", [None, API], ids=["opaque", "at+jwt"])
@pytest.mark.parametrize("revoked", ["access_token", "refresh_token"])
async def test_in_09_after_a_revocation(world: World, audience: str | None, revoked: str) -> None:
    """IN-09: what was given back is inactive; a family altogether, an access token alone."""
    tokens = await world.tokens(scope=OFFLINE, audience=audience)
    asks = world.request({"token": tokens[revoked]}, "POST", client=WEBAPP)
    await Revocation(world.access_tokens).revoke(asks)
    assert await about(world, tokens["access_token"]) == INACTIVE
    assert (await about(world, tokens["refresh_token"]))["active"] is (revoked == "access_token")


async def test_in_09_only_the_newest_refresh_token_is_active(world: World) -> None:
    """IN-09: asking about an old one does no harm to the family."""
    one = await world.tokens(scope=OFFLINE)
    two = await world.refresh(one["refresh_token"])
    assert await about(world, one["refresh_token"]) == INACTIVE
    assert (await about(world, two["refresh_token"]))["active"] is True
    assert "access_token" in await world.refresh(two["refresh_token"])


@pytest.mark.parametrize("hint", ["refresh_token", "access_token", "nonsense"])
@pytest.mark.parametrize("what", ["refresh_token", "access_token"])
async def test_in_09_a_hint_is_only_a_hint(world: World, hint: str, what: str) -> None:
    """IN-09: a wrong ``token_type_hint`` changes nothing."""
    token = (await world.tokens(scope=OFFLINE))[what]
    assert (await about(world, token, token_type_hint=hint))["active"] is True


async def test_in_09_other_kinds_are_not_active(world: World) -> None:
    """IN-09: an ID token, a code, a session's name, and hostile texts."""
    tokens = await world.tokens()
    texts = [tokens["id_token"], await world.new_code(), a_session().sid, "é", "\udcff", "a.b.c", "x" * 20_000]
    for text in texts:
        assert await about(world, text) == INACTIVE


async def test_consent_that_stands_keeps_a_token_active(world: World) -> None:
    """TK-17: with the person's consent the token of a third-party client is active, without it not."""
    third = WEBAPP.model_copy(update={"is_first_party": False})
    token = (await world.tokens(scope="openid email"))["access_token"]
    world.clients["webapp"] = third
    assert await about(world, token) == INACTIVE
    _, grant = await world.access_tokens.live(token, world.clock.now)
    await Consents(world.store).allow(grant.user_id, "webapp", things(grant, third), world.clock.now)
    assert (await about(world, token))["active"] is True


@pytest.mark.parametrize("what", ["access_token", "refresh_token"])
async def test_tk_26_what_cannot_be_asked_is_not_inactive(world: World, what: str) -> None:
    """TK-26: 503, neither yes nor no."""
    token = (await world.tokens(scope=OFFLINE))[what]
    broken = FailingStore(world.store, lambda op: isinstance(op, Get), Unavailable("the store is away"))
    world.access_tokens = type(world.access_tokens)(ISSUER, broken, world.keys, world.lifetimes)
    with pytest.raises(Unavailable):
        await ask(world, token)


# --- signed (RFC 9701) ---


@pytest.mark.parametrize("how", ["accept", "registered"])
async def test_a_signed_answer_verifies_with_the_published_keys(world: World, how: str) -> None:
    """RFC 9701 5: typ, iss, aud, iat and the same members inside; no ``sub`` or ``exp`` on top; by another library."""
    token = (await world.tokens(scope=OFFLINE, audience=API))["access_token"]
    plain = await about(world, token)
    if how == "registered":
        world.clients["webapp"] = WEBAPP.model_copy(update={"introspection_signed_response_alg": "RS256"})
    answer = await ask(world, token, headers=AS_JWT if how == "accept" else {})
    keys = KeySet.import_key_set(dict(world.keys.jwks(world.clock.now)))  # type: ignore[arg-type]
    found = jwt.decode(answer.jwt, keys, algorithms=["RS256"])
    assert (answer.jwt_type, found.header["typ"]) == ("application/token-introspection+jwt", SIGNED)
    assert found.claims == {
        "iss": ISSUER,
        "aud": "webapp",
        "iat": int(world.clock.now),
        "token_introspection": plain,
    }


@pytest.mark.parametrize(
    ("accept", "wanted"),
    [
        ("", False),
        ("*/*", False),
        ("application/json", False),
        ("application/jwt", False),
        ("application/token-introspection+jwt", True),
        ("Application/Token-Introspection+JWT; q=1", True),
        ("application/json, application/token-introspection+jwt;q=0.5", True),
    ],
)
def test_who_wants_it_signed(accept: str, wanted: bool) -> None:
    """RFC 9701 4: the header names the media type."""
    assert wants_signed(accept) is wanted


def test_where_it_is_and_what_is_advertised(world: World) -> None:
    """RFC 8414 2, RFC 9701 7: the endpoint, its client authentication without ``none``, the algorithms."""
    (endpoint,) = feature(world).endpoints()
    assert (endpoint.path, endpoint.methods, endpoint.caller) == ("oauth/introspect", ("POST",), Caller.CLIENT)
    said = feature(world).metadata()
    assert said["introspection_endpoint"] == f"{ISSUER}oauth/introspect"
    assert "none" not in said["introspection_endpoint_auth_methods_supported"]
    assert said["introspection_signing_alg_values_supported"] == ["RS256"]
