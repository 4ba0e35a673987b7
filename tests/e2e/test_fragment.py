"""Answers in a fragment, in Chromium: our page reads them under its policy, posts them on and clears the address."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from playwright.async_api import Browser as Chromium
from playwright.async_api import BrowserContext, Page, expect

from proxy.lab.rooms import LabClient
from tests.journeys.conftest import MIRA, Stores, lab_tenant
from tests.kit.authlib_app import AuthlibApp, authlib_app
from tests.kit.isthmus import CLIENT_SECRET, client, connection, isthmus

pytestmark = pytest.mark.e2e


@pytest.fixture(params=["id_token", "code id_token token"])
async def app(request: pytest.FixtureRequest, tmp_path: Path, stores: Stores) -> AsyncIterator[AuthlibApp]:
    """An application whose only connection answers in the fragment."""
    async with AsyncExitStack() as stack:
        tenant = await stack.enter_async_context(lab_tenant())
        made = await stack.enter_async_context(authlib_app())
        channel = "front_channel" if request.param == "id_token" else "back_channel"
        way = connection(
            "corp", tenant.issuer, channel, response_type=request.param, response_mode="fragment", own_callback=True
        )
        node = await stack.enter_async_context(isthmus(tmp_path, stores(0), connections=[way], clients=[client(made)]))
        made.issuer = node.issuer
        tenant.clients["isthmus"] = LabClient("isthmus", (f"{node.callback}/corp",), CLIENT_SECRET)
        yield made


async def log_in(page: Page, app: AuthlibApp) -> None:
    await page.goto(f"{app.base}login")
    await page.get_by_role("button", name=MIRA.name).click()


async def test_cb_07_a_fragment_in_chromium(app: AuthlibApp, window: BrowserContext) -> None:
    """CB-07: the person arrives; no token is in any address that a server saw or that the history keeps."""
    page = await window.new_page()
    addresses: list[str] = []
    page.on("request", lambda request: addresses.append(request.url))
    await log_in(page, app)
    await expect(page.locator("body")).to_have_text(f"hello oidc|corp|{MIRA.sub}")
    posted = [url for url in addresses if url.endswith("/login/callback/corp")]
    assert posted and not any("id_token=" in url.partition("#")[0] for url in addresses)
    await page.go_back()
    assert "id_token" not in page.url


async def test_a_fragment_without_a_script(app: AuthlibApp, chromium: Chromium) -> None:
    """Without JavaScript the page says what it needs, and nobody is logged in."""
    context = await chromium.new_context(java_script_enabled=False)
    page = await context.new_page()
    await page.goto(f"{app.base}login")
    await page.get_by_role("button", name=MIRA.name).click()
    if "/login/callback" not in page.url:  # where the tenant's own page needs a press
        await page.get_by_role("button").first.click()
    await expect(page.get_by_text("it needs JavaScript")).to_be_visible()
    await context.close()
