"""Connections over HTTP, while people log in: what one node is told holds on the other within a second."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from authlib.integrations.base_client.errors import OAuthError
from yarl import URL

from proxy.lab.browser import Browser, Tab
from proxy.lab.tenant import Tenant
from proxy.management.connections_api import ROUTES
from tests.journeys.conftest import MIRA, Stores, know, lab_tenant, refused
from tests.kit.authlib_app import AuthlibApp, authlib_app
from tests.kit.isthmus import CLIENT_SECRET, Node, client, isthmus
from tests.kit.relay import Relay, relay
from tests.kit.waiting import eventually

SCRIPT_SECRET = "the secret of a script that manages connections, made up"
SCOPES = [
    "create:connections",
    "read:connections",
    "update:connections",
    "delete:connections",
    "read:connections_options",
    "update:connections_options",
]
WITHIN = 1.0
"""Seconds that a change may take to reach the other node."""


@dataclass
class Pair:
    """Two nodes on one store, without a connection of the file; a tenant; an application on either node."""

    here: Node
    there: Node
    balancer: Relay
    tenant: Tenant
    app: AuthlibApp
    browser: Browser
    http: aiohttp.ClientSession
    token: str = ""

    async def ask(self, node: Node, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """A request of the script to one node."""
        headers = {"Host": self.app.issuer.split("/")[2], "Authorization": f"Bearer {self.token}"}
        extra = {"json": body} if body is not None else {}
        url = f"http://127.0.0.1:{node.port}/api/v2/{path}"
        async with self.http.request(method, url, headers=headers, **extra) as answer:
            return answer.status, await answer.json() if answer.status != 204 else None

    async def make(self, **changes: Any) -> dict[str, Any]:
        """A connection to the tenant, made on the one node."""
        options = {"type": "back_channel", "discovery_url": self.tenant.issuer, "client_id": "isthmus"}
        body = {"name": "corp", "strategy": "oidc", "options": {**options, "client_secret": CLIENT_SECRET}}
        status, told = await self.ask(
            self.here, "POST", "connections", {**body, "enabled_clients": ["webapp"], **changes}
        )
        assert status == 201, told
        made: dict[str, Any] = told
        return made

    async def on(self, node: Node, is_so: Callable[[], Awaitable[bool]]) -> None:
        """People come to this node from now on; wait until it knows."""
        self.balancer.nodes = [node.port]
        await eventually(is_so, within=WITHIN)

    async def known(self, *, serves: bool) -> None:
        """Wait until the other node sends people to the tenant, or does not any more; nothing of the API is asked, so
        that it must find out by itself."""

        async def is_so() -> bool:
            url, _ = await asyncio.to_thread(self.app.begin, prompt="login")
            async with self.http.get(url, allow_redirects=False) as answer:
                return answer.headers.get("Location", "").startswith(self.tenant.issuer) is serves

        await self.on(self.there, is_so)

    async def login(self) -> Tab:
        """Someone who wants to log in."""
        return await self.browser.open(f"{self.app.base}login?prompt=login")


async def token(app: AuthlibApp, http: aiohttp.ClientSession) -> str:
    """A token of the client credentials grant, as Auth0's scripts get it: a JSON body with the audience."""
    body = {
        "grant_type": "client_credentials",
        "client_id": "script",
        "client_secret": SCRIPT_SECRET,
        "audience": f"{app.issuer}api/v2/",
    }
    async with http.post(f"{app.issuer}oauth/token", json=body) as answer:
        told = await answer.json()
        assert answer.status == 200, told
        return str(told["access_token"])


@asynccontextmanager
async def paired(directory: Path, stores: Stores) -> AsyncIterator[Pair]:
    """All of it."""
    async with (
        lab_tenant() as tenant, authlib_app() as app, relay() as balancer, Browser() as browser,
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True)) as http,
    ):  # fmt: skip
        app.issuer = f"http://127.0.0.1:{balancer.port}/"
        script = {
            "client_id": "script",
            "client_secret": SCRIPT_SECRET,
            "grant_types": ["client_credentials"],
            "grants": [{"audience": f"{app.issuer}api/v2/", "scopes": SCOPES}],
        }
        tables = {"clients": [client(app), script], "connections": []}
        async with (
            isthmus(directory, stores(0), issuer=app.issuer, **tables) as one,
            isthmus(directory, stores(0), issuer=app.issuer, **tables) as two,
        ):
            balancer.nodes = [one.port]
            know(tenant, one)
            yield Pair(one, two, balancer, tenant, app, browser, http, await token(app, http))


@pytest.fixture
async def pair(tmp_path: Path, stores: Stores) -> AsyncIterator[Pair]:
    """Two nodes."""
    async with paired(tmp_path, stores) as made:
        yield made


async def test_rp_21_a_change_on_one_node_holds_on_the_other(pair: Pair) -> None:
    """RP-21: made on A, people log in through it on B; switched off on A, B lets nobody in, not even with a session;
    switched on again, they can."""
    made = await pair.make()
    path = f"connections/{made['id']}"
    await pair.known(serves=True)
    tab = await pair.login()
    await tab.click(MIRA.name)
    assert tab.page.text == "hello oidc|corp|mira"
    assert (await pair.ask(pair.here, "PATCH", f"{path}/clients", [{"client_id": "webapp", "status": False}]))[0] == 204
    await pair.known(serves=False)
    before = len(pair.app.arrived)
    for wishes in ("?prompt=login", "", "?prompt=none"):
        await pair.browser.open(f"{pair.app.base}login{wishes}")
    assert len(pair.app.arrived) == before, "nobody got in"
    assert (await pair.ask(pair.here, "PATCH", f"{path}/clients", [{"client_id": "webapp", "status": True}]))[0] == 204
    await pair.known(serves=True)
    tab = await pair.login()
    if MIRA.name in " ".join(tab.page.names):
        await tab.click(MIRA.name)
    assert tab.page.text == "hello oidc|corp|mira"


@pytest.mark.parametrize("how", ["switched off", "removed"])
async def test_rp_21_a_login_under_way_does_not_finish(pair: Pair, how: str) -> None:
    """RP-21: begun while the connection was there; it is switched off or removed before the callback: 403 or 400 for
    the person, and nobody is logged in."""
    made = await pair.make()
    path = f"connections/{made['id']}"
    await pair.known(serves=True)
    pair.browser.stop = lambda navigation: navigation.url.startswith(f"{pair.app.issuer}login/callback")
    tab = await pair.login()
    await tab.click(MIRA.name)
    assert tab.pending is not None
    if how == "removed":
        assert (await pair.ask(pair.here, "DELETE", path))[0] == 204
        await pair.known(serves=False)
    else:
        body = [{"client_id": "webapp", "status": False}]
        assert (await pair.ask(pair.here, "PATCH", f"{path}/clients", body))[0] == 204
        await pair.known(serves=False)
    pair.browser.stop = lambda _: False
    page = await tab.resume()
    assert page.status in (400, 403) and page.url.startswith(pair.app.issuer), (page.status, page.text[:300])
    assert refused(page, Node(pair.app.issuer, 0, *[None] * 3), page.status)  # type: ignore[arg-type]
    assert pair.app.arrived == []


async def test_mg_15_what_is_deleted_leaves_no_rights_behind(pair: Pair) -> None:
    """MG-15: after DELETE the session, the refresh token, the access token and a new login are dead on every node, also
    when another connection of the same name is made."""
    pair.app.scope = "openid profile email offline_access"
    made = await pair.make()
    path = f"connections/{made['id']}"
    await pair.known(serves=True)
    tab = await pair.login()
    await tab.click(MIRA.name)
    tokens = pair.app.last.tokens
    assert (await pair.ask(pair.here, "DELETE", path))[0] == 204
    await pair.known(serves=False)
    before = len(pair.app.arrived)
    for wishes in ("", "?prompt=none"):
        await pair.browser.open(f"{pair.app.base}login{wishes}")
    assert len(pair.app.arrived) == before
    with pytest.raises(OAuthError, match="invalid_grant"):
        await asyncio.to_thread(pair.app.refresh, tokens)
    assert (await asyncio.to_thread(pair.app.userinfo, tokens)).status_code == 401
    await pair.make()
    await pair.known(serves=True)
    await pair.browser.open(f"{pair.app.base}login?prompt=none")
    assert len(pair.app.arrived) == before, "another connection of that name does not bring the session back"
    assert (await asyncio.to_thread(pair.app.userinfo, tokens)).status_code == 401


async def test_an_identifier_leads_to_a_connection_made_over_http(pair: Pair) -> None:
    """Domains of a new connection work at once; RP-34: a second connection cannot have one of them."""
    made = await pair.make(options={
        "type": "back_channel", "discovery_url": pair.tenant.issuer, "client_id": "isthmus",
        "client_secret": CLIENT_SECRET, "domain_aliases": ["corp.example"],
    })  # fmt: skip
    body = {"name": "evil", "strategy": "oidc", "options": {**made["options"], "client_secret": CLIENT_SECRET}}
    status, told = await pair.ask(pair.there, "POST", "connections", body)
    assert status == 409 and "belongs to connection corp already" in told["message"]


async def test_mg_01_mg_02_mg_09_no_route_is_open(pair: Pair) -> None:
    """MG-01, MG-02, MG-09: every route of the site below ``api/v2/`` answers 401 without a token, with a session's
    cookies too; there is one for each line of the table."""
    await pair.make()
    await pair.known(serves=True)
    tab = await pair.login()
    await tab.click(MIRA.name)
    cookies = {cookie.name: cookie.value for cookie in pair.browser.jar.cookies.values()}
    assert any("session" in name for name in cookies)
    routes = [
        (route.method, route.resource.canonical)
        for route in pair.here.site.router.routes()
        if route.resource is not None and route.resource.canonical.startswith("/api/") and route.method != "*"
    ]
    assert {(method, f"/api/v2/{path}") for method, path, *_ in ROUTES} <= set(routes)
    for method, path in routes:
        url = f"{pair.app.issuer}{path[1:].replace('{id}', 'con_0123456789abcdef')}"
        async with pair.http.request(method, url, cookies=cookies) as answer:
            assert answer.status == 401, (method, path)
            assert set(await answer.json()) == {"statusCode", "error", "message", "errorCode"}
    for asked in ("GET users/x/y", "PUT connections", "GET connections/", "GET %63onnections", "HEAD connections"):
        method, _, path = asked.partition(" ")
        async with pair.http.request(method, URL(f"{pair.app.issuer}api/v2/{path}", encoded=True)) as answer:
            assert (answer.status, answer.content_type) == (404, "application/json"), asked
            if method != "HEAD":
                assert (await answer.json())["errorCode"] == "not_found"


async def test_what_one_node_found_at_a_tenant_the_other_tells(pair: Pair) -> None:
    """The status: looked for when first asked, kept for all nodes, and of the options as they are now."""
    path = f"connections/{(await pair.make())['id']}/status"
    status, told = await pair.ask(pair.here, "GET", path)
    assert (status, told["status"], told["missing"], told["changed"]) == (200, "green", [], {}), told
    assert (await pair.ask(pair.there, "GET", path))[1] == told
    nowhere = f"{pair.tenant.issuer}/nothing"
    patch = {"options": {"type": "front_channel", "discovery_url": nowhere, "client_id": "isthmus"}}
    assert (await pair.ask(pair.here, "PATCH", path.removesuffix("/status"), patch))[0] == 200
    status, told = await pair.ask(pair.there, "GET", path)
    assert (status, told["status"], told["detail"]) == (200, "red", "no discovery document could be had"), told
