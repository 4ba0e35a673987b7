"""What an attacker needs: a running Isthmus, tenants that say whatever the test wants, applications, browsers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from proxy.lab.browser import Browser, Tab
from proxy.lab.navigation import Navigation, Page
from proxy.store import Store
from proxy.store.memory import MemoryStore
from tests.kit.authlib_app import AuthlibApp, authlib_app
from tests.kit.isthmus import Node, client, connection, isthmus
from tests.kit.tenant import ScriptedTenant, good_claims, jws

CLIENTS = ("webapp", "other")


@dataclass
class Scene:
    """Isthmus with its tenants and applications. Navigations to a tenant stop: the test answers in its place."""

    node: Node
    tenants: Mapping[str, ScriptedTenant]
    apps: Mapping[str, AuthlibApp]
    browsers: AsyncExitStack

    async def browser(self) -> Browser:
        """A person's browser that waits at every tenant."""
        made = await self.browsers.enter_async_context(Browser())
        made.stop = lambda going: any(going.url.startswith(tenant.base) for tenant in self.tenants.values())
        return made

    async def start(self, browser: Browser, app: str = "webapp", **wishes: str) -> Tab:
        """A new tab that asked an application for a login."""
        return await browser.open(f"{self.apps[app].base}login?{urlencode(wishes)}")

    async def answer(self, tab: Tab, at: str = "corp", **claims: Any) -> Page:
        """The tenant ``at`` answers what the tab asks it, about the person the claims say."""
        asked = asked_of(tab)
        tenant, front = self.tenants[at], asked["response_type"] == "id_token"
        now = time.time()
        said = {"nonce": asked["nonce"], "auth_time": int(now), **claims}
        token = jws(tenant.keys[0], good_claims(tenant.base, now, **said))
        if front:
            form = urlencode({"id_token": token, "state": asked["state"]})
            return await tab.navigate(Navigation("POST", asked["redirect_uri"], form, tenant.base))
        tenant.id_token = token
        query = urlencode({"code": "a-code", "state": asked["state"]})
        return await tab.navigate(Navigation("GET", f"{asked['redirect_uri']}?{query}", initiator=tenant.base))

    async def log_in(self, browser: Browser, app: str = "webapp", at: str = "corp", **claims: Any) -> Page:
        """The whole way."""
        return await self.answer(await self.start(browser, app), at, **claims)

    async def who_is_in(self, browser: Browser, app: str = "webapp") -> str:
        """Whom the session of a browser names to an application, or the error that it is told."""
        return (await self.start(browser, app, prompt="none")).page.text

    async def asks(self, app: str = "webapp", **wishes: str) -> str:
        """The query of an authorization request of an application."""
        url, _ = await asyncio.to_thread(self.apps[app].begin, **wishes)
        return urlsplit(url).query


def asked_of(tab: Tab) -> dict[str, str]:
    """What a tab that waits at a tenant asks it."""
    assert tab.pending is not None, tab.page.text
    return {name: values[0] for name, values in parse_qs(urlsplit(tab.pending.url).query).items()}


def session_cookies(browser: Browser) -> list[str]:
    """The values of the session cookie in a browser."""
    return [c.value for c in browser.jar.cookies.values() if c.name.startswith("__Host-isthmus-session-")]


Scenes = Callable[..., AbstractAsyncContextManager[Scene]]


@pytest.fixture
def scenes(tmp_path: Path) -> Scenes:
    """Makes a scene: ``options`` of each connection by name (``enabled`` and ``show_as_button`` stand beside them)."""

    @asynccontextmanager
    async def make(
        options: Mapping[str, Mapping[str, Any]] | None = None, store: Store | None = None, **tables: Any
    ) -> AsyncIterator[Scene]:
        async with AsyncExitStack() as stack:
            tenants, ways = {}, []
            for name, wanted in (options or {"corp": {}}).items():
                tenants[name] = tenant = await stack.enter_async_context(ScriptedTenant())
                extra = dict(wanted)
                enabled, shown = extra.pop("enabled", CLIENTS), extra.pop("show_as_button", True)
                channel = extra.pop("type", "front_channel")
                way = connection(name, tenant.base, channel, enabled, **extra)
                ways.append({**way, "show_as_button": shown})
            apps = {name: await stack.enter_async_context(authlib_app(name)) for name in CLIENTS}
            known = [client(app) for app in apps.values()]
            node = await stack.enter_async_context(
                isthmus(tmp_path, store or MemoryStore(), connections=ways, clients=known, **tables)
            )
            for app in apps.values():
                app.issuer = node.issuer
            browsers = await stack.enter_async_context(AsyncExitStack())
            yield Scene(node, tenants, apps, browsers)

    return make


@pytest.fixture
async def scene(scenes: Scenes) -> AsyncIterator[Scene]:
    """One tenant, ``corp``, on the front channel."""
    async with scenes() as made:
        yield made
