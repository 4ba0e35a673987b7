"""What a journey needs: a real store, tenants of the lab, Isthmus between them and an application, a browser."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from proxy.lab.browser import Browser, Tab
from proxy.lab.listen import listen, port_of, serving
from proxy.lab.navigation import Page
from proxy.lab.people import PEOPLE, Person
from proxy.lab.rooms import LabClient, Room
from proxy.lab.tenant import Tenant
from proxy.store import Store
from proxy.store.redis import RedisStore
from proxy.store.sealing import Seal
from tests.kit.authlib_app import AuthlibApp, authlib_app
from tests.kit.isthmus import CLIENT_SECRET, OWN_SECRET, Node, client, connection, isthmus
from tests.kit.valkey import PATIENT, Valkey, valkey

CHANNELS = ("front_channel", "back_channel")
MIRA, JONAS = PEOPLE[0], PEOPLE[1]
Stores = Callable[[int], Store]


@pytest.fixture(scope="session")
def server() -> Iterator[Valkey]:
    """One Redis-compatible server for all journeys."""
    with valkey() as running:
        yield running


@pytest.fixture
async def stores(server: Valkey) -> AsyncIterator[Stores]:
    """Makes stores on the emptied server: one number, one database."""
    server.command("FLUSHALL")
    made: list[RedisStore] = []

    def store(number: int = 0) -> Store:
        made.append(RedisStore(f"unix://{server.socket_path}?db={number}", Seal([OWN_SECRET.encode()]), limits=PATIENT))
        return made[-1]

    yield store
    for one in made:
        await one.close()


@cache
def tenant_key() -> rsa.RSAPrivateKey:
    """One key for every tenant of the journeys: each still has a ``kid`` of its own."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@asynccontextmanager
async def lab_tenant(name: str = "corp", people: Sequence[Person] = PEOPLE) -> AsyncIterator[Tenant]:
    """A healthy tenant on ``localhost``: another site than Isthmus on ``127.0.0.1``."""
    sock = listen()
    room = Room(name, f"{name} login", "A tenant for tests.", tuple(people))
    tenant = Tenant(f"http://localhost:{port_of(sock)}/", room=room, key=tenant_key())
    async with serving(tenant.app, sock):
        yield tenant


def know(tenant: Tenant, node: Node) -> None:
    """Register Isthmus at the tenant."""
    client = LabClient("isthmus", (node.callback,), CLIENT_SECRET, (node.issuer,))
    tenant.clients[client.client_id] = client


@dataclass
class World:
    """A tenant, Isthmus, an application and a browser, all running."""

    tenants: dict[str, Tenant]
    node: Node
    app: AuthlibApp
    other: AuthlibApp
    browser: Browser
    extra: list[Any] = field(default_factory=list)

    async def start(self, browser: Browser | None = None, app: AuthlibApp | None = None, **wishes: str) -> Tab:
        """A new tab that asked the application for a login."""
        query = "&".join(f"{name}={value}" for name, value in wishes.items())
        return await (browser or self.browser).open(f"{(app or self.app).base}login?{query}")

    async def log_in(self, person: Person = MIRA, browser: Browser | None = None, **wishes: str) -> Tab:
        """The whole way, as ``person``."""
        tab = await self.start(browser, **wishes)
        await tab.click(person.name)
        return tab

    def hold(self, path: str, browser: Browser | None = None) -> None:
        """Let navigations to this address of Isthmus (or the application, if absolute) wait."""
        target = path if path.startswith("http") else f"{self.node.issuer}{path}"
        (browser or self.browser).stop = lambda navigation: navigation.url.startswith(target)

    def let_go(self, browser: Browser | None = None) -> None:
        """Hold nothing any more."""
        (browser or self.browser).stop = lambda _: False


Worlds = Callable[..., AbstractAsyncContextManager[World]]


@pytest.fixture
def worlds(tmp_path: Path, stores: Stores) -> Worlds:
    """Makes a world with one connection, ``corp``; or with ``tenants`` by name, each a connection."""

    @asynccontextmanager
    async def make(
        channel: str = "front_channel", tenants: dict[str, Sequence[Person]] | None = None, store: Store | None = None,
        **tables: Any,
    ) -> AsyncIterator[World]:  # fmt: skip
        async with AsyncExitStack() as stack:
            running = {
                name: await stack.enter_async_context(lab_tenant(name, people))
                for name, people in (tenants or {"corp": PEOPLE}).items()
            }
            app = await stack.enter_async_context(authlib_app())
            other = await stack.enter_async_context(authlib_app("other"))
            ways = [connection(name, t.issuer, channel, ("webapp", "other")) for name, t in running.items()]
            node = await stack.enter_async_context(
                isthmus(tmp_path, store or stores(0), connections=ways, clients=[client(app), client(other)], **tables)
            )
            app.issuer = other.issuer = node.issuer
            for tenant in running.values():
                know(tenant, node)
            browser = await stack.enter_async_context(Browser())
            yield World(running, node, app, other, browser)

    return make


@pytest.fixture(params=CHANNELS)
async def world(request: pytest.FixtureRequest, worlds: Worlds) -> AsyncIterator[World]:
    """A world on each channel in turn."""
    async with worlds(request.param) as made:
        yield made


def refused(page: Page, node: Node, status: int = 400) -> bool:
    """Whether a page of Isthmus says no to the person: this status, nothing sent on to anybody."""
    return page.status == status and page.url.startswith(node.issuer) and "text/html" in page.headers["Content-Type"]
