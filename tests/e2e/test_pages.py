"""The pages people see, in Chromium: by keyboard, by axe, without script, wide and narrow, light and dark.

Screenshots go to ``tests/e2e/shots``, to be looked at.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Literal

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser as Chromium
from playwright.async_api import Page, expect

from proxy.cli.demo_scene import scene
from tests.e2e.conftest import SHOTS, buttons, way
from tests.journeys.conftest import Stores
from tests.kit.authlib_app import AuthlibApp, authlib_app
from tests.kit.isthmus import Node, client, isthmus

pytestmark = pytest.mark.e2e
WAYS = {
    "corp": "Corp login",
    "acme": "Acme",
    "group": "Straße & Söhne — Zentrale Anmeldung für alle Gesellschaften der Gruppe",
}
NAMES = list(WAYS.values())
SIZES = {"wide": (1280, 800), "narrow": (360, 740)}
Scheme = Literal["light", "dark"]
SCHEMES: tuple[Scheme, ...] = ("light", "dark")
DEMO: tuple[tuple[str, Scheme], ...] = (("narrow", "dark"), ("wide", "light"))


class Shown:
    """Isthmus with a login page of several ways, and its application."""

    def __init__(self, node: Node, app: AuthlibApp) -> None:
        self.node, self.app = node, app
        self.urls = {
            "login": f"{app.base}login",
            "unknown_address": f"{app.base}login",
            "error": f"{node.issuer}login/callback?state=made-up",
            "tenant_error": f"{app.base}login?connection=acme",
            "logout": f"{node.issuer}oidc/logout",
        }

    async def show(self, page: Page, name: str) -> None:
        """Bring a page up."""
        await page.goto(self.urls[name])
        if name == "unknown_address":
            await page.get_by_label("Email address").fill("somebody@nowhere.example")
            await page.keyboard.press("Enter")
            await page.wait_for_url("**/login?tx=*email=*")


@pytest.fixture
async def shown(tmp_path: Path, stores: Stores) -> AsyncIterator[Shown]:
    """The pages, ready."""
    async with authlib_app() as app:
        ways = [*buttons(WAYS), way("quiet", "http://localhost:9/", domain_aliases=["corp.example"])]
        ways[-1]["show_as_button"] = False
        async with isthmus(tmp_path, stores(0), connections=ways, clients=[client(app)]) as node:
            app.issuer = node.issuer
            yield Shown(node, app)


PAGES = ("login", "unknown_address", "error", "tenant_error", "logout")


async def look(chromium: Chromium, name: str, show: Callable[[Page], Awaitable[None]]) -> None:
    """Bring a page up in every size and scheme: axe finds nothing, nothing is wider than the window, the page breaks no
    rule of its own policy; and a picture is taken."""
    SHOTS.mkdir(exist_ok=True)
    for size, (width, height) in SIZES.items():
        for scheme in SCHEMES:
            context = await chromium.new_context(
                viewport={"width": width, "height": height}, color_scheme=scheme, bypass_csp=False
            )
            page = await context.new_page()
            complaints: list[str] = []
            page.on("console", lambda message, found=complaints: found.append(message.text))
            await show(page)
            await page.screenshot(path=SHOTS / f"{name}-{size}-{scheme}.png", full_page=True)
            assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
            assert [text for text in complaints if "Content Security Policy" in text] == []
            await context.close()
            context = await chromium.new_context(
                viewport={"width": width, "height": height}, color_scheme=scheme, bypass_csp=True
            )
            page = await context.new_page()
            await show(page)
            found = await Axe().run(page)
            assert found.violations_count == 0, found.generate_report()
            await context.close()


@pytest.mark.parametrize("name", PAGES)
async def test_pages_look_right_everywhere(name: str, shown: Shown, chromium: Chromium) -> None:
    """In every size and scheme, by eye, by axe and by their own policy."""
    await look(chromium, name, lambda page: shown.show(page, name))


async def test_the_login_page_by_keyboard(shown: Shown, chromium: Chromium) -> None:
    """Tab reaches the field, its button and every way in the order of the page, each with a visible focus; Enter
    follows."""
    page = await chromium.new_page()
    await page.goto(shown.urls["login"])
    reached: list[str] = []
    for _ in range(2 + len(NAMES)):
        await page.keyboard.press("Tab")
        focused = page.locator(":focus")
        ring = "e => getComputedStyle(e).outlineStyle !== 'none' || getComputedStyle(e).boxShadow !== 'none'"
        assert await focused.evaluate(ring)
        reached.append(await focused.evaluate("e => e.innerText.trim() || e.name"))
    assert reached == ["email", "Continue", *NAMES]
    async with page.expect_request(lambda request: "connection=group" in request.url):
        await page.keyboard.press("Enter")
    await page.close()


async def test_a_hidden_connection_is_nowhere_in_the_page(shown: Shown, chromium: Chromium) -> None:
    """A connection without a button leaves no trace in the page, and is reached by the address of its people."""
    page = await chromium.new_page()
    await page.goto(shown.urls["login"])
    assert "quiet" not in await page.content()
    await page.get_by_label("Email address").fill("mira@corp.example")
    async with page.expect_request(lambda request: "/login?" in request.url and "email=" in request.url):
        await page.keyboard.press("Enter")
    await expect(page.locator("h1")).not_to_have_text("Log in to The webapp")
    await page.close()


async def test_the_login_page_without_script(shown: Shown, chromium: Chromium) -> None:
    """Everything is there and works without JavaScript."""
    context = await chromium.new_context(java_script_enabled=False)
    page = await context.new_page()
    await page.goto(shown.urls["login"])
    links = page.get_by_role("navigation", name="Ways to log in").get_by_role("link")
    assert [(await link.inner_text()).strip() for link in await links.all()] == NAMES
    await context.close()


async def test_the_demos_pages(chromium: Chromium, tmp_path: Path) -> None:
    """The lab's login form and the application that shows claims: axe finds nothing on a phone in the dark or a wide
    window in the light, and the claims arrive under their policies."""
    SHOTS.mkdir(exist_ok=True)
    async with scene(tmp_path) as running:
        for size, scheme in DEMO:
            width, height = SIZES[size]
            context = await chromium.new_context(
                viewport={"width": width, "height": height}, color_scheme=scheme, bypass_csp=True
            )
            page = await context.new_page()
            await page.goto(running.app.base)
            for name in ("app", "tenant", "claims"):
                await page.screenshot(path=SHOTS / f"demo-{name}-{size}-{scheme}.png", full_page=True)
                found = await Axe().run(page)
                assert found.violations_count == 0, found.generate_report()
                assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
                if name == "app":
                    await page.get_by_role("link", name="Log in through the front channel").click()
                if name == "tenant":
                    await page.get_by_role("button", name="Zoë").click()
                    await expect(page.locator("h1")).to_have_text("Hello Zoë Ł. Ångström-Nuñez")
            await context.close()
