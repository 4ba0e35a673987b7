"""Refresh tokens: rotated at every use, ended as a family, checked against the whole policy each time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from proxy.downstream.client_auth import ClientAuthenticator, Presented
from proxy.downstream.client_keys import ClientKeys
from proxy.downstream.grant import Grant, Lifetimes, blocked_key, grant_key, grants_of_session
from proxy.downstream.refresh_token import narrowed
from proxy.downstream.registered import Registry
from proxy.oidc.errors import Refused, Unavailable
from proxy.store import Op, Put, Swap
from tests.downstream.test_authorization_code import refused
from tests.downstream.test_grant import edits
from tests.downstream.test_registered import made
from tests.downstream.world import API, CALLBACK, CORP, ISSUER, NOW, FailingStore, World, a_session, payload
from tests.kit.signing_client import Shelf

OFFLINE = "openid profile email offline_access"
DAY = 86_400


async def first(world: World, **changes: Any) -> dict[str, Any]:
    """Tokens with a refresh token."""
    return await world.tokens(**{"scope": OFFLINE, **changes})


async def stored(world: World, token: str) -> Grant | None:
    """The grant as the store has it."""
    record = await world.store.get(grant_key(token.split(".")[0]))
    return Grant.from_value(record.value) if record else None


async def test_a_refresh_gives_new_tokens_of_the_same_login(world: World) -> None:
    """oidcc-refresh-token (OIDC Core 12.2): same iss, sub, aud, auth_time; new iat; no nonce; a new refresh token."""
    one = await first(world)
    world.clock.now += 1
    two = await world.refresh(one["refresh_token"])
    before, after = payload(one["id_token"]), payload(two["id_token"])
    for name in ("iss", "sub", "aud", "auth_time", "sid"):
        assert before[name] == after[name]
    assert after["iat"] == before["iat"] + 1 and "nonce" in before and "nonce" not in after
    assert two["token_type"] == "Bearer" and two["refresh_token"] != one["refresh_token"]
    assert (await world.userinfo(two["access_token"]))["name"] == "Ada"


async def test_no_refresh_token_without_offline_access(world: World) -> None:
    """OIDC Core 11: a client that did not ask for it, or may not refresh, gets none."""
    assert "refresh_token" not in await world.tokens()
    world.clients["webapp"] = world.clients["webapp"].model_copy(update={"grant_types": ("authorization_code",)})
    assert "refresh_token" not in await world.tokens(scope=OFFLINE)


async def test_tk_13_an_old_token_ends_the_family(world: World) -> None:
    """TK-13: R1 to R2, then R1 again after the window: invalid_grant, R2 and every access token are dead."""
    one = await first(world)
    two = await world.refresh(one["refresh_token"])
    world.clock.now += world.lifetimes.reuse_window + 1
    assert await refused(world.refresh(one["refresh_token"])) == "refresh_token_reuse"
    assert await refused(world.refresh(two["refresh_token"])) == "unknown_refresh_token"
    for token in (one["access_token"], two["access_token"]):
        with pytest.raises(Refused, match="invalid_token"):
            await world.userinfo(token)


async def test_tk_13_a_token_before_the_last_has_no_window(world: World) -> None:
    """TK-13: only the token just replaced may come again; an older one ends the family at once."""
    one = await first(world)
    two = await world.refresh(one["refresh_token"])
    await world.refresh(two["refresh_token"])
    assert await refused(world.refresh(one["refresh_token"])) == "refresh_token_reuse"
    assert await stored(world, one["refresh_token"]) is None


async def test_tk_14_within_the_window_the_family_lives(world: World) -> None:
    """TK-14: a lost answer, a page that asks twice: refused, and the new token is still good."""
    one = await first(world)
    two = await world.refresh(one["refresh_token"])
    world.clock.now += world.lifetimes.reuse_window
    assert await refused(world.refresh(one["refresh_token"])) == "refresh_token_just_replaced"
    assert "access_token" in await world.refresh(two["refresh_token"])


@pytest.mark.parametrize("seconds", [0, 60])
async def test_tk_14_the_window_is_as_long_as_the_operator_says(world: World, seconds: int) -> None:
    """TK-14: ``tokens.refresh_reuse_window``; a second after it the family ends."""
    world.lifetimes = Lifetimes(reuse_window=seconds)
    world.build()
    await world.begin(a_session())
    one = await first(world)
    two = await world.refresh(one["refresh_token"])
    world.clock.now += seconds
    assert await refused(world.refresh(one["refresh_token"])) == "refresh_token_just_replaced"
    world.clock.now += 1
    assert await refused(world.refresh(one["refresh_token"])) == "refresh_token_reuse"
    assert await refused(world.refresh(two["refresh_token"])) == "unknown_refresh_token"


async def test_tk_14_of_fifty_refreshes_one_wins(nodes: tuple[World, World]) -> None:
    """TK-14, RS-07: fifty at once over two nodes, one rotation; the others are refused without harm; one head, and it
    is good the next time."""
    token = (await first(nodes[0]))["refresh_token"]
    for _ in range(10):
        answers = await asyncio.gather(*(nodes[n % 2].refresh(token) for n in range(50)), return_exceptions=True)
        (won,) = [a for a in answers if isinstance(a, dict)]
        lost = [a for a in answers if isinstance(a, Refused)]
        assert len(lost) == 49
        assert {a.reason for a in lost} <= {"refresh_race", "refresh_token_just_replaced"}
        assert (await nodes[1].userinfo(won["access_token"]))["sub"] == "oidc|corp|ada"
        token = won["refresh_token"]


@pytest.mark.parametrize("thief", ["other", "spa"])
async def test_tk_15_another_clients_token_buys_nothing(world: World, thief: str) -> None:
    """TK-15 (oidcc-refresh-token): invalid_grant, by whichever client, and the owner's family is unharmed."""
    one = await first(world)
    assert await refused(world.refresh(one["refresh_token"], thief)) == "refresh_token_of_another_client"
    assert "access_token" in await world.refresh(one["refresh_token"])


@pytest.mark.parametrize("edit", [name for name in edits("a.bbbbbbbb.c") if name != "nothing"])
async def test_tk_22_an_edited_token_buys_nothing_and_harms_nobody(world: World, edit: str) -> None:
    """TK-22: a text that was never a token is no reuse: it does not end the family."""
    one = await first(world)
    assert await refused(world.refresh(edits(one["refresh_token"])[edit])) == "unknown_refresh_token"
    assert "access_token" in await world.refresh(one["refresh_token"])


async def test_tk_22_the_grants_id_alone_ends_no_family(world: World) -> None:
    """TK-22: an API that sees the id in an access token's ``jti`` cannot end the family with it."""
    one = await first(world, audience=API, client_id="webapp")
    grant_id = payload(one["access_token"])["jti"].partition(".")[0]
    assert await refused(world.refresh(f"{grant_id}.{'A' * 43}.{'A' * 43}")) == "unknown_refresh_token"
    assert "access_token" in await world.refresh(one["refresh_token"])


async def test_tk_21_other_secrets_are_no_refresh_tokens(world: World) -> None:
    """TK-21: a code, an access token of either kind, an ID token, a session's name."""
    plain, jwt = await first(world), await first(world, audience=API)
    code = await world.new_code()
    for text in (code, plain["access_token"], jwt["access_token"], plain["id_token"], a_session().sid):
        assert await refused(world.refresh(text)) == "unknown_refresh_token"
    assert "access_token" in await world.redeem(code)


@pytest.mark.parametrize("change", ["connection-gone", "connection-disabled"])
async def test_tk_17_the_connection_is_asked_again(world: World, change: str) -> None:
    """TK-17: who may no longer come through a connection does not stay in by refreshing; once allowed, it works."""
    one = await first(world)
    if change == "connection-gone":
        del world.connections["corp"]
    else:
        world.connections["corp"] = CORP.model_copy(update={"enabled_clients": ("other",)})
    assert await refused(world.refresh(one["refresh_token"])) == "connection_disabled"
    world.connections["corp"] = CORP
    assert "access_token" in await world.refresh(one["refresh_token"])


async def test_rp_21_a_blocked_person_does_not_stay_in_by_refreshing(world: World) -> None:
    """RP-21: asked again at each refresh; the family ends, and is not good again after the block."""
    one = await first(world)
    await world.store.put(blocked_key("oidc|corp|ada"), {"since": 1}, 60)
    with pytest.raises(Refused, match="user is blocked") as caught:
        await world.refresh(one["refresh_token"])
    assert caught.value.code == "invalid_grant"
    await world.store.drop(blocked_key("oidc|corp|ada"))
    assert await refused(world.refresh(one["refresh_token"])) == "unknown_refresh_token"


async def test_tk_17_an_offline_grant_outlives_the_session(world: World) -> None:
    """TK-17: with offline_access a plain logout leaves the refresh token good; its access tokens too."""
    one = await first(world)
    await world.end(a_session(), (), world.clock.now)
    two = await world.refresh(one["refresh_token"])
    assert (await world.userinfo(two["access_token"]))["sub"] == "oidc|corp|ada"


async def test_tk_17_a_dropped_grant_is_not_revived(world: World) -> None:
    """TK-17: revoked while a refresh is under way: no tokens, no grant."""
    one = await first(world)

    def drop_first(op: Op) -> bool:
        if isinstance(op, Swap):
            sound._entries.pop(op.key.name)  # type: ignore[attr-defined]
        return False

    sound = world.store
    world.store = FailingStore(sound, drop_first, Unavailable("never"))
    world.build()
    await world.begin(a_session())
    assert await refused(world.refresh(one["refresh_token"])) == "refresh_race"
    assert await stored(world, one["refresh_token"]) is None


async def test_tk_17_a_grant_stays_listed_as_long_as_it_is_refreshed(world: World) -> None:
    """TK-17: rotated beyond its first lifetime, an offline grant is still found by the logout of its session."""
    token = (await first(world))["refresh_token"]
    for _ in range(2):
        world.clock.now += 10 * DAY
        token = (await world.refresh(token))["refresh_token"]
    assert grant_key(token.split(".")[0]) in await world.store.list(grants_of_session(a_session().sid))


async def test_tk_17_a_client_that_was_removed_cannot_refresh(world: World) -> None:
    """TK-17: a registered client that is gone is nobody: invalid_client (401) before its token is looked at."""
    entry, secret = made({"redirect_uris": [CALLBACK], "grant_types": ["authorization_code", "refresh_token"]})
    registry, name = Registry(world.store), entry.client.client_id
    await registry.add(entry)
    door = ClientAuthenticator(ISSUER, world.known, ClientKeys(Shelf().send, world.clock), world.store)
    shown = Presented(name, "client_secret_basic", secret)
    assert (await door.authenticate(shown, f"{ISSUER}oauth/token", world.clock.now)).client_id == name
    await registry.remove(name)
    world.known.forget(name)
    with pytest.raises(Refused) as caught:
        await door.authenticate(shown, f"{ISSUER}oauth/token", world.clock.now)
    assert (caught.value.code, caught.value.status) == ("invalid_client", 401)


async def test_tk_18_no_refresh_token_is_immortal(world: World) -> None:
    """TK-18: rotated every hour, the family ends at the absolute limit, counted from the first login."""
    world.lifetimes = Lifetimes(refresh_absolute=3 * DAY, refresh_idle=2 * DAY)
    world.build()
    await world.begin(a_session())
    token = (await first(world))["refresh_token"]
    while world.clock.now + 3600 < NOW + 3 * DAY:
        world.clock.now += 3600
        token = (await world.refresh(token))["refresh_token"]
    world.clock.now = NOW + 3 * DAY
    assert await refused(world.refresh(token)) == "refresh_token_too_old"


async def test_an_idle_refresh_token_ends_while_its_access_token_lives(world: World) -> None:
    """The idle limit holds although the record is kept for a longer-lived access token."""
    world.lifetimes = Lifetimes(refresh_idle=60)
    world.build()
    await world.begin(a_session())
    one = await first(world)
    world.clock.now += 60
    assert await refused(world.refresh(one["refresh_token"])) == "refresh_token_too_old"
    assert (await world.userinfo(one["access_token"]))["sub"] == "oidc|corp|ada"


async def test_an_access_token_lives_its_time_at_the_end_of_the_family(world: World) -> None:
    """A token got just before the absolute limit keeps its promised ``expires_in``."""
    world.lifetimes = Lifetimes(refresh_absolute=2 * DAY, refresh_idle=2 * DAY)
    world.build()
    await world.begin(a_session())
    one = await first(world)
    world.clock.now += 2 * DAY - 60
    two = await world.refresh(one["refresh_token"])
    world.clock.now += two["expires_in"] - 1
    assert (await world.userinfo(two["access_token"]))["sub"] == "oidc|corp|ada"


async def test_narrowed_scopes_narrow_one_answer(world: World) -> None:
    """RFC 6749 6: fewer scopes for one access token; the grant keeps what was granted."""
    one = await first(world)
    two = await world.refresh(one["refresh_token"], scope="openid email")
    assert (two["scope"], set(await world.userinfo(two["access_token"]))) == (
        "openid email",
        {"sub", "email", "email_verified"},
    )
    assert "name" not in payload(two["id_token"])
    three = await world.refresh(two["refresh_token"])
    assert three["scope"] == OFFLINE and (await world.userinfo(three["access_token"]))["name"] == "Ada"


async def test_without_openid_no_id_token_and_no_userinfo(world: World) -> None:
    """A refresh that leaves ``openid`` out gets neither an ID token nor the userinfo audience."""
    one = await first(world, audience=API, scope="openid read:things offline_access")
    two = await world.refresh(one["refresh_token"], scope="read:things")
    assert "id_token" not in two and payload(two["access_token"])["aud"] == API
    assert payload(one["access_token"])["aud"] == [API, "https://sso.example/userinfo"]


@pytest.mark.parametrize("scope", ["openid phone", "read:things", "OPENID", " "])
async def test_wider_scopes_are_refused_and_cost_nothing(world: World, scope: str) -> None:
    """RFC 6749 6: a scope that was not granted is invalid_scope, and the token is not used up."""
    one = await first(world)
    await refused(world.refresh(one["refresh_token"], scope=scope), "invalid_scope")
    assert "access_token" in await world.refresh(one["refresh_token"])


def test_no_scope_asked_is_all() -> None:
    """RFC 6749 6: without ``scope`` the refresh covers what was granted."""
    assert narrowed(("openid", "email"), None) == ("openid", "email")


@pytest.mark.parametrize(
    ("fails", "reuse"),
    [
        pytest.param(lambda op: isinstance(op, Swap), False, id="tk-26-rotation"),
        pytest.param(lambda op: isinstance(op, Put) and op.key.kind == "access", False, id="tk-26-access-token"),
        pytest.param(lambda op: isinstance(op, Put) and op.key.kind == "grant", True, id="tk-26-revoke"),
    ],
)
async def test_a_store_that_fails_gives_no_tokens(world: World, fails: Callable[[Op], bool], reuse: bool) -> None:
    """TK-26: a rotation or a revocation that could not be written is 503, never tokens."""
    one = await first(world)
    if reuse:
        await world.refresh(one["refresh_token"])
        world.clock.now += world.lifetimes.reuse_window + 1
    world.store = FailingStore(world.store, fails, Unavailable("store"))
    world.build()
    await world.begin(a_session())
    with pytest.raises(Unavailable):
        await world.refresh(one["refresh_token"])


async def test_a_missing_token_is_an_invalid_request(world: World) -> None:
    """RFC 6749 5.2: a parameter that is missing is not a grant that is bad."""
    await refused(world.refresh(""), "invalid_request")


async def test_the_words_that_sdks_look_for(world: World) -> None:
    """auth0-spa-js goes on with a frame when the description holds "invalid refresh token", and only then."""
    with pytest.raises(Refused, match="invalid refresh token"):
        await world.refresh("made-up")
