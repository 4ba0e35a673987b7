"""Clients and apps that leave at any moment, on both loops: whatever was under way, nothing of it stays (FT-59)."""

from __future__ import annotations

import asyncio
import gc
import os
import random
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import pytest
import uvloop

from tests.downstream.world import a_session
from tests.gateway.on_the_wire import Wire, on_the_wire
from tests.gateway.test_data_path import NAMED, SHAKE, SWITCH
from tests.gateway.test_front import CHUNKED, H, exchange, status_of
from tests.gateway.test_front_waits import Slow, nothing_is_left
from tests.kit.listener import listening
from tests.kit.raw_app import OK
from tests.kit.waiting import eventually

EACH, TURNS = 20, 20
GET = b"GET /%d HTTP/1.1\r\n" + H + b"\r\n"
REQUESTS = (
    GET,
    GET * 3,
    b"POST / HTTP/1.1\r\n" + H + b"Content-Length: 90000\r\n\r\n" + b"a" * 90_000 + GET,
    b"POST / HTTP/1.1\r\n" + H + b"Expect: 100-continue\r\nContent-Length: 9\r\n\r\n123456789",
    b"POST / HTTP/1.1\r\n" + H + CHUNKED + b"\r\n" + (b"1000\r\n" + b"b" * 4096 + b"\r\n") * 30 + b"0\r\n\r\n",
    SHAKE + NAMED + b"\r\n" + b"\x81\x82\x00\x00\x00\x00hi" * 5,
)
ANSWERS = (
    OK,
    b"HTTP/1.1 103 Early Hints\r\n\r\n" + OK,
    b"HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\n" + b"x" * 300_000,
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    + (b"1000\r\n" + b"y" * 4096 + b"\r\n") * 50
    + b"0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\n\r\n" + b"z" * 50_000,
    SWITCH + b"\x81\x02hi" * 5,
    b"nonsense\r\n\r\n",
)


@dataclass
class Moody:
    """An app that answers anything, or half of it, and leaves when it likes."""

    chance: random.Random
    calm: bool = False
    served: list[bytes] = field(default_factory=list)

    async def serve(self, near: asyncio.StreamReader, out: asyncio.StreamWriter) -> None:
        """One connection."""
        while True:
            head = await near.readuntil(b"\r\n\r\n")
            answer = OK if self.calm else self.chance.choice(ANSWERS)
            if not self.calm and self.chance.random() < 0.3:
                out.write(answer[: self.chance.randrange(len(answer))])
                if self.chance.random() < 0.5:
                    out.transport.abort()
                return
            out.write(answer)
            await out.drain()
            if b"length:" in head.lower() or b"chunked" in head or b"Length" not in answer:
                await asyncio.sleep(self.chance.choice((0, 0.01)))
                return


async def leave(wire: Wire, chance: random.Random) -> None:
    """One client: sends some of it, reads some, and goes in some way."""
    near, out = await asyncio.open_connection("127.0.0.1", wire.port)
    raw = chance.choice(REQUESTS)
    if chance.random() < 0.6:
        raw = raw[: chance.randrange(1, len(raw) + 1)]
    with suppress(ConnectionError, asyncio.TimeoutError):
        for at in range(0, len(raw), 40_000):
            out.write(raw[at : at + 40_000])
            await asyncio.sleep(0)
        await asyncio.sleep(chance.choice((0, 0, 0.001, 0.01, 0.03)))
        if chance.random() < 0.5:
            await asyncio.wait_for(near.read(chance.choice((1, 100, 100_000))), 0.05)
        if chance.random() < 0.2:
            out.write_eof()
            await asyncio.sleep(0)
    out.transport.abort()


def open_now() -> tuple[int, int]:
    """Tasks and files."""
    return len(asyncio.all_tasks()), len(os.listdir("/proc/self/fd"))


async def many_leave(chance: random.Random, *, slowly: bool) -> None:
    """Hundreds of them, and then everything is as it was, and works."""
    told = list[Any]()
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: told.append(context))
    app = Moody(chance)
    async with listening(app.serve) as port, on_the_wire(a_session(), port, websocket=True) as wire:
        door = wire.proxy.keeper
        if slowly:
            wire.proxy.keeper = Slow(door)  # type: ignore[arg-type]  # the doorman it has
            wire.proxy.keeper.go.set()
        await asyncio.sleep(0)
        before = open_now()
        for _ in range(TURNS):
            await asyncio.gather(*(leave(wire, chance) for _ in range(EACH)))
        await nothing_is_left(wire)

        async def as_before() -> bool:
            for server in wire.servers.all:
                for back in tuple(server.free):
                    server.drop(back)
            gc.collect()
            return all(now <= then for now, then in zip(open_now(), before, strict=True))

        await eventually(as_before)
        assert not any(server.open or server.opening for server in wire.servers.all)
        assert not wire.proxy.tunnels and not wire.proxy.crowd._by_address
        app.calm = True
        assert status_of(await exchange(wire, GET % 1 + b"", closes=False)) == 200
    assert not told


@pytest.mark.timeout(120)
@pytest.mark.parametrize("slowly", [False, True])
@pytest.mark.parametrize("factory", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_ft_59_whoever_leaves_at_any_point(factory: Callable[[], Any], slowly: bool) -> None:
    """FT-59: no task, file, place in the crowd, seat, exchange of a session or connection to an app is left; nothing is
    said of errors that nobody handled. ``slowly``: with a verdict that must be asked for."""
    seed = int.from_bytes(os.urandom(4))
    print("seed", seed)
    chance = random.Random(seed)  # a test's choices, printed
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(many_leave(chance, slowly=slowly))
