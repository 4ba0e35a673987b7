"""Logout in Chromium: the frame that watches the session, and the page that tells applications by frames.

The tenant is on ``localhost``, Isthmus on ``127.0.0.1``; the application is on both, and so of the same site or not.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from aiohttp import web
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser as Chromium
from playwright.async_api import BrowserContext, Page, expect

from proxy.lab.listen import listen, port_of, serving
from proxy.lab.rooms import LabClient
from proxy.lab.tenant import Tenant
from tests.e2e.conftest import SHOTS
from tests.e2e.test_pages import SCHEMES, SIZES
from tests.e2e.test_spa import blank
from tests.journeys.conftest import Stores
from tests.kit.ears import Ears, ears
from tests.kit.isthmus import CLIENT_SECRET, Node, connection, isthmus
from tests.kit.valkey import free_port

pytestmark = pytest.mark.e2e
SITES = {"same-site": "127.0.0.1", "cross-site": "localhost"}
WATCH = """url => new Promise(done => {
    const frame = document.createElement("iframe"); frame.src = url; frame.hidden = true
    frame.onload = () => done(window.op = frame); document.body.append(frame) }).then(() => 0)"""
ASK = """([text, origin]) => new Promise(done => {
    addEventListener("message", event => done([event.origin, event.data]), {once: true})
    window.op.contentWindow.postMessage(text, origin) })"""


@dataclass
class Scene:
    """An application with ears, and its Isthmus."""

    node: Node
    port: int
    ear: Ears

    def base(self, site: str) -> str:
        """The application's address on a site."""
        return f"http://{SITES[site]}:{self.port}/"

    async def log_in(self, page: Page, site: str = "same-site", **more: str) -> dict[str, str]:
        """The answer to an authorization request; the person chooses who she is if she is asked."""
        asked = {
            "client_id": "app", "response_type": "code", "scope": "openid", "redirect_uri": self.base(site),
            "state": "s", **more,
        }  # fmt: skip
        await page.goto(f"{self.node.issuer}authorize?{urlencode(asked)}")
        if not page.url.startswith(self.base(site)):
            await page.get_by_role("button", name="Mira").click()
            await page.wait_for_url(f"{self.base(site)}?*")
        return {name: values[0] for name, values in parse_qs(urlsplit(page.url).query).items()}

    async def log_out(self, page: Page) -> None:
        """By the address of Auth0's SDKs: it needs no token."""
        query = urlencode({"client_id": "app", "returnTo": self.base("same-site")})
        await page.goto(f"{self.node.issuer}v2/logout?{query}")
        await page.wait_for_url(self.base("same-site"))  # the page of frames goes on by itself


@pytest.fixture
async def scene(tmp_path: Path, stores: Stores) -> AsyncIterator[Scene]:
    """Everything, running."""
    async with AsyncExitStack() as stack:
        ear = await stack.enter_async_context(ears())
        sock, theirs = stack.enter_context(closing(listen(0))), stack.enter_context(closing(listen(0)))
        site = web.Application()
        site.router.add_get("/", blank)
        await stack.enter_async_context(serving(site, sock))
        port = free_port()
        callback = f"http://127.0.0.1:{port}/login/callback"
        tenant = Tenant(f"http://localhost:{port_of(theirs)}/", [LabClient("isthmus", (callback,), CLIENT_SECRET)])
        await stack.enter_async_context(serving(tenant.app, theirs))
        made = Scene(None, port_of(sock), ear)  # type: ignore[arg-type]  # known in a moment
        client: Any = {
            "client_id": "app",
            "client_secret": "the secret of the application, long enough for anybody",
            "redirect_uris": [made.base(site) for site in SITES],
            "post_logout_redirect_uris": [made.base("same-site")],
            "frontchannel_logout_uri": f"{ear.base}page?own=1",
        }
        ways = [connection("corp", tenant.issuer, "back_channel", ["app"])]
        made.node = await stack.enter_async_context(
            isthmus(tmp_path, stores(0), port=port, clients=[client], connections=ways)
        )
        yield made


async def test_the_session_is_watched_by_a_frame(scene: Scene, window: BrowserContext) -> None:
    """Session Management 3, certification's session module: ``unchanged`` while logged in, ``changed`` afterwards and
    for anybody else's origin or client, ``error`` for what is no message; each from the issuer's origin."""
    page, other = await window.new_page(), await window.new_page()
    state = (await scene.log_in(page))["session_state"]
    at = scene.node.issuer.rstrip("/")
    await page.evaluate(WATCH, f"{at}/session/check")
    texts = (f"app {state}", f"other {state}", f"app {state}x", "app", "", f"app {state} more")
    said = [await page.evaluate(ASK, [text, at]) for text in texts]
    assert said == [[at, word] for word in ("unchanged", "changed", "changed", "error", "error", "error")]
    await scene.log_out(other)
    assert await page.evaluate(ASK, [f"app {state}", at]) == [at, "changed"]
    again = (await scene.log_in(other))["session_state"]
    assert await page.evaluate(ASK, [f"app {state}", at]) == [at, "changed"]
    assert await page.evaluate(ASK, [f"app {again}", at]) == [at, "unchanged"]


async def test_where_the_browser_hides_cookies_from_frames_nothing_is_claimed(
    scene: Scene, window: BrowserContext
) -> None:
    """Session Management 3.2: an application of another site hears ``error``, after which it must not ask for a login
    again and again; ``changed`` would be a guess."""
    page = await window.new_page()
    state = (await scene.log_in(page, "cross-site"))["session_state"]
    at = scene.node.issuer.rstrip("/")
    await page.evaluate(WATCH, f"{at}/session/check")
    assert await page.evaluate(ASK, [f"app {state}", at]) == [at, "error"]


async def test_az_22_another_page_learns_nothing_of_a_session(scene: Scene, window: BrowserContext) -> None:
    """AZ-22: the frame may be framed by anybody, and tells a page of another origin ``changed`` whatever it asks."""
    page = await window.new_page()
    state = (await scene.log_in(page))["session_state"]
    at = scene.node.issuer.rstrip("/")
    await page.goto(f"{scene.ear.base}page")
    await page.evaluate(WATCH, f"{at}/session/check")
    assert await page.evaluate(ASK, [f"app {state}", at]) == [at, "changed"]


@pytest.mark.parametrize("script", [True, False], ids=["script", "no-script"])
async def test_frontchannel_logout_in_chromium(script: bool, scene: Scene, chromium: Chromium) -> None:
    """oidcc-frontchannel-rp-initiated-logout: the application's page is loaded with ``iss`` and ``sid`` and nothing
    else of ours, then the browser goes on with ``state``; without script too."""
    context = await chromium.new_context(java_script_enabled=script)
    page = await context.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    await scene.log_in(page)
    query = urlencode({"client_id": "app", "post_logout_redirect_uri": scene.base("same-site"), "state": "bye"})
    await page.goto(f"{scene.node.issuer}oidc/logout?{query}")
    await page.get_by_role("button", name="Log out").click()
    await page.wait_for_url(f"{scene.base('same-site')}?state=bye")
    (told,) = scene.ear.pages
    assert set(told) == {"own", "iss", "sid"} and told["iss"] == scene.node.issuer and len(told["sid"]) == 22
    assert [text for text in complaints if "Content Security Policy" in text] == []
    assert (await scene.log_in(page, prompt="none"))["error"] == "login_required"
    await context.close()


async def test_an_application_that_hangs_keeps_nobody(scene: Scene, window: BrowserContext) -> None:
    """The page goes on after some seconds, whatever the frames do."""
    page = await window.new_page()
    await scene.log_in(page)
    scene.ear.ready.clear()
    query = urlencode({"client_id": "app", "returnTo": scene.base("same-site")})
    await page.goto(f"{scene.node.issuer}v2/logout?{query}", wait_until="commit")
    await page.wait_for_url(scene.base("same-site"))
    assert len(scene.ear.pages) == 1
    scene.ear.ready.set()


async def test_the_page_looks_right_everywhere(scene: Scene, chromium: Chromium) -> None:
    """In every size and scheme: axe finds nothing, nothing is wider than the window, and a picture is taken."""
    SHOTS.mkdir(exist_ok=True)
    scene.ear.ready.clear()
    for size, (width, height) in SIZES.items():
        for scheme in SCHEMES:
            context = await chromium.new_context(
                viewport={"width": width, "height": height}, color_scheme=scheme, bypass_csp=True
            )
            page = await context.new_page()
            await scene.log_in(page)
            query = urlencode({"client_id": "app", "returnTo": scene.base("same-site")})
            await page.goto(f"{scene.node.issuer}v2/logout?{query}", wait_until="commit")
            await expect(page.get_by_role("heading", name="You are logged out")).to_be_visible()
            await page.screenshot(path=SHOTS / f"farewell-{size}-{scheme}.png", full_page=True)
            assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
            found = await Axe().run(page)
            assert found.violations_count == 0, found.generate_report()
            await context.close()
    scene.ear.ready.set()
