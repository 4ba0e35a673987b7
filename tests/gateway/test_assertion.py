"""The signed assertion: what it says, that an app can check it with our JWKS alone, and that it is good for nothing
else."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import jwt
import pytest

from proxy.downstream.clients import Clients
from proxy.downstream.consents import Consents
from proxy.downstream.id_token_hint import read_hint
from proxy.downstream.introspection import Introspection
from proxy.gateway.assertion import TYPE, signer_of
from proxy.oidc.errors import ProtocolError
from tests.downstream.world import ISSUER, a_session, payload
from tests.gateway.told import Told, a_route, told

AUDIENCE = "https://app.example/"


def as_an_app(parts: Told, token: str, *, audience: str = AUDIENCE) -> dict[str, Any]:
    """How the documentation tells an app to check it: PyJWT and our JWKS, with our clock's time."""
    kid = jwt.get_unverified_header(token)["kid"]
    keys = jwt.PyJWKSet.from_json(json.dumps(parts.keys.jwks(parts.now)))
    key = next(key for key in keys.keys if key.key_id == kid)
    done = jwt.decode_complete(
        token,
        key,
        algorithms=["RS256", "ES256"],
        audience=audience,
        issuer=ISSUER,
        options={"require": ["exp", "iat", "aud", "iss", "sub"], "verify_exp": False, "verify_iat": False,
                 "verify_nbf": False},
    )  # fmt: skip
    if done["header"]["typ"] != TYPE:
        raise jwt.InvalidTokenError("type")
    claims: dict[str, Any] = done["payload"]
    if not claims["iat"] <= parts.now < claims["exp"]:
        raise jwt.ExpiredSignatureError
    return claims


@pytest.mark.parametrize("algorithms", [("RS256",), ("RS256", "ES256")])
async def test_gw_39_an_app_can_check_it_with_our_keys_alone(algorithms: tuple[str, ...]) -> None:
    """GW-39: what it says, under a key of our JWKS."""
    parts = await told(algorithms=algorithms)
    token = parts.headers()["X-Isthmus-Assertion"]
    assert jwt.get_unverified_header(token)["alg"] == algorithms[-1]
    now = int(parts.now)
    said = as_an_app(parts, token)
    assert len(said.pop("jti")) == 16
    assert said == {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": "oidc|corp|ada",
        "sid": a_session().sid,
        "iat": now,
        "nbf": now,
        "exp": now + 60,
        "name": "Ada",
        "email": "ada@corp.example",
        "email_verified": True,
        "groups": ["staff"],
    }


async def test_gw_39_an_app_detects_who_came_past_the_gateway() -> None:
    """GW-39: without an assertion, with another app's, an old one, one signed by another key, or an ID token of ours, a
    request did not come through us."""
    parts = await told(a_route(), a_route(host="other.example"))
    good = parts.headers()["X-Isthmus-Assertion"]
    pairs = dict(parts.identities.pairs(parts.gateway.routes[1], a_session(), parts.now))
    strange = await told(algorithms=("RS256", "ES256"))
    id_token = (await parts.world.tokens())["id_token"]
    head, body, signature = good.split(".")
    forged = [
        "",
        "x.y.z",
        pairs["X-Isthmus-Assertion"],
        f"{head}.{body}.{signature[:-4]}AAAA",
        f"{head}.{body}.",
        strange.headers()["X-Isthmus-Assertion"],
        id_token,
    ]
    for token in forged:
        with pytest.raises((jwt.InvalidTokenError, StopIteration)):
            as_an_app(parts, token)
    assert as_an_app(parts, good)
    parts.world.clock.now += 60
    with pytest.raises(jwt.ExpiredSignatureError):
        as_an_app(parts, good)


@pytest.mark.parametrize(
    "name", ["iss", "aud", "sub", "sid", "iat", "nbf", "exp", "jti", "_claim_names", "_claim_sources"]
)
async def test_what_it_says_itself_no_attribute_can_say(name: str) -> None:
    """Whatever a plugin or a table put into the profile under such a name."""
    parts = await told(a_route(headers={"X-Odd": name}))
    session = a_session(profile={"email": "ada@corp.example", name: "evil", "groups": ["g" * 50] * 500})
    said = as_an_app(parts, parts.headers(session)["X-Isthmus-Assertion"])
    assert said[name] != "evil"


async def test_gw_39_jo_10_it_is_no_other_token_of_ours() -> None:
    """JO-10, IN-01: at userinfo, at introspection and as a hint it is nothing, and so is the reference to claims."""
    parts = await told()
    world = parts.world
    found = parts.headers(a_session(profile={"groups": ["g" * 40] * 500}))
    for token in (found["X-Isthmus-Assertion"], found["X-Isthmus-Claims-Token"]):
        with pytest.raises(ProtocolError) as caught:
            await world.userinfo(token)
        assert caught.value.status == 401
        feature = Introspection(
            world.access_tokens, Clients(world.clients, world.store), world.connections, Consents(world.store)
        )
        asks = world.request({"token": token}, "POST", client=world.clients["webapp"])
        assert (await feature.introspect(asks)).json == {"active": False}
        assert not (await read_hint(token, world.known, world.keys, ISSUER, world.clock.now)).client_id


async def test_jo_10_no_other_token_of_ours_is_a_reference() -> None:
    """JO-10: an assertion, an ID token and an access token are good for nothing at the claims' source."""
    parts = await told()
    tokens = await parts.world.tokens()
    assertion = parts.headers()["X-Isthmus-Assertion"]
    for token in (assertion, tokens["id_token"], tokens["access_token"]):
        answer = await parts.source.answer("app.example", f"Bearer {token}".encode(), b"", parts.now)
        assert (answer.status, answer.reason) == (401, "bad_reference")


async def test_each_assertion_has_a_name_of_its_own() -> None:
    """An app that wants each only once can remember their names."""
    parts = await told()
    names = {payload(parts.headers(a_session(sid=f"{n:022}"))["X-Isthmus-Assertion"])["jti"] for n in range(20)}
    assert len(names) == 20


async def test_an_algorithm_that_was_just_switched_on_does_not_sign_yet() -> None:
    """Until every reader of our keys can know its first one, RS256 signs."""
    parts = await told()
    assert signer_of(parts.keys, parts.now).alg == "RS256"
    late = type(parts.keys)(parts.world.store, 86_400, algorithms=("RS256", "ES256"))
    await late.load(parts.now)
    assert signer_of(late, parts.now).alg == "RS256"
    assert signer_of(late, parts.now + 3600).alg == "ES256"


async def test_gw_39_the_documented_check_works(monkeypatch: pytest.MonkeyPatch) -> None:
    """GW-39: the very lines of the documentation, with our keys in place of those fetched, and a clock like ours."""
    parts = await told()
    text = (Path(__file__).parents[2] / "docs" / "gateway.md").read_text(encoding="utf-8")
    (example,) = [part.partition("```")[0] for part in text.split("```python\n")[1:] if "def who(" in part]
    example = example.replace("https://login.example.com/", ISSUER).replace("https://wiki.example.com/", AUDIENCE)
    keys = jwt.PyJWKSet.from_json(json.dumps(parts.keys.jwks(parts.now)))
    monkeypatch.setattr(jwt.PyJWKClient, "get_jwk_set", lambda client, refresh=False: keys)
    found: dict[str, Any] = {}
    exec(compile(example, "gateway.md", "exec"), found)
    now = int(time.time())  # which PyJWT reads
    claims = {**payload(parts.headers()["X-Isthmus-Assertion"]), "iat": now, "nbf": now, "exp": now + 60}
    header = {"X-Isthmus-Assertion": parts.keys.signer(parts.now).sign(claims, typ=TYPE)}
    assert found["who"](header)["sub"] == "oidc|corp|ada"
    id_token = (await parts.world.tokens())["id_token"]
    for bad in ({}, {"X-Isthmus-Assertion": id_token}, {"X-Isthmus-Assertion": "x.y.z"}):
        with pytest.raises(jwt.PyJWTError):
            found["who"](bad)
