"""The gateway in Chromium: forms, fragments and open tabs survive a login; its pages look right on the host of an app.

Screenshots go to ``tests/e2e/shots``, to be looked at.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser as Chromium
from playwright.async_api import BrowserContext, Page, Request, Response, expect

from proxy.gateway.links import link_key
from proxy.http.cookies import cookie_name
from proxy.lab.tenant import Tenant
from proxy.store import Drop
from tests.e2e.test_pages import look
from tests.journeys.conftest import MIRA, Stores, lab_tenant
from tests.kit.gateway import HERE, THERE, Gated, gated

pytestmark = pytest.mark.e2e
TABS = 10
HIDDEN = """
let hidden = sessionStorage.getItem("test-seen") !== "yes"
Object.defineProperty(document, "visibilityState", {get: () => hidden ? "hidden" : "visible"})
Object.defineProperty(document, "hidden", {get: () => hidden})
window.bringToFront = () => {
  hidden = false
  sessionStorage.setItem("test-seen", "yes")
  document.dispatchEvent(new Event("visibilitychange"))
}
"""
"""A tab that nobody looks at, until it is brought to the front."""
ASKED = """
<form method="post" action="/save?x=1"><input name="a" value="one"><input name="a" value="two &amp; three">
<textarea name="t">

first
  last &lt;/textarea&gt;
</textarea><input name="empty"><input name="umläut €" value="Zoë 😀"><input name="~*-._" value="~*-._">
<button>Send</button>
</form>
"""


@pytest.fixture
async def tenant() -> AsyncIterator[Tenant]:
    """A healthy one."""
    async with lab_tenant() as running:
        yield running


@pytest.fixture
async def world(tmp_path: Path, stores: Stores, tenant: Tenant) -> AsyncIterator[Gated]:
    """An app on two hosts, whose forms are kept."""
    route = {"keep_forms": True, "public_paths": ["/open"]}
    async with gated(tmp_path, stores(0), tenant, route=route) as running:
        yield running


class Notes:
    """What a page asked for, got, and complained about."""

    def __init__(self, window: BrowserContext) -> None:
        self.requests: list[Request] = []
        self.responses: list[Response] = []
        self.complaints: list[str] = []
        window.on("request", lambda request: self.requests.append(request))
        window.on("response", lambda response: self.responses.append(response))
        window.on("console", lambda message: self.complaints.append(message.text))
        window.on("weberror", lambda error: self.complaints.append(str(error.error)))

    def check(self) -> None:
        """Nothing of ours broke a policy or failed."""
        assert [text for text in self.complaints if "favicon" not in text and "status of 401" not in text] == []


async def log_in(page: Page) -> None:
    """At the tenant."""
    await page.get_by_role("button", name=MIRA.name).click()


async def told(page: Page) -> dict[str, Any]:
    """What the app got."""
    await expect(page.locator("pre")).to_contain_text("HTTP/1.1")
    found: dict[str, Any] = json.loads(await page.locator("pre").inner_text())
    return found


async def lose_the_session(world: Gated, window: BrowserContext) -> None:
    """The link of the browser is gone, and so is the session at the issuer."""
    name = cookie_name("gateway", world.node.issuer)
    for cookie in await window.cookies():
        if cookie["name"] == name:
            sid, _, secret = cookie["value"].partition(".")
            await world.node.store.run(Drop(link_key(sid, secret)))
    await window.clear_cookies()


async def test_a_login_keeps_the_fragment(world: Gated, window: BrowserContext) -> None:
    """It is back in the address, and no server ever got it."""
    notes = Notes(window)
    page = await window.new_page()
    await page.goto(world.url("/a/page?x=1#chapter-2"))
    await log_in(page)
    await page.wait_for_url(world.url("/a/page?x=1#chapter-2"))
    await told(page)
    assert not [r for r in notes.requests if "chapter-2" in r.url.partition("#")[0]]
    assert not [r for r in notes.requests if "chapter-2" in str(await r.all_headers()) + (r.post_data or "")]
    assert not [head for head in world.app.heads if b"chapter-2" in head]
    notes.check()


async def test_gw_26_a_form_arrives_as_it_was_sent(world: Gated, window: BrowserContext) -> None:
    """GW-26: the body after a login is the body without one, byte for byte; so are Origin and where it came from."""
    notes = Notes(window)
    page = await window.new_page()
    await page.goto(world.url("/open"))

    async def send() -> None:
        await page.set_content(ASKED)
        await page.get_by_role("button", name="Send").click()

    await send()
    await log_in(page)
    await page.wait_for_url(world.url("/save?x=1"))
    after_a_login = await told(page)
    await page.goto(world.url("/open"))
    await send()
    await page.wait_for_url(world.url("/save?x=1"))
    at_once = await told(page)
    assert after_a_login["body"] == at_once["body"] and "%F0%9F%98%80" in at_once["body"]
    assert after_a_login["line"] == at_once["line"] == "POST /save?x=1 HTTP/1.1"
    for name in ("origin", "content-type", "sec-fetch-site"):
        assert after_a_login["headers"][name] == at_once["headers"][name]
    assert "code=" not in after_a_login["headers"].get("referer", "")
    notes.check()


async def test_gw_26_the_apps_redirect_is_followed_after_a_kept_form(world: Gated, window: BrowserContext) -> None:
    """GW-26: to wherever it leads; browsers hold redirects of a form to the policy of the page it stood on."""
    page = await window.new_page()
    notes = Notes(window)
    elsewhere = f"http://{THERE}:{world.port}/open/elsewhere"
    await page.goto(world.url("/open"))
    world.app.redirects["/save"] = elsewhere
    await page.set_content('<form method="post" action="/save"><input name="a" value="b"><button>Send</button></form>')
    await page.get_by_role("button", name="Send").click()
    await log_in(page)
    await page.wait_for_url(elsewhere)
    notes.check()


async def test_users_28_ten_tabs_log_in_together(world: Gated, window: BrowserContext) -> None:
    """users 28: nine wait where nobody looks, one logs in, and all are where they wanted to be, fragments and all."""
    notes = Notes(window)
    tabs = []
    for n in range(TABS):
        tab = await window.new_page()
        if n:
            await tab.add_init_script(HIDDEN)
        tabs.append(tab)
    for n, tab in enumerate(tabs[1:], 1):
        await tab.goto(world.url(f"/tab/{n}#part-{n}"))
        await expect(tab.locator("h1")).to_have_text("On the way to the login")
        assert tab.url == world.url(f"/tab/{n}#part-{n}")  # so that a tab that is opened again asks anew
    assert not [r for r in notes.requests if r.url.startswith(f"{world.node.issuer}authorize")]
    await tabs[0].goto(world.url("/tab/0#part-0"))
    await log_in(tabs[0])
    for n, tab in enumerate(tabs):
        await expect(tab.locator("pre")).to_contain_text(f"GET /tab/{n} ")
        assert tab.url == world.url(f"/tab/{n}#part-{n}")
    assert len([r for r in notes.requests if r.url.startswith(f"{world.node.issuer}authorize")]) == 1
    notes.check()


async def test_users_28_ten_tabs_at_once_all_arrive(world: Gated, window: BrowserContext) -> None:
    """users 28: all of them visible, and nobody waits for another."""
    tabs = [await window.new_page() for _ in range(TABS)]
    for n, tab in enumerate(tabs):
        await tab.goto(world.url(f"/tab/{n}"))
    for n, tab in enumerate(tabs):
        if "/.isthmus/" in tab.url or str(world.port) not in tab.url:
            await log_in(tab)
        await expect(tab.locator("pre")).to_contain_text(f"GET /tab/{n} ")


async def test_a_hidden_tab_goes_on_when_somebody_looks(world: Gated, window: BrowserContext) -> None:
    """Also if nobody ever logged in elsewhere, or the message of it was missed."""
    tab = await window.new_page()
    await tab.add_init_script(HIDDEN)
    await tab.goto(world.url("/late#there"))
    await expect(tab.locator("h1")).to_have_text("On the way to the login")
    await tab.evaluate("bringToFront()")
    await log_in(tab)
    await tab.wait_for_url(world.url("/late#there"))
    await told(tab)


async def test_open_tabs_recover_after_the_session_ended(world: Gated, window: BrowserContext) -> None:
    """The session ends, every tab is loaded anew, one logs in."""
    tabs = [await window.new_page() for _ in range(3)]
    await tabs[0].goto(world.url("/tab/0"))
    await log_in(tabs[0])
    await told(tabs[0])
    await lose_the_session(world, window)
    for n, tab in enumerate(tabs[1:], 1):
        await tab.add_init_script(HIDDEN)
        await tab.goto(world.url(f"/tab/{n}"))
    await tabs[0].reload()
    if world.url("/") not in tabs[0].url:
        await log_in(tabs[0])
    for n, tab in enumerate(tabs):
        await expect(tab.locator("pre")).to_contain_text(f"GET /tab/{n} ")


async def test_without_javascript_everything_works(world: Gated, chromium: Chromium) -> None:
    """The pages on the way lead on by themselves; a kept form waits for a press."""
    window = await chromium.new_context(java_script_enabled=False)
    page = await window.new_page()
    await page.goto(world.url("/a?b"))
    await log_in(page)
    await page.wait_for_url(world.url("/a?b"))
    assert "GET /a?b" in await page.content()
    await window.close()


SHOWN = ("login", "lost_form", "forbidden", "missing", "app_away", "logged_out", "lost_login", "two_logins", "form")


@pytest.fixture
async def places(tmp_path: Path, stores: Stores, tenant: Tenant) -> AsyncIterator[Gated]:
    """The app on one host, and on the same host places that nobody may see, or that are away."""
    more: list[dict[str, Any]] = [
        {"host": HERE, "path_prefix": "/secret", "upstream": "http://127.0.0.1:9", "allow": {"groups": ["nobody"]}},
        {"host": HERE, "path_prefix": "/away", "upstream": "http://127.0.0.1:9"},
        {"host": HERE, "path_prefix": "/kept", "upstream": "http://127.0.0.1:9", "keep_forms": True},
    ]
    async with gated(
        tmp_path, stores(0), tenant, route={"path_prefix": "/app", "public_paths": ["/app/open"]}, more=more
    ) as running:
        yield running


async def show(world: Gated, page: Page, name: str) -> None:
    """Bring a page of the gateway up."""
    session = {"forbidden": "/secret", "app_away": "/away"}
    if name in session:
        await page.goto(world.url("/app"))
        if not page.url.startswith(world.url()):
            await log_in(page)
        await page.wait_for_url(world.url("/app"))
        await page.goto(world.url(session[name]))
    elif name == "login":
        await page.add_init_script(HIDDEN)
        await page.goto(world.url("/app"))
    elif name in ("lost_form", "form"):
        await page.add_init_script("HTMLFormElement.prototype.submit = () => {}")  # as if no script ran
        await page.goto(world.url("/app/open"))
        action = "/kept" if name == "form" else "/app"
        await page.evaluate(
            "a => {const f = document.createElement('form'); f.method = 'post'; f.action = a; document.body.append(f);"
            "f.innerHTML = '<input name=a value=b>'; f.requestSubmit()}", action,
        )  # fmt: skip
        await page.wait_for_url(f"**{action}" if name == "lost_form" else "**/*")
        if name == "form":
            await log_in(page)
            await expect(page.locator("h1")).to_have_text("You are logged in")
    elif name == "two_logins":
        cookie = cookie_name("gateway", world.node.issuer)
        await page.set_extra_http_headers({"Cookie": f"{cookie}=a; {cookie}=b"})
        await page.goto(world.url("/app"))
    else:
        paths = {
            "missing": "/nothing",
            "logged_out": "/.isthmus/logged-out",
            "lost_login": "/.isthmus/callback?state=x",
        }
        await page.goto(world.url(paths[name]))


@pytest.mark.parametrize("name", SHOWN)
async def test_pages_look_right_everywhere(name: str, places: Gated, chromium: Chromium) -> None:
    """In every size and scheme, by eye, by axe and by their own policy, in the issuer's style on the host of an app."""
    styled: list[bool] = []

    async def shown(page: Page) -> None:
        await show(places, page, name)
        await expect(page.locator("h1")).to_be_visible()
        styled.append(await page.evaluate("getComputedStyle(document.querySelector('main')).paddingTop !== '0px'"))

    await look(chromium, f"gateway-{name}", shown)
    assert styled and all(styled)
