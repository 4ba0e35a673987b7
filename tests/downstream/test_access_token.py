"""Access tokens: opaque or ``at+jwt``, both checked against the grant they belong to."""

from __future__ import annotations

from base64 import urlsafe_b64encode
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import jwt
import pytest
from multidict import CIMultiDict

from proxy.downstream.grant import access_key, grant_key, revoke, session_key
from proxy.downstream.keys import KeyRing
from proxy.features import Bearer
from proxy.oidc.errors import Refused, Unavailable
from proxy.store import Get, Put
from proxy.web.bodies import NO_TOKEN, access_token
from tests.downstream.test_grant import a_grant
from tests.downstream.world import API, ISSUER, FailingStore, World, a_session, payload
from tests.kit.tenant import signer

USERINFO = f"{ISSUER}userinfo"
KINDS = pytest.mark.parametrize("audience", [None, API], ids=["opaque", "at+jwt"])


async def refused(awaitable: Awaitable[Any]) -> None:
    """Refused as a token that does not count: 401, and always the same words."""
    with pytest.raises(Refused) as caught:
        await awaitable
    assert (caught.value.code, caught.value.status) == ("invalid_token", 401)


async def a_token(world: World, audience: str | None, scope: str = "openid email read:things") -> str:
    return str((await world.tokens(scope=scope, audience=audience))["access_token"])


@KINDS
async def test_whose_token_it_is(world: World, audience: str | None) -> None:
    """The check answers client, scopes, audience, person and profile, the same for both kinds."""
    token = await a_token(world, audience)
    audiences = (API, USERINFO) if audience else (USERINFO,)
    scopes = ("openid", "email", "read:things") if audience else ("openid", "email")
    found = await world.access_tokens.check(token, USERINFO, world.clock.now)
    assert found == Bearer("webapp", scopes, audiences, "oidc|corp|ada", dict(a_session().profile), "oidc|corp|ada")


async def test_what_an_at_jwt_says(world: World) -> None:
    """RFC 9068 2: header and claims, verifiable by an API with a library not ours."""
    token = await a_token(world, API)
    header, claims = jwt.get_unverified_header(token), payload(token)
    assert (header["typ"], header["alg"]) == ("at+jwt", "RS256")
    assert set(claims) == {"iss", "sub", "aud", "client_id", "iat", "exp", "jti", "scope", "sid"}
    assert (claims["aud"], claims["scope"]) == ([API, USERINFO], "openid email read:things")
    assert claims["exp"] - claims["iat"] == world.lifetimes.access_token
    (key,) = [
        k for k in jwt.PyJWKSet.from_dict(dict(world.keys.jwks(world.clock.now))).keys if k.key_id == header["kid"]
    ]
    jwt.decode(token, key, ["RS256"], audience=API, issuer=ISSUER, options={"verify_exp": False, "verify_iat": False})


async def test_two_tokens_of_one_grant_have_two_names(world: World) -> None:
    """Each ``jti`` is its own and begins with the grant's id, by which it is revoked."""
    one = await world.tokens(scope="openid offline_access", audience=API)
    two = await world.refresh(one["refresh_token"])
    first, second = payload(one["access_token"])["jti"], payload(two["access_token"])["jti"]
    assert first != second and first.partition(".")[0] == second.partition(".")[0]


@KINDS
@pytest.mark.parametrize("wanted", [f"{ISSUER}api/v2/", "https://api.example", "https://other.example/", "", "x"])
async def test_in_02_a_token_is_for_its_audience(world: World, audience: str | None, wanted: str) -> None:
    """IN-02: compared as a whole string; a token for API X opens nothing else of ours."""
    await refused(world.access_tokens.check(await a_token(world, audience), wanted, world.clock.now))


async def test_in_02_without_openid_the_token_of_an_api_is_not_for_us(world: World) -> None:
    """IN-02: a token for API X alone gets 401 at userinfo."""
    await refused(world.userinfo(await a_token(world, API, scope="read:things")))


@KINDS
async def test_a_token_ends_in_time(world: World, audience: str | None) -> None:
    """Good until the last moment, dead at ``exp``."""
    token = await a_token(world, audience)
    world.clock.now += world.lifetimes.access_token - 1
    assert (await world.userinfo(token))["sub"] == "oidc|corp|ada"
    world.clock.now += 1
    await refused(world.userinfo(token))


@KINDS
@pytest.mark.parametrize("how", ["revoked", "dropped"])
async def test_in_14_a_token_dies_with_its_grant(world: World, audience: str | None, how: str) -> None:
    """IN-14: revoked by the grant's id, so that no other text of the same token escapes."""
    token = await a_token(world, audience)
    keys = [k for k in world.store._entries if k.endswith(":grant")]  # type: ignore[attr-defined]
    assert len(keys) == 1
    if how == "dropped":
        del world.store._entries[keys[0]]  # type: ignore[attr-defined]
    else:
        grant_id = (
            payload(token)["jti"].partition(".")[0]
            if audience
            else (await world.store.get(access_key(token))).value["grant"]  # type: ignore[union-attr]
        )
        assert grant_key(grant_id).name == keys[0]
        await world.store.run(revoke(grant_id))
    await refused(world.userinfo(token))


@KINDS
async def test_a_token_dies_with_its_session(world: World, audience: str | None) -> None:
    """A logout ends every token of the session, unless the grant is an offline one."""
    bound, offline = await a_token(world, audience), await a_token(world, audience, "openid offline_access")
    await world.store.drop(session_key(a_session().sid))
    await refused(world.userinfo(bound))
    assert (await world.userinfo(offline))["sub"] == "oidc|corp|ada"


EDITS: dict[str, Callable[[str], str]] = {
    "cut": lambda t: t[:-1],
    "flipped": lambda t: t.swapcase(),
    "equals": lambda t: t + "=",
    "two-equals": lambda t: t + "==",
    "newline": lambda t: t + "\n",
    "blank": lambda t: " " + t,
    "encoded": lambda t: t.replace(t[3], f"%{ord(t[3]):02X}"),
    "first-80": lambda t: t[:80] if len(t) > 80 else t[:-3],
    "look-alike": lambda t: t[:-1] + "а",
    "surrogate": lambda t: t + "\udcff",
    "dot": lambda t: t + ".",
    "nothing": lambda t: "",
    "dots": lambda t: "..",
    "long": lambda t: t * 500,
}


@KINDS
@pytest.mark.parametrize("edit", EDITS.values(), ids=[f"tk-22-in-14-jo-17-{name}" for name in EDITS])
async def test_an_edited_token_is_no_token(world: World, audience: str | None, edit: Callable[[str], str]) -> None:
    """TK-22, IN-14, JO-17: one token string, one meaning; no other text of it is good."""
    await refused(world.userinfo(edit(await a_token(world, audience))))


async def test_jo_17_unused_bits_of_the_signature_count(world: World) -> None:
    """JO-17: the last character of a signature has bits that mean nothing; set, they make another text, refused."""
    token = await a_token(world, API)
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    last = alphabet.index(token[-1])
    assert last % 16 == 0  # 256 bytes leave four unused bits
    await refused(world.userinfo(token[:-1] + alphabet[last + 1]))


@pytest.mark.parametrize(
    "change",
    [
        {"iss": "https://evil.example/"},
        {"iss": ISSUER.rstrip("/")},
        {"exp": 0},
        {"jti": "none"},
        {"aud": "x"},
        {"aud": None},
    ],
    ids=lambda c: next(iter(c)),
)
async def test_each_claim_of_an_at_jwt_counts(world: World, change: dict[str, Any]) -> None:
    """Signed by us is not enough: issuer, time, grant and audience are checked as well."""
    good = payload(await a_token(world, API))
    ours = world.keys.signer(world.clock.now)
    assert (await world.userinfo(ours.sign(good, typ="at+jwt")))["sub"] == "oidc|corp|ada"
    claims = {name: value for name, value in {**good, **change}.items() if value is not None}
    await refused(world.userinfo(ours.sign(claims, typ="at+jwt")))


async def test_another_key_signs_nothing_of_ours(world: World) -> None:
    """A token of a foreign key is refused, also under the name of ours."""
    good = payload(await a_token(world, API))
    foreign = signer("foreign")
    await refused(world.userinfo(foreign.sign(good, typ="at+jwt")))
    impostor = signer(world.keys.signer(world.clock.now).kid)
    await refused(world.userinfo(impostor.sign(good, typ="at+jwt")))


@KINDS
@pytest.mark.parametrize("kind", ["grant", "session", "access"])
async def test_what_cannot_be_asked_is_no_answer(world: World, audience: str | None, kind: str) -> None:
    """TK-26: a store that does not answer is 503, neither good nor "unknown"."""
    token = await a_token(world, audience)
    failing = FailingStore(world.store, lambda op: isinstance(op, Get) and op.key.kind == kind, Unavailable("store"))
    checking = replace(world.access_tokens, store=failing)
    if kind == "access" and audience:
        assert (await checking.check(token, USERINFO, world.clock.now)).user_id == "oidc|corp|ada"
        return
    with pytest.raises(Unavailable):
        await checking.check(token, USERINFO, world.clock.now)


async def test_the_store_names_an_opaque_token_by_its_hash(world: World) -> None:
    """Nothing in the store is a token that could be sent."""
    token = await a_token(world, None)
    entries = world.store._entries  # type: ignore[attr-defined]
    assert not [name for name, entry in entries.items() if token in name or token in entry.text]
    bearer = await world.access_tokens.check(token, USERINFO, world.clock.now)
    _, (write,) = world.access_tokens.issue(a_grant(), bearer.scopes, world.clock.now)
    assert isinstance(write, Put) and write.ttl == world.lifetimes.access_token


async def test_a_node_without_keys_knows_no_jwt(world: World) -> None:
    """A key set that is empty verifies nothing."""
    token = await a_token(world, API)
    await refused(replace(world.access_tokens, keys=KeyRing(world.store)).check(token, USERINFO, world.clock.now))


class Knock:
    """What ``access_token`` reads of a web request."""

    def __init__(self, method: str, *authorization: str) -> None:
        self.method = method
        self.headers = CIMultiDict([("Authorization", value) for value in authorization])


@pytest.mark.parametrize(
    ("knock", "params", "code", "status"),
    [
        pytest.param(Knock("GET"), {"access_token": "t"}, "invalid_request", 400, id="in-03-query"),
        pytest.param(
            Knock("GET", "Bearer t"), {"access_token": "t"}, "invalid_request", 400, id="in-03-header-and-query"
        ),
        pytest.param(
            Knock("POST", "Bearer t"), {"access_token": "t"}, "invalid_request", 400, id="in-03-header-and-body"
        ),
        pytest.param(Knock("GET", "Bearer t", "Bearer t"), {}, "invalid_request", 400, id="in-03-two-headers"),
        pytest.param(Knock("GET"), {}, NO_TOKEN, 401, id="nothing"),
        pytest.param(Knock("GET", "Basic t"), {}, NO_TOKEN, 401, id="basic"),
        pytest.param(Knock("GET", "Bearer"), {}, NO_TOKEN, 401, id="no-token"),
    ],
)
def test_where_a_token_may_stand(knock: Any, params: dict[str, str], code: str, status: int) -> None:
    """IN-03 (RFC 6750 2): in the header or the form, once, never in the address."""
    with pytest.raises(Refused) as caught:
        access_token(knock, params)
    assert (caught.value.code, caught.value.status) == (code, status)


@pytest.mark.parametrize(
    ("knock", "params", "scheme"),
    [
        (Knock("GET", "Bearer t"), {}, "bearer"),
        (Knock("POST", "bearer t"), {}, "bearer"),
        (Knock("POST"), {"access_token": "t"}, "bearer"),
        (Knock("GET", "DPoP t"), {}, "dpop"),
        (Knock("POST", "dpop t"), {}, "dpop"),
    ],
    ids=["userinfo-get", "userinfo-post-header", "userinfo-post-body", "dpop-get", "dpop-post"],
)
def test_the_places_for_a_token(knock: Any, params: dict[str, str], scheme: str) -> None:
    """oidcc-userinfo-get, -post-header, -post-body; RFC 9449 7.1: a bound token comes in the header alone."""
    assert access_token(knock, params) == (scheme, "t")


def test_texts_that_are_no_base64_cost_nothing() -> None:
    """A hostile text is refused by its form, before any key is looked at."""
    ring = KeyRing(None)  # type: ignore[arg-type]  # nothing may ask the store
    tokens = World().access_tokens
    for text in ("a.b", "é.é.é", urlsafe_b64encode(b"{}").decode() + "..", "a" * 20_000 + ".b.c"):
        assert replace(tokens, keys=ring)._read_jwt(text, 0.0) is None


@pytest.mark.parametrize("change", [{"a_field_of_later": 1}, {"exp": None}, {"scopes": 7}])
async def test_an_opaque_token_of_another_shape_is_no_token(world: World, change: dict[str, Any]) -> None:
    """What another version wrote is refused as a token that does not count, not told as a fault of ours."""
    token = await a_token(world, None)
    record = await world.store.get(access_key(token))
    assert record is not None
    await world.store.put(access_key(token), {**record.value, **change}, 100)
    await refused(world.access_tokens.check(token, USERINFO, world.clock.now))
