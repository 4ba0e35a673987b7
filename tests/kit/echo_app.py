"""An app behind a gateway that tells what it got: the head as it came, byte for byte, and the body.

``/events`` sends an event, and another one when the test lets it; ``/poll`` answers when the test lets it; ``/socket``
is a WebSocket that sends frames back.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.kit.listener import listening

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455 1.3


@dataclass
class EchoApp:
    """Running at ``port``; ``heads`` are those of all requests that came, ``go_on`` lets ``/events`` and ``/poll`` go
    on; ``redirects`` are paths that lead elsewhere."""

    port: int = 0
    heads: list[bytes] = field(default_factory=list)
    go_on: asyncio.Event = field(default_factory=asyncio.Event)
    redirects: dict[str, str] = field(default_factory=dict)

    @property
    def url(self) -> str:
        """Its address as an upstream."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def targets(self) -> list[str]:
        """What it was asked for."""
        return [head.split(b" ")[1].decode("latin-1") for head in self.heads]

    async def serve(self, near: asyncio.StreamReader, out: asyncio.StreamWriter) -> None:
        """One connection, request after request."""
        while head := await _head(near):
            self.heads.append(head)
            path = head.split(b" ")[1].partition(b"?")[0]
            headers = headers_of(head)
            if path.endswith(b"/socket") and b"upgrade" in headers:
                await _socket(near, out, headers[b"sec-websocket-key"])
                return
            if path.endswith(b"/events"):
                await self._events(out)
                return
            body = await _body(near, headers)
            if path.endswith(b"/poll"):
                await self.go_on.wait()
            elsewhere = self.redirects.get(path.decode("latin-1"))
            out.write(_redirect(elsewhere) if elsewhere else _answer(head, body))
            await out.drain()

    async def _events(self, out: asyncio.StreamWriter) -> None:
        out.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\ndata: one\n\n")
        await out.drain()
        await self.go_on.wait()
        out.write(b"data: two\n\n")
        await out.drain()


def headers_of(head: bytes) -> dict[bytes, bytes]:
    """The headers of a head, by name in lower case; of several with one name, all, joined."""
    found: dict[bytes, bytes] = {}
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        key = name.lower()
        found[key] = found[key] + b"|" + value.strip() if key in found else value.strip()
    return found


async def _head(near: asyncio.StreamReader) -> bytes:
    try:
        return (await near.readuntil(b"\r\n\r\n")).removesuffix(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return b""


async def _body(near: asyncio.StreamReader, headers: dict[bytes, bytes]) -> bytes:
    if b"chunked" not in headers.get(b"transfer-encoding", b""):
        return await near.readexactly(int(headers.get(b"content-length", b"0")))
    body = b""
    while size := int(await near.readline(), 16):
        body += await near.readexactly(size)
        await near.readline()
    await near.readline()
    return body


def _answer(head: bytes, body: bytes) -> bytes:
    seen: Any = {
        "line": head.split(b"\r\n")[0].decode("latin-1"),
        "headers": {name.decode("latin-1"): value.decode("latin-1") for name, value in headers_of(head).items()},
        "body": body[:10_000].decode("latin-1"),
        "length": len(body),
    }
    text = json.dumps(seen).encode()
    return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(text), text)


def _redirect(location: str) -> bytes:
    return b"HTTP/1.1 303 See Other\r\nLocation: %s\r\nContent-Length: 0\r\n\r\n" % location.encode()


async def _socket(near: asyncio.StreamReader, out: asyncio.StreamWriter, key: bytes) -> None:
    accepted = base64.b64encode(hashlib.sha1(key + GUID, usedforsecurity=False).digest())
    out.write(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n")
    out.write(b"Sec-WebSocket-Accept: %s\r\n\r\n" % accepted)
    while True:
        first, second = await near.readexactly(2)
        mask = await near.readexactly(4)
        payload = bytes(a ^ mask[i % 4] for i, a in enumerate(await near.readexactly(second & 0x7F)))
        out.write(bytes([first, len(payload)]) + payload)
        await out.drain()
        if first & 0x0F == 8:
            return


@asynccontextmanager
async def echo_app() -> AsyncIterator[EchoApp]:
    """The app, running."""
    app = EchoApp()
    async with listening(app.serve) as app.port:
        yield app
