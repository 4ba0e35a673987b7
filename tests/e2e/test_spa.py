"""An application in the browser, in Chromium: log in by a popup, allow it, renew by a frame, redeem by CORS.

The tenant is on ``localhost``, Isthmus and the application on ``127.0.0.1``.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from aiohttp import web
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser as Chromium
from playwright.async_api import BrowserContext, Page, expect

from proxy.lab.listen import listen, port_of, serving
from proxy.lab.rooms import LabClient
from proxy.lab.tenant import Tenant
from proxy.oidc import pkce
from tests.e2e.conftest import SHOTS
from tests.e2e.test_pages import SCHEMES, SIZES
from tests.journeys.conftest import Stores
from tests.kit.isthmus import CLIENT_SECRET, Node, connection, isthmus
from tests.kit.valkey import free_port

pytestmark = pytest.mark.e2e
VERIFIER = "a-verifier-of-more-than-43-characters-0123456789"
HEARD = "new Promise(done => addEventListener('message', m => m.data.type && done([m.origin, m.data]), {once: true}))"
IN_A_POPUP = f"url => {{ const heard = {HEARD}; window.popup = window.open(url); return heard }}"
IN_A_FRAME = f"""url => {{
    const heard = {HEARD}, frame = document.createElement("iframe"); frame.src = url
    document.body.append(frame); return heard }}"""
REDEEM = """([url, form]) => fetch(url, {method: "POST", body: new URLSearchParams(form),
    headers: {"Auth0-Client": "e30="}}).then(async r => [r.status, await r.json()], e => [0, String(e)])"""


@dataclass
class Spa:
    """The application, and the Isthmus it uses."""

    node: Node
    base: str
    stranger: str

    def url(self, **changes: str) -> str:
        """An authorization request as the application's SDK makes it."""
        asked = {
            "client_id": "spa",
            "response_type": "code",
            "response_mode": "web_message",
            "redirect_uri": self.base,
            "scope": "openid profile email offline_access",
            "state": "st-1",
            "nonce": "n-1",
            "code_challenge": pkce.challenge(VERIFIER),
            "code_challenge_method": "S256",
            **changes,
        }
        return f"{self.node.issuer}authorize?{urlencode(asked)}"

    def form(self, code: str) -> dict[str, str]:
        """What redeems a code."""
        return {
            "grant_type": "authorization_code",
            "client_id": "spa",
            "redirect_uri": self.base,
            "code": code,
            "code_verifier": VERIFIER,
        }


async def blank(_: web.Request) -> web.Response:
    return web.Response(text="<!doctype html><title>app</title><p>app</p>", content_type="text/html")


@pytest.fixture
async def spa(tmp_path: Path, stores: Stores) -> AsyncIterator[Spa]:
    """A third-party application, its Isthmus, and a page of somebody else."""
    async with AsyncExitStack() as stack:
        bases = []
        for _ in range(2):
            sock = stack.enter_context(closing(listen(0)))
            site = web.Application()
            site.router.add_get("/", blank)
            await stack.enter_async_context(serving(site, sock))
            bases.append(f"http://127.0.0.1:{port_of(sock)}")
        port, theirs = free_port(), stack.enter_context(closing(listen(0)))
        callback = f"http://127.0.0.1:{port}/login/callback"
        tenant = Tenant(
            f"http://localhost:{port_of(theirs)}/", [LabClient("isthmus", (callback,), CLIENT_SECRET, (callback,))]
        )
        await stack.enter_async_context(serving(tenant.app, theirs))
        client = {
            "client_id": "spa",
            "client_name": "Team calendar",
            "token_endpoint_auth_method": "none",
            "redirect_uris": [f"{bases[0]}/"],
            "web_origins": [bases[0]],
            "grant_types": ["authorization_code", "refresh_token"],
            "is_first_party": False,
            "client_uri": "https://calendar.example/",
            "policy_uri": "https://calendar.example/privacy",
            "tos_uri": "https://calendar.example/terms",
        }
        way: Any = {**connection("corp", tenant.issuer, "back_channel", ["spa"]), "is_domain_connection": True}
        node = await stack.enter_async_context(
            isthmus(tmp_path, stores(0), port=port, clients=[client], connections=[way])
        )
        yield Spa(node, f"{bases[0]}/", bases[1])


async def log_in_by_popup(window: BrowserContext, spa: Spa) -> tuple[Page, Any]:
    """The application's page, and what it heard from the popup."""
    page = await window.new_page()
    await page.goto(spa.base)
    async with window.expect_page() as opened:
        await page.evaluate(f"url => {{ window.heard = {HEARD}; window.popup = window.open(url) }}", spa.url())
    popup = await opened.value
    await popup.get_by_role("button", name="Zoë").click()
    await popup.get_by_role("button", name="Allow").click()
    return page, await page.evaluate("window.heard")


async def test_a_login_by_popup_and_its_renewal_by_a_frame(spa: Spa, window: BrowserContext) -> None:
    """AZ-15, AZ-22: the popup keeps in touch with its application through the tenant and the consent page; a frame
    renews the login without a page; the code is redeemed by CORS, and a stranger's page can do none of it."""
    page, (origin, data) = await log_in_by_popup(window, spa)
    assert (origin, data["type"]) == (spa.node.issuer.rstrip("/"), "authorization_response")
    assert (data["response"]["state"], data["response"]["iss"]) == ("st-1", spa.node.issuer)
    status, tokens = await page.evaluate(REDEEM, [f"{spa.node.issuer}oauth/token", spa.form(data["response"]["code"])])
    assert status == 200 and {"id_token", "access_token", "refresh_token"} <= tokens.keys()
    _, silent = await page.evaluate(IN_A_FRAME, spa.url(prompt="none"))
    assert "code" in silent["response"]
    status, said = await page.evaluate(REDEEM, [f"{spa.node.issuer}oauth/token", spa.form("made-up")])
    assert (status, said["error"]) == (400, "invalid_grant")

    other = await window.new_page()
    await other.goto(spa.stranger)
    status, _ = await other.evaluate(REDEEM, [f"{spa.node.issuer}oauth/token", spa.form("made-up")])
    assert status == 0
    async with other.expect_event("console", lambda message: "frame-ancestors" in message.text):
        await other.evaluate(f"url => {{ ({IN_A_FRAME})(url) }}", spa.url(prompt="none"))


async def test_without_a_session_a_frame_hears_so(spa: Spa, window: BrowserContext) -> None:
    """AZ-15: ``login_required`` is posted, and the browser gets no cookie."""
    page = await window.new_page()
    await page.goto(spa.base)
    _, data = await page.evaluate(IN_A_FRAME, spa.url(prompt="none"))
    assert (data["response"]["error"], data["response"]["state"]) == ("login_required", "st-1")
    assert await window.cookies(spa.node.issuer) == []


async def test_the_consent_page_looks_right_everywhere(spa: Spa, chromium: Chromium) -> None:
    """In every size and scheme: axe finds nothing, nothing is wider than the window; and without a script it works."""
    for size, (width, height) in SIZES.items():
        for scheme in SCHEMES:
            context = await chromium.new_context(
                viewport={"width": width, "height": height}, color_scheme=scheme, bypass_csp=True
            )
            page = await context.new_page()
            await page.goto(spa.url(response_mode="query", prompt="consent"))
            await page.get_by_role("button", name="Zoë").click()
            await expect(page.locator("h1")).to_have_text("Allow Team calendar?")
            await page.screenshot(path=SHOTS / f"consent-{size}-{scheme}.png", full_page=True)
            assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
            found = await Axe().run(page)
            assert found.violations_count == 0, found.generate_report()
            await page.goto(spa.url(prompt="none", max_age="0"))
            await page.screenshot(path=SHOTS / f"web_message-{size}-{scheme}.png", full_page=True)
            found = await Axe().run(page)
            assert found.violations_count == 0, found.generate_report()
            await context.close()


@pytest.mark.parametrize(("choice", "told"), [("Allow", "code="), ("Deny", "error=access_denied")])
async def test_consent_without_script(choice: str, told: str, spa: Spa, chromium: Chromium) -> None:
    """AZ-23: the form works by itself under its policy, and leads on to the application."""
    context = await chromium.new_context(java_script_enabled=False)
    page = await context.new_page()
    await page.goto(spa.url(response_mode="query"))
    await page.get_by_role("button", name="Zoë").click()
    await page.get_by_role("button", name=choice).click()
    await page.wait_for_url(f"{spa.base}**")
    assert told in page.url
    await context.close()
