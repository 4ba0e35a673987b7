"""Bodies of any size go through the gateway at constant memory, both ways, however slow the reader is (FT-55).

The gateway runs in a process of its own, whose peak of resident memory is what is looked at.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.kit.isthmus import connection, isthmus_process
from tests.kit.listener import listening
from tests.kit.valkey import free_port, valkey

MIB = 1 << 20
SIZE = 256 * MIB
PIECE = b"x" * (64 * 1024)
ALLOWED = 24
"""MiB that the process may grow by while the body, ten times that, goes through."""
STALLED = 64 * MIB
"""Bytes that may be on their way, in our buffers and the system's, when nobody reads."""


@dataclass
class Bulk:
    """An app: ``GET`` gives ``SIZE`` bytes, ``POST`` takes them, once ``read`` is set."""

    sent: int = 0
    got: int = 0
    read: asyncio.Event = field(default_factory=asyncio.Event)

    async def serve(self, near: asyncio.StreamReader, out: asyncio.StreamWriter) -> None:
        """One request."""
        head = await near.readuntil(b"\r\n\r\n")
        if head.startswith(b"POST"):
            await self.read.wait()
            while self.got < SIZE:
                self.got += len(await near.read(MIB))
            out.write(b"HTTP/1.1 204 No Content\r\n\r\n")
        else:
            out.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % SIZE)
            while self.sent < SIZE:
                out.write(PIECE)
                await out.drain()
                self.sent += len(PIECE)
        await out.drain()


@dataclass
class Gateway:
    """A gateway in front of ``app``: its ``port`` and process."""

    app: Bulk
    port: int
    pid: int

    def peak(self) -> float:
        """MiB that the process and its children had at most."""
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        statuses = (Path(f"/proc/{pid}/status").read_text() for pid in (self.pid, *children))
        return sum(int(text.partition("VmHWM:")[2].split()[0]) for text in statuses) / 1024


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[Gateway]:
    """One, whose paths are all public, after a first exchange."""
    app, port = Bulk(), free_port()
    async with listening(app.serve) as behind:
        route = {"host": "app.example", "upstream": f"http://127.0.0.1:{behind}", "public_paths": ["/"]}
        tables = {
            "connections": [connection("acme", "http://127.0.0.1:9/", "back_channel", ["gateway"])],
            "gateway": {"port": port, "routes": [route]},
        }
        with valkey(tcp=True) as redis:
            async with isthmus_process(tmp_path, "http://127.0.0.1:9/", redis.url, **tables) as node:
                yield Gateway(app, port, node.process.pid)


@asynccontextmanager
async def asking(gateway: Gateway, head: str) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection on which a request was sent."""
    near, out = await asyncio.open_connection("127.0.0.1", gateway.port, limit=MIB)
    try:
        out.write(f"{head}\r\nHost: app.example\r\n\r\n".encode())
        yield near, out
    finally:
        out.transport.abort()


async def stalled(gateway: Gateway) -> int:
    """How far the app came with nobody reading: when it comes no further."""
    before = -1
    while before < gateway.app.sent or gateway.app.sent == 0:
        before = gateway.app.sent
        await asyncio.sleep(0.2)
    return before


@pytest.mark.timeout(120)
async def test_ft_55_a_large_answer_takes_no_memory(gateway: Gateway) -> None:
    """FT-55: the app is held up by a browser that reads nothing; then all comes, and the process has not grown."""
    before = gateway.peak()
    async with asking(gateway, "GET /bulk HTTP/1.1") as (near, _):
        assert b" 200 " in await near.readuntil(b"\r\n\r\n")
        assert await stalled(gateway) < STALLED
        got = 0
        while got < SIZE:
            got += len(await near.readexactly(min(MIB, SIZE - got)))
    assert gateway.peak() - before < ALLOWED


@pytest.mark.timeout(120)
@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
async def test_ft_55_a_large_request_takes_no_memory(gateway: Gateway, chunked: bool) -> None:
    """FT-55: the browser is held up by an app that reads nothing; then all of it arrives."""
    before = gateway.peak()
    framing = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {SIZE}"
    piece = b"%x\r\n%b\r\n" % (len(PIECE), PIECE) if chunked else PIECE
    async with asking(gateway, f"POST /bulk HTTP/1.1\r\n{framing}") as (near, out):
        sent = 0
        while sent < SIZE:
            out.write(piece)
            try:
                async with asyncio.timeout(None if gateway.app.read.is_set() else 1):
                    await out.drain()
            except TimeoutError:
                assert sent < STALLED
                gateway.app.read.set()
                await out.drain()
            sent += len(PIECE)
        out.write(b"0\r\n\r\n" if chunked else b"")
        assert b" 204 " in await near.readuntil(b"\r\n\r\n")
    assert gateway.app.got >= SIZE
    assert gateway.peak() - before < ALLOWED
