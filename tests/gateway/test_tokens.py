"""The access token an app is given: the tenant's or ours, how long it is held, and what is said when there is none."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from proxy.downstream.grant import session_key
from proxy.gateway.spelling import CannotSay
from proxy.gateway.tokens import LOOK_AGAIN, MARGIN, MOST, good_until
from proxy.models import TenantTokens
from proxy.oidc.errors import Refused, Unavailable
from proxy.store import Put
from tests.downstream.world import FailingStore, World, a_session, payload
from tests.gateway.told import Told, a_route, told

API = "https://api.example/"


async def with_token(kind: str, given: Any = None) -> Told:
    """A route whose app is given a token."""
    parts = await told(a_route(token=kind, audience=API if kind == "ours" else "", assertion=False))
    parts.given = given
    return parts


def from_tenant(text: str = "at-1", seconds: int | None = 3600) -> TenantTokens:
    """What the tenant gave."""
    now = int(World().clock.now)
    return TenantTokens(text, "rt-1", "openid", None if seconds is None else now + seconds)


async def prepared(parts: Told) -> dict[str, str]:
    """The headers, after what must come first."""
    await parts.identities.prepare(parts.route, a_session(), parts.now)
    return parts.headers()


async def test_the_tenants_token_is_handed_on() -> None:
    """In the header of oauth2-proxy; asked for the person and the session."""
    parts = await with_token("upstream", from_tenant())
    assert not parts.identities.ready(parts.route, a_session(), parts.now)
    assert (await prepared(parts))["X-Forwarded-Access-Token"] == "at-1"
    assert parts.identities.ready(parts.route, a_session(), parts.now)
    asked = parts.asked[0]
    assert (asked.user_id, asked.connection, asked.sid) == ("oidc|corp|ada", "corp", a_session().sid)
    pairs = dict(parts.identities.pairs(parts.route, a_session(), parts.now))
    assert pairs["X-Auth-Request-Access-Token"] == "at-1"


async def test_ours_is_for_the_routes_audience_and_about_the_person() -> None:
    """An at+jwt without scopes (RFC 9068), for the API alone."""
    parts = await with_token("ours")
    said = payload((await prepared(parts))["X-Forwarded-Access-Token"])
    assert (said["aud"], said["sub"], said["client_id"], said["scope"]) == (API, "oidc|corp|ada", "gateway", "")
    assert said["sid"] == a_session().sid and parts.asked == []


async def test_ours_dies_with_the_session() -> None:
    """Wherever it is shown to us, its session must still be there; and it is no key to userinfo."""
    parts = await with_token("ours")
    token = (await prepared(parts))["X-Forwarded-Access-Token"]
    access_tokens = parts.world.access_tokens
    assert (await access_tokens.check(token, API, parts.now)).user_id == "oidc|corp|ada"
    with pytest.raises(Refused):
        await access_tokens.check(token, access_tokens.userinfo, parts.now)
    await parts.world.store.drop(session_key(a_session().sid))
    with pytest.raises(Refused):
        await access_tokens.check(token, API, parts.now)


@pytest.mark.parametrize(("kind", "seconds"), [("ours", 86_400 - MARGIN), ("upstream", LOOK_AGAIN)])
async def test_a_token_is_held_until_shortly_before_its_end(kind: str, seconds: int) -> None:
    """And the lines that were made with it are no older."""
    parts = await with_token(kind, from_tenant())
    first = await prepared(parts)
    parts.given = from_tenant("at-2")
    assert parts.tokens.held(parts.route, a_session(), parts.now + seconds - 1)
    assert not parts.tokens.held(parts.route, a_session(), parts.now + seconds)
    parts.world.clock.now += seconds
    with pytest.raises(CannotSay) as caught:
        parts.headers()
    assert (caught.value.status, caught.value.reason) == (503, "no_token_yet")
    assert (await prepared(parts))["X-Forwarded-Access-Token"] != first["X-Forwarded-Access-Token"]


@pytest.mark.parametrize(("ends", "until"), [(3600, 3540), (120, 60), (60, 30), (10, 5), (None, None)])
async def test_how_long_a_token_may_be_handed_over(ends: int | None, until: int | None) -> None:
    """A minute before its end, or half of what a short one has left."""
    if ends is not None:
        assert good_until(0, ends) == until
    else:
        parts = await with_token("upstream", from_tenant(seconds=None))
        assert await prepared(parts)


async def test_many_at_once_fetch_one() -> None:
    """users.md 27: ten tabs, one token; and one that gives up takes nothing from the others."""
    parts = await with_token("upstream", from_tenant())
    go = asyncio.Event()
    inner = parts.find

    async def slow(grant: Any, now: float) -> Any:
        await go.wait()
        return await inner(grant, now)

    parts.tokens._find = slow
    waiting = [asyncio.create_task(parts.tokens.prepare(parts.route, a_session(), parts.now)) for _ in range(10)]
    await asyncio.sleep(0)
    waiting[0].cancel()
    go.set()
    done = await asyncio.gather(*waiting, return_exceptions=True)
    assert isinstance(done[0], asyncio.CancelledError) and len(parts.asked) == 1
    assert {one.text for one in done[1:] if not isinstance(one, BaseException)} == {"at-1"}
    assert not parts.tokens._fetching


@pytest.mark.parametrize(
    ("given", "status", "reason"),
    [
        (None, 403, "log_in_again"),
        (Refused("invalid_grant", "over", reason="tenant_token_expired"), 403, "log_in_again"),
        (Refused("temporarily_unavailable", "later", status=503), 503, "token_later"),
        (Unavailable("store", retry_after=2), 503, "store_unavailable"),
        (from_tenant("a\r\nX-Admin: 1"), 403, "token_unprintable"),
        (from_tenant("a b"), 403, "token_unprintable"),
        (from_tenant(""), 403, "token_unprintable"),
        (from_tenant("x" * 20_000), 403, "token_unprintable"),
    ],
)
async def test_without_a_token_nobody_gets_through(given: Any, status: int, reason: str) -> None:
    """reliability 4: the tenant's "no" needs a new login, the tenant's and our own silence is 503; nothing is held."""
    parts = await with_token("upstream", given)
    for _ in range(2):
        with pytest.raises(CannotSay) as caught:
            await prepared(parts)
        assert (caught.value.status, caught.value.reason) == (status, reason)
    assert len(parts.asked) == 2 and not parts.tokens.held(parts.route, a_session(), parts.now)


async def test_p1_a_token_of_ours_that_was_not_written_is_not_given() -> None:
    """P1: the store cannot take the grant: 503."""
    parts = await with_token("ours")
    store = FailingStore(parts.world.store, lambda op: isinstance(op, Put), Unavailable("store"))
    object.__setattr__(parts.tokens._access_tokens, "store", store)
    with pytest.raises(CannotSay) as caught:
        await prepared(parts)
    assert caught.value.status == 503


async def test_many_sessions_do_not_fill_the_memory() -> None:
    """What is held is bounded; the oldest goes."""
    parts = await with_token("upstream", from_tenant())
    for number in range(MOST + 3):
        await parts.tokens.prepare(parts.route, a_session(sid=f"{number:022}"), parts.now)
    assert len(parts.tokens._held) == MOST


async def test_routes_without_a_token_have_nothing_to_prepare() -> None:
    """Nobody is asked."""
    parts = await told()
    assert parts.identities.ready(parts.route, a_session(), parts.now)
    await parts.identities.prepare(parts.route, a_session(), parts.now)
    assert parts.asked == []
