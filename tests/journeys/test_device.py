"""The device flow, whole: a device that only speaks HTTP, a tenant, and a person with a browser (RFC 8628)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession
from joserfc import jwt
from joserfc.jwk import KeySet

from proxy.lab.browser import Browser, Tab
from proxy.models.client import DEVICE_CODE
from proxy.store import Store
from proxy.store.memory import MemoryStore
from tests.journeys.conftest import CHANNELS, JONAS, MIRA, Stores, know, lab_tenant, refused
from tests.kit.authlib_app import AuthlibApp, authlib_app
from tests.kit.isthmus import Node, client, connection, isthmus

TV: Mapping[str, Any] = {
    "client_id": "tv",
    "client_name": "Living room TV",
    "token_endpoint_auth_method": "none",
    "web_origins": ["https://tv.example"],
    "grant_types": [DEVICE_CODE, "refresh_token"],
}
THIRD = {**TV, "is_first_party": False}


@dataclass
class Room:
    """Isthmus, a device, a browser, and an application beside them."""

    node: Node
    http: ClientSession
    browser: Browser
    app: AuthlibApp

    # --- the device ---

    async def begin(self, scope: str = "openid profile offline_access") -> dict[str, Any]:
        """Its codes."""
        status, told = await self.post("oauth/device/code", client_id="tv", scope=scope)
        assert status == 200
        return told

    async def ask(self, device_code: str) -> tuple[int, dict[str, Any]]:
        """What it hears when it asks."""
        return await self.post("oauth/token", client_id="tv", grant_type=DEVICE_CODE, device_code=device_code)

    async def refusal(self, device_code: str) -> str:
        """The error it hears."""
        status, told = await self.ask(device_code)
        assert status == 400 and set(told) == {"error", "error_description"}
        return str(told["error"])

    async def post(self, path: str, **form: str) -> tuple[int, dict[str, Any]]:
        """A form, and the JSON that answers it."""
        async with self.http.post(f"{self.node.issuer}{path}", data=form) as response:
            assert response.headers["Cache-Control"] == "no-store"
            return response.status, await response.json()

    async def get(self, path: str, **headers: str) -> dict[str, Any]:
        """Some JSON of ours."""
        async with self.http.get(f"{self.node.issuer}{path}", headers=headers) as response:
            found: dict[str, Any] = await response.json()
            return found

    # --- the person ---

    async def type(self, code: str) -> Tab:
        """A tab in which the code was typed."""
        tab = await self.browser.open(f"{self.node.issuer}activate")
        await tab.submit(user_code=code)
        return tab


@asynccontextmanager
async def room(folder: Path, store: Store, channel: str = "front_channel", **changes: Any) -> AsyncIterator[Room]:
    """Everything, running. ``changes``: of the device's client, and tables."""
    tv, tables = changes.pop("tv", TV), changes
    async with AsyncExitStack() as stack:
        tenant = await stack.enter_async_context(lab_tenant())
        app = await stack.enter_async_context(authlib_app())
        way = {**connection("corp", tenant.issuer, channel, ("webapp", "tv")), "is_domain_connection": True}
        ours = isthmus(folder, store, connections=[way], clients=[client(app), tv], **tables)
        node = await stack.enter_async_context(ours)
        know(tenant, node)
        app.issuer = node.issuer
        http = await stack.enter_async_context(ClientSession())
        yield Room(node, http, await stack.enter_async_context(Browser()), app)


@pytest.mark.parametrize("channel", CHANNELS)
async def test_a_device_from_its_codes_to_its_refresh_token(tmp_path: Path, stores: Stores, channel: str) -> None:
    """Discovery, codes, a wait, a login at the tenant, the page that asks, tokens, userinfo, a refresh, logout."""
    async with room(tmp_path, stores(0), channel) as here:
        document = await here.get(".well-known/openid-configuration")
        assert document["device_authorization_endpoint"] == f"{here.node.issuer}oauth/device/code"
        assert DEVICE_CODE in document["grant_types_supported"]
        told = await here.begin()
        assert await here.refusal(told["device_code"]) == "authorization_pending"
        assert await here.refusal(told["device_code"]) == "slow_down"
        tab = await here.browser.open(told["verification_uri_complete"])
        assert "Connect a device" in tab.page.text
        await tab.submit()
        await tab.click(MIRA.name)
        assert tab.page.status == 200 and told["user_code"] in tab.page.text and "Living room TV" in tab.page.text
        assert MIRA.name in tab.page.text and "Keep this access while you are away" in tab.page.text
        await tab.click("Allow")
        assert "Your device is connected" in tab.page.text
        status, tokens = await here.ask(told["device_code"])
        assert status == 200 and await here.refusal(told["device_code"]) == "invalid_grant"
        keys = KeySet.import_key_set(await here.get(".well-known/jwks.json"))
        claims = jwt.decode(tokens["id_token"], keys).claims
        assert (claims["aud"], claims["name"], claims["iss"]) == ("tv", MIRA.name, here.node.issuer)
        person = await here.get("userinfo", Authorization=f"Bearer {tokens['access_token']}")
        assert person["name"] == MIRA.name
        refresh = {"client_id": "tv", "grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
        status, fresh = await here.post("oauth/token", **refresh)
        assert status == 200
        second = await here.begin(scope="openid")
        await (await here.type(second["user_code"])).click("Allow")
        online = (await here.ask(second["device_code"]))[1]
        await here.browser.open(f"{here.node.issuer}oidc/logout?id_token_hint={tokens['id_token']}")
        assert (await here.get("userinfo", Authorization=f"Bearer {online['access_token']}"))[
            "error"
        ] == "invalid_token"
        status, _ = await here.post("oauth/token", **{**refresh, "refresh_token": fresh["refresh_token"]})
        assert status == 200  # offline access outlives the session, as for codes


async def test_who_is_logged_in_is_asked_all_the_same(tmp_path: Path) -> None:
    """RFC 8628 5.4: a session of before spares the login, never the question; no is told to the device."""
    async with room(tmp_path, MemoryStore()) as here:
        tab = await here.browser.open(f"{here.app.base}login")
        await tab.click(MIRA.name)
        told = await here.begin()
        asks = await here.type(told["user_code"].lower().replace("-", " "))
        assert asks.page.url.startswith(f"{here.node.issuer}activate/confirm?") and MIRA.name in asks.page.text
        assert await here.refusal(told["device_code"]) == "authorization_pending"
        await asks.click("Deny")
        assert "The device is not connected" in asks.page.text
        assert await here.refusal(told["device_code"]) == "access_denied"


async def test_another_person_can_log_in_for_the_device(tmp_path: Path) -> None:
    """From the question back to a login, and the device is theirs."""
    async with room(tmp_path, MemoryStore()) as here:
        told = await here.begin()
        tab = await here.type(told["user_code"])
        await tab.click(MIRA.name)
        await tab.click("Not you?")
        await tab.submit()
        await tab.click(JONAS.name)
        assert told["user_code"] in tab.page.text and JONAS.name in tab.page.text
        await tab.click("Allow")
        status, tokens = await here.ask(told["device_code"])
        person = await here.get("userinfo", Authorization=f"Bearer {tokens['access_token']}")
        assert (status, person["name"]) == (200, JONAS.name)


async def test_a_third_party_device_asks_twice(tmp_path: Path) -> None:
    """Consent first, on a page with no address to go on to; then the question."""
    async with room(tmp_path, MemoryStore(), tv=THIRD) as here:
        told = await here.begin()
        tab = await here.type(told["user_code"])
        await tab.click(MIRA.name)
        assert "/login/consent?" in tab.page.url and "You then go on to" not in tab.page.text
        await tab.click("Allow")
        assert "/activate/confirm?" in tab.page.url
        await tab.click("Allow")
        assert (await here.ask(told["device_code"]))[0] == 200


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"user_code=BCDF-GHJK", "No device waits for this code"),
        (b"user_code=%3Cscript%3E", "&lt;script&gt;"),
        (b"user_code=%FF", ""),
        (b"user_code=a&user_code=b", ""),
        (b"", "No device waits for this code"),
        (b"\xff\xfe", ""),
    ],
)
async def test_odd_codes_are_told_on_a_page(tmp_path: Path, body: bytes, said: str) -> None:
    """A page with status 400, never a 500, whatever stands in the form."""
    async with room(tmp_path, MemoryStore()) as here:
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        async with here.http.post(f"{here.node.issuer}activate", data=body, headers=headers) as response:
            text = await response.text()
            assert response.status == 400 and response.content_type == "text/html"
            assert said in text and "<script" not in text


async def test_guesses_from_one_address_end_in_429(tmp_path: Path) -> None:
    """RFC 8628 5.1: after ten wrong codes a page says so, and a good code has to wait, too."""
    async with room(tmp_path, MemoryStore()) as here:
        good, statuses = (await here.begin())["user_code"], []
        for code in [*["BCDFGHJK"] * 11, good]:
            async with here.http.post(f"{here.node.issuer}activate", data={"user_code": code}) as response:
                statuses.append(response.status)
        assert statuses == [400] * 10 + [429, 429]


async def test_pages_of_the_client_may_ask(tmp_path: Path) -> None:
    """CORS: an app in a television's browser, by its ``web_origins``; nobody else's."""
    async with room(tmp_path, MemoryStore()) as here:
        allowed = []
        for origin in ("https://tv.example", "https://evil.example"):
            url, form = f"{here.node.issuer}oauth/device/code", {"client_id": "tv"}
            async with here.http.post(url, data=form, headers={"Origin": origin}) as response:
                allowed.append(response.headers.get("Access-Control-Allow-Origin"))
        assert allowed == ["https://tv.example", None]


async def test_a_page_that_is_over_says_so(tmp_path: Path) -> None:
    """The question without a session, or of nobody, is a page of 400."""
    async with room(tmp_path, MemoryStore()) as here:
        for path in ("activate/confirm", "activate/confirm?id=made-up"):
            assert refused((await here.browser.open(f"{here.node.issuer}{path}")).page, here.node)


async def test_switched_off_it_is_not_there(tmp_path: Path) -> None:
    """``tokens.device_code = 0``: no addresses, nothing in discovery, and the grant is unsupported."""
    async with room(tmp_path, MemoryStore(), tokens={"device_code": 0}) as here:
        document = await here.get(".well-known/openid-configuration")
        assert "device_authorization_endpoint" not in document
        assert DEVICE_CODE not in document["grant_types_supported"]
        for method, path in (("POST", "oauth/device/code"), ("GET", "activate"), ("GET", "activate/confirm")):
            async with here.http.request(method, f"{here.node.issuer}{path}") as response:
                assert response.status == 404
        assert await here.refusal("x") == "unsupported_grant_type"


async def test_a_device_client_registers_itself(tmp_path: Path) -> None:
    """RFC 7591: the grant is one that a client may have by its own word; it gets refresh tokens and needs no redirect
    URI."""
    async with room(tmp_path, MemoryStore(), registration={"mode": "open"}) as here:
        body = {"client_name": "Box", "grant_types": [DEVICE_CODE], "token_endpoint_auth_method": "none"}
        async with here.http.post(f"{here.node.issuer}oidc/register", json=body) as response:
            box = await response.json()
            assert response.status == 201 and box["grant_types"] == [DEVICE_CODE, "refresh_token"]
        status, told = await here.post("oauth/device/code", client_id=box["client_id"], scope="openid")
        assert status == 200
        tab = await here.type(told["user_code"])
        await tab.click(MIRA.name)
        assert "Unverified." in tab.page.text
