"""Real nodes are killed without grace, right before each step of a login and in the middle of a token request."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from proxy.lab.browser import Browser, Tab
from tests.kit.fleet_program import Forked, forked
from tests.kit.invariants import check_log, check_store, held, kinds
from tests.kit.isthmus import connection
from tests.kit.line import Line, line
from tests.kit.moody import moody
from tests.kit.plain_app import CLIENT, PlainApp, Told, arrived, stop_at_the_app
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


MOMENTS = {"before the take": b"}:code", "before the write": b"}:grant", "before the answer": b"}:grant"}


async def test_ft_21_a_node_dies_in_a_token_request(tmp_path: Path, server: Valkey) -> None:
    """FT-21: killed before the code is taken: the client's retry at the other node succeeds. Killed after it, before
    the tokens are written or the answer is sent: the retry is ``invalid_grant``, and no token of the grant is good."""
    async with AsyncExitStack() as stack, Browser() as browser:
        ways = [await stack.enter_async_context(line(server.socket_path)) for _ in MOMENTS]
        redis = [f"redis://127.0.0.1:{way.port}/0" for way in ways]
        (*doomed, last), app, ports = await stack.enter_async_context(fleet(tmp_path, [*redis, server.url]))
        stop_at_the_app(browser)
        for moment, way, node in zip(MOMENTS, ways, doomed, strict=True):
            forget_grants(server)
            again = await retried(app, browser, Doomed(moment, way, node), last, ports)
            expected = (200, "") if moment == "before the take" else (400, "invalid_grant")
            assert (again.status, again.error) == expected, moment
            assert grants_alive(server) == (moment == "before the take"), moment
            assert ("access" in kinds(server)) is (moment != "before the write"), moment
    check_store(server, app.secrets)


@dataclass(frozen=True)
class Doomed:
    """A node, the way from it to the store, and when it dies."""

    moment: str
    way: Line
    node: Forked


async def retried(app: PlainApp, browser: Browser, doomed: Doomed, other: Forked, ports: list[int]) -> Told:
    """A login whose token request the doomed node does not survive; what the other node says to the next try."""
    ports[:] = [doomed.node.port]
    trip = app.begin(connection="back")
    tab = await browser.open(trip.url)
    if not arrived(tab):
        await tab.click(MIRA.name)
    code = arrived(tab)["code"]
    setattr(doomed.way, "mute" if doomed.moment == "before the answer" else "halt", MOMENTS[doomed.moment])
    asked = asyncio.create_task(app.redeem(trip, code))
    await asyncio.wait_for(doomed.way.struck.wait(), 10)
    await doomed.node.die()
    assert (await asked).status == 0
    ports[:] = [other.port]
    return await app.redeem(trip, code)


def forget_grants(server: Valkey) -> None:
    """Begin each case without the grants and tokens of the one before."""
    for key in held(server):
        if key.endswith((b":grant", b":access")):
            server.command("DEL", key)


def grants_alive(server: Valkey) -> int:
    """How many grants there are, but for tombstones: those live for ten minutes, a grant for a day."""
    return sum(key.endswith(b":grant") and life > 600 for key, (life, _) in held(server).items())
