"""An app behind a real server that asks Isthmus: a tenant, Isthmus, the app, the server as it is configured for it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from proxy.lab.browser import Browser, Tab
from proxy.lab.people import Person
from proxy.lab.tenant import Tenant
from tests.e2e.front_servers import front, raw
from tests.journeys.conftest import MIRA, Stores, know, lab_tenant
from tests.kit.echo_app import EchoApp, echo_app, headers_of
from tests.kit.isthmus import Node, connection, isthmus
from tests.kit.listener import listening
from tests.kit.valkey import free_port

PROXIES = {"trusted_proxies": ["127.0.0.1/32"]}


@dataclass
class Answer:
    """What came back on a raw connection."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def got(self) -> Any:
        """What the app says that it got."""
        assert self.status == 200, (self.status, self.body)
        return json.loads(self.body)

    @property
    def told(self) -> dict[str, str]:
        """The headers that the app got, empty ones left out."""
        return {name: value for name, value in self.got["headers"].items() if value}


@dataclass
class Way:
    """From the server to Isthmus at ``node``, counting ``questions``; ``open`` False: nobody gets through; ``silent``:
    no answer comes back."""

    node: int
    questions: int = 0
    open: bool = True
    silent: bool = False

    async def carry(self, near: asyncio.StreamReader, out: asyncio.StreamWriter) -> None:
        """One connection, both directions, until one end closes."""
        there, back = await asyncio.open_connection("127.0.0.1", self.node)
        async with asyncio.TaskGroup() as both:
            both.create_task(self._pump(near, back, b"GET /forward-auth"))
            both.create_task(self._pump(there, out))

    async def _pump(self, near: asyncio.StreamReader, out: asyncio.StreamWriter, counted: bytes = b"") -> None:
        try:
            while self.open and (data := await near.read(65_536)):
                self.questions += data.count(counted) if counted else 0
                if counted or not self.silent:
                    out.write(data)
                    await out.drain()
        except ConnectionError:
            pass
        finally:
            out.close()


@dataclass
class World:
    """Everything, running. ``port`` is the server's, ``asked`` the way from the server to Isthmus."""

    server: str
    tenant: Tenant
    node: Node
    app: EchoApp
    browser: Browser
    port: int
    asked: Way

    @property
    def host(self) -> str:
        """The app's host."""
        return f"127.0.0.1:{self.port}"

    @property
    def base(self) -> str:
        """The app's address for browsers."""
        return f"http://{self.host}"

    async def log_in(self, path: str = "/", person: Person = MIRA, browser: Browser | None = None) -> Tab:
        """Open the app as ``person``, who has to log in."""
        tab = await (browser or self.browser).open(f"{self.base}{path}")
        await walk(tab, person)
        return tab

    def cookies(self, browser: Browser | None = None) -> str:
        """What the browser sends to the app's host."""
        return (browser or self.browser).jar.header(f"{self.base}/", self.browser.clock(), cross_site=False, safe=True)

    async def send(
        self, target: str = "/", *lines: str, method: str = "GET", cookies: str = "", body: bytes = b"", host: str = ""
    ) -> Answer:
        """A request on a connection of its own, byte for byte."""
        head = [f"{method} {target} HTTP/1.1", f"Host: {host or self.host}", "Connection: close", *lines]
        if cookies:
            head.append(f"Cookie: {cookies}")
        if body:
            head.append(f"Content-Length: {len(body)}")
        return read(await raw(self.port, "\r\n".join([*head, "", ""]).encode("latin-1") + body))


async def walk(tab: Tab, person: Person) -> None:
    """Log in, over our pages whose scripts go on by themselves in a browser that has any."""
    if "/.isthmus/login/" in tab.page.url:
        await tab.click("Log in")
    await tab.click(person.name)
    if "/.isthmus/callback" in tab.page.url:
        await tab.click("Continue")


def read(answer: bytes) -> Answer:
    """The answer in these bytes; status 0 where the server only closed the connection."""
    head, _, body = answer.partition(b"\r\n\r\n")
    if not head:
        return Answer(0)
    headers = {name.decode(): value.decode("latin-1") for name, value in headers_of(head).items()}
    if headers.get("transfer-encoding") == "chunked":
        body = b"".join(chunks(body))
    return Answer(int(head.split(b" ")[1]), headers, body)


def chunks(body: bytes) -> list[bytes]:
    """The chunks of a body."""
    found = []
    while body:
        size, _, rest = body.partition(b"\r\n")
        found.append(rest[: int(size, 16)])
        body = rest[int(size, 16) + 2 :]
    return found


@asynccontextmanager
async def world(
    folder: Path, stores: Stores, server: str, *options: str, upstream: str = "", **route: Any
) -> AsyncIterator[World]:
    """All of it; ``route`` changes the app's route, ``upstream`` is another app's address."""
    async with AsyncExitStack() as stack:
        tenant = await stack.enter_async_context(lab_tenant())
        app = await stack.enter_async_context(echo_app())
        port, own = free_port(), free_port()
        host = {"host": f"127.0.0.1:{port}", "upstream": upstream or app.url}
        wiki = {**host, "name": "wiki", "public_paths": ["/public"], "websocket": True, "keep_forms": True, **route}
        admin = {**host, "path_prefix": "/admin", "allow": {"email_domains": ["nobody.example"]}}
        node = await stack.enter_async_context(
            isthmus(
                folder, stores(0), port=own, server=PROXIES, gateway={"routes": [wiki, admin]},
                connections=[connection("corp", tenant.issuer, "front_channel", ("gateway",))],
            )
        )  # fmt: skip
        know(tenant, node)
        way = Way(own)
        entrance = await stack.enter_async_context(listening(way.carry))
        config = folder / f"isthmus-{own}.toml"
        await stack.enter_async_context(
            front(server, folder / server, port, config, f"http://127.0.0.1:{entrance}", *options)
        )
        browser = await stack.enter_async_context(Browser())
        yield World(server, tenant, node, app, browser, port, way)


async def exchange(port: int, *parts: bytes) -> list[bytes]:
    """Parts sent one after the other, each once something came to the one before."""
    near, out = await asyncio.open_connection("127.0.0.1", port)
    answers = []
    async with asyncio.timeout(10):
        for part in parts:
            out.write(part)
            answers.append(await near.read(65_536))
    out.close()
    return answers
