"""Bad clients of a whole node: slow ones, endless ones, and those that go away at any point."""

from __future__ import annotations

import asyncio
import os
import random
import socket
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from urllib.parse import urlsplit

import pytest

from proxy.http.crowd import Limits
from proxy.lab.browser import Browser
from tests.faults.conftest import Wholes
from tests.kit.plain_app import BASIC, stop_at_the_app
from tests.kit.serving_site import answered
from tests.kit.whole import Whole

QUICK = Limits(head=1.0, body=1.5, rate_after=1.0, stall=1.0, per_address=2000)
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Kind = Callable[[Whole, Streams], Awaitable[None]]


async def silent(world: Whole, streams: Streams) -> None:
    """Says nothing."""


async def header_drip(world: Whole, streams: Streams) -> None:
    """A header that never ends."""
    streams[1].write(b"GET /authorize HTTP/1.1\r\n")
    while True:
        streams[1].write(b"X-A: b\r\n")
        await asyncio.sleep(0.1)


async def body_drip(world: Whole, streams: Streams) -> None:
    """A body that comes byte by byte."""
    head = f"POST /oauth/token HTTP/1.1\r\nHost: {urlsplit(world.issuer).netloc}\r\nAuthorization: {BASIC}\r\n"
    streams[1].write(head.encode() + b"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 900\r\n\r\n")
    while True:
        streams[1].write(b"a")
        await asyncio.sleep(0.1)


async def slow_reader(world: Whole, streams: Streams) -> None:
    """Asks again and again and reads nothing."""
    streams[0]._transport.pause_reading()  # type: ignore[attr-defined]
    ask = f"GET /.well-known/jwks.json HTTP/1.1\r\nHost: {urlsplit(world.issuer).netloc}\r\n\r\n".encode()
    while True:
        streams[1].write(ask * 20)
        await asyncio.sleep(0.02)


EACH: Mapping[Kind, int] = {silent: 40, header_drip: 40, body_drip: 40, slow_reader: 8}
"""A reader that does not read costs us megabytes of answers before a buffer is full: a few are enough."""


async def until_cut(world: Whole, kind: Kind) -> float:
    """Be such a client until the server ends it; seconds that took."""
    began = time.monotonic()
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    sock.setblocking(False)
    await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", world.port))
    streams = await asyncio.open_connection(sock=sock, limit=1024)
    talk = asyncio.ensure_future(kind(world, streams))
    try:
        async with asyncio.timeout(30):
            while not streams[1].is_closing() and not streams[0].at_eof():
                if kind is not slow_reader:
                    with suppress(OSError):
                        await asyncio.wait_for(streams[0].read(1024), 0.2) if not streams[0].at_eof() else None
                else:
                    await asyncio.sleep(0.1)
    except TimeoutError:
        raise AssertionError(f"{kind.__name__} was never cut") from None
    finally:
        talk.cancel()
        with suppress(asyncio.CancelledError, OSError, RuntimeError):  # uvloop: written to a closed transport
            await talk
        streams[1].transport.abort()
    return time.monotonic() - began


async def test_ft_53_slow_clients_are_cut_and_others_served(wholes: Wholes) -> None:
    """FT-53: dozens of connections of four slow kinds are cut by their deadlines while people log in unhindered."""
    async with wholes(limits=QUICK) as world:
        await world.log_in()
        before = world.open_ends()
        crowd = [asyncio.create_task(until_cut(world, kind)) for kind in EACH for _ in range(EACH[kind])]
        logins = 0
        while not all(one.done() for one in crowd):
            async with Browser() as browser:
                await world.log_in(stop_at_the_app(browser))
            logins += 1
        assert logins >= 3
        assert max([await one for one in crowd]) < 20
        await world.at_rest(before)


def requests_of(world: Whole) -> list[bytes]:
    """One request of each kind, as bytes."""
    host = urlsplit(world.issuer).netloc
    form = b"grant_type=authorization_code&code=" + b"x" * 43
    post = f"POST /oauth/token HTTP/1.1\r\nHost: {host}\r\nAuthorization: {BASIC}\r\n"
    post += f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(form)}\r\n\r\n"
    begin = urlsplit(world.app.begin().url)
    paths = (f"{begin.path}?{begin.query}", "/.well-known/jwks.json", "/oidc/logout", "/login/callback?state=x&code=y")
    return [post.encode() + form, *(f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode() for path in paths)]


async def goes_away(world: Whole, request: bytes, sent: int, patience: float) -> None:
    """Send so many bytes, wait a little, and be gone: half of them with a reset."""
    _, writer = await asyncio.open_connection("127.0.0.1", world.port)
    writer.write(request[:sent])
    await asyncio.sleep(patience)
    if sent % 2:
        writer.transport.abort()
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()


async def test_ft_59_people_who_leave_leave_nothing_behind(wholes: Wholes) -> None:
    """FT-59: after five hundred disconnects at random points, during logins, no task, file or connection is left over,
    and logins work."""
    seed = int.from_bytes(os.urandom(4))
    print(f"seed {seed}")
    chance = random.Random(seed)
    async with wholes(limits=Limits(per_address=2000)) as world:
        await world.log_in()
        world.line.latency = 0.005
        before = world.open_ends()
        for _ in range(10):
            leaving = []
            for _ in range(50):
                request = chance.choice(requests_of(world))
                sent = chance.choice([chance.randrange(len(request)), len(request)])
                leaving.append(goes_away(world, request, sent, chance.random() * 0.02))
            async with Browser() as browser:
                await asyncio.gather(world.log_in(stop_at_the_app(browser)), *leaving)
        world.line.latency = 0.0
        await world.at_rest(before)
        await world.log_in()


@pytest.mark.parametrize(
    ("request_line", "status"),
    [(f"GET /authorize?x={'a' * 9000} HTTP/1.1", 414), ("GET /authorize HTTP/1.1\r\nX-A: " + "a" * 9000, 431)],
    ids=["target", "header"],
)
async def test_ft_57_one_over_the_limit(request_line: str, status: int, wholes: Wholes) -> None:
    """FT-57: a request over a limit is told so, and the connection closed cleanly."""
    async with wholes() as world:
        reader, writer = await asyncio.open_connection("127.0.0.1", world.port)
        writer.write(f"{request_line}\r\nHost: {urlsplit(world.issuer).netloc}\r\nConnection: close\r\n\r\n".encode())
        async with asyncio.timeout(10):
            assert answered(await reader.read()).status == status
        writer.close()
