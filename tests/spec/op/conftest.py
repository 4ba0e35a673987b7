"""A node with an https issuer over real TLS, a tenant of the lab behind it, and the suite in front."""

from __future__ import annotations

import socket
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
import trustme
from aiohttp import web

from proxy import app, settings
from proxy.downstream.initial_tokens import InitialTokens
from proxy.lab.listen import listen, port_of, serving
from proxy.lab.people import PEOPLE
from proxy.lab.rooms import LabClient
from proxy.lab.tenant import Tenant
from proxy.store import Store
from proxy.store.memory import MemoryStore
from proxy.web import callers, runner, session
from tests.journeys.conftest import tenant_key
from tests.kit.isthmus import CLIENT_SECRET, borrow_keys, configure, connection, lend_keys
from tests.kit.suite import PATH, Clock, Suite
from tests.spec.op.flow import Runs

MIRA = PEOPLE[0]
DAY = 86_400
SCOPE = "openid profile email address phone"
HOSTS = ("op.example", "suite.example")
STATIC = {
    "client_secret_basic": ("isthmus-one", "odd %&+ characters = and : more of them, 40"),
    "client_secret_post": ("isthmus-two", "another secret of forty characters 01234"),
    "second": ("isthmus-three", "the third secret has forty characters 01"),
}


@dataclass
class World:
    """Node, suite and time. ``runs`` makes runs of modules."""

    suite: Suite
    runs: Runs
    clock: Clock
    store: Store
    config: Path
    environ: Mapping[str, str]


@pytest.fixture(scope="module")
def patch() -> Any:
    """Changes that last for a module."""
    with pytest.MonkeyPatch.context() as found:
        yield found


@pytest.fixture(scope="module")
def clock(patch: pytest.MonkeyPatch) -> Clock:
    """The node's time; names made up for tests lead to this machine."""
    made, ask = Clock(), socket.getaddrinfo

    def here(host: Any, *more: Any, **options: Any) -> Any:
        return ask("127.0.0.1" if host in HOSTS else host, *more, **options)

    patch.setattr(socket, "getaddrinfo", here)
    told = SimpleNamespace(time=made)
    patch.setattr(app, "time", told)
    patch.setattr(session, "time", told)
    patch.setattr(app, "Callers", partial(callers.Callers, clock=made))
    return made


def static_clients(base: str) -> list[dict[str, Any]]:
    """The clients of the file."""
    return [
        {
            "client_id": name,
            "client_secret": secret,
            "client_name": f"Static client {name}",
            "redirect_uris": [f"{base}callback"],
            "post_logout_redirect_uris": [f"{base}post_logout_redirect"],
            "grant_types": ["authorization_code", "implicit", "refresh_token"],
            "response_types": [
                "code", "id_token", "id_token token", "code id_token", "code token", "code id_token token",
            ],
            "token_endpoint_auth_method": "client_secret_basic" if kind == "second" else kind,
            "id_token_claims": "lean",
        }
        for kind, (name, secret) in STATIC.items()
    ]  # fmt: skip


def context(authority: trustme.CA, *names: str) -> ssl.SSLContext:
    """A server's TLS."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*names).configure_cert(made)
    return made


@asynccontextmanager
async def world(
    folder: Path, clock: Clock, store: Store, *, ways: tuple[str, ...] = ("corp",), **tables: Any
) -> AsyncIterator[World]:
    """``ways`` are the connections, all to one tenant: with one nobody has to choose."""
    authority, ca = trustme.CA(), folder / "ca.pem"
    authority.cert_pem.write_to_path(str(ca))
    trust = ssl.create_default_context(cafile=str(ca))
    async with AsyncExitStack() as stack:
        socks = [stack.enter_context(closing(listen())) for _ in range(3)]
        ours, theirs, suites = map(port_of, socks)
        issuer, base = f"https://op.example:{ours}/", f"https://suite.example:{suites}{PATH}"
        lab = LabClient("isthmus", (f"{issuer}login/callback",), CLIENT_SECRET)
        tenant = Tenant(f"https://localhost:{theirs}/", [lab], clock=clock, key=tenant_key())
        await stack.enter_async_context(serving(tenant.app, socks[1], context(authority, "localhost")))
        knows = [one for one, _ in STATIC.values()]
        connections = [
            {
                **connection(name, tenant.issuer, "back_channel", clients=knows, scope=SCOPE),
                "is_domain_connection": True,
            }
            for name in ways
        ]
        server = {"trust": [str(ca)], "allow_private": ["127.0.0.0/8"], **tables.pop("server", {})}
        file, environ = configure(
            folder,
            issuer,
            ours,
            {
                "connections": connections,
                "clients": static_clients(base),
                "registration": {"mode": "token"},
                "server": server,
                **tables,
            },
        )
        loaded = settings.load(file, environ)
        await lend_keys(store, loaded.keys.algorithms)
        site = await app.build(loaded, store, settings.own_secrets(loaded))
        tls = context(authority, "op.example")
        await stack.enter_async_context(runner.serve(site, runner.Serving(issuer, tls=tls), socks[0]))
        await site[app.KEYS].load(clock())
        await borrow_keys(store)
        connector = aiohttp.TCPConnector(ssl=trust, limit=0)
        http = await stack.enter_async_context(
            aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar())
        )
        token = await InitialTokens(store).issue(clock(), uses=None, seconds=DAY)
        suite = Suite(base, issuer, tenant.issuer, MIRA.name, clock, connector, http, token)
        front = web.Application()
        front.router.add_route("*", f"{PATH}{{name:.*}}", suite.serve)
        await stack.enter_async_context(serving(front, socks[2], context(authority, "suite.example")))
        yield World(suite, Runs(suite, STATIC), clock, store, file, environ)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def op(tmp_path_factory: pytest.TempPathFactory, clock: Clock) -> AsyncIterator[World]:
    """One node for all tests of a module."""
    async with world(tmp_path_factory.mktemp("op"), clock, MemoryStore(clock)) as made:
        yield made
