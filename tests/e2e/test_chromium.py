"""The whole way in Chromium, with real cookies: upstream on ``localhost``, Isthmus on ``127.0.0.1``, two sites."""

from __future__ import annotations

import asyncio

import pytest
from playwright.async_api import BrowserContext, Page, expect

from tests.e2e.conftest import Crossing, Crossings

pytestmark = pytest.mark.e2e
TABS = 30


async def log_in(page: Page) -> None:
    """oidc-provider's login form and consent."""
    await page.fill("input[name=login]", "mira")
    await page.fill("input[name=password]", "anything")
    await page.click("button[type=submit]")
    if await page.get_by_role("button", name="Continue").count():
        await page.get_by_role("button", name="Continue").click()


async def arrived(page: Page) -> None:
    """Wait until the application says who came."""
    await expect(page.locator("body")).to_have_text("hello oidc|node|mira")


async def cookies(window: BrowserContext, crossing: Crossing) -> dict[str, str]:
    """Isthmus' cookies as Chromium keeps them: role and SameSite; all of them Secure and on the root path, and
    out of reach of scripts but for the one that the session frame reads."""
    found = [c for c in await window.cookies(crossing.node.issuer) if c["name"].startswith("__Host-isthmus-")]
    assert all(c["secure"] and c["path"] == "/" for c in found)
    assert all(c["httpOnly"] or c["name"].split("-")[2] == "state" for c in found)
    return {c["name"].split("-")[2]: c["sameSite"] for c in found}


@pytest.mark.parametrize("channel", ["front_channel", "back_channel"])
async def test_cb_09_a_login_in_chromium(channel: str, crossings: Crossings, window: BrowserContext) -> None:
    """CB-09: the front channel's cross-site POST brings the transaction cookie and not the Lax session cookie; the
    login arrives on both channels, and logout takes the session cookie away."""
    async with crossings(channel) as crossing:
        page = await window.new_page()
        posts: list[dict[str, str]] = []

        async def note(request: object) -> None:
            if request.method == "POST" and "/login/callback" in request.url:  # type: ignore[attr-defined]
                posts.append(await request.all_headers())  # type: ignore[attr-defined]

        page.on("request", note)
        await page.goto(f"{crossing.app.base}login")
        assert page.url.startswith(crossing.provider.issuer)
        await log_in(page)
        await arrived(page)
        assert await cookies(window, crossing) == {"session": "Lax", "login": "None", "state": "None"}
        await page.goto(f"{crossing.app.base}login?prompt=login")
        await log_in(page)
        await arrived(page)
        if channel == "front_channel":
            assert len(posts) == 2 and all(sent["sec-fetch-site"] == "cross-site" for sent in posts)
            sent = posts[-1].get("cookie", "")
            assert "__Host-isthmus-login-" in sent and "__Host-isthmus-session-" not in sent
        first, second = crossing.app.arrived
        assert second.claims["auth_time"] > first.claims["auth_time"]
        await page.goto(await asyncio.to_thread(crossing.app.logout_url, second))
        await page.wait_for_url(f"{crossing.app.base}?state=bye")
        assert set(await cookies(window, crossing)) == {"login"}


@pytest.mark.parametrize("channel", ["front_channel", "back_channel"])
async def test_cb_15_thirty_tabs_in_chromium(channel: str, crossings: Crossings, window: BrowserContext) -> None:
    """CB-15: thirty tabs that began before anybody had logged in all arrive, reloading themselves one after another."""
    async with crossings(channel) as crossing:
        pages = [await window.new_page() for _ in range(TABS)]
        await pages[0].goto(f"{crossing.app.base}login")
        await asyncio.gather(*(page.goto(f"{crossing.app.base}login") for page in pages[1:]))
        await log_in(pages[0])
        await arrived(pages[0])
        for page in pages[1:]:
            await page.reload()
            if page.url.startswith(crossing.provider.issuer):
                await log_in(page)
            await arrived(page)
        assert len({one.params["state"] for one in crossing.app.arrived}) == TABS


async def test_cb_19_back_and_reload_harm_nothing(crossings: Crossings, window: BrowserContext) -> None:
    """CB-19: going back after a login and coming again leaves the person logged in."""
    async with crossings("front_channel") as crossing:
        page = await window.new_page()
        await page.goto(f"{crossing.app.base}login")
        await log_in(page)
        await arrived(page)
        await page.go_back()
        await page.reload()
        session = await cookies(window, crossing)
        assert session["session"] == "Lax"
        await page.goto(f"{crossing.app.base}login?prompt=none")
        await arrived(page)
