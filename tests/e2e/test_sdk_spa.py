"""``@auth0/auth0-spa-js`` in Chromium, loaded by a page as it comes from npm: nothing of it is changed.

The tenant is on ``localhost``, Isthmus and the application on ``127.0.0.1``: one site, as with a domain of one's own,
but for the test that says otherwise.
Loopback is a secure context, so the SDK finds the browser's cryptography; ``domain`` may name ``http://``.
"""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from aiohttp import web
from playwright.async_api import BrowserContext, Page, Request, async_playwright, expect

from proxy.lab.listen import listen, port_of, serving
from tests.e2e.conftest import FLAGS
from tests.e2e.needs import ROOT, chromium_path
from tests.e2e.sdk_world import API, HERE, MIRA, SUB, Houses, houses
from tests.kit.isthmus import Node

__all__ = ["houses"]
pytestmark = pytest.mark.e2e
SDK = ROOT / "node_modules" / "@auth0" / "auth0-spa-js" / "dist" / "auth0-spa-js.production.js"
PAGE = """<!doctype html><title>app</title><p></p><script src="/sdk.js"></script>
<script type="module" src="/spa_app.mjs"></script>"""
DETAILED = "client.getTokenSilently({cacheMode: 'off', detailedResponse: true})"
SPOIL = """() => { for (const [key, value] of Object.entries(localStorage)) if (value.includes("refresh_token"))
    localStorage[key] = value.replace(/("refresh_token":")[^"]*/, "$1made-up") }"""
CAUGHT = "error => ({error: error.error, message: error.message, type: error.constructor.name})"


Profiles = Callable[[bool], AbstractAsyncContextManager[BrowserContext]]
ALLOWED = {"profile": {"cookie_controls_mode": 0, "block_third_party_cookies": False}}


@pytest.fixture
def profiles(tmp_path: Path) -> Profiles:
    """Opens a profile of Chromium whose settings let frames of other sites have their cookies, or do not."""

    @asynccontextmanager
    async def open_one(allowed: bool) -> AsyncIterator[BrowserContext]:
        folder = tmp_path / "profile"
        (folder / "Default").mkdir(parents=True)
        (folder / "Default" / "Preferences").write_text(json.dumps(ALLOWED if allowed else {}))
        async with async_playwright() as play:
            window = await play.chromium.launch_persistent_context(folder, executable_path=chromium_path(), args=FLAGS)
            yield window
            await window.close()

    return open_one


@dataclass
class Spa:
    """The application at ``base`` (no slash at its end, as the SDK has it), and its Isthmus."""

    node: Node
    base: str
    options: dict[str, Any]
    sent: list[Request] = field(default_factory=list)

    async def open(self, window: BrowserContext) -> Page:
        """The application in a new tab, which notes what it sends to Isthmus."""
        page = await window.new_page()
        page.on("request", lambda request: self.sent.append(request) if self.is_ours(request) else None)
        await page.goto(self.base)
        return page

    def is_ours(self, request: Request) -> bool:
        """Whether a request goes to Isthmus."""
        return request.url.startswith(self.node.issuer)

    def asked(self, path: str) -> list[Request]:
        """What was sent to ``path``, preflights left out."""
        return [r for r in self.sent if urlsplit(r.url).path == f"/{path}" and r.method != "OPTIONS"]

    async def log_in(self, window: BrowserContext, **options: Any) -> Page:
        """``loginWithRedirect``, and back."""
        page = await self.open(window)
        await expect(page.locator("p")).to_have_text("nobody is here")
        await page.evaluate("options => void client.loginWithRedirect(options)", options)
        await page.get_by_role("button", name="Mira").click()
        await expect(page.locator("p")).to_have_text(f"hello {MIRA.name}")
        return page


def claims(token: str) -> dict[str, Any]:
    """What a JWT says, unchecked."""
    part = token.split(".")[1]
    return dict(json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))))


def form(request: Request) -> dict[str, str]:
    """The parameters of a POST, or of an address."""
    text = request.post_data if request.method == "POST" else urlsplit(request.url).query
    return {name: values[0] for name, values in parse_qs(text or "", keep_blank_values=True).items()}


@asynccontextmanager
async def spa(
    houses: Houses, *, origins: bool = True, host: str = "127.0.0.1", same_site: str = "lax", **options: Any
) -> AsyncIterator[Spa]:
    """The application with ``options`` for its client; without ``origins`` nobody told Isthmus of its pages. ``host``
    ``localhost`` makes it another site; ``same_site`` is of Isthmus' session cookie."""
    async with AsyncExitStack() as stack:
        sock = listen()
        base = f"http://{host}:{port_of(sock)}"
        client = {
            "client_id": "spa",
            "token_endpoint_auth_method": "none",
            "redirect_uris": [base],
            "post_logout_redirect_uris": [base],
            "web_origins": [base] if origins else [],
            "grant_types": ["authorization_code", "refresh_token"],
            "grants": [{"audience": API, "scopes": ["read:things"]}],
        }
        node = await stack.enter_async_context(houses([client], session={"same_site": same_site}))
        asked = {"redirect_uri": base, **options.pop("authorizationParams", {})}
        known = {"domain": node.issuer.rstrip("/"), "clientId": "spa", "authorizationParams": asked, **options}
        site = web.Application()

        async def page(_: web.Request) -> web.Response:
            return web.Response(text=PAGE, content_type="text/html")

        async def told(_: web.Request) -> web.Response:
            return web.json_response(known)

        async def file(request: web.Request) -> web.FileResponse:
            found = {"/sdk.js": SDK, "/spa_app.mjs": HERE / "spa_app.mjs"}[request.path]
            return web.FileResponse(found, headers={"Content-Type": "text/javascript"})

        site.add_routes([web.get("/", page), web.get("/options.json", told)])
        site.add_routes([web.get("/sdk.js", file), web.get("/spa_app.mjs", file)])
        await stack.enter_async_context(serving(site, sock))
        yield Spa(node, base, known)


async def test_a_login_and_its_renewal_by_a_frame(houses: Houses, window: BrowserContext) -> None:
    """With the SDK's defaults: a login by redirect, who it is, new tokens by a frame, and again after a reload."""
    async with spa(houses) as app:
        page = await app.log_in(window, appState={"target": "/inbox"})
        assert (await page.evaluate("came"))["appState"] == {"target": "/inbox"}
        user, idt = await page.evaluate("Promise.all([client.getUser(), client.getIdTokenClaims()])")
        assert (user["sub"], user["email"], idt["aud"]) == (SUB, MIRA.claims["email"], "spa")
        assert idt["iss"] == app.node.issuer
        first = await page.evaluate("client.getTokenSilently()")
        assert len(app.asked("oauth/token")) == 1  # from the SDK's own cache
        renewed = await page.evaluate(DETAILED)
        assert renewed["access_token"] != first and claims(renewed["id_token"])["sub"] == SUB
        silent = form(app.asked("authorize")[-1])
        assert (silent["prompt"], silent["response_mode"]) == ("none", "web_message")
        await page.reload()  # the cache is gone: createAuth0Client asks by a frame who is here
        await expect(page.locator("p")).to_have_text(f"hello {MIRA.name}")
        headers = [await request.all_headers() for request in app.asked("oauth/token")]
        assert len(headers) == 3 and all("auth0-client" in sent for sent in headers)


@pytest.mark.parametrize(("same_site", "allowed"), [("none", True), ("none", False), ("lax", True)])
async def test_an_application_on_another_site(
    houses: Houses, profiles: Profiles, same_site: str, allowed: bool
) -> None:
    """A frame of another site has no Lax session cookie: the SDK hears ``login_required`` and needs refresh tokens,
    unless ``session.same_site`` is ``none`` and the browser allows third-party cookies."""
    async with spa(houses, host="localhost", same_site=same_site) as app, profiles(allowed) as window:
        page = await app.log_in(window)
        found = await page.evaluate(f"{DETAILED}.catch({CAUGHT})")
        if same_site == "none" and allowed:
            assert claims(found["id_token"])["sub"] == SUB
        else:
            assert found["error"] == "login_required"


async def test_a_login_by_a_popup(houses: Houses, window: BrowserContext) -> None:
    """``loginWithPopup``: the popup goes over the tenant's site and tells its opener."""
    async with spa(houses) as app:
        page = await app.open(window)
        await expect(page.locator("p")).to_have_text("nobody is here")
        async with window.expect_page() as opened:
            await page.evaluate("() => void (window.done = client.loginWithPopup())")
        popup = await opened.value
        await popup.get_by_role("button", name="Mira").click()
        await page.evaluate("window.done")
        assert (await page.evaluate("client.getUser()"))["sub"] == SUB
        assert await page.evaluate("client.isAuthenticated()")


@pytest.mark.parametrize("place", ["memory", "localstorage"])
@pytest.mark.parametrize("as_form", [True, False], ids=["form", "json"])
async def test_refresh_tokens(houses: Houses, window: BrowserContext, place: str, as_form: bool) -> None:
    """``useRefreshTokens``: every renewal by a new refresh token, none by a frame; the token request in both forms, by
    a worker of the SDK (memory) and by the page itself."""
    options = {"useRefreshTokens": True, "cacheLocation": place, "useFormData": as_form}
    async with spa(houses, **options) as app:
        page = await app.log_in(window)
        tokens = [await page.evaluate(DETAILED) for _ in range(3)]
        assert len({token["access_token"] for token in tokens}) == 3
        assert {claims(token["id_token"])["sub"] for token in tokens} == {SUB}
        assert len(app.asked("authorize")) == 1
        assert form(app.asked("authorize")[0])["scope"].split()[-1] == "offline_access"
        if place == "localstorage":
            kept = await page.evaluate("Object.values(localStorage).join()")
            assert kept.count("refresh_token") == 1
            await page.reload()
            await expect(page.locator("p")).to_have_text(f"hello {MIRA.name}")
            assert await page.evaluate("client.getTokenSilently({cacheMode: 'off'})")
            assert len(app.asked("authorize")) == 1


@pytest.mark.parametrize("falls_back", [True, False])
async def test_a_refused_refresh_token(houses: Houses, window: BrowserContext, falls_back: bool) -> None:
    """``useRefreshTokensFallback``: the SDK knows by our words that the refresh token is the matter, and goes on with
    a frame as long as the session lives; without that option the application hears ``invalid_grant``."""
    options = {"useRefreshTokens": True, "cacheLocation": "localstorage", "useRefreshTokensFallback": falls_back}
    async with spa(houses, **options) as app:
        page = await app.log_in(window)
        await page.evaluate(SPOIL)
        found = await page.evaluate(f"{DETAILED}.catch({CAUGHT})")
        if falls_back:
            assert claims(found["id_token"])["sub"] == SUB
            assert form(app.asked("authorize")[-1])["prompt"] == "none"
        else:
            assert found["error"] == "invalid_grant" and "invalid refresh token" in found["message"]


async def test_an_access_token_for_an_api(houses: Houses, window: BrowserContext) -> None:
    """``audience``: a JWT for the API with the scopes the client may have; also later, silently, for a wider scope."""
    async with spa(houses, authorizationParams={"audience": API, "scope": "openid profile"}) as app:
        page = await app.log_in(window)
        first = claims(await page.evaluate("client.getTokenSilently()"))
        assert API in (first["aud"] if isinstance(first["aud"], list) else [first["aud"]])
        wider = "client.getTokenSilently({authorizationParams: {scope: 'openid profile read:things'}})"
        assert "read:things" in claims(await page.evaluate(wider))["scope"].split()
        other = "client.getTokenSilently({authorizationParams: {audience: 'https://other.example/'}})"
        assert (await page.evaluate(f"{other}.catch({CAUGHT})"))["error"]


async def test_logout_and_silence_after_it(houses: Houses, window: BrowserContext) -> None:
    """``logout`` leads over ``v2/logout`` and back; afterwards a frame hears ``login_required``, within its time."""
    async with spa(houses, authorizeTimeoutInSeconds=10, httpTimeoutInSeconds=10) as app:
        page = await app.log_in(window)
        await page.evaluate("to => void client.logout({logoutParams: {returnTo: to}})", app.base)
        await page.wait_for_url(f"{app.base}/")
        await expect(page.locator("p")).to_have_text("nobody is here")
        assert form(app.asked("v2/logout")[0])["client_id"] == "spa"
        refused = await page.evaluate(f"{DETAILED}.catch({CAUGHT})")
        assert refused["error"] == "login_required"
        names = [cookie["name"] for cookie in await window.cookies(app.node.issuer)]
        assert not any("-session-" in name for name in names)


async def test_a_page_that_nobody_listed(houses: Houses, window: BrowserContext) -> None:
    """Without ``web_origins`` the page may not read the token answer: the login fails in the application."""
    async with spa(houses, origins=False) as app:
        page = await app.open(window)
        await expect(page.locator("p")).to_have_text("nobody is here")
        await page.evaluate("void client.loginWithRedirect()")
        await page.get_by_role("button", name="Mira").click()
        await page.wait_for_function("window.refused")
        assert await page.evaluate("refused.message") == "Failed to fetch"
        assert await page.evaluate("client.isAuthenticated()") is False


async def test_an_error_arrives_at_the_application(houses: Houses, window: BrowserContext) -> None:
    """An authorization request that is refused is told to the application, which gets its own state back."""
    async with spa(houses) as app:
        page = await app.open(window)
        await expect(page.locator("p")).to_have_text("nobody is here")
        await page.evaluate("void client.loginWithRedirect({authorizationParams: {prompt: 'none'}, appState: 7})")
        await page.wait_for_function("window.refused")
        refused = await page.evaluate("window.refused")
        assert (refused["error"], refused["state"]) == ("login_required", 7)


@pytest.mark.parametrize("place", ["memory", "localstorage"])
async def test_bound_tokens(houses: Houses, window: BrowserContext, place: str) -> None:
    """``useDpop``: the SDK meets our nonce, gets tokens bound to its key, and renews them; userinfo takes one."""
    options = {"useDpop": True, "useRefreshTokens": True, "cacheLocation": place}
    async with spa(houses, **options) as app:
        page = await app.log_in(window)
        tokens = await page.evaluate(DETAILED)
        assert tokens["token_type"] == "DPoP"
        said = await page.evaluate(
            """async url => (await client.createFetcher({baseUrl: url, dpopNonceId: url}).fetchWithAuth("userinfo"))
                .json()""",
            app.node.issuer,
        )
        assert said["sub"] == SUB
