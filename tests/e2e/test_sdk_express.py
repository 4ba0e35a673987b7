"""``express-openid-connect`` in Chromium: its default (an ID token by ``form_post``), the code flow, and its logouts.

The tenant is on ``localhost``, Isthmus and the application on ``127.0.0.1``.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.async_api import BrowserContext, Page, Request, expect

from tests.e2e.sdk_world import SUB, Houses, houses, node_program
from tests.kit.isthmus import Node
from tests.kit.valkey import free_port
from tests.kit.waiting import eventually

__all__ = ["houses"]
pytestmark = pytest.mark.e2e
SECRET = "the secret of the application, long enough for anybody"
BY_CODE = {"response_type": "code", "scope": "openid profile email offline_access"}
KNOWN: Mapping[str, Mapping[str, Any]] = {
    "id_token": {
        "token_endpoint_auth_method": "none",
        "grant_types": ["implicit"],
        "response_types": ["id_token"],
    },
    "code id_token": {
        "client_secret": SECRET,
        "grant_types": ["authorization_code", "implicit"],
        "response_types": ["code id_token"],
    },
    "code": {"client_secret": SECRET, "grant_types": ["authorization_code", "refresh_token"]},
}


@dataclass
class App:
    """The application at ``base`` (no slash at its end, as the SDK has it), its Isthmus, and what the browser asked."""

    base: str
    node: Node
    sent: list[Request] = field(default_factory=list)

    async def open(self, window: BrowserContext) -> Page:
        """A tab that notes where it goes."""
        page = await window.new_page()
        page.on("request", lambda request: self.sent.append(request))
        return page

    def paths(self, method: str = "GET") -> list[str]:
        """Where the browser went."""
        return [urlsplit(request.url).path for request in self.sent if request.method == method]

    async def log_in(self, window: BrowserContext, path: str = "login") -> Page:
        """The whole way."""
        page = await self.open(window)
        await page.goto(f"{self.base}/{path}")
        await page.get_by_role("button", name="Mira").click()
        await here(page)
        return page

    async def me(self, page: Page, query: str = "") -> Any:
        """What the application knows of who is here."""
        answer = await page.goto(f"{self.base}/me{query}")
        assert answer is not None
        return json.loads(await answer.text())


async def here(page: Page, text: str = f"hello {SUB}") -> None:
    """Wait until the application says who is here."""
    await expect(page.locator("p")).to_have_text(text)


@asynccontextmanager
async def application(
    houses: Houses, response_type: str = "id_token", *, changes: Mapping[str, Any] | None = None, **options: Any
) -> AsyncIterator[App]:
    """The application with ``options`` for the SDK, known to Isthmus with ``changes``."""
    port = free_port()
    base = f"http://127.0.0.1:{port}"
    client = {
        "client_id": "express",
        "redirect_uris": [f"{base}/callback"],
        "post_logout_redirect_uris": [base],
        "backchannel_logout_uri": f"{base}/backchannel-logout",
        **KNOWN[response_type],
        **(changes or {}),
    }
    async with houses([client]) as node:
        told = {"clientSecret": SECRET} if response_type != "id_token" else {}
        asked = {} if response_type == "id_token" else {"authorizationParams": {"response_type": response_type}}
        is_called = options.pop("backchannelLogout", False)
        auth = {
            "issuerBaseURL": node.issuer,
            "baseURL": base,
            "clientID": "express",
            "secret": "what the application seals its cookies with",
            "authRequired": False,
            **told,
            **asked,
            **options,
        }
        async with node_program(
            "express_app.mjs", {"port": port, "auth": auth, "backchannelLogout": is_called}
        ) as program:
            await program.hear()
            yield App(base, node)


async def test_a_login_by_its_default(houses: Houses, window: BrowserContext) -> None:
    """An ID token by ``form_post``, with name and email in it, for a client without a secret."""
    async with application(houses) as app:
        page = await app.log_in(window)
        assert "/callback" in app.paths("POST")
        claims = (await app.me(page))["claims"]
        assert (claims["sub"], claims["aud"], claims["iss"]) == (SUB, "express", app.node.issuer)
        assert {"name", "email", "nonce", "sid"} <= claims.keys()


async def test_a_login_by_code(houses: Houses, window: BrowserContext) -> None:
    """``response_type=code`` with a secret: tokens, userinfo, a refresh by the SDK."""
    async with application(houses, "code", authorizationParams=BY_CODE) as app:
        page = await app.log_in(window)
        found = await app.me(page, "?refresh=1")
        assert found["token"]["type"].lower() == "bearer" and found["token"]["expires"] > 0
        assert found["refreshed"] is True and found["userinfo"]["sub"] == SUB


async def test_a_login_by_code_and_id_token(houses: Houses, window: BrowserContext) -> None:
    """``code id_token``: the SDK checks ``c_hash`` and redeems the code."""
    async with application(houses, "code id_token") as app:
        page = await app.log_in(window)
        assert (await app.me(page))["userinfo"]["sub"] == SUB


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post", "client_secret_jwt"])
async def test_pushed_requests(houses: Houses, window: BrowserContext, method: str) -> None:
    """``pushedAuthorizationRequests``, which discovery must offer, by each method of proving a secret."""
    changes = {"require_pushed_authorization_requests": True, "token_endpoint_auth_method": method}
    options = {"pushedAuthorizationRequests": True, "clientAuthMethod": method}
    async with application(houses, "code", changes=changes, **options) as app:
        await app.log_in(window)
        asked = next(urlsplit(request.url).query for request in app.sent if "/authorize" in request.url)
        assert "request_uri=" in asked and "redirect_uri=" not in asked


@pytest.mark.parametrize("response_type", list(KNOWN))
@pytest.mark.parametrize("of_auth0", [False, True], ids=["oidc", "auth0"])
async def test_logout(houses: Houses, window: BrowserContext, response_type: str, of_auth0: bool) -> None:
    """``idpLogout`` leads over ``oidc/logout``, ``auth0Logout`` over ``v2/logout``, both back to the application; the
    session of Isthmus has ended: the next login goes over the tenant again."""
    async with application(houses, response_type, idpLogout=True, auth0Logout=of_auth0) as app:
        page = await app.log_in(window)
        await page.goto(f"{app.base}/logout")
        await page.wait_for_url(f"{app.base}/")
        await here(page, "nobody is here")
        assert ("/v2/logout" if of_auth0 else "/oidc/logout") in app.paths()
        app.sent.clear()
        await page.goto(f"{app.base}/login")
        await here(page)
        assert any(urlsplit(request.url).hostname == "localhost" for request in app.sent)


async def test_a_silent_login(houses: Houses, window: BrowserContext) -> None:
    """``attemptSilentLogin``: nobody is logged in, so the application opens without; after a login at Isthmus it knows
    at once who comes, though its own cookies are gone."""
    async with application(houses, attemptSilentLogin=True) as app:
        page = await app.open(window)
        await page.goto(app.base)
        await here(page, "nobody is here")
        await page.goto(f"{app.base}/login")
        await page.get_by_role("button", name="Mira").click()
        await here(page)
        for name in ("appSession", "skipSilentLogin"):
            await window.clear_cookies(name=name)
        await page.goto(app.base)
        await here(page)
        assert not await page.get_by_role("button", name="Mira").count()


async def test_the_back_channel_ends_its_session(houses: Houses, window: BrowserContext) -> None:
    """``backchannelLogout``: a logout elsewhere calls the application, whose SDK takes our logout token."""
    async with application(houses, "code", backchannelLogout=True) as app:
        page = await app.log_in(window)
        await page.goto(f"{app.node.issuer}v2/logout?client_id=express&returnTo={app.base}")

        async def knows() -> bool:
            await page.goto(app.base)
            return await page.locator("p").text_content() == "nobody is here"

        await eventually(knows)
