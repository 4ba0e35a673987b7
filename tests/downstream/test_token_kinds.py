"""Each kind of token is good in its own place alone, though one key has signed them all."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import pytest

from proxy.downstream import client_auth
from proxy.downstream.backchannel_logout import EVENT
from proxy.downstream.client_keys import ClientKeys
from proxy.downstream.clients import Clients
from proxy.downstream.consents import Consents
from proxy.downstream.id_token_hint import read_hint
from proxy.downstream.introspection import SIGNED, Introspection
from proxy.downstream.request_object import RequestObjects
from proxy.downstream.userinfo import SIGNED as SIGNED_USERINFO
from proxy.oidc.dpop import token_hash
from proxy.oidc.errors import ProtocolError
from proxy.oidc.keys import thumbprint
from tests.downstream.world import API, ISSUER, WEBAPP, World, a_session, asked, payload
from tests.kit.signing_client import Shelf, assertion_claims, authenticator, with_assertion
from tests.kit.tenant import jws

TOKEN = f"{ISSUER}oauth/token"
JWTS = (
    "id_token",
    "at+jwt",
    "logout+jwt",
    "client assertion",
    "request object",
    "introspection",
    "userinfo",
    "dpop proof",
)
TEXTS = ("opaque", "refresh_token", "code", "sid")
GOOD: Mapping[str, tuple[str, ...]] = {
    "access token": ("at+jwt", "opaque"),
    "active": ("at+jwt", "opaque", "refresh_token"),
    "id_token_hint": ("id_token",),
    "client_assertion": ("client assertion",),
    "request": ("request object",),
    "DPoP": ("dpop proof",),
    "refresh_token": ("refresh_token",),
    "code": ("code",),
}
"""What is good in which place."""


@pytest.fixture
async def open_world() -> World:
    """A client that signs with the very key that we sign with, so that no signature tells two kinds apart."""
    world = await World().begin(a_session())
    key = world.keys.signer(world.clock.now).public_jwk
    signing = {"token_endpoint_auth_method": "private_key_jwt", "client_secret": None, "jwks": {"keys": [dict(key)]}}
    world.clients["webapp"] = WEBAPP.model_copy(update=signing)
    return world


async def tokens_of(world: World) -> dict[str, str]:
    """One fresh token of each kind, as honest as its place needs it; every JWT brings its key, as a proof does."""
    now = world.clock.now
    plain = await world.tokens(scope="openid offline_access")
    api = payload((await world.tokens(scope="openid read:things", audience=API))["access_token"])
    login = payload(plain["id_token"])
    claims: dict[str, tuple[str, Mapping[str, Any]]] = {
        "id_token": ("JWT", login),
        "at+jwt": ("at+jwt", api),
        "logout+jwt": ("logout+jwt", {**login, "jti": "l", "events": {EVENT: {}}}),
        "client assertion": ("JWT", assertion_claims("webapp", ISSUER, now)),
        "request object": ("JWT", {"iss": "webapp", "aud": ISSUER, **asked()}),
        "introspection": (SIGNED, {"iss": ISSUER, "aud": "webapp", "iat": now, "token_introspection": api}),
        "userinfo": (SIGNED_USERINFO, {"iss": ISSUER, "aud": "webapp", "sub": login["sub"], "sid": login["sid"]}),
        "dpop proof": ("dpop+jwt", proof_claims(now)),
    }
    signed = {kind: sign(world, typ, said) for kind, (typ, said) in claims.items()}
    texts = {"opaque": plain["access_token"], "refresh_token": plain["refresh_token"]}
    return {**signed, **texts, "code": await world.new_code(), "sid": a_session().sid}


def proof_claims(now: float) -> dict[str, Any]:
    """What a proof for the token endpoint says."""
    return {"jti": "p", "htm": "POST", "htu": TOKEN, "iat": int(now), "ath": token_hash("x")}


def sign(world: World, typ: str, claims: Mapping[str, Any]) -> str:
    """Signed by the one key there is."""
    key = world.keys.signer(world.clock.now)
    jwk = {name: key.public_jwk[name] for name in ("kty", "n", "e")}
    return jws(key, dict(claims), {"typ": typ, "jwk": jwk})


async def is_active(world: World, token: str) -> bool:
    """Whether introspection knows it."""
    clients = Clients(world.clients, world.store)
    feature = Introspection(world.access_tokens, clients, world.connections, Consents(world.store))
    asks = world.request({"token": token}, "POST", client=world.clients["webapp"])
    return bool(((await feature.introspect(asks)).json or {})["active"])


async def is_hint(world: World, token: str) -> bool:
    """Whether it says who is meant."""
    return bool((await read_hint(token, world.known, world.keys, ISSUER, world.clock.now)).client_id)


async def authenticates(world: World, token: str) -> bool:
    """Whether the client gets in with it."""
    shown = client_auth.present(with_assertion(token), ())
    at_the_door = authenticator(ISSUER, world.clients, world.store)
    return bool(await at_the_door.authenticate(shown, TOKEN, world.clock.now))


async def asks(world: World, token: str) -> bool:
    """Whether it is read as a request."""
    objects = RequestObjects(ISSUER, ClientKeys(Shelf().send, world.clock), Shelf().send)
    params = {"client_id": "webapp", "request": token}
    return "redirect_uri" in await objects.unfold(params, world.clients["webapp"], world.clock.now)


async def proves(world: World, token: str) -> bool:
    """Whether it proves a key."""
    jwk = world.keys.signer(world.clock.now).public_jwk
    asks = world.request({}, "POST", proofs=(token,))
    return await world.proofs.jkt_of_request(asks, "oauth/token") == thumbprint(jwk)


PLACES: Mapping[str, Callable[[World, str], Awaitable[Any]]] = {
    "access token": lambda world, token: world.userinfo(token),
    "active": is_active,
    "id_token_hint": is_hint,
    "client_assertion": authenticates,
    "request": asks,
    "DPoP": proves,
    "refresh_token": lambda world, token: world.refresh(token),
    "code": lambda world, token: world.redeem(token),
}


@pytest.mark.parametrize("place", PLACES)
async def test_jo_10_in_01_tk_21_no_kind_of_token_passes_for_another(open_world: World, place: str) -> None:
    """JO-10, IN-01, TK-21: every kind in every place; what is not at home there is refused, and nothing breaks."""
    accepted = set()
    for kind, token in (await tokens_of(open_world)).items():
        try:
            good = await PLACES[place](open_world, token)
        except ProtocolError as error:
            assert error.status in (400, 401)
            good = False
        if good:
            accepted.add(kind)
    assert accepted == set(GOOD[place])


def test_every_kind_is_tried(open_world: World) -> None:
    """The table is whole: each kind but the session's name is at home somewhere, or is only for others to read."""
    at_home = {kind for kinds in GOOD.values() for kind in kinds}
    for_others = {"logout+jwt", "introspection", "userinfo", "sid"}
    assert at_home | for_others == {*JWTS, *TEXTS} and not at_home & for_others


@pytest.mark.parametrize("typ", ["", "jwt", "JWT", "application/at+jwt", "AT+JWT", "at+jwt ", "xat+jwt"])
async def test_jo_10_the_type_is_written_as_it_is_written(open_world: World, typ: str) -> None:
    """RFC 9068 4: the claims of an access token under another type are none; case and prefix do not count."""
    claims = payload((await open_world.tokens(scope="openid read:things", audience=API))["access_token"])
    try:
        good = bool(await open_world.userinfo(sign(open_world, typ, claims)))
    except ProtocolError:
        good = False
    assert good is (typ in ("application/at+jwt", "AT+JWT"))


async def test_in_01_an_id_token_is_no_access_token(open_world: World) -> None:
    """IN-01: 401 invalid_token for the ID token as it was issued, and with every claim an access token has."""
    tokens = await open_world.tokens(scope="openid read:things", audience=API)
    dressed = {**payload(tokens["id_token"]), **payload(tokens["access_token"])}
    for token in (tokens["id_token"], sign(open_world, "JWT", dressed)):
        with pytest.raises(ProtocolError) as caught:
            await open_world.userinfo(token)
        assert (caught.value.code, caught.value.status) == ("invalid_token", 401)
