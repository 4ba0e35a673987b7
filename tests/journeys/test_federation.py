"""Two Isthmus federated by one command, one the tenant of the other: logins and logouts cross both, both ways."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from proxy.downstream.initial_tokens import InitialTokens
from proxy.lab.browser import Browser
from tests.journeys.conftest import MIRA, Stores, know, lab_tenant
from tests.journeys.test_logout import heard, parts
from tests.kit.authlib_app import AuthlibApp, authlib_app
from tests.kit.ears import Ears, ears
from tests.kit.isthmus import Node, client, configure, connection, isthmus
from tests.kit.valkey import Valkey
from tests.kit.waiting import eventually


@dataclass
class Chain:
    """Application, near Isthmus, far Isthmus, tenant; ``ear`` is what the application hears of logouts."""

    app: AuthlibApp
    near: Node
    far: Node
    browser: Browser
    ear: Ears
    said: str

    async def log_in(self) -> None:
        """Through both."""
        tab = await self.browser.open(f"{self.app.base}login")
        await tab.click(MIRA.name)
        assert tab.page.text == "hello oidc|far|oidc|corp|mira", tab.page.text


async def command(near: Node, folder: Path, redis: str, *words: str, environ: dict[str, str]) -> str:
    """``isthmus connections ...`` with the near one's configuration and store; what it printed."""
    place = folder / "command"
    place.mkdir(exist_ok=True)
    tables: dict[str, Any] = {"redis": {"url": redis}, "clients": [CLIENTS[near.issuer]]}
    file, own = configure(place, near.issuer, near.port, tables)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "proxy", "connections", *words, "--config", str(file),
        env={**os.environ, **own, **environ}, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    return out.decode()


CLIENTS: dict[str, Any] = {}


@pytest.fixture
async def chain(tmp_path: Path, stores: Stores, server: Valkey) -> AsyncIterator[Chain]:
    """Federated by ``isthmus connections add far --issuer URL --register``, while both run."""
    redis = f"unix://{server.socket_path}?db=2"
    async with lab_tenant() as tenant, authlib_app() as app, ears() as ear, Browser() as browser:
        way = {**connection("corp", tenant.issuer, "back_channel", []), "is_domain_connection": True}
        far_site = isthmus(tmp_path, stores(1), connections=[way], registration={"mode": "token"})
        webapp = client(app, backchannel_logout_uri=f"{ear.base}call", initiate_login_uri=f"{app.base}login")
        async with far_site as far, isthmus(tmp_path, stores(2), clients=[webapp]) as near:
            know(tenant, far)
            app.issuer = near.issuer
            CLIENTS[near.issuer] = webapp
            token = await InitialTokens(far.store).issue(time.time(), uses=1, seconds=600, first_party=True)
            words = ("add", "far", "--issuer", far.issuer, "--register", "--client", "webapp", "--token", "$FAR_TOKEN")
            said = await command(near, tmp_path, redis, *words, environ={"FAR_TOKEN": token})
            made = Chain(app, near, far, browser, ear, said)
            await eventually(lambda: known(near))
            yield made


async def known(near: Node) -> bool:
    """Whether the running node has heard of the new connection."""
    async with (
        aiohttp.ClientSession() as http,
        http.get(f"{near.issuer}login/keys/far", allow_redirects=False) as answer,
    ):
        return answer.status == 200


async def test_one_command_and_people_log_in_through_both(chain: Chain) -> None:
    """Registered with a key of our own, whose public half the far one fetches; no restart, no secret printed."""
    assert "private_key_jwt" in chain.said and "taken_back_on_removal" in chain.said
    await chain.log_in()
    assert (chain.app.last.claims["name"], chain.app.last.claims["email"]) == (MIRA.name, "mira@corp.example")


async def test_a_logout_at_the_tenant_reaches_the_application(chain: Chain) -> None:
    """LO-11: the far one calls the near one, which ends its session and calls its own application in turn."""
    await chain.log_in()
    tab = await chain.browser.open(f"{chain.far.issuer}oidc/logout")
    await tab.click("Log out")
    await eventually(lambda: heard(chain.ear, 1))
    (call,) = chain.ear.calls
    _, claims = parts(call["logout_token"])
    assert (claims["iss"], claims["sid"]) == (chain.near.issuer, chain.app.last.claims["sid"])
    assert not [each async for each in chain.near.store.scan("session")]


async def test_the_tenants_page_frames_ours(chain: Chain) -> None:
    """Front-Channel Logout 3: the far one's farewell loads our page with ``iss`` and ``sid``; with no call by the back
    channel it is enough, though our cookie stays away from that frame."""
    await chain.log_in()
    (session,) = [await chain.near.store.get(each) async for each in chain.near.store.scan("session")]
    assert session is not None
    named = {"iss": chain.far.issuer, "sid": session.value["upstream_sid"]}
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as http:
        async with http.get(f"{chain.near.issuer}login/frontchannel-logout", params=named) as answer:
            policy = answer.headers["Content-Security-Policy"]
            assert answer.status == 200 and f"frame-ancestors {chain.far.issuer.rstrip('/')}" in policy
            assert "X-Frame-Options" not in answer.headers and answer.headers["Cache-Control"] == "no-store"
    assert not [each async for each in chain.near.store.scan("session")]
    await eventually(lambda: heard(chain.ear, 1))
    tab = await chain.browser.open(f"{chain.far.issuer}oidc/logout")
    await tab.click("Log out")
    assert f"{chain.near.issuer}login/frontchannel-logout?iss=" in tab.page.body


async def test_a_logout_here_goes_on_to_the_tenant_without_a_question(chain: Chain) -> None:
    """RP-Initiated Logout 2: the ID token goes along as the hint, so the far one asks nobody; its farewell frames our
    own page, and the person ends at the application."""
    await chain.log_in()
    url = await asyncio.to_thread(chain.app.logout_url, chain.app.last, "bye")
    tab = await chain.browser.open(f"{url}&federated=")
    assert "id_token_hint=" in tab.page.url and "You are logged out" in tab.page.text
    await tab.click("Continue")
    assert tab.page.url == f"{chain.app.base}?state=bye", tab.page.body
    for node in (chain.near, chain.far):
        assert not [each async for each in node.store.scan("session")]


async def test_the_tenant_begins_a_login(chain: Chain) -> None:
    """oidcc-client-test-3rd-party-init-login: ``iss`` alone leads over the application to the tenant's login page."""
    tab = await chain.browser.open(f"{chain.near.issuer}login/initiate?iss={chain.far.issuer}")
    await tab.click(MIRA.name)
    assert tab.page.text == "hello oidc|far|oidc|corp|mira"
    tab = await chain.browser.open(f"{chain.near.issuer}login/initiate?iss=https://evil.example/")
    assert tab.page.status == 400


async def test_the_tenants_session_is_watched(chain: Chain) -> None:
    """Session Management 3.1: our page frames the far one's and asks it with our client id and its session state; after
    the logout it may look once more."""
    await chain.log_in()
    page = (await chain.browser.open(f"{chain.near.issuer}login/session")).page
    assert f'src="{chain.far.issuer}session/check"' in page.body and 'data-message="tpc_' in page.body
    assert f"frame-src {chain.far.issuer.rstrip('/')};" in page.headers["Content-Security-Policy"]
    url = await asyncio.to_thread(chain.app.logout_url, chain.app.last, "bye")
    await chain.browser.open(f"{url}&federated=")
    page = (await chain.browser.open(f"{chain.near.issuer}login/session")).page
    assert f'src="{chain.far.issuer}session/check"' in page.body and 'data-changed=""' in page.body


async def test_removal_parts_both(chain: Chain, tmp_path: Path, server: Valkey) -> None:
    """``connections remove`` takes the registration back at the far one."""
    assert len([each async for each in chain.far.store.scan("client")]) == 1
    await command(chain.near, tmp_path, f"unix://{server.socket_path}?db=2", "remove", "far", environ={})
    assert not [each async for each in chain.far.store.scan("client")]


async def test_a_form_of_another_site_changes_nobody_unnoticed(chain: Chain) -> None:
    """OIDC Core 4: a cross-site POST brings no cookie; it becomes a GET, which does, before anything is decided."""
    form = {"iss": chain.far.issuer, "login_hint": "mira@corp.example"}
    headers = {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as http:
        url = f"{chain.near.issuer}login/initiate"
        async with http.post(url, data=form, headers=headers, allow_redirects=False) as answer:
            assert answer.status == 303 and answer.headers["Location"].startswith(f"{url}?iss=")
        async with http.get(answer.headers["Location"], allow_redirects=False) as onward:
            assert onward.status == 303 and onward.headers["Location"].startswith(f"{chain.app.base}login?iss=")
