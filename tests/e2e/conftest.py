"""Chromium, and npm oidc-provider as the upstream. What is missing is told by ``tests/e2e/needs.py``."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser as Chromium
from playwright.async_api import BrowserContext, async_playwright

from proxy.lab.people import PEOPLE, SCOPE_CLAIMS
from tests.e2e.needs import chromium_path, missing
from tests.journeys.conftest import Stores, server, stores
from tests.kit.authlib_app import AuthlibApp, authlib_app
from tests.kit.isthmus import CLIENT_SECRET, Node, client, connection, isthmus
from tests.kit.valkey import free_port

__all__ = ["server", "stores"]
HERE = Path(__file__).parent
SHOTS = HERE / "shots"
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    # oidc-provider's pages ask for a font from elsewhere: nothing leaves this machine
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1",
]


@pytest.fixture(autouse=True)
def equipped() -> None:
    """Fail, with the remedy, where something is not installed: a test that skips proves nothing."""
    if lines := missing():
        pytest.fail("; ".join(lines))


@pytest.fixture
async def chromium() -> AsyncIterator[Chromium]:
    """The browser of the system, driven by Playwright."""
    async with async_playwright() as play:
        browser = await play.chromium.launch(executable_path=chromium_path(), args=FLAGS)
        yield browser
        await browser.close()


@pytest.fixture
async def window(chromium: Chromium) -> AsyncIterator[BrowserContext]:
    """A fresh profile."""
    context = await chromium.new_context()
    context.set_default_timeout(15_000)
    yield context
    await context.close()


@dataclass
class Provider:
    """oidc-provider, running. Its people are those of the lab; any password will do."""

    issuer: str


@asynccontextmanager
async def provider(callback: str) -> AsyncIterator[Provider]:
    """oidc-provider on ``localhost``, with Isthmus as its client for both channels.

    The client is native: only so does it take an http redirect URI for the implicit flow.
    """
    port = free_port()
    known = {
        "client_id": "isthmus",
        "client_secret": CLIENT_SECRET,
        "redirect_uris": [callback],
        "grant_types": ["authorization_code", "implicit"],
        "response_types": ["code", "id_token"],
        "application_type": "native",
    }
    configuration = {
        "issuer": f"http://localhost:{port}",
        "port": port,
        "clients": [known],
        "people": {person.sub: dict(person.claims) for person in PEOPLE},
        "scopes": {scope: list(claims) for scope, claims in SCOPE_CLAIMS.items()},
    }
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        "node", str(HERE / "provider.mjs"), json.dumps(configuration), stdin=pipe, stdout=pipe, stderr=pipe
    )
    assert process.stdin and process.stdout and process.stderr
    try:
        line = await asyncio.wait_for(process.stdout.readline(), 20)
        assert line, (await process.stderr.read()).decode()
        yield Provider(configuration["issuer"])
    finally:
        process.stdin.close()
        try:
            await asyncio.wait_for(process.communicate(), 10)
        except TimeoutError:
            process.kill()


@dataclass
class Crossing:
    """The application, Isthmus, and oidc-provider."""

    app: AuthlibApp
    node: Node
    provider: Provider


Crossings = Callable[..., AbstractAsyncContextManager[Crossing]]


@pytest.fixture
def crossings(tmp_path: Path, stores: Stores) -> Crossings:
    """Makes one for a channel. Isthmus has to be there first, for its callback; so it learns the provider's address
    from a port reserved before."""

    @asynccontextmanager
    async def make(channel: str, **tables: Any) -> AsyncIterator[Crossing]:
        async with AsyncExitStack() as stack:
            port = free_port()
            upstream = await stack.enter_async_context(provider(f"http://127.0.0.1:{port}/login/callback"))
            app = await stack.enter_async_context(authlib_app())
            node = await stack.enter_async_context(
                isthmus(
                    tmp_path, stores(0), port=port, clients=[client(app)],
                    connections=[connection("node", upstream.issuer, channel)], **tables,
                )
            )  # fmt: skip
            app.issuer = node.issuer
            yield Crossing(app, node, upstream)

    return make


def way(name: str, issuer: str, **options: Any) -> Any:
    """A connection for the login page alone."""
    return connection(name, issuer, "front_channel", **options)


def buttons(names: Mapping[str, str]) -> list[Any]:
    """Connections that nobody will follow: name and words."""
    return [way(name, "http://localhost:9/", display_name=words) for name, words in names.items()]
