"""The pool of connections to apps: who is used again, who is closed, whom of several servers is asked."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import cast

import pytest

from proxy.gateway import upstreams
from proxy.gateway.connecting import CannotConnect
from proxy.gateway.upstreams import Pooled, Server, Servers, Upstreams
from proxy.models.route import Route
from tests.kit.listener import listening
from tests.kit.waiting import eventually


class Back(Pooled):
    """A connection as the reverse proxy has it: knows when it ends, and that nothing may come while it waits."""

    def __init__(self, server: Server[Back]) -> None:
        self.server = server
        self.ended = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.wire = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed = True
        self.server.gone(self)
        self.ended.set()

    def close(self) -> None:
        self.closed = True
        self.wire.abort()


class App:
    """A server that keeps every connection; a test may say something on them, or end them."""

    def __init__(self) -> None:
        self.port = 0
        self.ends: list[asyncio.StreamWriter] = []

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    async def take(self, near: asyncio.StreamReader, out: asyncio.StreamWriter) -> None:
        """One connection."""
        self.ends.append(out)
        await near.read()


@asynccontextmanager
async def app(port: int = 0) -> AsyncIterator[App]:
    """One, for the time of the block."""
    made = App()
    async with listening(made.take, port=port) as made.port:
        yield made


@asynccontextmanager
async def pool(*urls: str, **more: object) -> AsyncIterator[Servers[Back]]:
    """The servers of one route."""
    made: Upstreams[Back] = Upstreams(Back)
    try:
        yield made.of(route(*urls, **more))
    finally:
        made.close()
        await asyncio.sleep(0)


def route(*urls: str, **more: object) -> Route:
    """With these servers."""
    return Route.model_validate({"host": "app.example.com", "upstream": urls, **more})


@asynccontextmanager
async def nobody() -> AsyncIterator[str]:
    """An address that refuses."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{closed.getsockname()[1]}"


def later(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    """The loop's clock goes on by so many seconds."""
    loop = asyncio.get_running_loop()
    now = loop.time
    monkeypatch.setattr(loop, "time", lambda: now() + seconds)


async def until(one: App, taken: int) -> None:
    """It has so many connections: ours is open before it knows of it."""

    async def has() -> bool:
        return len(one.ends) == taken

    await eventually(has)


async def test_the_one_used_last_is_used_next() -> None:
    """So that those nobody needs grow old."""
    async with app() as one, pool(one.url) as servers:
        assert servers.idle() is None
        first, second = await servers.connect(), await servers.connect()
        servers.give_back(first)
        servers.give_back(second)
        assert [servers.idle(), servers.idle(), servers.idle()] == [second, first, None]


async def test_routes_with_the_same_servers_share_them() -> None:
    """If the same is trusted, and they wait as long."""
    made: Upstreams[Back] = Upstreams(Back)
    there = "http://127.0.0.1:8080"
    first = made.of(route(there))
    assert made.of(route(there, path_prefix="/admin")) is first
    assert made.of(route(there, timeouts={"connect": 1})) is not first
    assert made.of(route("https://127.0.0.1:8080")) is not first


async def test_ft_42_a_connection_that_the_app_closed_is_not_used() -> None:
    """FT-42: its end is seen while it waits."""
    async with app() as one, pool(one.url) as servers:
        back = await servers.connect()
        servers.give_back(back)
        await until(one, 1)
        one.ends[0].transport.abort()
        await asyncio.wait_for(back.ended.wait(), 10)
        assert servers.idle() is None
        assert servers.all[0].under_way == 0


async def test_ft_42_a_closed_one_is_skipped_and_never_taken_back() -> None:
    """FT-42: also when the end is known and its event is still to come."""
    async with app() as one, pool(one.url) as servers:
        good, bad = await servers.connect(), await servers.connect()
        servers.give_back(good)
        servers.give_back(bad)
        bad.close()
        assert servers.idle() is good
        good.close()
        servers.give_back(good)
        assert servers.idle() is None
        assert not servers.all[0].open


async def test_ft_61_bytes_out_of_turn_close_a_waiting_connection() -> None:
    """FT-61: an answer that nobody asked for is nobody's."""
    async with app() as one, pool(one.url) as servers:
        back = await servers.connect()
        servers.give_back(back)
        await until(one, 1)
        one.ends[0].write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        await asyncio.wait_for(back.ended.wait(), 10)
        assert servers.idle() is None


async def test_ft_42_after_fifteen_seconds_it_is_too_old(monkeypatch: pytest.MonkeyPatch) -> None:
    """FT-42: closed when it is asked for."""
    async with app() as one, pool(one.url) as servers:
        back = await servers.connect()
        servers.give_back(back)
        later(monkeypatch, upstreams.IDLE_SECONDS + 1)
        assert servers.idle() is None
        assert back.closed


async def test_ft_42_who_waits_too_long_is_closed_without_being_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """FT-42: swept now and then, the young ones stay."""
    monkeypatch.setattr(upstreams, "SWEEP_SECONDS", 0.01)
    async with app() as one, pool(one.url) as servers:
        old, young = await servers.connect(), await servers.connect()
        servers.give_back(old)
        servers.give_back(young)
        old.since -= upstreams.IDLE_SECONDS + 1
        await asyncio.wait_for(old.ended.wait(), 10)
        assert servers.idle() is young


async def test_ft_41_no_connection_lives_longer_than_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    """FT-41: one in constant use, too, so that a server that moved is found."""
    async with app() as one, pool(one.url) as servers:
        back = await servers.connect()
        later(monkeypatch, upstreams.LIFE_SECONDS + 1)
        servers.give_back(back)
        assert back.closed
        assert servers.idle() is None


async def test_connections_are_bounded_and_nobody_queues(monkeypatch: pytest.MonkeyPatch) -> None:
    """The one too many hears "busy", which is ours to say: 503. The server is not put aside for it."""
    monkeypatch.setattr(upstreams, "MOST", 2)
    async with app() as one, pool(one.url) as servers:
        first, _ = await servers.connect(), await servers.connect()
        with pytest.raises(CannotConnect) as failed:
            await servers.connect()
        assert (failed.value.reason, failed.value.status) == ("busy", 503)
        assert servers.all[0].aside_until == 0
        first.close()
        await asyncio.wait_for(first.ended.wait(), 10)
        assert await servers.connect()


async def test_the_server_with_the_fewest_exchanges_is_asked() -> None:
    """And equals in turns."""
    async with app() as one, app() as two, pool(one.url, two.url) as servers:
        held = [await servers.connect() for _ in range(6)]
        await until(one, 3)
        await until(two, 3)
        for back in held:
            if back.server is servers.all[0]:
                servers.give_back(back)
        for _ in range(3):
            free = servers.idle()
            assert free is not None
            assert free.server is servers.all[0]


async def test_one_that_refuses_is_put_aside_and_the_next_one_asked(caplog: pytest.LogCaptureFixture) -> None:
    """Everybody is served, and it is tried again after some seconds; the log says so once."""
    async with app() as one, nobody() as closed, pool(closed, one.url) as servers:
        for _ in range(4):
            assert (await servers.connect()).server is servers.all[1]
        assert servers.all[0].aside_until > asyncio.get_running_loop().time()
    assert [record.message for record in caplog.records].count("app_unreachable") == 1


async def test_one_that_is_back_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """When its time aside is over."""
    async with nobody() as closed:
        port = int(closed.rpartition(":")[2])
    async with app() as one, pool(closed, one.url) as servers:
        await servers.connect()
        await servers.connect()
        later(monkeypatch, upstreams.ASIDE_SECONDS + 1)
        async with app(port) as two:
            await servers.connect()
            await until(two, 1)


async def test_a_silent_server_leaves_time_for_the_next() -> None:
    """Both within the one deadline of the route."""
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()  # takes the connection, and never shakes hands
        urls = (f"https://127.0.0.1:{silent.getsockname()[1]}",)
        async with app() as one, pool(*urls, one.url, timeouts={"connect": 0.4}) as servers:
            for _ in range(2):
                assert (await servers.connect()).server is servers.all[1]


async def test_if_all_are_aside_they_are_asked_all_the_same() -> None:
    """Nobody is served from a guess, and nobody is sent away for one."""
    async with app() as one, pool(one.url, one.url) as servers:
        for server in servers.all:
            server.put_aside(asyncio.get_running_loop().time(), "unreachable")
            server.healthy = False
        assert await servers.connect()


async def test_if_all_fail_the_reason_is_told() -> None:
    """502, and nothing is left counted."""
    async with nobody() as one, nobody() as two, pool(one, two) as servers:
        with pytest.raises(CannotConnect) as failed:
            await servers.connect()
        assert (failed.value.reason, failed.value.status) == ("unreachable", 502)
        assert [server.under_way for server in servers.all] == [0, 0]


async def test_who_gives_up_waiting_is_not_counted() -> None:
    """A client that leaves while we connect."""
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        async with pool(f"https://127.0.0.1:{silent.getsockname()[1]}") as servers:
            opening = asyncio.create_task(servers.connect())
            await asyncio.sleep(0.05)
            assert servers.all[0].under_way == 1
            opening.cancel()
            await asyncio.wait([opening])
            assert servers.all[0].under_way == 0


async def test_all_are_closed_at_the_end() -> None:
    """Those that wait, those in use, and those given back afterwards."""
    made: Upstreams[Back] = Upstreams(Back)
    async with app() as one:
        servers = made.of(route(one.url))
        waiting, used = await servers.connect(), await servers.connect()
        servers.give_back(waiting)
        made.close()
        assert waiting.closed
        assert used.closed
        servers.give_back(used)
        assert servers.idle() is None


async def test_only_servers_with_a_path_for_it_are_checked() -> None:
    """Each once, with all the routes that share it."""
    there = "http://127.0.0.1:8080"
    plain, one, two = (route(there), route(there, health_path="/up"), route(there, health_path="/up", name="two"))
    made: Upstreams[Back] = Upstreams(Back, [plain, one, two])
    assert made.checked() == [(made.of(one), [one, two])]
