"""Pushed requests and a tenant's token, over real HTTP, with a person in a browser (RFC 9126, RFC 8693)."""

from __future__ import annotations

import json
from typing import Any

from aiohttp import ClientSession, encode_basic_auth

from proxy.lab.browser import Browser, Tab
from proxy.lab.navigation import Navigation
from proxy.models.client import TOKEN_EXCHANGE
from proxy.oidc.urls import with_params
from proxy.store.memory import MemoryStore
from tests.downstream.world import CHALLENGE, VERIFIER, answer_params
from tests.journeys.conftest import JONAS, MIRA, Worlds, know, lab_tenant, refused
from tests.kit.authlib_app import AuthlibApp, authlib_app
from tests.kit.isthmus import Node, client, connection, isthmus

HINT = "somebody.private@nowhere.example"
TWO = {"corp": (MIRA,), "partner": (JONAS,)}


class Client:
    """The application's own line to the provider."""

    def __init__(self, node: Node, app: AuthlibApp, http: ClientSession) -> None:
        self.node, self.app, self.http = node, app, http
        self.auth = encode_basic_auth(app.registration["client_id"], app.registration["client_secret"])

    async def post(self, path: str, **form: str) -> tuple[int, dict[str, Any], Any]:
        headers = {"Authorization": self.auth}
        async with self.http.post(f"{self.node.issuer}{path}", data=form, headers=headers) as response:
            return response.status, await response.json(), response.headers

    async def push(self, **changes: str) -> str:
        """The address that opens a pushed request."""
        asked = {
            "response_type": "code",
            "redirect_uri": self.app.callback,
            "scope": "openid email",
            "state": "pushed-state",
            "code_challenge": CHALLENGE,
            "code_challenge_method": "S256",
            **changes,
        }
        status, answer, headers = await self.post("oauth/par", **asked)
        assert (status, headers["Cache-Control"]) == (201, "no-store"), answer
        reference = {"client_id": self.app.client_id, "request_uri": answer["request_uri"]}
        return with_params(f"{self.node.issuer}authorize", reference)

    async def redeem(self, tab: Tab) -> dict[str, Any]:
        """Tokens for the code that arrived at the application."""
        assert tab.pending is not None, tab.page.text[:300]
        told = answer_params(tab.pending.url)
        form = {"code": told["code"], "redirect_uri": self.app.callback, "code_verifier": VERIFIER}
        status, answer, _ = await self.post("oauth/token", grant_type="authorization_code", **form)
        assert (status, told["state"]) == (200, "pushed-state")
        return answer


def noted(browser: Browser, app: AuthlibApp) -> list[str]:
    """Every address the browser goes to from now on; it stops at the application."""
    seen: list[str] = []

    def stop(navigation: Navigation) -> bool:
        seen.append(f"{navigation.url} {navigation.body}")
        return navigation.url.startswith(app.callback)

    browser.stop = stop
    return seen


async def test_rg_14_rg_21_a_pushed_login(worlds: Worlds) -> None:
    """RG-14, RG-21: through the login page and a tenant to a code; the pushed hint is in no address, no cookie and no
    page; the reference is then used up, and a page says so."""
    async with worlds("back_channel", TWO) as world, ClientSession() as http:
        app = Client(world.node, world.app, http)
        seen = noted(world.browser, world.app)
        tab = await world.browser.open(url := await app.push(login_hint=HINT, claims=json.dumps({"userinfo": {}})))
        pages = [tab.page.body]
        await tab.click("corp login")
        pages.append(tab.page.body)
        await tab.click(MIRA.name)
        tokens = await app.redeem(tab)
        assert tokens["scope"] == "openid email" and len(seen) >= 5
        cookies = [f"{cookie.name} {cookie.value}" for cookie in world.browser.jar.cookies.values()]
        for text in (*seen, *pages, *cookies):
            assert HINT not in text and "somebody.private" not in text
        assert refused((await world.browser.open(url)).page, world.node)


async def test_rg_14_two_browsers_one_answer(worlds: Worlds) -> None:
    """RG-14: both are on their way when the first is answered; the second gets a page and no session."""
    async with worlds() as world, ClientSession() as http, Browser() as second:
        app = Client(world.node, world.app, http)
        url = await app.push()
        for browser in (world.browser, second):
            noted(browser, world.app)
        one, two = await world.browser.open(url), await second.open(url)
        await two.click(JONAS.name)
        await one.click(MIRA.name)
        assert "id_token" in await app.redeem(two)
        assert refused(one.page, world.node)
        assert not [name for name in world.browser.jar.cookies if "session" in str(name)]


async def test_rg_13_errors_of_a_push_are_json(worlds: Worlds) -> None:
    """RG-13, RFC 9126 2.3: 401 and 400 with the codes of OAuth, whatever is wrong."""
    async with worlds() as world, ClientSession() as http:
        app = Client(world.node, world.app, http)
        asked = {"response_type": "code", "redirect_uri": world.app.callback}
        for changes, code in (
            ({"redirect_uri": "https://evil.example/"}, "invalid_request"),
            ({"request_uri": "urn:ietf:params:oauth:request_uri:x"}, "invalid_request"),
            ({"resource": "https://foreign.example/"}, "invalid_target"),
            ({"response_type": "token"}, "unsupported_response_type"),
            ({"client_id": "other"}, "invalid_request"),
        ):
            status, answer, _ = await app.post("oauth/par", **{**asked, **changes})
            assert (status, answer["error"]) == (400, code)
        app.auth = encode_basic_auth("webapp", "wrong")
        status, answer, headers = await app.post("oauth/par", **asked)
        assert (status, answer["error"]) == (401, "invalid_client") and headers["WWW-Authenticate"].startswith("Basic")


async def test_a_client_calls_the_tenant_for_the_person(tmp_path: Any) -> None:
    """RFC 8693, Auth0's federated connections: what the tenant gave at the login, for our access token."""
    async with lab_tenant() as tenant, authlib_app() as app, Browser() as browser, ClientSession() as http:
        keeps = {"federated_connections_access_tokens": {"active": True}}
        may = client(app, grant_types=["authorization_code", TOKEN_EXCHANGE])
        way = connection("corp", tenant.issuer, "back_channel", **keeps)
        async with isthmus(tmp_path, MemoryStore(), connections=[way], clients=[may]) as node:
            know(tenant, node)
            noted(browser, app)
            line = Client(node, app, http)
            tab = await browser.open(await line.push())
            await tab.click(MIRA.name)
            form = {
                "grant_type": TOKEN_EXCHANGE,
                "subject_token": (await line.redeem(tab))["access_token"],
                "subject_token_type": "urn:ietf:params:oauth:token-type:access_token",
                "connection": "corp",
            }
            status, answer, headers = await line.post("oauth/token", **form)
            assert (status, headers["Cache-Control"]) == (200, "no-store"), answer
            theirs = {"Authorization": f"Bearer {answer['access_token']}"}
            async with http.get(f"{tenant.issuer}userinfo", headers=theirs) as response:
                assert response.status == 200 and (await response.json())["name"] == MIRA.name
            async with http.get(f"{node.issuer}.well-known/openid-configuration") as response:
                document = await response.json()
            assert TOKEN_EXCHANGE in document["grant_types_supported"]
