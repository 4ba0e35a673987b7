"""A gateway on a socket that lets everybody through as Ada, and an app that writes down what it gets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from proxy.gateway import forwarded
from proxy.gateway.answers import Answers
from proxy.gateway.back import Back
from proxy.gateway.forwarded import Senders
from proxy.gateway.names import Names, configured
from proxy.gateway.request import Asked
from proxy.gateway.reverse_proxy import ReverseProxy
from proxy.gateway.sorting import Sorting, without_ours
from proxy.gateway.streams import Streams
from proxy.gateway.upstreams import Servers, Upstreams
from proxy.gateway.verdict import Forward, ReadBody, Reply, Verdict
from proxy.http.client_address import Proxies
from proxy.http.crowd import Limits
from proxy.models import Session
from tests.gateway.told import HOST, Told, a_route, told
from tests.kit.folding_apps import raw
from tests.kit.listener import listening

GW_COOKIE = b"__Host-isthmus-gateway-0a1b2c3d=" + b"s" * 22 + b"." + b"x" * 43
"""As the gateway's own cookie looks."""
HEAD = f"GET / HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n"


@dataclass
class Mirror:
    """The app. ``heads`` are what it got, ``says`` what it answers with before its length."""

    port: int = 0
    heads: list[bytes] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    says: bytes = b""

    async def serve(self, near: asyncio.StreamReader, out: asyncio.StreamWriter) -> None:
        """One connection."""
        while True:
            head = await near.readuntil(b"\r\n\r\n")
            if b"transfer-encoding: chunked" in head.lower():
                self.bodies.append(await near.readuntil(b"0\r\n\r\n"))
            self.heads.append(head)
            out.write(b"HTTP/1.1 200 OK\r\n" + self.says + b"Content-Length: 2\r\n\r\nok")

    def headers(self) -> list[tuple[bytes, bytes]]:
        """Of the last request."""
        lines = self.heads[-1].split(b"\r\n")[1:-2]
        return [(name, value) for name, _, value in (line.partition(b": ") for line in lines)]

    def named(self, name: str) -> list[str]:
        """The values under a name, in whatever case."""
        return [value.decode() for found, value in self.headers() if found.lower() == name.lower().encode()]


@dataclass
class Doorman:
    """Lets everybody through: as ``session``'s person, below ``/public`` as nobody."""

    parts: Told
    senders: Senders
    session: Session

    def at_once(self, asked: Asked) -> Verdict | None:
        """See ``verdict.Gatekeeper``."""
        lines = forwarded.lines(self.senders.client(asked), HOST)
        cookies = without_ours(asked.cookies)
        if asked.target.startswith(b"/public"):
            return Forward(self.parts.route, asked.target, lines, cookies, reason="public")
        lines = self.parts.identities.lines(self.parts.route, self.session, self.parts.now) + lines
        return Forward(self.parts.route, asked.target, lines, cookies, sid=self.session.sid, reason="allowed")

    def trouble(self, asked: Asked | None, status: int, reason: str) -> Reply:
        """See ``verdict.Gatekeeper``."""
        return Reply(status, body=reason.encode(), reason=reason)

    async def ask(self, asked: Asked, body: ReadBody) -> Verdict:
        """See ``verdict.Gatekeeper``."""
        raise AssertionError("nobody has to be asked")


@dataclass
class Wire:
    """The gateway, at ``port``."""

    port: int
    app: Mirror
    parts: Told
    proxy: ReverseProxy
    servers: Servers[Back]

    async def send(self, *headers: bytes, path: str = "/", rest: bytes = b"", says: bytes = b"") -> tuple[int, bytes]:
        """A request with these header lines more, on a connection of its own; status and all of the answer."""
        self.app.says = says
        head = HEAD.replace("GET /", f"{'POST' if rest else 'GET'} {path}").encode()
        more = b"".join(header + b"\r\n" for header in headers)
        return await raw(self.port, head + more + b"\r\n" + rest)


@asynccontextmanager
async def on_the_wire(session: Session, app_port: int = 0, **route: Any) -> AsyncIterator[Wire]:
    """The gateway in front of the mirror, or of an app at ``app_port``."""
    app = Mirror()
    async with listening(app.serve) as app.port:
        made = a_route(**{"upstream": f"http://127.0.0.1:{app_port or app.port}", **route})
        parts = await told(made)
        names, senders, streams = Names(configured(parts.gateway)), Senders(Proxies(()), "http"), Streams()
        answers = Answers(names, [HOST, "login.example", "other.example"])
        upstreams = Upstreams(Back)
        keeper = Doorman(parts, senders, session)
        proxy = ReverseProxy(
            keeper, Sorting(names), answers, senders, streams, upstreams, lambda host, path: True, https=False
        )
        proxy.serve(Limits(), Proxies(()), None)
        loop = asyncio.get_running_loop()
        server = await loop.create_server(proxy.protocol(shared=False, secure=False), "127.0.0.1", 0)
        try:
            yield Wire(server.sockets[0].getsockname()[1], app, parts, proxy, upstreams.of(made))
        finally:
            server.close()
            proxy.cut_all()
            await asyncio.sleep(0)


async def head_of(wire: Wire, says: bytes) -> bytes:
    """The head of the answer that the client gets when the app says this in its own."""
    wire.app.says = says
    near, out = await asyncio.open_connection("127.0.0.1", wire.port)
    out.write(HEAD.encode() + b"\r\n")
    head = await asyncio.wait_for(near.readuntil(b"\r\n\r\n"), 20)
    out.close()
    return head
