"""The pages of the device flow, in Chromium: by keyboard, by axe, without script, wide and narrow, light and dark."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession
from playwright.async_api import Browser as Chromium
from playwright.async_api import Page, expect

from proxy.models.client import DEVICE_CODE
from tests.e2e.test_pages import look
from tests.journeys.conftest import MIRA, Stores, know, lab_tenant
from tests.kit.isthmus import Node, connection, isthmus

pytestmark = pytest.mark.e2e
TV = {
    "client_id": "tv",
    "client_name": "Living room TV",
    "token_endpoint_auth_method": "none",
    "grant_types": [DEVICE_CODE, "refresh_token"],
}
PAGES = ("activate", "activate_unknown", "activate_confirm", "activate_done", "activate_denied")


class Device:
    """A device, and the way to each page."""

    def __init__(self, node: Node, http: ClientSession) -> None:
        self.node, self.http = node, http

    async def begin(self) -> dict[str, Any]:
        """New codes."""
        form = {"client_id": "tv", "scope": "openid profile email offline_access"}
        async with self.http.post(f"{self.node.issuer}oauth/device/code", data=form) as response:
            told: dict[str, Any] = await response.json()
            return told

    async def ask(self, device_code: str) -> dict[str, Any]:
        """What the device hears."""
        form = {"client_id": "tv", "grant_type": DEVICE_CODE, "device_code": device_code}
        async with self.http.post(f"{self.node.issuer}oauth/token", data=form) as response:
            told: dict[str, Any] = await response.json()
            return told

    async def show(self, page: Page, name: str) -> None:
        """Bring a page up."""
        if name in ("activate", "activate_unknown"):
            await page.goto(f"{self.node.issuer}activate")
            if name == "activate_unknown":
                await page.get_by_label("Code on the device").fill("bcdfghjk")
                await page.keyboard.press("Enter")
                await expect(page.get_by_role("alert")).to_contain_text("No device waits for this code")
            return
        await page.goto((await self.begin())["verification_uri_complete"])
        await page.get_by_role("button", name="Continue").click()
        await page.get_by_role("button", name=MIRA.name).click()
        await expect(page.locator("h1")).to_have_text("Connect Living room TV?")
        if name != "activate_confirm":
            await page.get_by_role("button", name="Allow" if name == "activate_done" else "Deny").click()
            await expect(page.locator("h1")).to_contain_text("connected")


@pytest.fixture
async def device(tmp_path: Path, stores: Stores) -> AsyncIterator[Device]:
    """The device, its provider, and a tenant."""
    async with lab_tenant() as tenant, ClientSession() as http:
        way = connection("corp", tenant.issuer, "front_channel", ("tv",))
        async with isthmus(tmp_path, stores(0), connections=[way], clients=[TV]) as node:
            know(tenant, node)
            yield Device(node, http)


@pytest.mark.parametrize("name", PAGES)
async def test_device_pages_look_right_everywhere(name: str, device: Device, chromium: Chromium) -> None:
    """In every size and scheme, by eye, by axe and by their own policy; the policy lets the form lead to the tenant."""
    await look(chromium, name, lambda page: device.show(page, name))


@pytest.mark.parametrize("script", [True, False])
async def test_a_device_by_keyboard(script: bool, device: Device, chromium: Chromium) -> None:
    """With and without script: the code is typed where the cursor stands already, in any spelling; on the page that
    asks, Tab reaches what there is in the order of the page, with a visible focus; Enter allows."""
    context = await chromium.new_context(java_script_enabled=script)
    page = await context.new_page()
    told = await device.begin()
    await page.goto(told["verification_uri"])
    await expect(page.locator("input:focus")).to_be_visible()  # the cursor comes a moment after the page
    await page.keyboard.type(told["user_code"].lower().replace("-", " "))
    await page.keyboard.press("Enter")
    await page.get_by_role("button", name=MIRA.name).click()
    if not script:  # the tenant's answer is a form that a person must send off
        while await page.get_by_role("button", name="Continue").count():
            await page.get_by_role("button", name="Continue").click()
    await expect(page.locator("h1")).to_have_text("Connect Living room TV?")
    await expect(page.get_by_text(told["user_code"], exact=True)).to_be_visible()
    reached: list[str] = []
    for _ in range(3):
        await page.keyboard.press("Tab")
        focused = page.locator(":focus")
        reached.append((await focused.inner_text()).strip())
        if script:
            assert await focused.evaluate("e => getComputedStyle(e).outlineStyle !== 'none'")
    assert reached == ["Not you?", "Allow", "Deny"]
    await page.get_by_role("button", name="Allow").focus()
    await page.keyboard.press("Enter")
    await expect(page.locator("h1")).to_have_text("Your device is connected")
    assert "id_token" in await device.ask(told["device_code"])
    await context.close()
