"""The code: issued for one request, redeemed once, by one client."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from typing import Any

import pytest

from proxy.downstream.authorization_code import Code, code_key, login_of
from proxy.downstream.authorize import AuthorizeRequest
from proxy.downstream.grant import REMEMBERED, blocked_key, grants_of_session, session_key
from proxy.downstream.subjects import Subjects
from proxy.oidc.errors import Refused, Unavailable
from proxy.store import Add, Get, Op, Put, Take
from proxy.store.memory import MemoryStore
from tests.downstream.world import (
    CALLBACK,
    CHALLENGE,
    CORP,
    NOW,
    VERIFIER,
    WEBAPP,
    FailingStore,
    World,
    a_session,
    payload,
    told,
)


async def refused(awaitable: Any, code: str = "invalid_grant") -> str:
    """The reason for the log; the client hears ``code`` with status 400."""
    with pytest.raises(Refused) as caught:
        await awaitable
    assert (caught.value.code, caught.value.status) == (code, 400)
    return caught.value.reason


async def test_a_code_buys_tokens(world: World) -> None:
    """oidcc-server: access token, type, life, ID token with the nonce."""
    answer = await world.tokens()
    assert answer["token_type"] == "Bearer"
    assert answer["expires_in"] == world.lifetimes.access_token
    assert answer["scope"] == "openid profile email"
    assert payload(answer["id_token"])["nonce"] == "n-1"
    assert "refresh_token" not in answer
    assert (await world.userinfo(answer["access_token"]))["sub"] == "oidc|corp|ada"


async def test_tk_01_a_code_twice_ends_what_it_bought(world: World) -> None:
    """TK-01 (oidcc-codereuse-30seconds): the second use is invalid_grant, and every token of the first is dead."""
    code = await world.new_code(scope="openid offline_access")
    tokens = await world.redeem(code)
    world.clock.now += 30
    assert await refused(world.redeem(code)) == "code_reuse"
    with pytest.raises(Refused) as caught:
        await world.userinfo(tokens["access_token"])
    assert (caught.value.code, caught.value.status) == ("invalid_token", 401)
    assert await refused(world.refresh(tokens["refresh_token"])) == "unknown_refresh_token"


async def test_tk_01_a_used_code_is_remembered_longer_than_it_lives(world: World) -> None:
    """TK-01: the tombstone stands for the code's life and more; after that the code is unknown, and as useless."""
    code = await world.new_code()
    await world.redeem(code)
    world.clock.now += REMEMBERED - 1
    assert world.lifetimes.code < REMEMBERED
    assert await refused(world.redeem(code)) == "code_reuse"
    world.clock.now += REMEMBERED
    assert await refused(world.redeem(code)) == "unknown_code"


async def test_tk_02_of_fifty_redemptions_one_wins(nodes: tuple[World, World]) -> None:
    """TK-02, RS-07: fifty at once over two nodes, one answer with tokens, the others invalid_grant; then the rule of
    reuse holds: the winner's tokens are dead."""
    for _ in range(10):
        code = await nodes[0].new_code()
        answers = await asyncio.gather(*(nodes[n % 2].redeem(code) for n in range(50)), return_exceptions=True)
        (won,) = [a for a in answers if isinstance(a, dict)]
        lost = [a for a in answers if isinstance(a, Refused)]
        assert len(lost) == 49 and {a.code for a in lost} == {"invalid_grant"}
        with pytest.raises(Refused, match="invalid_token"):
            await nodes[0].userinfo(won["access_token"])


@pytest.mark.parametrize("thief", ["other", "spa"])
async def test_tk_03_another_clients_code_buys_nothing(world: World, thief: str) -> None:
    """TK-03: B authenticates as itself with A's code; the code is burnt, and nothing was issued."""
    code = await world.new_code()
    assert await refused(world.redeem(code, thief)) == "code_of_another_client"
    assert await refused(world.redeem(code)) == "code_reuse"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        pytest.param({"redirect_uri": ""}, "redirect_uri_mismatch", id="tk-05-missing"),
        pytest.param({"redirect_uri": "https://app.example/other"}, "redirect_uri_mismatch", id="tk-05-different"),
        pytest.param({"redirect_uri": "https://app.example/x/../cb"}, "redirect_uri_mismatch", id="tk-05-dots"),
        pytest.param({"redirect_uri": "https://app.example:443/cb"}, "redirect_uri_mismatch", id="tk-05-port"),
        pytest.param({"redirect_uri": "https://app.example/%63b"}, "redirect_uri_mismatch", id="tk-05-encoded"),
        pytest.param({"code_verifier": ""}, "pkce_mismatch", id="tk-06-missing"),
        pytest.param({"code_verifier": CHALLENGE}, "pkce_mismatch", id="tk-06-the-challenge"),
        pytest.param({"code_verifier": "v" * 42}, "pkce_mismatch", id="tk-06-42"),
        pytest.param({"code_verifier": "v" * 129}, "pkce_mismatch", id="tk-06-129"),
        pytest.param({"code_verifier": VERIFIER + "é"}, "pkce_mismatch", id="tk-06-not-ascii"),
        pytest.param({"code_verifier": VERIFIER + "\n"}, "pkce_mismatch", id="tk-06-newline"),
        pytest.param({"code_verifier": VERIFIER.upper()}, "pkce_mismatch", id="tk-06-case"),
    ],
)
async def test_a_code_is_for_one_request(world: World, changes: dict[str, str], reason: str) -> None:
    """TK-05, TK-06: the redirect URI byte for byte, and the verifier (RFC 6749 4.1.3, RFC 7636 4.6)."""
    assert await refused(world.redeem(await world.new_code(), **changes)) == reason


async def test_tk_06_a_verifier_without_a_challenge_is_refused(world: World) -> None:
    """TK-06: PKCE cannot be taken off the request unnoticed (RFC 9700 4.8.2)."""
    code = await world.new_code(code_challenge=None, code_challenge_method=None)
    assert await refused(world.redeem(code)) == "pkce_mismatch"
    bare = await world.new_code(code_challenge=None, code_challenge_method=None)
    assert "access_token" in await world.redeem(bare, code_verifier="")


@pytest.mark.parametrize("edit", [lambda c: c[:-1], lambda c: c + "=", lambda c: c + "\n", lambda c: c.swapcase()])
async def test_tk_22_an_edited_code_is_unknown(world: World, edit: Callable[[str], str]) -> None:
    """TK-22: a text that is nearly the code is no code, and the code itself stays good."""
    code = await world.new_code()
    assert await refused(world.redeem(edit(code))) == "unknown_code"
    assert "access_token" in await world.redeem(code)


async def test_tk_21_other_secrets_are_no_codes(world: World) -> None:
    """TK-21: each kind of secret has its own place in the store."""
    tokens = await world.tokens(scope="openid offline_access")
    for text in (tokens["access_token"], tokens["refresh_token"], tokens["id_token"], a_session().sid):
        assert await refused(world.redeem(text)) == "unknown_code"


async def test_tk_27_a_code_ends_with_its_session(world: World) -> None:
    """TK-27: log out after the code, redeem it: invalid_grant, no grant, no token, offline or not."""
    code = await world.new_code(scope="openid offline_access")
    await world.end(a_session(), (), NOW)
    assert await refused(world.redeem(code)) == "session_ended"
    for listed in await world.store.list(grants_of_session(a_session().sid)):
        assert await world.store.get(listed) is None


async def test_tk_27_a_logout_finds_the_grant_of_a_code_redeemed_at_the_same_moment(world: World) -> None:
    """TK-27: the session is looked at after the grant is written and listed, so one of the two sees the other."""
    order: list[str] = []

    def note(op: Op) -> bool:
        order.append(f"{type(op).__name__} {op.key.kind}" if isinstance(op, Add | Get) else "")
        return False

    code = await world.new_code(scope="openid offline_access")
    world.store = FailingStore(world.store, note, Unavailable("never"))
    world.build()
    await world.begin(a_session())
    order.clear()
    await world.redeem(code)
    assert order.index("Add grant") < order.index("Get session")


@pytest.mark.parametrize(
    ("fails", "reuse"),
    [
        pytest.param(lambda op: isinstance(op, Take), False, id="tk-26-take"),
        pytest.param(lambda op: isinstance(op, Add) and op.key.kind == "grant", False, id="tk-26-grant"),
        pytest.param(lambda op: isinstance(op, Put) and op.key.kind == "access", False, id="tk-26-access-token"),
        pytest.param(lambda op: isinstance(op, Get) and op.key.kind == "session", False, id="tk-26-session"),
        pytest.param(lambda op: isinstance(op, Put) and op.key.kind == "grant", True, id="tk-26-tombstone"),
    ],
)
async def test_a_store_that_fails_gives_no_tokens(world: World, fails: Callable[[Op], bool], reuse: bool) -> None:
    """TK-26: whatever cannot be written or asked makes the answer 503, never tokens."""
    code = await world.new_code()
    if reuse:
        await world.redeem(code)
    world.store = FailingStore(world.store, fails, Unavailable("store"))
    world.build()
    await world.begin(a_session())
    with pytest.raises(Unavailable):
        await world.redeem(code)


async def test_a_code_dies_after_its_minute(world: World) -> None:
    """AZ-34: redeemed a moment after its life it is unknown (RFC 6749 4.1.2)."""
    early, late = await world.new_code(), await world.new_code()
    world.clock.now += world.lifetimes.code - 0.1
    assert "access_token" in await world.redeem(early)
    world.clock.now += 0.1
    assert await refused(world.redeem(late)) == "unknown_code"


@pytest.mark.parametrize("enabled", [None, ["other"]], ids=["connection-gone", "client-not-enabled"])
async def test_rp_21_tk_17_a_code_of_a_disabled_connection_buys_nothing(
    world: World, enabled: list[str] | None
) -> None:
    """RP-21, TK-17: whether the client may still use the connection is asked again at the token endpoint; the code is
    burnt all the same."""
    code = await world.new_code(scope="openid offline_access")
    if enabled is None:
        del world.connections["corp"]
    else:
        world.connections["corp"] = CORP.model_copy(update={"enabled_clients": tuple(enabled)})
    assert await refused(world.redeem(code)) == "connection_disabled"
    assert await world.store.list(grants_of_session(a_session().sid)) == ()
    world.connections["corp"] = CORP
    assert await refused(world.redeem(code)) == "code_reuse"


async def test_rp_21_a_code_of_a_blocked_person_buys_nothing(world: World) -> None:
    """RP-21: blocked between login and redemption, with the session still there: no tokens, no grant."""
    code = await world.new_code(scope="openid offline_access")
    await world.store.put(blocked_key("oidc|corp|ada"), {"since": 1}, 60)
    with pytest.raises(Refused, match="user is blocked"):
        await world.redeem(code)
    grants = await world.store.list(grants_of_session(a_session().sid))
    assert [await world.store.get(grant) for grant in grants] == [None]


async def test_a_code_may_be_posted(world: World) -> None:
    """Form Post Response Mode 2: code, state and iss as hidden fields, and the code is as good as any."""
    mode, fields = told(await world.authorize(response_mode="form_post"))
    assert mode == "form_post" and fields.keys() == {"code", "state", "iss"}
    assert "access_token" in await world.redeem(fields["code"])


async def test_a_missing_code_is_an_invalid_request(world: World) -> None:
    """RFC 6749 5.2: a parameter that is missing is not a grant that is bad."""
    await refused(world.redeem(""), "invalid_request")


def test_az_34_ten_thousand_codes(world: World) -> None:
    """AZ-34: 256 random bits each, no two alike, no common start, at most a minute, named in the store by hash only."""
    request = AuthorizeRequest("webapp", CALLBACK, state="s", nonce="n", challenge=CHALLENGE)
    codes = set()
    for _ in range(10_000):
        answer, (write,) = world.code.respond(request, WEBAPP, a_session(), NOW)
        code = answer["code"]
        assert isinstance(write, Put) and write.ttl <= 60
        assert write.key == code_key(code) and code not in str(write)
        codes.add(code)
    assert len(codes) == 10_000 and {len(code) for code in codes} == {43}
    for place in range(42):  # the last character carries four bits
        seen = len({code[place] for code in codes})
        assert math.log2(seen) == 6, place


def test_az_34_what_a_code_is_bound_to() -> None:
    """AZ-34: client, address, PKCE, session, nonce, login time, scopes, audience; and it survives being stored."""
    request = AuthorizeRequest(
        "webapp", CALLBACK, ("openid",), "s", "n", audiences=("https://api.example/",), challenge=CHALLENGE
    )
    code = Code.of(request, a_session(), login_of(request, WEBAPP, a_session(), Subjects(MemoryStore())))
    assert code == Code(
        client_id="webapp",
        redirect_uri=CALLBACK,
        sid=a_session().sid,
        scopes=("openid",),
        audiences=("https://api.example/",),
        nonce="n",
        challenge=CHALLENGE,
        person={
            "user_id": "oidc|corp|ada",
            "subject": "oidc|corp|ada",
            "connection": "corp",
            "auth_time": a_session().auth_time,
            "acr": "",
            "amr": (),
            "profile": dict(a_session().profile),
            "claims": {},
        },
    )
    assert Code.from_value({**code.as_value(), "scopes": ["openid"]}) == code


async def test_a_live_session_is_kept(world: World) -> None:
    """Redeeming a code neither ends nor changes the session it came from."""
    before = await world.store.get(session_key(a_session().sid))
    await world.tokens()
    after = await world.store.get(session_key(a_session().sid))
    assert before is not None and after is not None and before.value == after.value
    assert world.clock.now == NOW


@pytest.mark.parametrize("change", [{"a_field_of_later": 1}, {"scopes": None}, {"person": {"of_later": 1}}])
async def test_a_code_of_another_shape_is_unknown(world: World, change: dict[str, Any]) -> None:
    """What another version wrote buys nothing, and breaks nothing."""
    code = await world.new_code()
    taken = await world.store.get(code_key(code))
    assert taken is not None
    await world.store.put(code_key(code), {**taken.value, **change}, 60)
    assert await refused(world.redeem(code)) == "unknown_code"


async def test_tk_26_without_a_key_for_the_clients_algorithm_the_code_is_not_spent(world: World) -> None:
    """TK-26: an algorithm that was just switched on signs a quarter of an hour later; the code waits as long as it
    lives, and the client hears 503."""
    code = await world.new_code()
    world.clients["webapp"] = WEBAPP.model_copy(update={"id_token_signed_response_alg": "ES256"})
    with pytest.raises(Unavailable):
        await world.redeem(code)
    world.clients["webapp"] = WEBAPP
    assert "id_token" in await world.redeem(code)
