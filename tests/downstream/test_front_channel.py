"""The ID token from the authorization endpoint: what is in it, how it travels, and what never comes with it."""

from __future__ import annotations

from typing import Any

import jwt
import pytest

from proxy.downstream.authorize import AuthorizeRequest
from proxy.models.client import RESPONSE_TYPES
from proxy.oidc.errors import Unavailable
from proxy.store import List, Op
from tests.downstream.world import (
    CORP,
    FRONT,
    ISSUER,
    NOW,
    PROFILE,
    FailingStore,
    World,
    a_session,
    asked_front,
    payload,
    told,
)

BASE = {"iss", "sub", "aud", "iat", "exp", "auth_time", "sid", "nonce"}


async def claims(world: World, **changes: Any) -> dict[str, Any]:
    """The claims of an ID token that a request brings."""
    return payload(told(await world.authorize_front(**changes))[1]["id_token"])


async def test_what_an_id_token_of_the_front_channel_says(world: World) -> None:
    """OIDC Core 2, 3.2.2.10: each claim, to the letter; ``nonce`` as sent, no hash of what did not come with it."""
    assert await claims(world, scope="openid") == {
        "iss": ISSUER,
        "sub": "oidc|corp|ada",
        "aud": "front",
        "iat": int(NOW),
        "exp": int(NOW) + world.lifetimes.id_token,
        "auth_time": a_session().auth_time,
        "sid": a_session().sid,
        "nonce": "n-1",
    }


async def test_a_live_session_gets_it_at_once_in_the_fragment(world: World) -> None:
    """OIDC Core 3.2.2.5: ID token, state and iss; no code, no access token (RFC 9700 2.1.2), and no login."""
    mode, fields = told(await world.authorize_front())
    assert (mode, set(fields), fields["state"]) == ("fragment", {"id_token", "state", "iss"}, "st-1")
    assert world.went == []


async def test_it_is_posted_to_who_asks_for_that(world: World) -> None:
    """Form Post Response Mode 2: the same fields in a form, nothing in an address."""
    answer = await world.authorize_front(response_mode="form_post")
    mode, fields = told(answer)
    assert (mode, set(fields), answer.redirect) == ("form_post", {"id_token", "state", "iss"}, "")


async def test_claims_of_granted_scopes_are_in_it_even_for_lean_clients(world: World) -> None:
    """OIDC Core 5.4: where no access token is issued, they have nowhere else to be."""
    assert world.clients["front"].id_token_claims == "lean"
    found = await claims(world)
    assert {name: found[name] for name in PROFILE} == PROFILE and found.keys() == {*BASE, *PROFILE}


@pytest.mark.parametrize(
    ("scope", "released"),
    [
        ("openid", set()),
        ("openid email", {"email", "email_verified"}),
        ("openid profile", {"name", "groups"}),
        ("openid read:things offline_access", set()),
    ],
)
async def test_scopes_release_their_claims_and_no_others(world: World, scope: str, released: set[str]) -> None:
    """AZ-14, oidcc-scope-email: by scope (OIDC Core 5.4); one that was not granted releases nothing."""
    assert (await claims(world, scope=scope)).keys() == BASE | released


async def test_it_is_signed_with_a_published_key(world: World) -> None:
    """oidcc-idtoken-signature: a foreign verifier accepts it with our key set."""
    token = told(await world.authorize_front())[1]["id_token"]
    header = jwt.get_unverified_header(token)
    assert (header["alg"], header["typ"]) == ("RS256", "JWT")
    (key,) = [k for k in jwt.PyJWKSet.from_dict(dict(world.keys.jwks(NOW))).keys if k.key_id == header["kid"]]
    read = jwt.decode(
        token, key, ["RS256"], audience="front", issuer=ISSUER, options={"verify_exp": False, "verify_iat": False}
    )
    assert read["nonce"] == "n-1"


async def test_rp_27_a_profile_overwrites_no_claim_of_ours(world: World) -> None:
    """RP-27: whatever a tenant or a plugin got into the profile, the token's own claims are ours, the nonce too."""
    plain = await claims(world, scope="openid profile")
    world.session = a_session(profile={**PROFILE, **dict.fromkeys(BASE, "evil")})
    assert await claims(world, scope="openid profile") == plain


async def test_nothing_is_written_for_it(world: World) -> None:
    """An ID token is good by its signature: no code, no grant, no token lies in the store, the session lives on."""
    seen: list[str] = []

    def note(op: Op) -> bool:
        seen.append(f"{type(op).__name__} {'' if isinstance(op, List) else op.key.kind}")
        return False

    world.store = FailingStore(world.store, note, Unavailable("never"))
    world.build()
    await world.begin(a_session())
    seen.clear()
    await world.authorize_front()
    assert seen == ["Touch session"]


async def test_without_a_session_the_person_is_sent_to_log_in(nobody: World) -> None:
    """The request crosses the bridge with its type, mode and nonce, and is answered there as it would be here."""
    await nobody.authorize_front(response_mode="form_post")
    ((asked, _),) = nobody.went
    assert (asked.response_type, asked.response_mode, asked.nonce) == ("id_token", "form_post", "n-1")
    stored = AuthorizeRequest.from_value(asked.as_value())
    answer, writes = await nobody.authorize_endpoint.answer(stored, FRONT, a_session(), NOW)
    mode, fields = told(answer)
    assert (mode, payload(fields["id_token"])["nonce"], writes) == ("form_post", "n-1", ())


@pytest.mark.parametrize(("asked", "mode"), [(None, "fragment"), ("form_post", "form_post")])
async def test_az_15_prompt_none_is_answered_the_way_the_token_would_be(
    nobody: World, asked: str | None, mode: str
) -> None:
    """AZ-15: ``login_required``, with state and issuer, and no trip to a tenant."""
    arrived, fields = told(await nobody.authorize_front(prompt="none", response_mode=asked))
    assert (arrived, fields["error"], fields["state"], fields["iss"]) == (mode, "login_required", "st-1", ISSUER)
    assert nobody.went == []


async def test_rp_21_a_session_of_a_disabled_connection_brings_no_id_token(world: World) -> None:
    """RP-21: the connection no longer serves the client, so its sessions do not either."""
    world.connections["corp"] = CORP.model_copy(update={"enabled_clients": ("webapp",)})
    assert told(await world.authorize_front(prompt="none"))[1]["error"] == "login_required"
    assert "id_token" not in told(await world.authorize_front(prompt="none"))[1]


async def test_without_a_signing_key_it_is_503_and_no_refusal() -> None:
    """What cannot be signed now is neither an error of the client nor an unsigned token."""
    keyless = World(session=a_session())
    with pytest.raises(Unavailable):
        await keyless.authorize_endpoint.handle(keyless.request(asked_front()))


def test_it_is_a_feature_like_any_other(world: World) -> None:
    """Discovery learns of it by its doors alone."""
    assert world.front.metadata() == {"grant_types_supported": ["implicit"]}
    assert set(world.front.responses()) == set(RESPONSE_TYPES) - {"code"}
    assert not world.front.endpoints() and not world.front.grants()
