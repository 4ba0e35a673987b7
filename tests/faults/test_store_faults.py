"""The store fails under a whole node: lost answers, an empty restart, silence and slowness under load."""

from __future__ import annotations

import asyncio
import time
from collections import Counter

import pytest

from proxy.http.crowd import Limits
from tests.faults.conftest import Wholes
from tests.kit.invariants import held, kinds
from tests.kit.plain_app import Told, arrived
from tests.kit.waiting import eventually
from tests.kit.whole import CHANNELS, Whole

CODE, GRANT, TRIP = b"}:code", b"}:grant", b"}:transaction:"
MANY = Limits(per_address=2000)
"""The tests' many people all come from one address."""


@pytest.mark.parametrize("lost", [CODE, GRANT], ids=["the take", "the tokens"])
async def test_ft_10_the_answer_is_lost_at_the_token_endpoint(lost: bytes, wholes: Wholes) -> None:
    """FT-10: the store took the code (or wrote the tokens) and its answer is lost: 503, then ``invalid_grant``, and in
    the end no token exists: never two sets, and the take was sent once."""
    async with wholes() as world:
        trip, tab = await world.depart()
        await tab.click("Mira")
        code = arrived(tab)["code"]
        before = takes(world)
        world.line.lose = lost
        first = await world.app.redeem(trip, code)
        assert (first.status, first.error) == (503, "temporarily_unavailable")
        assert lost != CODE or takes(world) == before + 1
        again = await world.app.redeem(trip, code)
        assert (again.status, again.error) == (400, "invalid_grant")
        assert alive(world) == 0


def takes(world: Whole) -> int:
    """How many scripts the server has run: a take is one."""
    return world.server.calls("evalsha")


def alive(world: Whole) -> int:
    """How many grants there are, but for tombstones: those live for ten minutes, a grant for a day."""
    return sum(key.endswith(b":grant") and life > 600 for key, (life, _) in held(world.server).items())


@pytest.mark.parametrize("channel", CHANNELS)
async def test_ft_10_the_answer_is_lost_at_the_callback(channel: str, wholes: Wholes) -> None:
    """FT-10: a transaction taken without an answer is a 503 page, then "start again", and then a login."""
    async with wholes(channel) as world:
        _, tab = await world.at_the_door()
        world.line.lose = TRIP
        assert (await tab.resume()).status == 503
        assert (await tab.reload()).status == 400
        assert "session" not in kinds(world.server)
        await world.log_in()


async def test_ft_10_the_answer_is_lost_at_a_rotation(wholes: Wholes) -> None:
    """FT-10: a refresh whose answer is lost was done once: the old token is refused, and there are never two heads."""
    async with wholes() as world:
        tokens = (await world.log_in()).tokens
        world.line.lose = b"}:access"
        assert (await world.app.refresh(tokens["refresh_token"])).status == 503
        again = await world.app.refresh(tokens["refresh_token"])
        assert (again.status, again.error) == (400, "invalid_grant")
        assert kinds(world.server)["grant"] == 1


@pytest.mark.parametrize("channel", CHANNELS)
async def test_ft_03_the_store_restarts_empty(channel: str, wholes: Wholes) -> None:
    """FT-03: everybody is asked to log in again; codes, tokens and transactions are gone, nothing is a 500, and a new
    login works at once."""
    async with wholes(channel) as world:
        login = await world.log_in()
        unused_trip, tab = await world.depart()
        _, back = await world.at_the_door()
        world.server.stop()
        world.server.start()
        world.line.cut()
        tokens, app = login.tokens, world.app
        code, refresh, info = await asyncio.gather(
            app.redeem(unused_trip, arrived(tab)["code"]),
            app.refresh(tokens["refresh_token"]),
            app.userinfo(tokens["access_token"]),
        )
        assert [(t.status, t.error) for t in (code, refresh)] == [(400, "invalid_grant")] * 2
        assert (info.status, info.error) == (401, "invalid_token")
        assert (await back.resume()).status == 400
        assert (await world.browser.open(f"{world.issuer}oidc/logout")).page.status == 200
        _, form = await world.depart(prompt="login")
        assert "Mira" in " ".join(form.page.names)
        await world.log_in()


async def crowd(world: Whole, people: int) -> tuple[list[Told], float]:
    """So many requests of all kinds at once; the answers and how long the last took."""
    trip = world.app.begin()
    ways = (
        lambda: world.app.ask(trip.url, headers={"Accept": "text/html"}),
        lambda: world.app.userinfo("x" * 43),
        lambda: world.app.redeem(trip, "x" * 43),
        lambda: world.app.refresh(f"{'x' * 22}.{'y' * 43}.{'z' * 43}"),
    )
    began = time.monotonic()
    told = await asyncio.gather(*(ways[n % len(ways)]() for n in range(people)))
    return told, time.monotonic() - began


async def test_ft_02_two_hundred_at_a_black_hole(wholes: Wholes) -> None:
    """FT-02: with a silent store two hundred requests are all 503 within their deadline, on one pool of sockets, and
    leave no task behind; when it speaks again, all is well."""
    async with wholes(limits=MANY) as world:
        await world.log_in()
        before = world.open_ends()
        world.line.hold = True
        told, seconds = await crowd(world, 200)
        assert Counter(t.status for t in told) == {503: 200}
        assert seconds < 6
        assert world.line.accepted < 64 * 3
        assert world.line.connections <= 64
        world.line.hold = False
        world.line.cut()
        await world.at_rest(before)
        await world.log_in()


async def test_ft_13_the_pool_is_exhausted(wholes: Wholes) -> None:
    """FT-13: five hundred requests at a store that takes a second for each: 503 within a bounded time and no 500, alive
    meanwhile, and well again as soon as the store is."""
    async with wholes(limits=MANY) as world:
        await world.log_in()
        before = world.open_ends()
        world.line.latency = 1.0
        load = asyncio.create_task(crowd(world, 500))
        health = await world.app.ask("healthz")
        assert (health.status, load.done()) == (200, False)
        told, seconds = await load
        assert Counter(t.status for t in told) == {503: 500}
        assert seconds < 12
        world.line.latency = 0.0

        async def well() -> bool:
            return (await world.app.userinfo("x" * 43)).status == 401

        await eventually(well, within=3)
        await world.at_rest(before)
        await world.log_in()
