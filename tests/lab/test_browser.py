"""The strict little browser walks as a real one would."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from proxy.lab.browser import Browser
from proxy.lab.listen import listen, port_of, serving
from proxy.lab.navigation import Stuck


class Site:
    """Two origins of one server, and what it heard."""

    def __init__(self, port: int) -> None:
        self.heard: list[web.Request] = []
        self.here, self.there = f"http://127.0.0.1:{port}", f"http://localhost:{port}"
        self.policy = ""
        self.script = "document.forms[0].submit()"

    async def set(self, request: web.Request) -> web.Response:
        answer = web.Response(text="set")
        answer.set_cookie("__Host-lax", "1", secure=True, samesite="Lax")
        answer.set_cookie("__Host-none", "1", secure=True, samesite="None")
        return answer

    async def form(self, request: web.Request) -> web.Response:
        headers = {"Content-Security-Policy": self.policy} if self.policy else {}
        html = f"""<title>Send</title><form method=post action="{self.here}/hear"><input type=hidden name=a value=b>
            <button name=go value=1><img alt="" src=x> Go <b>on</b></button></form><script>{self.script}</script>"""
        return web.Response(text=html, content_type="text/html", headers=headers)

    async def hear(self, request: web.Request) -> web.Response:
        await request.read()
        self.heard.append(request)
        if request.method == "POST":
            return web.Response(status=303, headers={"Location": f"{self.here}/hear?after"})
        return web.Response(text="heard")

    async def frames(self, request: web.Request) -> web.Response:
        html = f'<iframe src="{self.there}/hear?framed"></iframe>'
        headers = {"Content-Security-Policy": self.policy} if self.policy else {}
        return web.Response(text=html, content_type="text/html", headers=headers)

    async def away(self, request: web.Request) -> web.Response:
        return web.Response(status=302, headers={"Location": f"{self.here}/form#told=by+fragment"})

    async def loop(self, request: web.Request) -> web.Response:
        return web.Response(status=302, headers={"Location": "/loop"})


@pytest.fixture
async def place() -> AsyncIterator[Site]:
    """The server, running."""
    sock = listen()
    made = Site(port_of(sock))
    app = web.Application()
    app.add_routes([web.get("/set", made.set), web.get("/form", made.form), web.get("/loop", made.loop)])
    app.add_routes([web.route("*", "/hear", made.hear), web.get("/frames", made.frames), web.get("/away", made.away)])
    async with serving(app, sock):
        yield made


async def test_a_cross_site_post_carries_no_lax_cookie(place: Site) -> None:
    """A form that posts itself from another site brings the None cookie alone; the GET after its 303 brings both."""
    async with Browser() as browser:
        await browser.open(place.here + "/set")
        tab = await browser.open(place.there + "/form")
    post, get = place.heard
    assert (post.method, post.headers["Cookie"]) == ("POST", "__Host-none=1")
    assert post.headers["Sec-Fetch-Site"] == "cross-site"
    assert post.headers["Origin"] == place.there
    assert (get.method, get.headers["Cookie"]) == ("GET", "__Host-lax=1; __Host-none=1")
    assert tab.page.text == "heard"


async def test_a_same_site_post_carries_every_cookie(place: Site) -> None:
    """The same form on the own site brings both cookies."""
    async with Browser() as browser:
        await browser.open(place.here + "/set")
        await browser.open(place.here + "/form")
    assert place.heard[0].headers["Cookie"] == "__Host-lax=1; __Host-none=1"
    assert place.heard[0].headers["Sec-Fetch-Site"] == "same-origin"


@pytest.mark.parametrize("script", [True, False])
async def test_without_script_a_person_presses_the_button(place: Site, script: bool) -> None:
    """A page whose script may not run waits for its button, whose name and value go along."""
    place.policy = "script-src 'none'" if script else ""
    async with Browser(script=script) as browser:
        tab = await browser.open(place.here + "/form")
        assert (tab.page.title, tab.page.names, place.heard) == ("Send", ["Go on"], [])
        await tab.click("Go on")
    assert await place.heard[0].post() == {"a": "b", "go": "1"}


async def test_form_action_follows_redirects(place: Site) -> None:
    """A form that may only go to its own origin is stopped on its way to another."""
    place.policy = "script-src 'none'; form-action 'self'"
    async with Browser() as browser:
        tab = await browser.open(place.there + "/form")
        with pytest.raises(Stuck, match="form-action"):
            await tab.click("Go on")


async def test_a_redirect_loop_ends(place: Site) -> None:
    """Redirects are bounded."""
    async with Browser() as browser:
        with pytest.raises(Stuck, match="redirects"):
            await browser.open(place.here + "/loop")


async def test_a_navigation_can_be_stopped_and_resumed(place: Site) -> None:
    """A test may look at a navigation before it happens."""
    async with Browser(stop=lambda navigation: navigation.url.endswith("/hear")) as browser:
        tab = await browser.open(place.here + "/form")
        assert tab.pending is not None and tab.pending.body == "a=b"
        assert place.heard == []
        assert (await tab.resume()).text == "heard"


async def test_a_page_posts_its_fragment_on(place: Site) -> None:
    """What came behind ``#`` is sent by the page's script alone, as fields of its form."""
    place.script = "fill(location.hash); document.forms[0].submit()"
    async with Browser() as browser:
        await browser.open(f"{place.there}/away")
    sent = await place.heard[0].text()
    assert sent == "a=b&told=by+fragment" and "fragment" not in place.heard[0].path_qs


async def test_a_frame_of_another_site_gets_no_lax_cookie(place: Site) -> None:
    """A frame is loaded with the None cookie alone, and says that it is one."""
    async with Browser() as browser:
        await browser.open(f"{place.there}/set")
        tab = await browser.open(f"{place.here}/frames")
        (inner,) = await tab.frames()
    assert (inner.text, place.heard[0].headers["Cookie"]) == ("heard", "__Host-none=1")
    assert place.heard[0].headers["Sec-Fetch-Dest"] == "iframe"


async def test_a_policy_may_forbid_a_frame(place: Site) -> None:
    """A page frames nobody whom its policy does not name."""
    place.policy = "frame-src 'self'"
    async with Browser() as browser:
        tab = await browser.open(f"{place.here}/frames")
        with pytest.raises(Stuck, match="frame-src"):
            await tab.frames()
    assert not place.heard
