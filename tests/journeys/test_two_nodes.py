"""Any step of a login runs on any node: the nodes share nothing but the store."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from proxy.lab.browser import Browser
from proxy.lab.rooms import LabClient
from tests.journeys.conftest import CHANNELS, MIRA, Stores, know, lab_tenant
from tests.kit.authlib_app import AuthlibApp, authlib_app
from tests.kit.isthmus import CLIENT_SECRET, Node, client, connection, isthmus, isthmus_process
from tests.kit.relay import Relay, relay
from tests.kit.valkey import Valkey


@dataclass
class Pair:
    """Two nodes behind one address."""

    nodes: tuple[Node, Node]
    balancer: Relay
    app: AuthlibApp
    browser: Browser


@asynccontextmanager
async def pair(directory: Path, stores: Stores, channel: str) -> AsyncIterator[Pair]:
    """Two nodes on one store, each connection to the balancer going to the other one in turn."""
    async with lab_tenant() as tenant, authlib_app() as app, relay() as balancer, Browser() as browser:
        issuer = f"http://127.0.0.1:{balancer.port}/"
        tables = {"connections": [connection("corp", tenant.issuer, channel)], "clients": [client(app)]}
        async with (
            isthmus(directory, stores(0), issuer=issuer, **tables) as one,
            isthmus(directory, stores(0), issuer=issuer, **tables) as two,
        ):
            balancer.nodes = [one.port, two.port]
            know(tenant, one)
            app.issuer = issuer
            yield Pair((one, two), balancer, app, browser)


@pytest.mark.parametrize("channel", CHANNELS)
async def test_ft_19_every_step_on_the_other_node(channel: str, tmp_path: Path, stores: Stores) -> None:
    """FT-19: with every request on another node than the one before, logins, refresh, userinfo and logout work."""
    async with pair(tmp_path, stores, channel) as made:
        made.app.scope = "openid profile email offline_access"
        for wishes in ("", "?prompt=login", ""):
            tab = await made.browser.open(f"{made.app.base}login{wishes}")
            if MIRA.name in " ".join(tab.page.names):
                await tab.click(MIRA.name)
            assert tab.page.text == "hello oidc|corp|mira"
        tokens = await asyncio.to_thread(made.app.refresh, made.app.last.tokens)
        assert (await asyncio.to_thread(made.app.userinfo, tokens)).json()["email"] == "mira@corp.example"
        left = await made.browser.open(await asyncio.to_thread(made.app.logout_url, made.app.last))
        assert left.page.url == f"{made.app.base}?state=bye"
        assert set(made.balancer.used) == {node.port for node in made.nodes}


STEPS = ("authorize", "login/callback", "callback of the application", "token")


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("channel", CHANNELS)
async def test_ft_19_a_node_dies_between_two_steps(channel: str, step: str, tmp_path: Path, stores: Stores) -> None:
    """FT-19: whichever step a node dies before, the login goes on at the other: one session, one person."""
    async with pair(tmp_path, stores, channel) as made:
        first, second = (node.port for node in made.nodes)
        made.balancer.nodes = [first]
        stops = {
            "authorize": f"{made.app.issuer}authorize",
            "login/callback": f"{made.app.issuer}login/callback",
            "callback of the application": made.app.callback,
            "token": "",
        }
        made.browser.stop = lambda navigation: bool(stops[step]) and navigation.url.startswith(stops[step])
        tab = await made.browser.open(f"{made.app.base}login")
        if tab.pending is None:
            if step == "token":
                made.app.before_token = lambda: setattr(made.balancer, "nodes", [second])
            await tab.click(MIRA.name)
        made.balancer.nodes = [second]
        if tab.pending is not None:
            await tab.resume()
            made.browser.stop = lambda _: False
            if tab.pending is not None:
                await tab.resume()
            if MIRA.name in " ".join(tab.page.names):
                await tab.click(MIRA.name)
        assert tab.page.text == "hello oidc|corp|mira"
        assert [arrived.claims["sub"] for arrived in made.app.arrived] == ["oidc|corp|mira"]
        assert second in made.balancer.used


@pytest.mark.parametrize(("channel", "before"), [("front_channel", "login/callback"), ("back_channel", "")])
async def test_ft_19_a_process_is_killed_in_the_middle_of_a_login(
    channel: str, before: str, tmp_path: Path, server: Valkey, stores: Stores
) -> None:
    """FT-19: ``kill -9`` of the process that began the login, right before the callback or the token request (no
    ``before``): the other process finishes it, with one session and one person."""
    async with lab_tenant() as tenant, authlib_app() as app, relay() as balancer, Browser() as browser:
        app.issuer = f"http://127.0.0.1:{balancer.port}/"
        tables = {"connections": [connection("corp", tenant.issuer, channel)], "clients": [client(app)]}
        redis = f"unix://{server.socket_path}?db=0"
        tenant.clients["isthmus"] = LabClient("isthmus", (f"{app.issuer}login/callback",), CLIENT_SECRET)
        async with (
            isthmus_process(tmp_path, app.issuer, redis, **tables) as first,
            isthmus_process(tmp_path, app.issuer, redis, **tables) as second,
        ):
            balancer.nodes = [first.port]
            held = f"{app.issuer}{before}" if before else app.callback
            browser.stop = lambda navigation: navigation.url.startswith(held)
            tab = await browser.open(f"{app.base}login")
            await tab.click(MIRA.name)
            assert tab.pending is not None
            await first.die()
            balancer.nodes = [second.port]
            browser.stop = lambda _: False
            assert (await tab.resume()).text == "hello oidc|corp|mira"
            again = await browser.open(f"{app.base}login?prompt=none")
            assert again.page.text == "hello oidc|corp|mira"
            assert len({arrived.claims["sid"] for arrived in app.arrived}) == 1
