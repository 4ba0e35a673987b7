"""Deadlines and caps below HTTP, with the real server and bare sockets; deadlines are short."""

from __future__ import annotations

import asyncio

import pytest
from aiohttp import web

from proxy.http.crowd import Limits
from tests.kit.serving_site import HOST, SOON, answered, knocking, until

SHORT = Limits(head=0.2, body=0.4, rate=50_000, rate_after=0.2, stall=0.2, idle=0.3)
HEAD = b"GET / HTTP/1.1\r\nHost: %s\r\n"


async def hello(_: web.Request) -> web.Response:
    return web.Response(text="hello")


async def reader(request: web.Request) -> web.Response:
    return web.Response(text=str(len(await request.read())))


async def endless(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    for _ in range(1000):
        await response.write(b"x" * 65_536)
    return response


def alive(site: object) -> int:
    """How many connections the server holds."""
    return len(site.runner.server.connections)  # type: ignore[attr-defined]


async def dripping(port: int, start: bytes, drop: bytes) -> None:
    """Send ``start``, then ``drop`` again and again until the other end closes."""
    stream, writer = await asyncio.open_connection(HOST, port)
    gone = asyncio.create_task(stream.read())
    try:
        async with asyncio.timeout(SOON):
            writer.write(start)
            while not gone.done():
                writer.write(drop)
                await asyncio.wait({gone}, timeout=0.02)
    except ConnectionError:
        return
    finally:
        gone.cancel()
        await asyncio.gather(gone, return_exceptions=True)
        writer.close()


@pytest.mark.parametrize(
    ("start", "drop"),
    [
        (b"", b""),
        (b"GET / HT", b""),
        (b"GET / HTTP/1.1\r\n", b"X: y\r\n"),
        (b"POST / HTTP/1.1\r\nHost: %s\r\nContent-Length: 100000\r\n\r\n", b"z"),
    ],
    ids=["silent", "half_line", "header_drip", "body_drip"],
)
async def test_ds_01_ft_53_slow_senders_are_closed(start: bytes, drop: bytes) -> None:
    """Silent, half-line, dripping-header and dripping-body connections end at their deadline (DS-01, FT-53)."""
    async with knocking(reader, limits=SHORT) as site:
        await dripping(site.port, start.replace(b"%s", site.host.encode()), drop)
        await until(lambda: alive(site) == 0)
        assert (await site.ask()).status == 200


async def test_ds_01_ft_53_a_reader_that_never_reads_is_closed() -> None:
    """An answer of which no byte leaves ends the connection, and nothing of it stays behind (DS-01, FT-53)."""
    async with knocking(endless, limits=SHORT) as site:
        _, writer = await asyncio.open_connection(HOST, site.port, limit=1)
        writer.write(HEAD % site.host.encode() + b"\r\n")
        await until(lambda: alive(site) == 1)
        await until(lambda: alive(site) == 0)
        writer.close()


async def test_ds_01_idle_connections_end_and_busy_ones_do_not() -> None:
    """Between requests a connection may rest for a while, not for ever (DS-01)."""
    async with knocking(hello, limits=SHORT) as site:
        stream, writer = await asyncio.open_connection(HOST, site.port)
        for _ in range(2):
            writer.write(HEAD % site.host.encode() + b"\r\n")
            assert b"200 OK" in await stream.readuntil(b"hello")
        async with asyncio.timeout(SOON):
            assert await stream.read() == b""
        writer.close()


@pytest.mark.parametrize("trusted", [(), ("127.0.0.0/8",)])
async def test_ds_10_connections_of_one_address_are_capped(trusted: tuple[str, ...]) -> None:
    """One address holds so many connections and no more; a trusted proxy, who brings many people, may (DS-10)."""
    async with knocking(hello, limits=Limits(per_address=2), trusted=trusted) as site:
        held = [await asyncio.open_connection(HOST, site.port) for _ in range(2)]
        await until(lambda: alive(site) == 2)
        if trusted:
            assert (await site.ask()).status == 200
        else:
            with pytest.raises((ConnectionError, IndexError)):
                await site.ask()
        for _, writer in held:
            writer.close()
        await until(lambda: alive(site) == 0)
        assert (await site.ask()).status == 200


async def test_ds_10_connections_in_all_are_capped() -> None:
    """The node holds so many connections and no more (DS-10)."""
    async with knocking(hello, limits=Limits(connections=1)) as site:
        _, writer = await asyncio.open_connection(HOST, site.port)
        await until(lambda: alive(site) == 1)
        with pytest.raises((ConnectionError, IndexError)):
            await site.ask()
        writer.close()


async def test_ds_10_pipelined_requests_do_not_pile_up() -> None:
    """Thousands of requests in one go are read in small portions, and all are answered in order (DS-10)."""
    most = 0

    async def count(_: web.Request) -> web.Response:
        nonlocal most
        most = max(most, len(site.runner.server.connections[0]._messages))  # type: ignore[union-attr]
        return web.Response(text=".")

    async with knocking(count) as site:
        one = HEAD % site.host.encode() + b"\r\n"
        raw = await site.raw(one * 1999 + one[:-2] + b"Connection: close\r\n\r\n")
    assert raw.count(b"200 OK") == 2000
    assert most <= 32


@pytest.mark.parametrize(
    ("target", "fields", "status"),
    [
        ("/?" + "a" * (8192 - 2), {}, 200),
        ("/?" + "a" * (8192 - 1), {}, 414),
        ("/", {"X-Big": "a" * (8192 - 5)}, 200),
        ("/", {"X-Big": "a" * (8192 - 4)}, 431),
        ("/", {f"X-{n}": "a" for n in range(97)}, 200),
        ("/", {f"X-{n}": "a" for n in range(99)}, 431),
        ("/", {"Cookie": "a=" + "b" * (32_768 - 8)}, 200),
        ("/", {"Cookie": "a=" + "b" * 32_768}, 431),
    ],
    ids=["target", "target_over", "field", "field_over", "fields", "fields_over", "cookie", "cookie_over"],
)
async def test_ds_02_ft_57_sizes_at_the_limit_and_one_over(target: str, fields: dict[str, str], status: int) -> None:
    """What is as long as it may be passes, one more is refused with its own status (DS-02, FT-57)."""
    async with knocking(hello) as site:
        assert (await site.ask(target, headers=fields)).status == status


@pytest.mark.parametrize(("size", "status"), [(1024 * 1024, 200), (1024 * 1024 + 1, 413)])
@pytest.mark.parametrize("chunked", [False, True])
async def test_ds_02_ft_57_bodies_at_the_limit_and_one_over(size: int, status: int, chunked: bool) -> None:
    """A body as long as it may be is read, one byte more is 413, told beforehand or not (DS-02, FT-57)."""
    body = b"x" * size
    headers = {"Content-Length": str(size)}
    if chunked:
        body, headers = b"%x\r\n%s\r\n0\r\n\r\n" % (size, body), {"Transfer-Encoding": "chunked", "Content-Length": ""}
    async with knocking(reader) as site:
        fields = "".join(f"{name}: {value}\r\n" for name, value in headers.items() if value)
        head = f"POST / HTTP/1.1\r\nHost: {site.host}\r\nConnection: close\r\n{fields}\r\n".encode()
        assert answered(await site.raw(head + body)).status == status


async def test_se_10_a_cookie_bomb_is_defused() -> None:
    """Two hundred kilobytes of cookies get an answer that deletes ours and explains, not a reset (SE-10)."""
    bomb = "; ".join(f"c{n}={'x' * 4000}" for n in range(50))
    async with knocking(hello, issuer="https://sso.example/") as site:
        answer = await site.ask(headers={"Cookie": bomb, "Accept": "text/html"})
    assert answer.status == 431
    gone = answer.headers["set-cookie"]
    assert len(gone) == 2
    assert all("Max-Age=0" in cookie and "Secure" in cookie and cookie.startswith("__Host-") for cookie in gone)


async def test_ft_59_disconnects_leave_nothing_behind() -> None:
    """Clients that go away in headers, body, waiting or streaming leave no task and no connection (FT-59)."""
    go = asyncio.Event()

    async def waiting(request: web.Request) -> web.StreamResponse:
        if request.method == "POST":
            return await reader(request)
        await go.wait()
        return await endless(request)

    starts = [b"GE", HEAD, HEAD + b"\r\n", b"POST / HTTP/1.1\r\nHost: %s\r\nContent-Length: 10\r\n\r\nabc"]
    async with knocking(waiting) as site:
        before = len(asyncio.all_tasks())
        for start in starts * 5:
            _, writer = await asyncio.open_connection(HOST, site.port)
            writer.write(start.replace(b"%s", site.host.encode()))
            await writer.drain()
            await until(lambda: alive(site) > 0)
            writer.close()
        go.set()
        await until(lambda: alive(site) == 0 and len(asyncio.all_tasks()) == before)
        assert site.runner.gate._admission.running == 0
