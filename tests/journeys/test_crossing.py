"""The crossing: from an application written with Authlib, through Isthmus, to a provider written by somebody else, and
back. The upstream is idpyoidc over TLS on both channels, or a tenant of the lab where a person must choose.
"""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest

from proxy.lab.browser import Browser, Tab
from proxy.lab.navigation import Navigation
from proxy.lab.people import PEOPLE
from tests.journeys.conftest import CHANNELS, JONAS, MIRA, Stores, World, Worlds, refused
from tests.kit.authlib_app import authlib_app
from tests.kit.idpyoidc_tenant import CLIENT_ID, CLIENT_SECRET, idpyoidc_tenant
from tests.kit.isthmus import client, connection, isthmus
from tests.kit.valkey import free_port

ROLES = '''"""Roles of the tenant, in capitals."""

from proxy import hookimpl


@hookimpl
def isthmus_request_scopes(scopes):
    return (*scopes, "groups")


@hookimpl
async def isthmus_map_profile(claims):
    return {"duties": [role.upper() for role in claims["roles"]]}
'''


@pytest.mark.parametrize("channel", CHANNELS)
async def test_a_login_crosses_between_two_foreign_libraries(channel: str, tmp_path: Path, stores: Stores) -> None:
    """Authlib to Isthmus to idpyoidc and back: the ID token is good, and what a plugin mapped is in it."""
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "duties.py").write_text(ROLES)
    secret = {"client_secret": CLIENT_SECRET} if channel == "back_channel" else {}
    async with idpyoidc_tenant(tmp_path) as tenant, authlib_app() as app, Browser(trust=tenant.tls) as browser:
        way = connection(
            "idpy", tenant.issuer, channel, trust=[str(tenant.trust)], **{"client_id": CLIENT_ID, **secret}
        )
        plugins = {"enabled": ["duties"], "folder": tmp_path / "plugins"}
        async with isthmus(tmp_path, stores(0), connections=[way], clients=[client(app)], plugins=plugins) as node:
            tenant.register(node.callback)
            app.issuer = node.issuer
            tab = await browser.open(app.base)
            await tab.click("Log in")
            assert tab.page.text.startswith("hello oidc|idpy|"), tab.page.text
            claims = app.last.claims
            assert (claims["name"], claims["email"]) == (MIRA.name, "mira@corp.example")
            assert claims["duties"] == ["ADMIN", "EDITOR"]
            assert tenant.hits["/token"] == (1 if channel == "back_channel" else 0)
            assert tenant.hits["/userinfo"] == 0
            assert browser.jar.refused == []


async def test_every_standard_claim_arrives(world: World) -> None:
    """All claims of Core 5.1 that the tenant gave are in our userinfo, for the scopes that release them."""
    world.app.scope = "openid profile email address phone"
    await world.log_in()
    told = await asyncio.to_thread(world.app.userinfo, world.app.last.tokens)
    upstream = {"name", "email", "birthdate", "zoneinfo", "picture", "updated_at", "email_verified"}
    assert {name: told.json()[name] for name in upstream} == {name: MIRA.claims[name] for name in upstream}
    assert told.json()["sub"] == world.app.last.claims["sub"] == "oidc|corp|mira"


async def test_tokens_are_refreshed_and_used(world: World) -> None:
    """offline_access gives a refresh token that rotates; both access tokens open userinfo; the new ID token is good."""
    world.app.scope = "openid profile email offline_access"
    await world.log_in()
    first = world.app.last.tokens
    second = await asyncio.to_thread(world.app.refresh, first)
    assert second["refresh_token"] != first["refresh_token"]
    again = await asyncio.to_thread(world.app.verify, second["id_token"], sub="oidc|corp|mira")
    assert again["auth_time"] == world.app.last.claims["auth_time"]
    for tokens in (first, second):
        told = await asyncio.to_thread(world.app.userinfo, tokens)
        assert (told.status_code, told.json()["email"]) == (200, "mira@corp.example")


async def test_a_live_session_needs_no_second_login(world: World) -> None:
    """Another application gets its own tokens without the tenant being asked again."""
    await world.log_in()
    logins = len(world.tenants["corp"].memory.logins)
    tab = await world.start(app=world.other)
    assert tab.page.text == "hello oidc|corp|mira"
    assert world.other.last.claims["auth_time"] == world.app.last.claims["auth_time"]
    assert len(world.tenants["corp"].memory.logins) == logins
    assert all("/callback" not in url or url.startswith(world.other.base) for url in tab.page.history)


async def test_logout_ends_the_session(world: World) -> None:
    """After RP-initiated logout the browser is back at the application, and the next login asks the tenant."""
    await world.log_in()
    world.tenants["corp"].memory.logins.clear()
    url = await asyncio.to_thread(world.app.logout_url, world.app.last)
    tab = await world.browser.open(url)
    assert tab.page.url == f"{world.app.base}?state=bye"
    tab = await world.start()
    assert tab.page.title == "corp login"


async def test_prompt_login_goes_up_to_the_tenant(world: World) -> None:
    """prompt=login shows the tenant's form again although a session lives, and our auth_time is a later one."""
    await world.log_in()
    before = world.app.last.claims
    tab = await world.start(prompt="login")
    assert tab.page.title == "corp login"
    await tab.click(MIRA.name)
    after = world.app.last.claims
    assert (after["sub"], after["auth_time"] > before["auth_time"]) == (before["sub"], True)


async def test_max_age_asks_again_only_when_too_old(world: World) -> None:
    """A large max_age is met by the live session; 0 never is, and goes up."""
    await world.log_in()
    assert (await world.start(max_age="3600")).page.text.startswith("hello")
    assert (await world.start(max_age="0")).page.title == "corp login"


async def test_prompt_none_without_a_session_is_told_to_the_client(world: World) -> None:
    """Nobody is shown anything: the client hears login_required."""
    await world.start(prompt="none")
    assert world.app.refused[-1]["error"] == "login_required"
    await world.log_in()
    assert (await world.start(prompt="none")).page.text.startswith("hello")


async def test_a_cancelled_login_is_told_to_the_person(world: World) -> None:
    """The tenant says access_denied: a page says so, with a number to ask about, and no session begins."""
    tab = await world.start()
    await tab.click("Cancel")
    assert 400 <= tab.page.status < 500 and tab.page.url.startswith(world.node.issuer)
    assert re.search("Reference [0-9a-f]{16}", tab.page.text), tab.page.text
    assert world.app.arrived == []
    assert (await world.start()).page.title == "corp login"


async def test_the_person_chooses_a_connection(worlds: Worlds) -> None:
    """Two connections: a page with a button each; the chosen one is gone to; a named one skips the page."""
    async with worlds(tenants={"corp": PEOPLE, "acme": PEOPLE}) as world:
        tab = await world.start()
        assert {"corp login", "acme login"} <= set(tab.page.names)
        await tab.click("acme login")
        assert tab.page.title == "acme login"
        await tab.click(JONAS.name)
        assert tab.page.text == "hello oidc|acme|jonas"
        fresh = await world.start(connection="corp", prompt="login")
        assert fresh.page.title == "corp login"


async def test_cb_15_thirty_tabs_all_arrive(world: World) -> None:
    """CB-15: thirty logins begun in one browser before the first is finished all arrive, the last begun first, each on
    its own transaction."""
    tabs = [await world.start() for _ in range(30)]
    for tab in reversed(tabs):
        await tab.click(MIRA.name)
    assert [tab.page.text for tab in tabs] == ["hello oidc|corp|mira"] * 30
    assert len({arrived.params["state"] for arrived in world.app.arrived}) == 30
    assert world.browser.jar.refused == []


async def test_cb_15_tabs_of_a_restored_window_all_arrive(world: World) -> None:
    """CB-15: a browser without any cookie of ours opens twelve tabs in the same moment, as when a window is restored:
    none of them was told of the others, and all arrive."""
    tabs = await asyncio.gather(*(world.start() for _ in range(12)))
    for tab in tabs:
        await tab.click(MIRA.name)
    assert [tab.page.text for tab in tabs] == ["hello oidc|corp|mira"] * 12


async def test_cb_15_one_small_cookie_however_many_logins(worlds: Worlds) -> None:
    """CB-15: 120 logins begun and left: one small cookie, at most 100 kept open, the newest finishes, the first does
    not."""
    async with worlds() as world:
        tabs = [await world.start() for _ in range(120)]
        ours = [c for c in world.browser.jar.cookies.values() if c.name.startswith("__Host-isthmus")]
        assert len(ours) == 1 and len(ours[0].value) < 100
        await tabs[-1].click(MIRA.name)
        assert tabs[-1].page.text.startswith("hello")
        await tabs[0].click(MIRA.name)
        assert refused(tabs[0].page, world.node)


@pytest.mark.parametrize("path", ["", "tenants/one/"])
async def test_a_form_may_begin_a_login(path: str, worlds: Worlds) -> None:
    """An application on another site that posts its authorization request is answered from the live session, whose
    cookie its POST did not bring; under an issuer with a path too."""
    port = free_port()
    async with worlds(issuer=f"http://127.0.0.1:{port}/{path}", port=port) as world:
        await world.log_in()
        url, _ = await asyncio.to_thread(world.app.begin)
        address, _, query = url.partition("?")
        tab = Tab(world.browser)
        await tab.navigate(Navigation("POST", address, query, "http://localhost:1/"))
        assert tab.page.text == "hello oidc|corp|mira"
