"""Attacks on the way between the shores that need a whole trip (attacks.md: RP, CB, AZ, SE, LO)."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from proxy.lab.browser import Browser, Tab
from proxy.lab.navigation import Navigation
from proxy.lab.people import PEOPLE, Person
from proxy.store.memory import MemoryStore
from tests.journeys.conftest import JONAS, MIRA, World, Worlds, refused

HAND = 600
"""Seconds a person has at the tenant."""


def params(navigation: Navigation | None) -> dict[str, str]:
    """The parameters that a held navigation carries."""
    assert navigation is not None, "nothing was held"
    encoded = navigation.body or urlsplit(navigation.url).query
    return {name: values[0] for name, values in parse_qs(encoded).items()}


async def deliver(world: World, browser: Browser, answer: Mapping[str, str], channel: str = "POST") -> Tab:
    """Bring the tenant's answer to our callback, as a form from the tenant's site or as a redirect from it."""
    tab = Tab(browser)
    tenant = next(iter(world.tenants.values())).issuer
    url = world.node.callback
    if channel == "GET":
        await tab.navigate(Navigation("GET", f"{url}?{urlencode(answer)}", initiator=tenant))
    else:
        await tab.navigate(Navigation("POST", url, urlencode(answer), tenant))
    return tab


async def held_answer(world: World, person: Person = MIRA, **wishes: str) -> tuple[Tab, dict[str, str], str]:
    """A login that stands right before our callback: its tab, the tenant's answer, the method it travels by."""
    world.hold("login/callback")
    tab = await world.log_in(person, **wishes)
    world.let_go()
    assert tab.pending is not None
    return tab, params(tab.pending), tab.pending.method


def named(world: World, browser: Browser | None = None) -> dict[str, str]:
    """The cookies of Isthmus in a browser, by role."""
    cookies = (browser or world.browser).jar.cookies.values()
    return {c.name.split("-")[2]: c.value for c in cookies if c.name.startswith("__Host-isthmus-")}


async def who_is_in(world: World, browser: Browser | None = None) -> str:
    """Who the session of a browser is: asked with prompt=none, so that nobody is logged in by asking."""
    tab = await world.start(browser, prompt="none")
    return tab.page.text.removeprefix("hello ") if tab.page.text.startswith("hello") else ""


async def test_rp_14_an_email_never_joins_two_people(worlds: Worlds) -> None:
    """RP-14: another tenant's user with the victim's verified email is a person of their own."""
    thief = Person("thief", {**MIRA.claims, "name": "A Thief"})
    async with worlds(tenants={"corp": PEOPLE, "evil": [thief]}) as world:
        await world.log_in(connection="corp")
        victim = world.app.last.claims
        async with Browser() as other:
            tab = await world.start(other, connection="evil")
            await tab.click("A Thief")
        claims = world.app.last.claims
        assert (claims["email"], claims["sub"]) == (victim["email"], "oidc|evil|thief")
        assert victim["sub"] == "oidc|corp|mira"


async def test_rp_19_the_same_sub_at_two_tenants_is_two_people(worlds: Worlds) -> None:
    """RP-19: mira of one tenant and mira of another never meet."""
    async with worlds(tenants={"corp": PEOPLE, "acme": PEOPLE}) as world:
        await world.log_in(connection="corp")
        await world.log_in(connection="acme", prompt="login")
        assert [arrived.claims["sub"] for arrived in world.app.arrived] == ["oidc|corp|mira", "oidc|acme|mira"]
        assert world.app.arrived[0].claims["sid"] != world.app.arrived[1].claims["sid"]


async def test_rp_30_logging_in_as_another_person_ends_the_first_session(world: World) -> None:
    """RP-30: after prompt=login comes back as somebody else, the first session is gone and nothing of it is left."""
    await world.log_in(MIRA)
    old = {cookie.name: cookie for cookie in world.browser.jar.cookies.values()}
    await world.log_in(JONAS, prompt="login")
    first, second = world.app.arrived
    assert (second.claims["sub"], second.claims["name"]) == ("oidc|corp|jonas", JONAS.name)
    assert first.claims["sid"] != second.claims["sid"]
    async with Browser() as revenant:
        for cookie in old.values():
            revenant.jar.cookies[(cookie.domain, cookie.path, cookie.name)] = cookie
        assert await who_is_in(world, revenant) == ""
    assert (await asyncio.to_thread(world.app.userinfo, first.tokens)).status_code == 401
    assert (await asyncio.to_thread(world.app.userinfo, second.tokens)).json()["sub"] == "oidc|corp|jonas"


async def test_se_21_the_next_person_gets_nothing_of_the_last(world: World) -> None:
    """SE-21: A logs in, loses the cookies, B logs in on the same browser: fresh ids, and no token of A for B."""
    world.app.scope = "openid profile email offline_access"
    await world.log_in(MIRA)
    cookies = named(world)
    world.browser.jar.cookies = {p: c for p, c in world.browser.jar.cookies.items() if "session" not in c.name}
    world.tenants["corp"].memory.logins.clear()
    await world.log_in(JONAS)
    first, second = world.app.arrived
    assert first.claims["sid"] != second.claims["sid"]
    assert named(world)["session"] != cookies["session"]
    assert first.tokens["refresh_token"] != second.tokens["refresh_token"]
    assert await who_is_in(world) == "oidc|corp|jonas"


async def test_cb_02_an_answer_in_another_browser_is_refused(world: World) -> None:
    """CB-02: the attacker's finished answer, posted by the victim's browser, logs nobody in; with trips of its own
    under way or without."""
    _, answer, method = await held_answer(world)
    async with Browser() as victim:
        assert refused((await deliver(world, victim, answer, method)).page, world.node)
        await world.start(victim)
        assert refused((await deliver(world, victim, answer, method)).page, world.node)
        assert "session" not in named(world, victim)
    assert world.app.arrived == []


async def test_cb_03_cb_19_a_second_answer_harms_nothing(world: World) -> None:
    """CB-03, CB-19: the same callback again, by reload or by going back, is refused; the session lives and the code is
    not sent upstream a second time."""
    tab, answer, method = await held_answer(world)
    page = await tab.resume()
    assert page.text.startswith("hello")
    used = len(world.tenants["corp"].memory.used)
    for _ in range(2):
        again = await deliver(world, world.browser, answer, method)
        assert refused(again.page, world.node)
    assert len(world.tenants["corp"].memory.used) == used
    assert await who_is_in(world) == "oidc|corp|mira"


@pytest.mark.parametrize(("waited", "arrives"), [(HAND - 1, True), (HAND + 1, False)])
async def test_cb_05_a_late_answer_is_refused(worlds: Worlds, waited: int, arrives: bool) -> None:
    """CB-05: within ten minutes an answer arrives; after them a page says so, and nothing loops."""
    now = [1_900_000_000.0]
    async with worlds(store=MemoryStore(lambda: now[0])) as world:
        tab, _, _ = await held_answer(world)
        now[0] += waited
        page = await tab.resume()
        assert page.text.startswith("hello") is arrives
        assert refused(page, world.node) is not arrives


async def test_cb_09_the_front_channel_lives_without_lax_cookies(worlds: Worlds) -> None:
    """CB-09: the cross-site POST brings the transaction cookie alone, and a session that lives is neither lost nor
    overwritten by somebody's answer."""
    async with worlds("front_channel") as world:
        await world.log_in()
        session = named(world)["session"]
        tab, _, _ = await held_answer(world, prompt="login")
        assert tab.pending is not None and tab.pending.cross_site and tab.pending.method == "POST"
        jar = world.browser.jar
        sent = jar.header(tab.pending.url, world.browser.clock(), cross_site=True, safe=False)
        assert [pair.split("=")[0].split("-")[2] for pair in sent.split("; ")] == ["state", "login"]
        same = {c.name.split("-")[2]: c.same_site for c in jar.cookies.values() if c.name.startswith("__Host-isth")}
        assert same == {"login": "none", "state": "none", "session": "lax"}
        async with Browser() as stranger:  # no transaction cookie: refuse
            assert refused((await deliver(world, stranger, params(tab.pending))).page, world.node)
        assert refused((await deliver(world, world.browser, {"state": "made-up", "id_token": "x"})).page, world.node)
        assert named(world)["session"] == session
        assert (await tab.resume()).text == "hello oidc|corp|mira"
        assert world.app.arrived[0].claims["sid"] == world.app.arrived[1].claims["sid"]


async def test_cb_10_an_error_beside_a_token_is_an_error(world: World) -> None:
    """CB-10: error and answer together log nobody in, and the transaction is spent; an error without state spends
    none."""
    tab, answer, method = await held_answer(world)
    assert refused((await deliver(world, world.browser, {"error": "access_denied"}, method)).page, world.node)
    both = await deliver(world, world.browser, {**answer, "error": "access_denied"}, method)
    assert 400 <= both.page.status < 500 and both.page.url.startswith(world.node.issuer)
    assert refused(await tab.resume(), world.node)
    assert (world.app.arrived, "session" in named(world)) == ([], False)


async def test_cb_14_a_planted_session_id_is_not_used(world: World) -> None:
    """CB-14: whatever session and transaction cookies the victim's browser had before, the login makes a new session
    id, and the planted one opens nothing."""
    async with Browser() as attacker:
        await world.start(attacker)
        await world.log_in(JONAS, browser=attacker)
        planted = {p: c for p, c in attacker.jar.cookies.items() if c.name.startswith("__Host-isthmus")}
        world.browser.jar.cookies.update(planted)
        await world.log_in(MIRA, prompt="login")
        assert named(world)["session"] != named(world, attacker)["session"]
        assert await who_is_in(world) == "oidc|corp|mira"
        assert await who_is_in(world, attacker) != "oidc|corp|mira"


@pytest.mark.parametrize("way", ["GET", "POST"])
async def test_cb_17_no_step_can_be_skipped(worlds: Worlds, way: str) -> None:
    """CB-17: an empty callback, one with the state alone, and the id of a login page as state: all refused."""
    async with worlds(tenants={"corp": PEOPLE, "acme": PEOPLE}) as world:
        page = (await world.start()).page
        waiting = parse_qs(urlsplit(page.url).query)["tx"][0]
        tab = await world.start(connection="corp")
        state = parse_qs(urlsplit(tab.page.url).query)["state"][0]
        for answer in ({}, {"state": waiting}, {"state": state}):
            told = await deliver(world, world.browser, answer, way)
            assert told.page.url.startswith(world.node.issuer) and 400 <= told.page.status < 500
        assert (world.app.arrived, "session" in named(world)) == ([], False)


async def test_cb_18_a_transaction_belongs_to_its_client(worlds: Worlds) -> None:
    """CB-18: with two applications' logins open in one browser, nothing in a page or an answer moves one to the other:
    client, redirect URI and scope come from the transaction alone."""
    async with worlds(tenants={"corp": PEOPLE, "acme": PEOPLE}) as world:
        first, second = await world.start(), await world.start(app=world.other)
        swapped = parse_qs(urlsplit(second.page.url).query)["tx"][0]
        extra = {"client_id": "webapp", "redirect_uri": world.app.callback}
        query = urlencode({"tx": swapped, "connection": "corp", **extra})
        await first.follow(f"{world.node.issuer}login?{query}")
        await first.click(MIRA.name)
        assert first.page.url.startswith(world.other.base)
        assert world.app.arrived == []
        assert world.other.last.claims["aud"] in ("other", ["other"])


async def test_az_25_a_login_page_works_in_its_own_browser_only(worlds: Worlds) -> None:
    """AZ-25: the attacker's login page, opened by the victim, is refused: its address is no ticket."""
    async with worlds(tenants={"corp": PEOPLE, "acme": PEOPLE}) as world, Browser() as victim:
        page = (await world.start()).page
        for url in (page.url, f"{page.url}&connection=corp"):
            assert refused((await victim.open(url)).page, world.node)
        await world.start(victim)
        assert refused((await victim.open(f"{page.url}&connection=corp")).page, world.node)


async def test_lo_18_a_logout_cancels_logins_under_way(world: World) -> None:
    """LO-18: a login begun before a logout in the same browser cannot be finished after it."""
    await world.log_in()
    tab, _, _ = await held_answer(world, prompt="login")
    url = await asyncio.to_thread(world.app.logout_url, world.app.last)
    left = await world.browser.open(url)
    assert left.page.url.startswith(world.app.base)
    assert refused(await tab.resume(), world.node)
    assert await who_is_in(world) == ""
