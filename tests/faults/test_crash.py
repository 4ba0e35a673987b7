"""Real nodes are killed without grace, right before each step of a login and in the middle of a token request."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from proxy.lab.browser import Browser, Tab
from tests.kit.fleet_program import Forked, forked
from tests.kit.invariants import check_log, check_store, kinds
from tests.kit.isthmus import connection
from tests.kit.line import line
from tests.kit.moody import moody
from tests.kit.plain_app import CLIENT, PlainApp, arrived, stop_at_the_app
from tests.kit.relay import relay
from tests.kit.valkey import Valkey
from tests.kit.whole import MIRA

CHANNELS = ("front", "back")


@asynccontextmanager
async def fleet(directory: Path, redis: list[str]) -> AsyncIterator[tuple[list[Forked], PlainApp, list[int]]]:
    """A node for each address of the store in ``redis``; the application; the balancer's list of ports to fill."""
    async with moody() as tenant, relay() as balancer, AsyncExitStack() as stack:
        issuer = f"http://127.0.0.1:{balancer.port}/"
        tenant.know(issuer)
        ways = [connection(name, tenant.issuer, f"{name}_channel") for name in CHANNELS]
        tables = {"connections": ways, "clients": [CLIENT]}
        nodes = await stack.enter_async_context(forked(directory, issuer, redis, **tables))
        app = await stack.enter_async_context(PlainApp(issuer))
        yield nodes, app, balancer.nodes
        check_log(directory / "fleet.log", app.secrets)


async def test_ft_19_a_node_dies_before_every_step(tmp_path: Path, server: Valkey) -> None:
    """FT-19: ``kill -9`` of the node before each step of a login on both channels: choice, trip, callback, token, use;
    always the next node goes on; in the end there is one person, and one session for each browser."""
    async with fleet(tmp_path, [server.url] * 6) as (nodes, app, ports):
        alive = iter(nodes)

        async def next_node(old: Forked | None = None) -> Forked:
            if old is not None:
                await old.die()
            new = next(alive)
            ports[:] = [new.port]
            return new

        async with Browser() as one, Browser() as two:
            browsers = dict(zip(CHANNELS, (one, two), strict=True))
            node = await next_node()
            trips = {name: app.begin() for name in CHANNELS}
            for browser in browsers.values():
                browser.stop = lambda navigation: navigation.url.startswith(f"{app.issuer}login?")
            tabs = {name: await browsers[name].open(trips[name].url) for name in CHANNELS}
            node = await next_node(node)
            for tab in tabs.values():
                await tab.resume()
            node = await next_node(node)
            await each(tabs, app, "to the callback")
            node = await next_node(node)
            await each(tabs, app, "to the app")
            node = await next_node(node)
            tokens = [(await app.redeem(trips[name], arrived(tabs[name])["code"])).json for name in CHANNELS]
            node = await next_node(node)
            people = [(await app.userinfo(each["access_token"])).json["sub"] for each in tokens]
            assert people == ["oidc|front|mira", "oidc|back|mira"]
            assert [(await app.refresh(each["refresh_token"])).status for each in tokens] == [200, 200]
            again = [await browser.open(app.begin(prompt="none").url) for browser in browsers.values()]
            assert all(arrived(tab)["code"] for tab in again)
            assert kinds(server)["session"] == 2
    check_store(server, app.secrets)


async def each(tabs: dict[str, Tab], app: PlainApp, where: str) -> None:
    """Bring every tab one step on."""
    for name, tab in tabs.items():
        if where == "to the callback":
            tab.browser.stop = lambda navigation: navigation.url.startswith(f"{app.issuer}login/callback")
            await tab.click(f"{name} login")
            await tab.click(MIRA.name)
        else:
            stop_at_the_app(tab.browser)
            await tab.resume()


@pytest.mark.parametrize("moment", ["before the write", "before the answer"])
async def test_ft_21_a_node_dies_in_a_token_request(moment: str, tmp_path: Path, server: Valkey) -> None:
    """FT-21: killed between taking the code and writing the tokens, or between that and the answer: the client's retry
    at the other node is ``invalid_grant``, and no token of the grant is good."""
    async with line(server.socket_path) as way, Browser() as browser:
        async with fleet(tmp_path, [f"redis://127.0.0.1:{way.port}/0", server.url]) as ((first, second), app, ports):
            ports[:] = [first.port]
            trip = app.begin(connection="back")
            tab = await stop_at_the_app(browser).open(trip.url)
            await tab.click(MIRA.name)
            way.halt, way.mute = (b"}:grant", b"") if moment == "before the write" else (b"", b"}:grant")
            asked = asyncio.create_task(app.redeem(trip, arrived(tab)["code"]))
            await asyncio.wait_for(way.struck.wait(), 10)
            await first.die()
            assert (await asked).status == 0
            ports[:] = [second.port]
            again = await app.redeem(trip, arrived(tab)["code"])
            assert (again.status, again.error) == (400, "invalid_grant")
            names = server.command("KEYS", "*:grant").split(b"\r\n")
            lives = [int(server.command("TTL", n).strip()[1:]) for n in names if n.startswith(b"isthmus:")]
            assert all(0 < life <= 600 for life in lives)  # a tombstone; a grant would live for a day
            assert moment == "before the answer" or "access" not in kinds(server)
    check_store(server, app.secrets)
