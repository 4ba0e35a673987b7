"""Two tabs of one browser at the same moment: who is in afterwards, and whose tokens still work."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Sequence
from typing import Any

import pytest

from proxy.downstream.grant import session_key
from proxy.lab.browser import Tab
from proxy.lab.navigation import Navigation, Page
from proxy.oidc.errors import Unavailable
from proxy.store import Op, Put, Touch
from proxy.store.memory import MemoryStore
from tests.attacks.conftest import Scene, Scenes, asked_of, session_cookies
from tests.kit.tenant import Step, good_claims, jws


async def at_once(scene: Scene, tabs: Sequence[Tab], people: Sequence[str]) -> list[Page]:
    """Every tab comes back, in this order; the tenant answers their codes only when all have asked."""
    tenant = scene.tenants["corp"]
    coming = []
    for number, (tab, person) in enumerate(zip(tabs, people, strict=True), 1):
        asked = asked_of(tab)
        token = jws(tenant.keys[0], good_claims(tenant.base, time.time(), nonce=asked["nonce"], sub=person))
        body = {"id_token": token, "access_token": "at", "token_type": "Bearer"}
        tenant.script["token"].append(Step(body=json.dumps(body).encode(), hold=10))
        url = f"{asked['redirect_uri']}?code=a-code&state={asked['state']}"
        coming.append(asyncio.create_task(tab.navigate(Navigation("GET", url, initiator=tenant.base))))
        await tenant.wait_for("token", number)
    tenant.release()
    return list(await asyncio.gather(*coming))


async def test_rp_30_se_21_of_two_people_at_once_one_is_in(scenes: Scenes) -> None:
    """RP-30, SE-21: two people log in at the same moment in two tabs of one browser: one session is left, and it is the
    one whose cookie the browser has; nothing of the other works."""
    async with scenes({"corp": {"type": "back_channel"}}) as scene:
        browser, app = await scene.browser(), scene.apps["webapp"]
        await at_once(scene, [await scene.start(browser), await scene.start(browser)], ["ada", "bob"])
        winner = (await scene.who_is_in(browser)).removeprefix("hello ")
        assert winner in ("oidc|corp|ada", "oidc|corp|bob")
        alive = set()
        for arrived in app.arrived:
            answer = await asyncio.to_thread(app.userinfo, arrived.tokens)
            alive |= {arrived.claims["sub"]} if answer.status_code == 200 else set()
        assert alive == {winner}


async def test_cb_15_one_person_in_many_tabs_at_once_has_one_session(scenes: Scenes) -> None:
    """CB-15: all tabs arrive, all in one session, so that one logout ends all of it."""
    async with scenes({"corp": {"type": "back_channel"}}) as scene:
        browser, app = await scene.browser(), scene.apps["webapp"]
        tabs = [await scene.start(browser) for _ in range(3)]
        pages = await at_once(scene, tabs, ["ada"] * 3)
        assert [page.text for page in pages] == ["hello oidc|corp|ada"] * 3
        assert len({arrived.claims["sid"] for arrived in app.arrived}) == 1
        out = await browser.open(await asyncio.to_thread(app.logout_url, app.last))
        assert out.page.url.startswith(app.base)
        statuses = [(await asyncio.to_thread(app.userinfo, each.tokens)).status_code for each in app.arrived]
        assert statuses == [401] * 3


@pytest.mark.parametrize("people", [["ada"] * 5, ["ada", "bob", "ada"]])
async def test_cb_15_tabs_that_open_at_once_in_a_fresh_browser_arrive(scene: Scene, people: list[str]) -> None:
    """CB-15: none had a cookie when it asked; no tab's overwrites another's, and one session is left in the end."""
    browser, app = await scene.browser(), scene.apps["webapp"]
    tabs = await asyncio.gather(*(scene.start(browser) for _ in people))
    for tab, person in zip(tabs, people, strict=True):
        assert (await scene.answer(tab, sub=person)).text == f"hello oidc|corp|{person}"
    assert await scene.who_is_in(browser) == f"hello oidc|corp|{people[-1]}"
    alive = [a for a in app.arrived if (await asyncio.to_thread(app.userinfo, a.tokens)).status_code == 200]
    assert {a.claims["sid"] for a in alive} == {app.last.claims["sid"]}


class Sluggish(MemoryStore):
    """Holds the next write of an answer to an application that has a session, until it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.armed, self.reached, self.go = False, asyncio.Event(), asyncio.Event()

    async def run(self, *ops: Op) -> Any:
        if self.armed and isinstance(ops[0], Put) and isinstance(ops[-1], Touch):
            self.armed = False
            self.reached.set()
            await self.go.wait()
        return await super().run(*ops)


@pytest.mark.parametrize("meanwhile", ["login", "logout"])
async def test_se_13_lo_06_a_slow_request_writes_nothing_old_back(scenes: Scenes, meanwhile: str) -> None:
    """SE-13, LO-06: a request that read the session before a login or a logout, and ends after it, neither restores the
    old record nor revives a dropped one: a session is never written back whole."""
    store = Sluggish()
    async with scenes(store=store) as scene:
        browser, app = await scene.browser(), scene.apps["webapp"]
        await scene.log_in(browser, sub="ada", name="Old")
        first = app.last
        store.armed = True
        slow = asyncio.create_task(scene.start(browser))
        await store.reached.wait()
        if meanwhile == "login":
            await scene.answer(await scene.start(browser, prompt="login"), sub="ada", name="New")
        else:
            await browser.open(await asyncio.to_thread(app.logout_url, first))
        store.go.set()
        await slow
        record = await store.get(session_key(str(first.claims["sid"])))
        if meanwhile == "login":
            assert record is not None and record.value["profile"]["name"] == "New"
            assert (await scene.who_is_in(browser)) == "hello oidc|corp|ada"
        else:
            assert record is None and session_cookies(browser) == []


class Moody(MemoryStore):
    """A store that can be switched off."""

    down = False

    async def run(self, *ops: Op) -> Any:
        if self.down:
            raise Unavailable("switched off")
        return await super().run(*ops)


async def test_ft_01_while_the_store_cannot_be_asked_nothing_is_burnt(scenes: Scenes) -> None:
    """FT-01 (failure policy): authorize and callback answer 503 with a page; once the store is back the same answer of
    the tenant logs in, and the session that was there is still there."""
    store = Moody()
    async with scenes(store=store) as scene:
        browser = await scene.browser()
        tab = await scene.start(browser)
        store.down = True
        page = await scene.answer(tab, sub="ada")
        assert (page.status, page.headers["Content-Type"]) == (503, "text/html; charset=utf-8")
        assert int(page.headers["Retry-After"]) >= 1 and page.headers["Cache-Control"] == "no-store"
        assert (await scene.start(browser)).page.status == 503
        store.down = False
        assert (await tab.reload()).text == "hello oidc|corp|ada"
        store.down = True
        for wishes in ({}, {"prompt": "none"}):
            assert (await scene.start(browser, **wishes)).page.status == 503
        assert (await browser.open(f"{scene.node.issuer}oidc/logout")).page.status == 503
        store.down = False
        assert await scene.who_is_in(browser) == "hello oidc|corp|ada"
