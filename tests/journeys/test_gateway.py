"""Whole trips through the gateway: login, identity, single sign-on for a second host, and every end of it."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import jwt
import pytest

from proxy.downstream.grant import session_key
from proxy.lab.tenant import Tenant
from proxy.store import Drop
from tests.journeys.conftest import CHANNELS, Stores, lab_tenant
from tests.kit.gateway import HERE, MIRA, THERE, gated, onward

PAGE = "Accept: text/html"
FETCH = "Sec-Fetch-Mode: cors"


@pytest.fixture
async def tenant() -> AsyncIterator[Tenant]:
    """A healthy one."""
    async with lab_tenant() as running:
        yield running


@pytest.mark.parametrize("channel", CHANNELS)
async def test_a_login_through_the_gateway(tmp_path: Path, stores: Stores, tenant: Tenant, channel: str) -> None:
    """The app gets who came, once, and an assertion that our key set verifies; nothing of our cookies."""
    async with gated(tmp_path, stores(0), tenant, channel=channel) as world:
        tab = await world.log_in(path="/a/page?x=1")
        assert tab.page.url == world.url("/a/page?x=1")
        told = json.loads(tab.page.text)
        lines = told["headers"]
        assert lines["x-forwarded-user"] == f"oidc|corp|{MIRA.sub}"
        assert "isthmus" not in lines.get("cookie", "")
        keys = await jwks(world.node.issuer)
        assertion = lines["x-isthmus-assertion"]
        kid = jwt.get_unverified_header(assertion)["kid"]
        key = next(jwt.PyJWK(one) for one in keys["keys"] if one["kid"] == kid)
        claims = jwt.decode(assertion, key, ["RS256"], audience=world.url("/"), issuer=world.node.issuer)
        assert claims["sub"] == f"oidc|corp|{MIRA.sub}"


async def jwks(issuer: str) -> dict[str, list[dict[str, str]]]:
    """Our key set."""
    async with aiohttp.ClientSession() as http, http.get(f"{issuer}.well-known/jwks.json") as answer:
        found: dict[str, list[dict[str, str]]] = await answer.json()
        return found


async def test_a_second_host_costs_no_login_and_has_a_cookie_of_its_own(
    tmp_path: Path, stores: Stores, tenant: Tenant
) -> None:
    """GW-29: the cookie of one host opens no other."""
    async with gated(tmp_path, stores(0), tenant) as world:
        await world.log_in()
        tab = await world.browser.open(world.url("/other", THERE))
        await onward(tab)
        await onward(tab)
        assert tab.page.url == world.url("/other", THERE)
        assert world.cookie(HERE) != world.cookie(THERE)
        foreign = await world.ask(f"Cookie: {world.cookie(HERE)}", FETCH, host=THERE)
        own = await world.ask(f"Cookie: {world.cookie(THERE)}", FETCH, host=THERE)
        assert (foreign.status, own.status) == (401, 200)


async def test_gw_26_programs_and_forms_hear_401_and_pages_are_sent_to_a_login(
    tmp_path: Path, stores: Stores, tenant: Tenant
) -> None:
    """users 31, GW-26: nobody is redirected who cannot follow, and nothing reaches the app."""
    async with gated(tmp_path, stores(0), tenant) as world:
        page = await world.ask(PAGE)
        program = await world.ask(PAGE, FETCH)
        form = await world.ask(PAGE, "Content-Length: 3", "Content-Type: application/x-www-form-urlencoded",
                               target="POST /save", body=b"a=b")  # fmt: skip
        assert [page.status, program.status, form.status] == [303, 401, 401]
        assert page.header("Location").startswith(f"{world.node.issuer}authorize?")
        assert json.loads(program.body)["error"] == "login_required"
        assert not world.app.heads


async def test_the_end_of_the_session_is_the_end_at_every_host(tmp_path: Path, stores: Stores, tenant: Tenant) -> None:
    """LO-17, SE-14: what ends at the issuer has ended here, at once."""
    async with gated(tmp_path, stores(0), tenant) as world:
        await world.log_in()
        cookie = f"Cookie: {world.cookie()}"
        assert (await world.ask(cookie, FETCH)).status == 200
        tab = await world.browser.open(world.url("/.isthmus/logout"))
        await tab.click("Log out")
        assert tab.page.url == world.url("/.isthmus/logged-out")
        assert (await world.ask(cookie, FETCH)).status == 401


async def test_se_15_the_apps_own_form_logs_out_and_nobody_is_asked(
    tmp_path: Path, stores: Stores, tenant: Tenant
) -> None:
    """SE-15: at every host; what another site's form does the person is asked about."""
    async with gated(tmp_path, stores(0), tenant) as world:
        await world.log_in()
        cookie, target = f"Cookie: {world.cookie()}", "POST /.isthmus/logout"
        foreign = await world.ask(cookie, PAGE, "Origin: http://evil.example", "Content-Length: 0", target=target)
        tab = await world.browser.open(foreign.header("Location"))
        assert "Log out" in tab.page.names and (await world.ask(cookie, FETCH)).status == 200
        own = await world.ask(cookie, PAGE, f"Origin: {world.url('')}", "Content-Length: 3", target=target, body=b"a=b")
        tab = await world.browser.open(own.header("Location"))
        assert tab.page.url == world.url("/.isthmus/logged-out") and not world.cookie()
        assert (await world.ask(cookie, FETCH)).status == 401


async def test_a_dropped_session_is_gone_within_five_seconds_and_told_within_one(
    tmp_path: Path, stores: Stores, tenant: Tenant
) -> None:
    """P1: even what nobody told of is not believed for longer than five seconds."""
    async with gated(tmp_path, stores(0), tenant) as world:
        await world.log_in()
        cookie = f"Cookie: {world.cookie()}"
        sid = world.cookie().partition("=")[2].partition(".")[0]
        assert (await world.ask(cookie, FETCH)).status == 200
        await world.node.store.run(Drop(session_key(sid)))  # behind everybody's back
        until = time.monotonic() + 6
        while (await world.ask(cookie, FETCH)).status == 200:
            assert time.monotonic() < until
        assert (await world.ask(cookie, FETCH)).status == 401
