"""The health doors tell the truth, quickly, to those who may ask."""

from __future__ import annotations

import asyncio

import pytest
from aiohttp import web

from proxy.oidc.errors import Unavailable
from proxy.web import health
from proxy.web.health import Health
from proxy.web.limits import Capacity
from tests.kit.serving_site import knocking, until


class Clock:
    """A store that answers its clock, or not; and counts who asks."""

    def __init__(self) -> None:
        self.works, self.asked = True, 0

    async def ping(self) -> float:
        self.asked += 1
        if not self.works:
            raise Unavailable("redis at 10.1.2.3")
        return 1000.0


async def hello(_: web.Request) -> web.Response:
    return web.Response(text="hello")


async def test_ft_70_alive_asks_nobody_ready_asks_the_store() -> None:
    """A store that is away makes us not ready, never dead; neither answer says why (FT-70, FT-01)."""
    store = Clock()
    store.works = False
    async with knocking(hello, health=Health(store.ping, lambda: True, lambda: 1000)) as site:
        alive, ready = await site.ask("/healthz"), await site.ask("/readyz")
    assert (alive.status, ready.status) == (200, 503)
    assert ready.body == b"not ready"


async def test_ft_70_readiness_remembers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many probes are one question to the store, also at one moment; after the memory ends it is asked anew (FT-70)."""
    store = Clock()
    asked = Health(store.ping, lambda: True, lambda: 1000)
    assert await asyncio.gather(*(asked.ready() for _ in range(20))) == [True] * 20
    assert store.asked == 1
    store.works = False
    assert await asked.ready()
    monkeypatch.setattr(health, "MEMORY", 0.0)
    assert not await asked.ready()


async def test_ft_70_without_keys_not_ready() -> None:
    """Who cannot sign is not ready (FT-70)."""
    assert not await Health(Clock().ping, lambda: False, lambda: 1000).ready()


async def test_ft_22_who_drains_is_not_ready() -> None:
    """The first step down is to say no to new work (FT-22)."""
    leaving = Health(Clock().ping, lambda: True, lambda: 1000)
    leaving.draining = True
    assert not await leaving.ready()


async def test_ft_47_clocks_that_differ_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """A node whose clock is off says so, and serves (FT-47)."""
    told: list[tuple[str, dict[str, object]]] = []
    monkeypatch.setattr(health.logs, "seldom", lambda name, **fields: told.append((name, fields)))
    assert await Health(Clock().ping, lambda: True, lambda: 1004).ready()
    assert told == []
    assert await Health(Clock().ping, lambda: True, lambda: 1006).ready()
    assert told == [("clocks_differ", {"seconds": -6.0})]


async def test_ft_70_health_answers_under_overload() -> None:
    """With every place taken the doors still answer (FT-70)."""
    go = asyncio.Event()

    async def slow(_: web.Request) -> web.Response:
        await go.wait()
        return web.Response()

    capacity = Capacity(running=1, waiting=0)
    async with knocking(slow, health=Health(Clock().ping, lambda: True, lambda: 1000), capacity=capacity) as site:
        running = asyncio.create_task(site.ask())
        await until(site.runner.gate._admission.full)
        assert [(await site.ask(door)).status for door in ("/healthz", "/readyz", "/")] == [200, 200, 503]
        go.set()
        await running


@pytest.mark.parametrize(
    ("trusted", "headers", "status"),
    [
        ((), {}, 200),
        ((), {"X-Forwarded-For": "127.0.0.1"}, 403),
        ((), {"Forwarded": "for=127.0.0.1"}, 403),
        (("127.0.0.0/8",), {"X-Forwarded-For": "192.0.2.7"}, 403),
        (("127.0.0.0/8",), {"X-Forwarded-For": "127.0.0.9"}, 200),
        (("127.0.0.0/8",), {}, 200),
    ],
)
async def test_cf_07_metrics_are_for_this_machine(
    trusted: tuple[str, ...], headers: dict[str, str], status: int
) -> None:
    """Metrics answer loopback and trusted proxies, not who comes through them or claims to be near (CF-07)."""
    probe = Health(Clock().ping, lambda: True, lambda: 1000)
    async with knocking(hello, health=probe, trusted=trusted) as site:
        answer = await site.ask("/metrics", headers=headers)
    assert answer.status == status
    assert (b"isthmus_requests" in answer.body) is (status == 200)


@pytest.mark.parametrize("path", ["/debug", "/docs", "/metrics/", "/healthz/x"])
async def test_cf_07_there_are_no_other_doors(path: str) -> None:
    """Nothing else answers beside the site (CF-07)."""
    async with knocking(hello, health=Health(Clock().ping, lambda: True)) as site:
        assert (await site.ask(path)).status == 404
