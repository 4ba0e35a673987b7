"""What one connection, client or browser may not get through another (confused deputies), and who is told what."""

from __future__ import annotations

import asyncio
import time
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from proxy.lab.browser import Tab
from proxy.lab.navigation import Navigation
from tests.attacks.conftest import Scene, Scenes, asked_of, session_cookies
from tests.kit.tenant import Step
from tests.kit.valkey import free_port

TWO: dict[str, dict[str, Any]] = {"corp": {"enabled": ["webapp"]}, "acme": {"enabled": ["webapp", "other"]}}


async def test_cb_18_a_session_opens_only_what_its_connection_is_enabled_for(scenes: Scenes) -> None:
    """CB-18, SE-21: a person of a connection that ``other`` does not take is nobody to ``other``: prompt=none is
    refused, without it there is a login at a connection that is enabled, and that one ends the first session."""
    async with scenes(TWO) as scene:
        browser = await scene.browser()
        await scene.answer(await scene.start(browser, connection="corp"), "corp", sub="ada")
        assert await scene.who_is_in(browser) == "hello oidc|corp|ada"
        assert await scene.who_is_in(browser, "other") == "refused: login_required"
        refused = await scene.start(browser, "other", connection="corp")
        assert refused.page.text == "refused: invalid_request"
        tab = await scene.start(browser, "other")
        assert tab.pending is not None and tab.pending.url.startswith(scene.tenants["acme"].base)
        assert (await scene.answer(tab, "acme", sub="ada")).text == "hello oidc|acme|ada"
        first = scene.apps["webapp"].arrived[0]
        answer = await asyncio.to_thread(scene.apps["webapp"].userinfo, first.tokens)
        assert answer.status_code == 401


async def test_cb_18_the_code_of_one_person_is_no_use_in_the_browser_of_another(scenes: Scenes) -> None:
    """CB-18: B's upstream code and state in A's browser are refused, and A stays A."""
    async with scenes({"corp": {"type": "back_channel"}}) as scene:
        ada, bob = await scene.browser(), await scene.browser()
        await scene.log_in(ada, sub="ada")
        waiting = asked_of(await scene.start(bob))
        query = urlencode({"code": "bobs-code", "state": waiting["state"]})
        page = await Tab(ada).go(f"{scene.node.callback}?{query}")
        assert page.status == 400 and page.url.startswith(scene.node.issuer)
        assert scene.tenants["corp"].calls["token"] == 1
        assert await scene.who_is_in(ada) == "hello oidc|corp|ada"


async def test_cb_02_an_answer_counts_in_the_browser_whose_state_it_has_not_in_another_tabs_trip(scene: Scene) -> None:
    """CB-02, RP-09: with two trips in one browser, the token of one is not the answer of the other."""
    browser = await scene.browser()
    one, two = await scene.start(browser), await scene.start(browser)
    nonce = asked_of(one)["nonce"]
    page = await scene.answer(two, sub="ada", nonce=nonce)
    assert page.status == 400 and session_cookies(browser) == []
    assert (await scene.answer(one, sub="ada")).text == "hello oidc|corp|ada"


@pytest.mark.parametrize("path", ["login/callback", "login/callback/acme", "login/callback/login%2Fcallback%2Fcorp"])
async def test_rp_22_an_own_callback_is_exact(scenes: Scenes, path: str) -> None:
    """RP-22: the answer for a connection with a callback of its own is refused at any other address, also at one that
    only ends like it, before the code goes anywhere."""
    async with scenes({"corp": {"type": "back_channel", "own_callback": True}}) as scene:
        browser = await scene.browser()
        tab = await scene.start(browser)
        query = urlencode({"code": "a-code", "state": asked_of(tab)["state"]})
        page = await tab.go(f"{scene.node.issuer}{path}?{query}")
        assert page.status == 400 and scene.tenants["corp"].calls["token"] == 0


@pytest.mark.parametrize("options", [{"type": "back_channel", "own_callback": True}, {"type": "front_channel"}])
async def test_an_issuer_with_a_path_works_from_end_to_end(scenes: Scenes, options: dict[str, Any]) -> None:
    """Everything lies below the issuer's path: login, both kinds of callback, logout, pages and their assets; cookies
    are for the whole host, as ``__Host-`` demands."""
    port = free_port()
    issuer = f"http://127.0.0.1:{port}/some/where/"
    async with scenes({"corp": options}, issuer=issuer, port=port) as scene:
        browser, app = await scene.browser(), scene.apps["webapp"]
        assert (await scene.log_in(browser, sub="ada")).text == "hello oidc|corp|ada"
        assert {c.path for c in browser.jar.cookies.values() if c.name.startswith("__Host-")} == {"/"}
        page = (await browser.open(f"{issuer}oidc/logout")).page
        style = page.body.partition('stylesheet" href="')[2].partition('"')[0]
        assert style.startswith(issuer) and (await browser.open(style)).page.status == 200
        out = await browser.open(await asyncio.to_thread(app.logout_url, app.last))
        assert out.page.url.startswith(app.base) and session_cookies(browser) == []


async def test_az_29_a_cross_site_post_below_a_path_comes_back_to_the_same_endpoint(scenes: Scenes) -> None:
    """AZ-29: the redirect that regains the session cookie names the endpoint once, whatever the issuer's path."""
    port = free_port()
    issuer = f"http://127.0.0.1:{port}/some/where/"
    async with scenes(issuer=issuer, port=port) as scene:
        tab = Tab(await scene.browser())
        await tab.navigate(Navigation("POST", f"{issuer}authorize", await scene.asks(), "https://evil.example/"))
        assert tab.pending is not None and tab.pending.url.startswith(scene.tenants["corp"].base)


# --- the login page ---

HIDDEN: dict[str, dict[str, Any]] = {
    "corp": {"domain_aliases": ["corp.example"]},
    "secret-partner": {
        "domain_aliases": ["partner.example"], "show_as_button": False, "display_name": "Quiet Partner Ltd",
    },
}  # fmt: skip


async def test_a_hidden_connection_is_nowhere_in_the_page_but_can_be_reached(scenes: Scenes) -> None:
    """Neither name, display name, domain nor address of a hidden connection is in the page; its people come in by
    their address, and an application by ``connection``."""
    async with scenes(HIDDEN) as scene:
        browser = await scene.browser()
        tab = await scene.start(browser)
        base = scene.tenants["secret-partner"].base
        for trace in ("secret-partner", "Quiet Partner", "partner.example", base):
            assert trace not in tab.page.body and trace not in str(tab.page.headers)
        await tab.submit(email="ada@partner.example")
        await tab.click("Continue")
        assert asked_of(tab)["login_hint"] == "ada@partner.example"
        assert (await scene.answer(tab, "secret-partner", sub="ada")).text == "hello oidc|secret-partner|ada"
        other = await scene.start(await scene.browser(), connection="secret-partner")
        assert other.pending is not None and other.pending.url.startswith(base)


async def told(scene: Scene, email: str) -> tuple[int, str, str]:
    """What the login page says to an address: status, policy, body; what differs in every answer taken out."""
    tab = await scene.start(await scene.browser())
    mark = parse_qs(urlsplit(tab.page.url).query)["tx"][0]
    page = await tab.submit(email=email)
    body = page.body.replace(email, "EMAIL").replace(urlencode({"": email})[1:], "EMAIL").replace(mark, "TX")
    for name in ("state", "nonce"):
        before, found, rest = body.partition(f"{name}=")
        while found:
            body = before + rest.partition("&")[2]
            before, found, rest = body.partition(f"{name}=")
    return page.status, page.policy, body


async def test_lg_06_the_page_does_not_know_who_has_an_account(scenes: Scenes) -> None:
    """LG-06: two people of one domain get the same answer, and no tenant is asked about either; two unknown domains get
    the same answer, which is the page again with a generic choice. All have the same status."""
    async with scenes(HIDDEN) as scene:
        known = [await told(scene, f"{name}@corp.example") for name in ("ada", "nobody")]
        unknown = [await told(scene, f"ada@{domain}") for domain in ("nowhere.example", "sub.corp.example")]
        assert known[0] == known[1] and "Going to corp login" in known[0][2]
        assert unknown[0] == unknown[1] and "did not lead to a login here" in unknown[0][2]
        assert {answer[0] for answer in (*known, *unknown)} == {200}
        assert scene.tenants["corp"].calls["token"] == 0


async def test_a_tenant_that_is_down_leaves_a_way_to_the_others(scenes: Scenes) -> None:
    """Failure policy of authorize: a page that says so, and from it back to the choice of tenants."""
    async with scenes({"corp": {}, "acme": {}}) as scene:
        scene.tenants["corp"].always["discovery"] = Step(status=500)
        tab = await scene.start(await scene.browser())
        await tab.click("corp login")
        assert tab.page.status == 502
        await tab.click("Start again")
        await tab.click("acme login")
        assert (await scene.answer(tab, "acme", sub="ada")).text == "hello oidc|acme|ada"


# --- how new a login must be ---


@pytest.mark.parametrize("wishes", [{"prompt": "login"}, {"max_age": "0"}, {"max_age": "60"}])
@pytest.mark.parametrize("age", [3600, None])
async def test_rp_29_az_17_an_old_login_of_the_tenant_does_not_count(
    scene: Scene, wishes: dict[str, str], age: int | None
) -> None:
    """RP-29, AZ-17: with prompt=login or max_age an old or missing ``auth_time`` is login_required for the application;
    the session that was there is unharmed, and is not what answers."""
    browser, app = await scene.browser(), scene.apps["webapp"]
    if "max_age" not in wishes or wishes["max_age"] == "0":
        await scene.log_in(browser, sub="ada")
    arrived = len(app.arrived)
    tab = await scene.start(browser, **wishes)
    page = await scene.answer(tab, sub="ada", auth_time=None if age is None else int(time.time()) - age)
    assert page.text == "refused: login_required" and len(app.arrived) == arrived
    assert await scene.who_is_in(browser) == ("hello oidc|corp|ada" if arrived else "refused: login_required")


async def test_az_17_the_login_of_one_tab_does_not_answer_prompt_login_of_another(scene: Scene) -> None:
    """AZ-17: each tab that asks for prompt=login goes to the tenant itself; reloading its request goes there again."""
    browser = await scene.browser()
    one, two = await scene.start(browser, prompt="login"), await scene.start(browser, prompt="login")
    assert (await scene.answer(one, sub="ada")).text == "hello oidc|corp|ada"
    again = await browser.open(f"{scene.node.issuer}authorize?{await scene.asks(prompt='login')}")
    for tab in (two, again):
        assert asked_of(tab)["prompt"] == "login"
    assert (await scene.answer(two, sub="ada", auth_time=int(time.time()) - 3600)).text == "refused: login_required"
