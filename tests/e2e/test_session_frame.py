"""Chromium watches the session at a tenant through our page: nothing happens while it lives; when it seems to have
ended the tenant is asked, and what it says counts."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.async_api import BrowserContext

from tests.journeys.conftest import Stores, know, lab_tenant
from tests.kit.authlib_app import authlib_app
from tests.kit.isthmus import client, connection, isthmus
from tests.kit.waiting import eventually

pytestmark = pytest.mark.e2e
LISTEN = """addEventListener("message", event => window.told && window.told(event.origin, event.data))"""


async def test_the_frame_of_the_tenant_is_asked_and_believed(
    tmp_path: Path, stores: Stores, window: BrowserContext
) -> None:
    """Session Management 3.1: ``unchanged`` while the login lives, over and over. Where it is the same person with
    another session there, ours goes on with the new; after a logout there ours ends."""
    async with lab_tenant() as tenant, authlib_app() as app:
        # one site for all: Chromium keeps cookies out of frames of another
        tenant.issuer = tenant.issuer.replace("localhost", "127.0.0.1")
        way = connection("corp", tenant.issuer, "back_channel")
        async with isthmus(tmp_path, stores(0), clients=[client(app)], connections=[way]) as node:
            know(tenant, node)
            app.issuer = node.issuer
            page = await window.new_page()
            heard: list[tuple[str, str]] = []  # by our page, and by the tenant's in it
            ours, theirs = node.issuer.rstrip("/"), tenant.issuer.rstrip("/")

            async def twice() -> bool:
                return [origin for origin, _ in heard].count(theirs) > 1

            await page.expose_function("told", lambda *said: heard.append(said))
            await page.add_init_script(LISTEN)
            await page.goto(f"{app.base}login")
            await page.get_by_role("button", name="Mira").click()
            await page.wait_for_url(f"{app.base}**")
            await page.goto(f"{node.issuer}login/session")
            await eventually(twice, within=15)
            assert {said for origin, said in heard if origin == theirs} == {"unchanged"}
            assert all(said.startswith("isthmus ") for origin, said in heard if origin == ours)
            other = await window.new_page()
            await other.goto(f"{app.base}login?prompt=login")
            await other.get_by_role("button", name="Mira").click()
            await other.wait_for_url(f"{app.base}**")
            await page.wait_for_url(f"{node.issuer}login/session?checked=1")
            heard.clear()
            await eventually(twice, within=15)
            assert {said for origin, said in heard if origin == theirs} == {"unchanged"}
            await other.goto(f"{tenant.issuer}end_session")
            await page.wait_for_url(f"{node.issuer}login/callback?*")
            assert await page.inner_text("h1") == "You are logged out"
            await page.goto(f"{node.issuer}login/session")
            assert "no session here" in await page.inner_text("main")
