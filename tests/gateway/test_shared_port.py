"""Connections that go to and fro between the site and the gateway on one port, on raw sockets: whatever comes in which
pieces, over TLS too, on both loops; nothing is lost, nothing is left, and what waits to be read is bounded."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import trustme
import uvloop

from proxy.gateway.reverse_proxy import ReverseProxy
from proxy.store.memory import MemoryStore
from proxy.web.guard import Connection, Guard
from proxy.web.porch import PORCH
from tests.kit.echo_app import EchoApp, echo_app
from tests.kit.isthmus import Node, connection, isthmus
from tests.kit.listener import listening
from tests.kit.waiting import eventually

SITE, APP = "127.0.0.1", "localhost"
PAGE, FORM = "Accept: application/json", "Content-Type: application/x-www-form-urlencoded"
KEYS = "/.well-known/jwks.json"
LARGE = 64 * 1024 * 1024
LOOPS: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {
    "asyncio": asyncio.SelectorEventLoop,
    "uvloop": uvloop.new_event_loop,
}


@dataclass
class Port:
    """The port of both, an app behind it, and what the server knows of its connections."""

    node: Node
    app: EchoApp
    porch: ReverseProxy
    client: ssl.SSLContext | None = None

    @asynccontextmanager
    async def line(self, **options: Any) -> AsyncIterator[Line]:
        """One connection."""
        near, out = await asyncio.open_connection(
            SITE, self.node.port, ssl=self.client, server_hostname=SITE if self.client else None, **options
        )
        try:
            yield Line(self.node.port, near, out)
        finally:
            out.transport.abort()

    @property
    def guests(self) -> tuple[int, int]:
        """How many connections the gateway counts, and the site."""
        site = self.porch._site
        assert isinstance(site, Guard)
        return len(self.porch.crowd.guests), len(site.crowd.guests)


@dataclass
class Line:
    """A client's connection."""

    port: int
    near: asyncio.StreamReader
    out: asyncio.StreamWriter

    def request(self, host: str, start: str, *lines: str, body: bytes = b"") -> bytes:
        """A request, as bytes."""
        head = "".join(f"{line}\r\n" for line in (f"Host: {host}:{self.port}", PAGE, *lines))
        return f"{start} HTTP/1.1\r\n{head}\r\n".encode() + body

    async def answer(self) -> tuple[int, bytes, bytes]:
        """Status, head and body of the next answer."""
        head = (await asyncio.wait_for(self.near.readuntil(b"\r\n\r\n"), 15)).lower()
        length = next(line for line in head.split(b"\r\n") if line.startswith(b"content-length:"))
        return int(head.split(b" ")[1]), head, await self.near.readexactly(int(length.partition(b":")[2]))

    async def ask(self, *parts: bytes) -> int:
        """Send these bytes, each on its own; the status of the answer."""
        for part in parts:
            self.out.write(part)
            await self.out.drain()
            await asyncio.sleep(0.002 if len(parts) > 1 else 0)
        return (await self.answer())[0]

    async def gone(self) -> bool:
        """Whether the other end has closed."""
        try:
            return await asyncio.wait_for(self.near.read(), 15) == b""
        except ConnectionError:
            return True


@asynccontextmanager
async def shared(directory: Path, *, secure: bool = False, upstream: str = "") -> AsyncIterator[Port]:
    """One port, with TLS or without."""
    async with AsyncExitStack() as stack:
        app = await stack.enter_async_context(echo_app())
        routes = [{"host": APP, "upstream": upstream or app.url, "public_paths": ["/public"], "websocket": True}]
        tables: dict[str, Any] = {
            "gateway": {"routes": routes},
            "connections": [connection("corp", "http://localhost:9/", "front_channel", ("gateway",))],
        }
        client = None
        if secure:
            client, tables["tls"], tables["server"] = certified(directory)
            tables["connections"] = [connection("corp", "https://localhost:9/", "front_channel", ("gateway",))]
        node = await stack.enter_async_context(isthmus(directory, MemoryStore(), **tables))
        porch = node.site[PORCH]
        assert isinstance(porch, ReverseProxy)
        yield Port(node, app, porch, client=client)


def certified(directory: Path) -> tuple[ssl.SSLContext, ssl.SSLContext, dict[str, Any]]:
    """A client's context, the server's, and what the configuration says of it."""
    authority = trustme.CA()
    pair = authority.issue_cert("localhost", "127.0.0.1")
    cert, key = str(directory / "cert.pem"), str(directory / "key.pem")
    pair.private_key_pem.write_to_path(key)
    for part in pair.cert_chain_pems:
        part.write_to_path(cert, append=True)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    pair.configure_cert(server)
    client = ssl.create_default_context()
    authority.configure_trust(client)
    return client, server, {"tls_cert": cert, "tls_key": key, "allow_private": ["127.0.0.0/8"]}


# --- to and fro ---


async def to_and_fro(directory: Path, secure: bool) -> None:
    """Three hundred requests on one connection, each for the other one."""
    async with shared(directory, secure=secure) as port:
        async with port.line() as warm:
            await warm.ask(warm.request(APP, "GET /public"))
        await eventually(nobody(port))
        tasks = len(asyncio.all_tasks())
        async with port.line() as line:
            form = (FORM, "Content-Length: 9")
            for number in range(50):
                assert await line.ask(line.request(SITE, f"GET {KEYS}")) == 200
                assert await line.ask(line.request(APP, f"GET /public/{number}")) == 200
                head, body = line.request(SITE, "POST /oauth/token", *form), b"a=b&c=d&e"
                assert await line.ask(head + body) in (400, 401)
                assert await line.ask(line.request(APP, "POST /public", form[1]), body) == 200
                assert await line.ask(head, body) in (400, 401)
                assert await line.ask(line.request(APP, "GET /private")) == 401
                assert sum(port.guests) == 1
            assert len(asyncio.all_tasks()) <= tasks + 3  # ours, the app's, and aiohttp's for the one connection
        await eventually(nobody(port))
        assert len(port.app.heads) == 101

        async def as_before() -> bool:
            return len(asyncio.all_tasks()) <= tasks + 1

        await eventually(as_before)


def nobody(port: Port) -> Callable[[], Any]:
    """Whether nobody is connected any more, to whomever."""

    async def is_so() -> bool:
        return port.guests == (0, 0)

    return is_so


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("secure", [False, True], ids=["plain", "tls"])
def test_one_connection_goes_to_and_fro(tmp_path: Path, loop: str, secure: bool) -> None:
    """Forms in one piece and in two, pages and programs: each is answered by whose it is, and counted once; tasks,
    places and connections are what they were when it is over."""
    with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
        runner.run(to_and_fro(tmp_path, secure))


async def test_a_chunked_form_does_not_keep_a_connection_at_the_site(tmp_path: Path) -> None:
    """Its end is found, too, in one piece and in many."""
    async with shared(tmp_path) as port, port.line() as line:
        head = line.request(SITE, "POST /oauth/token", FORM, "Transfer-Encoding: chunked")
        for parts in ((head + b"3\r\na=b\r\n0\r\n\r\n",), (head, b"3\r\na=b\r\n", b"0\r\n\r\n")):
            assert await line.ask(*parts) in (400, 401)
            assert await line.ask(line.request(APP, "GET /public")) == 200


# --- what comes all at once ---


async def test_gw_12_what_the_site_has_read_already_is_421_and_the_last(tmp_path: Path) -> None:
    """GW-12: requests for both in one go: those that aiohttp has in its hands never reach the app, and the connection
    ends, so that the client asks again where it is right."""
    async with shared(tmp_path) as port, port.line() as line:
        both = (
            line.request(SITE, f"GET {KEYS}") + line.request(APP, "GET /public/x") + line.request(SITE, f"GET {KEYS}")
        )
        assert await line.ask(both) == 200
        status, head, _ = await line.answer()
        assert status == 421 and b"connection: close" in head and await line.gone()
        assert port.app.heads == []


@pytest.mark.parametrize("smuggled", [False, True])
async def test_gw_12_pieces_of_two_requests_are_never_put_together(tmp_path: Path, smuggled: bool) -> None:
    """GW-12: a request whose beginning came with the one before is read to its end by who has the beginning; what looks
    like a request in the middle of it is none."""
    async with shared(tmp_path) as port, port.line() as line:
        torn = line.request(SITE, f"GET {KEYS}", "X-Long: aaaa")
        assert await line.ask(line.request(SITE, f"GET {KEYS}") + torn[:-6]) == 200
        rest = line.request(APP, "GET /public/smuggled") if smuggled else torn[-6:]
        assert await line.ask(rest) == (400 if smuggled else 200)  # two Hosts
        assert port.app.heads == []
        if not smuggled:
            assert await line.ask(line.request(APP, "GET /public")) == 200


async def test_many_for_the_app_and_then_one_for_the_site(tmp_path: Path) -> None:
    """What follows requests for the app in the same go is looked at one by one."""
    async with shared(tmp_path) as port, port.line() as line:
        line.out.write(line.request(APP, "GET /public/x") * 20 + line.request(SITE, f"GET {KEYS}"))
        for _ in range(20):
            assert (await line.answer())[0] == 200
        status, _, body = await line.answer()
        assert status == 200 and b'"keys"' in body
        assert port.app.targets == ["/public/x"] * 20


async def test_a_websocket_after_the_site(tmp_path: Path) -> None:
    """An upgrade for the app on a connection that the site has served."""
    async with shared(tmp_path) as port, port.line() as line:
        assert await line.ask(line.request(SITE, f"GET {KEYS}")) == 200
        shake = ("Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13",
                 "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==", f"Origin: http://{APP}:{line.port}")  # fmt: skip
        line.out.write(line.request(APP, "GET /public/socket", *shake))
        assert (await line.near.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101 ")
        line.out.write(b"\x81\x82\x00\x00\x00\x00hi")
        assert await line.near.readexactly(4) == b"\x81\x02hi"


# --- clients that do not keep up ---


async def serve_large(near: asyncio.StreamReader, out: asyncio.StreamWriter) -> None:
    """``/public/NUMBER`` is so many bytes."""
    while head := await head_of(near):
        size = int(head.split(b" ")[1].rpartition(b"/")[2])
        out.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
        for _ in range(size // 65_536):
            out.write(bytes(65_536))
            await out.drain()


async def head_of(near: asyncio.StreamReader) -> bytes:
    """The next request's head; empty at the end."""
    try:
        return await near.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, ConnectionError):
        return b""


def buffered(port: Port) -> int:
    """The most bytes that wait for a client."""
    site = port.porch._site
    assert isinstance(site, Guard)
    ways = [front.transport for front in port.porch.crowd.guests]
    ways += [way for guest in site.crowd.guests if isinstance(guest, Connection) and (way := guest._wire) is not None]
    return max((way.get_write_buffer_size() for way in ways), default=0)


async def slow_reader(directory: Path) -> None:
    """The first answer ends while the client holds it up; so does all that follows."""
    async with listening(serve_large) as there, shared(directory, upstream=f"http://127.0.0.1:{there}") as port:
        async with port.line(limit=1024) as line:
            sizes = [n * 65_536 for n in range(40, 80)]
            line.out.write(b"".join(line.request(APP, f"GET /public/{size}") for size in sizes))
            line.out.write(line.request(APP, f"GET /public/{LARGE}") + line.request(SITE, f"GET {KEYS}"))
            most = 0
            for size in (*sizes, LARGE):
                await line.near.readuntil(b"\r\n\r\n")
                left = size
                while left:
                    left -= len(await line.near.readexactly(min(left, 65_536)))
                    most = max(most, buffered(port))
            status, _, body = await line.answer()
            assert status == 200 and b'"keys"' in body
            assert most < 2 * 1024 * 1024


@pytest.mark.parametrize("loop", LOOPS)
def test_ft_55_a_client_that_reads_slowly_holds_up_what_comes_next_too(tmp_path: Path, loop: str) -> None:
    """FT-55, DS-10: also where an answer ended while it was held up: nothing more waits for the client than for the
    first one, and the site's answer comes after all of it."""
    with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
        runner.run(slow_reader(tmp_path))
