"""A small site behind the real gate and guard, and bare sockets to knock with."""

from __future__ import annotations

import asyncio
import dataclasses
import socket
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from proxy.http.client_address import Proxies
from proxy.web.health import Health, doors
from proxy.web.runner import Runner, Serving, serve
from tests.kit.waiting import eventually

HOST = "127.0.0.1"
SOON = 10.0
"""Seconds after which a test that waits for something gives up."""


@dataclass
class Knock:
    """A served site: where it is, and what runs it."""

    port: int
    runner: Runner
    issuer: str

    @property
    def host(self) -> str:
        """The Host value that the site answers to."""
        return self.issuer.split("/")[2]

    async def raw(self, data: bytes) -> bytes:
        """Send bytes, read until the other end closes."""
        reader, writer = await asyncio.open_connection(HOST, self.port)
        try:
            writer.write(data)
            async with asyncio.timeout(SOON):
                return await reader.read()
        finally:
            writer.close()

    async def ask(
        self, target: str = "/", method: str = "GET", body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> Answered:
        """One request on a connection of its own."""
        fields = {"Host": self.host, "Connection": "close", **(headers or {})}
        if body:
            fields.setdefault("Content-Length", str(len(body)))
        head = f"{method} {target} HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        return answered(await self.raw(head.encode("latin-1") + b"\r\n" + body))


@dataclass
class Answered:
    """One answer: status, headers by lower-case name (all values of each), body."""

    status: int
    headers: dict[str, list[str]]
    body: bytes

    def header(self, name: str) -> str:
        """The first value of a header, or nothing."""
        return self.headers.get(name.lower(), [""])[0]


def answered(data: bytes) -> Answered:
    """The first answer in ``data``."""
    head, _, body = data.partition(b"\r\n\r\n")
    line, *fields = head.decode("latin-1").split("\r\n")
    headers: dict[str, list[str]] = {}
    for field in fields:
        name, _, value = field.partition(":")
        headers.setdefault(name.lower(), []).append(value.strip())
    return Answered(int(line.split()[1]), headers, body)


def socket_on_loopback() -> socket.socket:
    """A socket bound to a free port of 127.0.0.1."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind((HOST, 0))
    return sock


@asynccontextmanager
async def knocking(
    handler: Any, *, issuer: str = "", health: Health | None = None, trusted: tuple[str, ...] = (), **serving: Any
) -> AsyncIterator[Knock]:
    """Serve ``handler`` at ``/`` (GET, POST) and below ``/{path}``; ``serving`` are fields of ``Serving``."""
    site = web.Application(client_max_size=1024 * 1024)
    for path in ("/", "/item/{name}"):
        site.router.add_route("GET", path, handler)
        site.router.add_route("POST", path, handler)
    sock = socket_on_loopback()
    port = sock.getsockname()[1]
    issuer = issuer or f"http://{HOST}:{port}/"
    proxies = Proxies(trusted)
    plan = Serving(issuer, proxies=proxies, **serving)
    if health is not None:
        plan = dataclasses.replace(plan, doors=doors(health, "/", proxies))
    async with serve(site, plan, sock) as runner:
        yield Knock(port, runner, issuer)


async def until(condition: Callable[[], bool]) -> None:
    """Wait for a condition, with a deadline."""

    async def holds() -> bool:
        return condition()

    await eventually(holds, within=SOON)
