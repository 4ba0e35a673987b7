"""The least reverse proxy on this stack that still is one: asyncio Protocols, httptools (llhttp), uvloop, no features.

It reads heads and writes them anew without what is for one connection, looks its one cookie up in a table, tells the
app who the person is, keeps connections to the app and streams bodies with back-pressure. It has no limits, no
timeouts, no rules, no log, no upgrade, and one request at a time on a connection. ``/forward-auth`` it answers itself.
The gateway does more than this by what makes it one; how much more it costs is the question.

    python -m bench.thin PORT APP_PORT
"""

from __future__ import annotations

import asyncio
import sys
from typing import cast

import httptools
import uvloop

COOKIE = "floor=0123456789abcdef0123456789abcdef"
PEOPLE = {COOKIE.encode(): b"somebody"}
ONE_CONNECTION = frozenset((b"connection", b"keep-alive", b"te", b"trailer", b"transfer-encoding", b"upgrade"))
OURS = frozenset((b"x-user", b"x-forwarded-for", b"cookie"))
Lines = list[bytes]


class Side(asyncio.Protocol):
    """One end of an exchange: what it cannot write at once holds up the other end."""

    wire: asyncio.Transport
    other: Side | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.wire = cast("asyncio.Transport", transport)

    def pause_writing(self) -> None:
        if self.other is not None:
            self.other.wire.pause_reading()

    def resume_writing(self) -> None:
        if self.other is not None:
            self.other.wire.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        other, self.other = self.other, None
        if other is not None:
            other.other = None
            other.wire.close()


class AppSide(Side):
    """A connection to the app."""

    waiting: list[AppSide] = []  # noqa: RUF012  # the one pool of the process

    def ask(self, client: ClientSide, head: bytes) -> None:
        """Send a request for ``client``; its body may follow on ``wire``."""
        self.other, client.other = client, self
        self.reader, self.framed, self.over = httptools.HttpResponseParser(self), False, False
        self.lines: Lines = []
        self.out: Lines = []
        self.wire.write(head)

    def on_header(self, name: bytes, value: bytes) -> None:
        name = name.lower()
        if name not in ONE_CONNECTION:
            self.framed = self.framed or name == b"content-length"
            self.lines.append(name + b": " + value)

    def on_headers_complete(self) -> None:
        if not self.framed:
            self.lines.append(b"transfer-encoding: chunked")
        self.out = [b"HTTP/1.1 %d -\r\n%b\r\n\r\n" % (self.reader.get_status_code(), b"\r\n".join(self.lines))]

    def on_body(self, piece: bytes) -> None:
        self.out.append(piece if self.framed else b"%x\r\n%b\r\n" % (len(piece), piece))

    def on_message_complete(self) -> None:
        self.over = True
        if not self.framed:
            self.out.append(b"0\r\n\r\n")

    def data_received(self, data: bytes) -> None:
        client = cast("ClientSide | None", self.other)
        if client is None:
            self.wire.close()
            return
        self.out = []
        self.reader.feed_data(data)
        client.wire.writelines(self.out)
        if self.over:
            self.other = client.other = None
            self.waiting.append(self)

    def connection_lost(self, exc: Exception | None) -> None:
        if self in self.waiting:
            self.waiting.remove(self)
        super().connection_lost(exc)


class ClientSide(Side):
    """A connection of a client."""

    app_port = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.reader = httptools.HttpRequestParser(self)
        self.address = str(transport.get_extra_info("peername")[0]).encode()

    def on_message_begin(self) -> None:
        self.target, self.lines, self.person = b"", cast("Lines", []), b""

    def on_url(self, target: bytes) -> None:
        self.target += target

    def on_header(self, name: bytes, value: bytes) -> None:
        name = name.lower()
        if name == b"cookie":
            self.person = PEOPLE.get(value, b"")
        elif name not in ONE_CONNECTION and name not in OURS:
            self.lines.append(name + b": " + value)

    def on_headers_complete(self) -> None:
        if not self.person:
            self.wire.write(b"HTTP/1.1 401 -\r\ncontent-length: 0\r\n\r\n")
        elif self.target == b"/forward-auth":
            self.wire.write(b"HTTP/1.1 200 -\r\ncontent-length: 0\r\nx-user: %b\r\n\r\n" % self.person)
        else:
            self.lines += (b"x-user: " + self.person, b"x-forwarded-for: " + self.address)
            head = b"%b %b HTTP/1.1\r\n%b\r\n\r\n" % (
                self.reader.get_method(),
                self.target,
                b"\r\n".join(self.lines),
            )
            self._forward(head)

    def on_body(self, piece: bytes) -> None:
        if self.other is not None:
            self.other.wire.write(piece)

    def data_received(self, data: bytes) -> None:
        self.reader.feed_data(data)

    def _forward(self, head: bytes) -> None:
        if AppSide.waiting:
            AppSide.waiting.pop().ask(self, head)
        else:
            asyncio.get_running_loop().create_task(self._connect(head))

    async def _connect(self, head: bytes) -> None:
        _, app = await asyncio.get_running_loop().create_connection(AppSide, "127.0.0.1", self.app_port)
        app.ask(self, head)


async def main(port: int, app_port: int) -> None:
    """Listen until ended."""
    ClientSide.app_port = app_port
    server = await asyncio.get_running_loop().create_server(ClientSide, "127.0.0.1", port, backlog=1024)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1]), int(sys.argv[2])))
