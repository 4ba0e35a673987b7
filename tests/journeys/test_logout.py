"""Logout as a browser and two applications see it: over the wire, with a real store."""

from __future__ import annotations

import asyncio
import json
from base64 import urlsafe_b64decode
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

import aiohttp
import pytest

from proxy.downstream.deliveries import all_of
from proxy.downstream.session_management import session_state, web_origin
from proxy.lab.browser import Browser
from proxy.lab.rooms import LabClient
from tests.journeys.conftest import JONAS, World, Worlds
from tests.journeys.test_attacks import named, who_is_in
from tests.kit.ears import Ears, ears
from tests.kit.waiting import eventually


@pytest.fixture
async def world(worlds: Worlds) -> AsyncIterator[World]:
    """One tenant, on the back channel."""
    async with worlds("back_channel") as made:
        yield made


@pytest.fixture
async def ear() -> AsyncIterator[Ears]:
    """What an application hears."""
    async with ears() as made:
        yield made


def tell(world: World, name: str = "webapp", **changes: Any) -> None:
    """The operator changes a client."""
    clients: Any = world.node.settings.clients
    clients[name] = clients[name].model_copy(update=changes)


async def leave(world: World, state: str = "bye") -> Any:
    """RP-initiated logout with a hint; where the browser is afterwards."""
    url = await asyncio.to_thread(world.app.logout_url, world.app.last, state)
    return (await world.browser.open(url)).page


def parts(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Header and claims of a token."""
    head, body, _ = (urlsafe_b64decode(part + "=" * (-len(part) % 4)) for part in token.split("."))
    return json.loads(head), json.loads(body)


async def test_backchannel_rp_initiated_logout(world: World, ear: Ears) -> None:
    """oidcc-backchannel-rp-initiated-logout: one form field; the event with an empty object, ``sub`` and ``sid`` of the
    ID token, a ``jti``, no nonce; signed by a published key."""
    tell(world, backchannel_logout_uri=f"{ear.base}call")
    await world.log_in()
    page = await leave(world)
    assert page.url == f"{world.app.base}?state=bye"
    await eventually(lambda: heard(ear, 1))
    (call,) = ear.calls
    assert set(call) == {"logout_token"}
    claims = await asyncio.to_thread(world.app.verify, call["logout_token"])
    header, _ = parts(call["logout_token"])
    login = world.app.last.claims
    assert header["typ"] == "logout+jwt"
    assert (claims["sub"], claims["sid"]) == (login["sub"], login["sid"])
    assert claims["events"] == {"http://schemas.openid.net/event/backchannel-logout": {}}
    assert claims["exp"] - claims["iat"] == 120
    assert set(claims) == {"iss", "aud", "iat", "exp", "jti", "events", "sub", "sid"}
    assert await who_is_in(world) == ""


async def heard(ear: Ears, calls: int) -> bool:
    """Whether so many calls came."""
    return len(ear.calls) >= calls


async def test_lo_13_a_call_that_failed_is_made_again_with_a_new_token(world: World, ear: Ears) -> None:
    """LO-13: a redirect counts as failed and is not followed; what became of the call can be seen."""
    ear.answers = [302]
    tell(world, backchannel_logout_uri=f"{ear.base}call")
    await world.log_in()
    await leave(world)
    await eventually(lambda: heard(ear, 2))
    assert ear.pages == []
    tokens = [parts(call["logout_token"])[1] for call in ear.calls]
    assert tokens[0]["jti"] != tokens[1]["jti"]

    async def noted() -> bool:
        (one,) = await all_of(world.node.store)
        return (one.state, one.attempts, one.client_id) == ("delivered", 2, "webapp")

    await eventually(noted)


async def test_lo_13_nobody_waits_for_a_client_that_hangs(world: World, ear: Ears) -> None:
    """LO-13: one client never answers and one has a forbidden address; the person is out, and the third hears."""
    gate = asyncio.Event()

    async def tarpit(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await gate.wait()
        writer.close()

    server = await asyncio.start_server(tarpit, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    clients: Any = world.node.settings.clients
    clients["third"] = clients["other"].model_copy(
        update={"client_id": "third", "backchannel_logout_uri": "https://169.254.169.254/call"}
    )
    tell(world, backchannel_logout_uri=f"http://127.0.0.1:{port}/call")
    tell(world, "other", backchannel_logout_uri=f"{ear.base}call")
    await world.log_in()
    await world.start(app=world.other)
    await leave(world)
    assert await who_is_in(world) == ""
    await eventually(lambda: heard(ear, 1))
    states = {one.client_id: one.state for one in await all_of(world.node.store)}
    assert states["webapp"] == "pending"
    gate.set()
    server.close()


async def test_rp_30_a_client_hears_of_the_person_who_was_there_before(world: World, ear: Ears) -> None:
    """RP-30: Jonas logs in over Mira's session; the application hears that hers ended, and of no other."""
    tell(world, backchannel_logout_uri=f"{ear.base}call")
    await world.log_in()
    await world.log_in(JONAS, prompt="login")
    await eventually(lambda: heard(ear, 1))
    (call,) = ear.calls
    assert parts(call["logout_token"])[1]["sid"] == world.app.arrived[0].claims["sid"]
    assert await who_is_in(world) == "oidc|corp|jonas"


async def test_tk_17_offline_tokens_of_the_person_before_end_where_the_client_wants_it(world: World) -> None:
    """TK-17, RP-30: ``logout_revokes_offline`` holds for a session that another login ended, too."""
    world.app.scope = "openid offline_access"
    tell(world, logout_revokes_offline=True)
    await world.log_in()
    first = world.app.last.tokens
    await world.log_in(JONAS, prompt="login")
    for tokens, lives in ((first, False), (world.app.last.tokens, True)):
        try:
            await asyncio.to_thread(world.app.refresh, tokens)
            found = True
        except Exception as error:  # noqa: BLE001  # Authlib's own kind
            assert "invalid_grant" in str(error)
            found = False
        assert found is lives


async def test_frontchannel_rp_initiated_logout(world: World, ear: Ears) -> None:
    """oidcc-frontchannel-rp-initiated-logout, AZ-22: our page names the client's page with ``iss`` and ``sid`` beside
    what it had, allows that origin alone in its frames, may not be framed itself, and knows the way on."""
    tell(world, frontchannel_logout_uri=f"{ear.base}page?a=b")
    await world.log_in()
    page = await leave(world, "st<&>")
    sid = world.app.last.claims["sid"]
    told = urlencode({"iss": world.node.issuer, "sid": sid}, safe="")
    assert f'src="{ear.base}page?a=b&amp;{told.replace("&", "&amp;")}"' in page.body
    assert f'data-url="{world.app.base}?state=st%3C%26%3E"' in page.body
    policy = page.headers["Content-Security-Policy"]
    assert f"frame-src {ear.base.rstrip('/')};" in policy and "frame-ancestors 'none'" in policy
    assert page.headers["X-Frame-Options"] == "DENY"
    assert "session" not in named(world) and "state" not in named(world)


async def test_session_management_follows_the_session(world: World) -> None:
    """Session Management 3: the state cookie is readable by scripts and goes with the session; every answer's
    ``session_state`` is the hash of it, for the client and its origin."""
    await world.log_in()
    state = named(world)["state"]
    for arrived in (world.app.last, await again(world)):
        hash_and_salt = arrived.params["session_state"]
        salt = hash_and_salt.partition(".")[2]
        assert hash_and_salt == session_state("webapp", web_origin(world.app.base), state, salt)
    await leave(world)
    assert "state" not in named(world)


async def again(world: World) -> Any:
    """An answer from the live session."""
    await world.start(prompt="none")
    return world.app.last


async def test_lo_07_the_state_cookie_has_its_own_flags(world: World) -> None:
    """LO-07: set and taken away with Secure, Path=/, SameSite=None, no Domain, and without HttpOnly; the session cookie
    keeps HttpOnly and Lax."""
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as http:
        await world.log_in()
        name = next(c.name for c in world.browser.jar.cookies.values() if "-session-" in c.name)
        cookie = {name: next(c.value for c in world.browser.jar.cookies.values() if c.name == name)}
        state = name.replace("session", "state")
        url, _ = await asyncio.to_thread(world.app.begin, prompt="none")
        async with http.get(url, cookies=cookie, allow_redirects=False) as answer:
            lines = [line for line in answer.headers.getall("Set-Cookie") if line.startswith(state)]
        assert [line.split("; ")[1:] for line in lines] == [["Path=/", "Secure", "SameSite=None"]]
        url = await asyncio.to_thread(world.app.logout_url, world.app.last)
        async with http.get(url, cookies=cookie, allow_redirects=False) as answer:
            gone = answer.headers.getall("Set-Cookie")
    flags = {line.partition("=")[0]: set(line.split("; ")[1:]) for line in gone}
    assert flags[name] == {"Max-Age=0", "Path=/", "Secure", "HttpOnly", "SameSite=Lax"}
    assert flags[state] == {"Max-Age=0", "Path=/", "Secure", "SameSite=None"}


async def test_without_management_there_is_nothing_of_it(worlds: Worlds) -> None:
    """``session.management = false``: no cookie, no field, no metadata, no page."""
    async with worlds("back_channel", session={"management": False}) as world:
        await world.log_in()
        assert "state" not in named(world) and "session_state" not in world.app.last.params
        assert "check_session_iframe" not in await asyncio.to_thread(lambda: world.app.metadata)
        assert (await world.browser.open(f"{world.node.issuer}session/check")).page.status == 404


async def test_lo_05_the_old_cookie_opens_nothing_and_the_record_is_gone(world: World) -> None:
    """LO-05: after the logout the cookie, replayed, logs nobody in; nothing of the session is left in the store."""
    await world.log_in()
    old = dict(world.browser.jar.cookies)
    await leave(world)
    async with Browser() as revenant:
        revenant.jar.cookies.update(old)
        assert await who_is_in(world, revenant) == ""
    for kind in ("session", "participant", "last_login"):
        assert [each async for each in world.node.store.scan(kind)] == []


def v2(world: World, **query: str) -> str:
    """An address of Auth0's logout."""
    return f"{world.node.issuer}v2/logout?{urlencode(query)}"


async def test_lo_02_lo_03_sdks_log_out_by_navigation(world: World) -> None:
    """LO-02, LO-03: a listed address with any query is gone to at once; about another the person is asked."""
    await world.log_in()
    asked = (await world.browser.open(v2(world, client_id="webapp", returnTo="https://evil.example/"))).page
    assert "Log out?" in asked.text and await who_is_in(world) == "oidc|corp|mira"
    tab = await world.browser.open(v2(world, client_id="webapp", returnTo=f"{world.app.base}?x=1"))
    assert tab.page.url == f"{world.app.base}?x=1" and await who_is_in(world) == ""
    tab = await world.browser.open(v2(world, client_id="webapp"))
    assert tab.page.url == world.app.base


async def test_lo_03_a_picture_logs_nobody_out(world: World) -> None:
    """LO-03: even with the cookie, a request that is no navigation only gets the question, which a click answers."""
    await world.log_in()
    cookies = {c.name: c.value for c in world.browser.jar.cookies.values() if "isthmus" in c.name}
    url = v2(world, client_id="webapp", returnTo=world.app.base)
    for headers in ({}, {"Sec-Fetch-Dest": "image"}, {"Sec-Fetch-Dest": "document", "Sec-Purpose": "prefetch"}):
        async with (
            aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as http,
            http.get(url, cookies=cookies, headers=headers, allow_redirects=False) as answer,
        ):
            assert (answer.status, "Set-Cookie" in answer.headers) == (200, False)
    assert await who_is_in(world) == "oidc|corp|mira"
    tab = await world.browser.open(f"{world.node.issuer}v2/logout")
    await tab.click("Log out")
    assert "You are logged out" in tab.page.text and await who_is_in(world) == ""


@pytest.mark.parametrize("path", ["v2/logout", "oidc/logout"])
async def test_federated_ends_the_tenants_session_too(world: World, path: str) -> None:
    """``federated`` without a value: over the tenant's logout and back to where the application wants; whoever comes
    back to our address later sees our page."""
    tenant = world.tenants["corp"]
    back = f"{world.node.issuer}login/logged-out"
    tenant.clients["isthmus"] = replace(tenant.clients["isthmus"], post_logout_redirect_uris=(back,))
    assert isinstance(tenant.clients["isthmus"], LabClient)
    await world.log_in()
    assert tenant.memory.logins
    if path == "v2/logout":
        url = v2(world, client_id="webapp", returnTo=world.app.base) + "&federated"
    else:
        url = await asyncio.to_thread(world.app.logout_url, world.app.last) + "&federated="
    tab = await world.browser.open(url)
    assert tab.page.url.partition("?")[0] == world.app.base
    assert not tenant.memory.logins and await who_is_in(world) == ""
    assert "You are logged out" in (await world.browser.open(f"{back}?state=x")).page.text
