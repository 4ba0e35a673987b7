"""Pages under attack: what stands in them, what a form of theirs may do, and what odd requests get."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import re
from collections.abc import Mapping
from html.parser import HTMLParser
from urllib.parse import parse_qsl, urlencode

import aiohttp
import pytest

from proxy.lab.browser import Tab
from proxy.lab.navigation import Navigation, Page
from tests.attacks.conftest import Scene, Scenes, session_cookies

HOSTILE = ("<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "';alert(1)//", "javascript:alert(1)")
PAIR = {"corp": {"domain_aliases": ["corp.example"]}, "acme": {}}


class Tags(HTMLParser):
    """The tags of a page, each with its attributes."""

    def __init__(self, page: Page) -> None:
        super().__init__()
        self.found: list[tuple[str, Mapping[str, str | None]]] = []
        self.feed(page.body)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


async def every_page(scene: Scene) -> dict[str, Page]:
    """One of each kind of page, reached as a person reaches it."""
    browser = await scene.browser()
    tab = await scene.start(browser)
    pages = {"login": tab.page, "unknown": await tab.submit(email="ada@nowhere.example")}
    pages["leaving"] = await tab.submit(email="ada@corp.example")
    await tab.click("Continue")
    await scene.answer(tab, "corp", sub="ada", name="Ada")
    out = await browser.open(f"{scene.node.issuer}oidc/logout")
    pages["logout"] = out.page
    pages["logged out"] = await out.click("Log out")
    pages["error"] = (await browser.open(f"{scene.node.issuer}authorize?client_id=nobody")).page
    pages["callback"] = (await browser.open(f"{scene.node.callback}?state=x&error=access_denied")).page
    return pages


async def test_lg_10_lg_11_no_page_holds_a_script_or_a_place_for_one(scenes: Scenes) -> None:
    """LG-10, LG-11: no script, no handler, no inline style, no frame, no address that is code, on any page that stays;
    so nothing listens to messages or reads the fragment. Policy and headers say the same."""
    async with scenes(PAIR) as scene:
        for name, page in (await every_page(scene)).items():
            for tag, attributes in Tags(page).found:
                assert tag not in ("script", "iframe", "object", "embed", "style", "base"), name
                assert not [a for a in attributes if a.startswith("on") or a in ("style", "srcdoc")], name
                assert not [v for v in attributes.values() if v and re.match(r"(?i)\s*(javascript|data):", v)], name
            assert "script-src" not in page.policy and "default-src 'none'" in page.policy, name
            assert "unsafe" not in page.policy and "frame-ancestors 'none'" in page.policy, name
            assert page.headers["X-Content-Type-Options"] == "nosniff", name
            assert (page.headers["Referrer-Policy"], page.headers["Cache-Control"]) == ("no-referrer", "no-store"), name


@pytest.mark.parametrize("text", [*HOSTILE, "Your account is locked, call 555 1234"])
async def test_lg_13_lg_02_a_page_says_nothing_that_the_address_dictates(scenes: Scenes, text: str) -> None:
    """LG-13, LG-02: no parameter of any page puts its own words there, plain or as markup."""
    names = ("message", "error", "error_description", "error_uri", "title", "notice", "return_to", "state", "client_id")
    async with scenes(PAIR) as scene:
        browser = await scene.browser()
        tab = await scene.start(browser)
        query = urlencode(dict.fromkeys(names, text))
        for address in (f"{tab.page.url}&{query}", f"{scene.node.issuer}login?{query}&tx={text}"):
            page = (await browser.open(address.replace(" ", "+"))).page
            assert text not in page.body and "555 1234" not in page.body
        for path in ("authorize", "oidc/logout", "login/callback"):
            page = (await browser.open(f"{scene.node.issuer}{path}?{query}")).page
            assert text not in page.body and "555 1234" not in page.body


@pytest.mark.parametrize("tail", ["authorize;a='b'", "authorize?url='https://evil.example/;x", "a?b=0;URL=//evil"])
async def test_lg_02_the_page_that_leaves_goes_to_the_tenant_alone(scenes: Scenes, tail: str) -> None:
    """LG-02: quotes and semicolons in the tenant's address are part of it: refresh and link are one address."""
    async with scenes(PAIR) as scene:
        tenant = scene.tenants["corp"]
        tenant.document["authorization_endpoint"] = f"{tenant.base}/{tail}"
        tab = await scene.start(await scene.browser())
        page = await tab.submit(email="ada@corp.example")
        (refresh,) = [a["content"] for tag, a in Tags(page).found if tag == "meta" and "http-equiv" in a]
        (link,) = [a["href"] for tag, a in Tags(page).found if tag == "a"]
        assert refresh == f"0; url={link}" and link is not None and link.startswith(f"{tenant.base}/{tail}")


@pytest.mark.parametrize("text", HOSTILE)
async def test_lg_02_the_page_that_posts_back_holds_one_known_script(scene: Scene, text: str) -> None:
    """LG-02, AZ-22: ``response_mode=form_post`` with script in ``state``: it arrives as it was, in a field, and the
    only script of the page is the one that its policy names by hash."""
    browser = await scene.browser()
    await scene.log_in(browser, sub="ada")
    browser.script = False
    asked = {**dict(parse_qsl(await scene.asks(response_mode="form_post"))), "state": text}
    page = (await browser.open(f"{scene.node.issuer}authorize?{urlencode(asked)}")).page
    assert page.forms[0].action == asked["redirect_uri"] and dict(page.forms[0].fields)["state"] == text
    script = page.body.partition("<script>")[2].partition("</script>")[0]
    known = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert page.body.count("<script") == 1 and f"script-src 'sha256-{known}';" in page.policy
    assert not [a for _, attributes in Tags(page).found for a in attributes if a.startswith("on")]


async def test_se_15_our_own_forms_need_a_token_of_this_session(scene: Scene) -> None:
    """SE-15, LO-03: a POST to our logout from another site, or from a neighbour, logs nobody out; one with the token of
    another session is refused with 403; the page's own form works."""
    ada, bob = await scene.browser(), await scene.browser()
    await scene.log_in(ada, sub="ada")
    await scene.log_in(bob, sub="bob")
    logout = f"{scene.node.issuer}oidc/logout"
    for initiator in ("https://evil.example/", "http://127.0.0.1:1/"):
        tab = Tab(ada)
        await tab.navigate(Navigation("POST", logout, "a=b", initiator))
        assert "Log out?" in tab.page.text and len(session_cookies(ada)) == 1
    fields = dict((await bob.open(logout)).page.forms[0].fields)
    for token in (fields["form_token"], "0" * 64, "\u00e9"):
        tab = Tab(ada)
        page = await tab.navigate(Navigation("POST", logout, urlencode({"form_token": token}), scene.node.issuer))
        assert page.status == 403 and await scene.who_is_in(ada) == "hello oidc|corp|ada"
    tab = await ada.open(f"{logout}?form_token={'0' * 64}")
    assert "Log out?" in tab.page.text
    await tab.click("Log out")
    assert await scene.who_is_in(ada) == "refused: login_required"
    assert await scene.who_is_in(bob) == "hello oidc|corp|bob"


@pytest.mark.parametrize("method", ["HEAD", "PUT", "DELETE", "PATCH", "OPTIONS"])
@pytest.mark.parametrize("path", ["login", "login/callback", "authorize", "oidc/logout"])
async def test_cb_07_other_methods_do_nothing(scene: Scene, method: str, path: str) -> None:
    """CB-07: 405 with the methods there are, no cookie, nothing of the query in the answer."""
    async with aiohttp.ClientSession() as http:
        url = f"{scene.node.issuer}{path}?state=a-state&id_token=a-token"
        async with http.request(method, url, allow_redirects=False) as answer:
            assert answer.status == 405 and "GET" in answer.headers["Allow"]
            assert "Set-Cookie" not in answer.headers and "a-token" not in await answer.text()


async def test_lg_05_there_is_no_third_party_initiated_login_to_abuse(scene: Scene) -> None:
    """LG-05: neither ``login`` nor ``login/initiate`` takes an issuer and a target from a stranger: no redirect."""
    browser = await scene.browser()
    evil = urlencode({"iss": "https://evil.example", "target_link_uri": "https://evil.example/", "login_hint": "a"})
    for path in ("login", "login/initiate"):
        page = (await browser.open(f"{scene.node.issuer}{path}?{evil}")).page
        assert page.status in (400, 404) and page.url.startswith(scene.node.issuer)
        assert "evil.example" not in page.body


async def test_two_logouts_at_once_are_one(scene: Scene) -> None:
    """LO-05: the second of two simultaneous logouts finds nothing to end, and says the same to the person."""
    browser, app = await scene.browser(), scene.apps["webapp"]
    await scene.log_in(browser, sub="ada")
    url = await asyncio.to_thread(app.logout_url, app.last)
    tabs = await asyncio.gather(browser.open(url), browser.open(url))
    assert all(tab.page.url.startswith(app.base) for tab in tabs)
    assert await scene.who_is_in(browser) == "refused: login_required"
