"""The gateway while something fails: in doubt, nobody gets in, and nothing is left behind."""

from __future__ import annotations

import asyncio
import json
import os
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from proxy.store.redis import RedisStore
from proxy.store.sealing import Seal
from proxy.web.porch import PORCH
from tests.journeys.conftest import lab_tenant
from tests.kit.gateway import HERE, Gated, gated
from tests.kit.isthmus import OWN_SECRET
from tests.kit.line import Line, line
from tests.kit.valkey import Valkey
from tests.kit.waiting import eventually

FETCH = "Sec-Fetch-Mode: cors"


@asynccontextmanager
async def behind_a_line(directory: Path, server: Valkey, **more: object) -> AsyncIterator[tuple[Gated, Line]]:
    """A gateway whose store can be taken away."""
    async with line(server.socket_path) as way, lab_tenant() as tenant:
        store = RedisStore(f"redis://127.0.0.1:{way.port}/0", Seal([OWN_SECRET.encode()]))
        try:
            async with gated(directory, store, tenant, route={"public_paths": ["/public"], **more}) as world:
                yield world, way
        finally:
            await store.close()


@pytest.mark.parametrize("fault", ["refused", "black hole"])
async def test_ft_01_ft_02_the_store_is_away(tmp_path: Path, server: Valkey, fault: str) -> None:
    """FT-01, FT-02, P1: 503 with Retry-After within the deadlines of the store, nothing reaches the app, public paths
    work, no cookie is deleted; and all is well again once the store is."""
    async with behind_a_line(tmp_path, server) as (world, way):
        await world.log_in()
        cookie = f"Cookie: {world.cookie()}"
        assert (await world.ask(cookie, FETCH)).status == 200
        if fault == "refused":
            await way.shut()
        else:
            way.hold = True

        async def doubted() -> bool:
            return (await world.ask(cookie, FETCH)).status == 503

        await eventually(doubted, within=5)  # what is held is dropped when the link is lost
        heard = len(world.app.heads)
        answers = [await world.ask(cookie, FETCH) for _ in range(3)]
        page = await world.ask(cookie, "Accept: text/html")
        assert [a.status for a in (*answers, page)] == [503] * 4
        assert all(a.header("Retry-After") and a.header("Cache-Control") == "no-store" for a in (*answers, page))
        assert not any("set-cookie" in a.head.lower() for a in (*answers, page))
        assert len(world.app.heads) == heads_of(world) == heard
        assert (await world.ask(target="GET /public")).status == 200
        if fault == "refused":
            await way.open()
        else:
            way.hold = False
            way.cut()

        async def well() -> bool:
            return (await world.ask(cookie, FETCH)).status == 200

        await eventually(well, within=10)


def heads_of(world: Gated) -> int:
    """How many requests the app got."""
    return len(world.app.heads)


async def test_ft_59_clients_that_leave_at_any_point_leave_nothing_behind(tmp_path: Path, server: Valkey) -> None:
    """FT-59: hundreds of requests, each cut at some byte or some moment; then tasks, files, connections to the app,
    places in the crowd and exchanges of sessions are what they were."""
    seed = int.from_bytes(os.urandom(4))
    print("seed", seed)
    chance = random.Random(seed)  # a test's choices, printed
    async with behind_a_line(tmp_path, server) as (world, _):
        await world.log_in()
        head = f"POST /x HTTP/1.1\r\nHost: {HERE}:{world.port}\r\nCookie: {world.cookie()}\r\n{FETCH}\r\n"
        whole = f"{head}Content-Length: 20000\r\n\r\n".encode() + b"a" * 20_000
        gets = [head.replace("POST /x", f"GET /{path}").encode() + b"\r\n" for path in ("", "events", "poll")]
        tasks = len(asyncio.all_tasks())

        async def leave() -> None:
            _, out = await asyncio.open_connection(HERE, world.port)
            raw = chance.choice((whole, *gets))
            out.write(raw[: chance.randrange(1, len(raw) + 1)])
            await asyncio.sleep(chance.choice((0, 0, 0.001, 0.01)))
            out.transport.abort()

        for _ in range(15):
            await asyncio.gather(*(leave() for _ in range(20)))
        proxy = world.node.site[PORCH]
        streams, upstreams = proxy.streams, proxy.upstreams  # type: ignore[attr-defined]  # what a test may know of it

        async def at_rest() -> bool:
            busy = [server.under_way for servers in upstreams._shared.values() for server in servers.all]
            return not any(busy) and not list(streams.sids()) and not proxy.crowd.guests  # type: ignore[attr-defined]

        await eventually(at_rest, within=15)

        async def few_tasks() -> bool:
            return len(asyncio.all_tasks()) <= tasks + 2

        world.app.go_on.set()
        await eventually(few_tasks, within=15)
        assert (await world.ask(f"Cookie: {world.cookie()}", FETCH)).status == 200


async def test_ft_62_nothing_of_one_person_goes_to_another_over_a_pooled_connection(
    tmp_path: Path, server: Valkey
) -> None:
    """FT-62, FT-61: requests of many people, all over few connections: each answer is about who asked."""
    async with behind_a_line(tmp_path, server) as (world, _):
        await world.log_in()
        cookie = f"Cookie: {world.cookie()}"

        async def one(number: int) -> None:
            mine = (cookie,) if number % 2 else ()
            answer = await world.ask(*mine, FETCH, f"X-Mine: {number}", target="GET /public" if not mine else "GET /a")
            told = json.loads(answer.body)["headers"]
            assert told["x-mine"] == str(number)
            assert ("x-forwarded-user" in told) is bool(mine)

        await asyncio.gather(*(one(number) for number in range(100)))


async def test_gw_08_gw_12_what_the_rules_saw_is_what_the_app_gets(tmp_path: Path, server: Valkey) -> None:
    """GW-08 to GW-12: below a public path, in every disguise: refused, or the app is asked for exactly what was
    decided; hosts and absolute targets that are not the route's go nowhere."""
    targets = ["/public/../admin", "/public/%2e%2e/admin", "/public/..%2fadmin", "/public//admin", "/public;/../admin",
               "/public/..;/admin", "/public\\..\\admin", "/public%5c..%5cadmin", "/public%00/admin", "/public/./admin",
               "/publicadmin", "/PUBLIC", "/admin?x=/public", "/admin#/public", "/admin%3f/public", "//public",
               "/%2e/public", "http://127.0.0.1/public", "*", "public"]  # fmt: skip
    async with behind_a_line(tmp_path, server) as (world, _):
        for target in targets:
            answer = await world.send(
                f"GET {target} HTTP/1.1\r\nHost: {HERE}:{world.port}\r\n{FETCH}\r\nConnection: close\r\n\r\n".encode()
            )
            assert answer.status in (400, 401), target
        for host in ("evil.example", "a@b", f"{HERE}:99999", 'x"/><script>', f"{HERE}.", "", f"[{HERE}]"):
            answer = await world.send(f"GET /public HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
            assert answer.status in (400, 421), host
            assert b"<script>" not in answer.raw
        assert world.app.heads == []
        answer = await world.ask(target="GET /%70ublic/%7Ea?%2e%2e")
        assert answer.status == 200
        assert world.app.targets == ["/public/~a?%2e%2e"]
