"""A whole gateway: a tenant of the lab, Isthmus with routes on a port of its own, an app behind it, a browser."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from proxy.http.cookies import cookie_name
from proxy.lab.browser import Browser, Tab
from proxy.lab.people import PEOPLE, Person
from proxy.lab.rooms import LabClient
from proxy.lab.tenant import Tenant
from proxy.store import Store
from tests.kit.echo_app import EchoApp, echo_app
from tests.kit.isthmus import CLIENT_SECRET, Node, connection, isthmus
from tests.kit.valkey import free_port

HERE, THERE = "127.0.0.1", "localhost"
"""The hosts of two apps, both on loopback and both found without anybody's help."""
MIRA, JONAS = PEOPLE[0], PEOPLE[1]


@dataclass
class Gated:
    """Everything, running. The app stands behind two hosts; ``port`` is the gateway's."""

    tenant: Tenant
    node: Node
    app: EchoApp
    browser: Browser
    port: int

    def url(self, path: str = "/", host: str = HERE) -> str:
        """An address behind the gateway."""
        return f"http://{host}:{self.port}{path}"

    async def log_in(self, person: Person = MIRA, path: str = "/", host: str = HERE) -> Tab:
        """From the app, over the tenant, and back to it."""
        tab = await self.browser.open(self.url(path, host))
        await onward(tab)
        if person.name in " ".join(tab.page.names):
            await tab.click(person.name)
        return await onward(tab)

    def cookie(self, host: str = HERE) -> str:
        """The Cookie header that opens the apps of a host to the browser."""
        name = cookie_name("gateway", self.node.issuer)
        found = [c for c in self.browser.jar.cookies.values() if c.name == name and c.domain == host]
        return f"{name}={found[0].value}" if found else ""

    async def ask(self, *lines: str, host: str = HERE, body: bytes = b"", target: str = "GET /") -> Answer:
        """One request on a socket of its own, as it is written; the whole answer."""
        head = f"{target} HTTP/1.1\r\nHost: {host}:{self.port}\r\n"
        head += "".join(f"{line}\r\n" for line in lines) + "Connection: close\r\n\r\n"
        return await self.send(head.encode("latin-1") + body)

    async def send(self, raw: bytes) -> Answer:
        """Bytes to the gateway, and all that comes back."""
        reader, writer = await asyncio.open_connection(HERE, self.port)
        writer.write(raw)
        try:
            async with asyncio.timeout(15):
                return Answer(await reader.read())
        except ConnectionError:
            return Answer(b"")
        finally:
            writer.transport.abort()


@dataclass(frozen=True)
class Answer:
    """What came back on a socket."""

    raw: bytes

    @property
    def status(self) -> int:
        """The status; 0 without an answer."""
        return int(self.raw.split(b" ")[1]) if self.raw.startswith(b"HTTP/1.1 ") else 0

    @property
    def head(self) -> str:
        """All before the body."""
        return self.raw.partition(b"\r\n\r\n")[0].decode("latin-1")

    @property
    def body(self) -> bytes:
        """All after the head."""
        return self.raw.partition(b"\r\n\r\n")[2]

    def header(self, name: str) -> str:
        """The value of a header; empty without it."""
        lines = (line.partition(":") for line in self.head.split("\r\n")[1:])
        return next((value.strip() for key, _, value in lines if key.lower() == name.lower()), "")


async def onward(tab: Tab) -> Tab:
    """Through the pages on the way to a login and back, as their scripts do."""
    for words in ("Log in", "Continue"):
        if any(words == name for name in tab.page.names) and "/.isthmus/" in tab.page.url:
            await tab.click(words)
    return tab


@asynccontextmanager
async def gated(
    directory: Path,
    store: Store,
    tenant: Tenant,
    *,
    channel: str = "back_channel",
    route: Mapping[str, Any] | None = None,
    gateway: Mapping[str, Any] | None = None,
    more: Sequence[Mapping[str, Any]] = (),
    **tables: Any,
) -> AsyncIterator[Gated]:
    """The gateway with ``route``'s settings on both hosts, in front of one app; ``more`` routes and other ``gateway``
    settings beside."""
    port = free_port()
    async with echo_app() as app, Browser() as browser:
        routes = [{"upstream": app.url, "host": host, **(route or {})} for host in (HERE, THERE)]
        routes.extend(map(dict, more))
        everybody = {"connections": [connection("corp", tenant.issuer, channel, ("gateway",))], **tables}
        settings = {"port": port, "routes": routes, **(gateway or {})}
        async with isthmus(directory, store, gateway=settings, **everybody) as node:
            callback, left = (node.callback,), (node.issuer,)
            tenant.clients["isthmus"] = LabClient("isthmus", callback, CLIENT_SECRET, left)
            yield Gated(tenant, node, app, browser, port)
