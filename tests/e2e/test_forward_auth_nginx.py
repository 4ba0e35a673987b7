"""Forward-auth behind nginx, a real one, with the configuration that is printed for it; and with kept answers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from proxy.lab.browser import Browser
from tests.e2e.forward_auth_suite import TELLING, Behind
from tests.e2e.forward_auth_world import World, world
from tests.journeys.conftest import JONAS, MIRA, Stores
from tests.kit.waiting import eventually

pytestmark = pytest.mark.e2e


class TestNginx(Behind):
    """The suite."""

    server = "nginx"


@pytest.fixture
async def cached(tmp_path: Path, stores: Stores) -> AsyncIterator[World]:
    """A world whose nginx keeps answers."""
    async with world(tmp_path, stores, "nginx", "--cached") as made:
        yield made


async def test_most_requests_are_served_without_asking(cached: World) -> None:
    """The query does not matter, nor do headers that decide nothing; every answer still says who it is."""
    await cached.log_in()
    cached.asked.questions = 0
    for number in range(100):
        answer = await cached.send(f"/page?n={number}", f"X-Number: {number}", cookies=cached.cookies())
        assert answer.told["x-forwarded-user"] == f"oidc|corp|{MIRA.sub}"
        assert answer.got["line"] == f"GET /page?n={number} HTTP/1.1"
    assert cached.asked.questions <= 10


async def test_in_10_one_persons_answer_never_serves_another(cached: World) -> None:
    """IN-10: two people ask for the same things in turn, and somebody without a login asks, too."""
    await cached.log_in()
    async with Browser() as other:
        await cached.log_in(person=JONAS, browser=other)
        for _ in range(10):
            for browser, person in ((cached.browser, MIRA), (other, JONAS)):
                told = (await cached.send("/same", cookies=cached.cookies(browser))).told
                assert told["x-forwarded-user"] == f"oidc|corp|{person.sub}"
            assert (await cached.send("/same")).status in (303, 401)
            assert (await cached.send("/same", cookies="a=b")).status in (303, 401)


async def test_in_10_a_kept_answer_serves_no_other_question(cached: World) -> None:
    """IN-10: another method, path or route, Authorization, an upgrade, a target that reads in two ways."""
    await cached.log_in()
    cookies = cached.cookies()
    assert (await cached.send("/page", cookies=cookies)).status == 200
    cached.app.heads.clear()
    for target in (
        "/admin",
        "/page/../admin",
        "/page%2f..%2fadmin",
        "/page;/admin",
        "/page?#/admin",
        "/page#",
        "/page/%00",
    ):
        assert (await cached.send(target, cookies=cookies)).status in (400, 403), target
    assert cached.app.heads == []
    for method, lines in (("POST", ()), ("PUT", ()), ("OPTIONS", ()), ("GET", ("Authorization: Bearer x",)),
                          ("GET", ("Upgrade: websocket", "Connection: upgrade"))):  # fmt: skip
        cached.asked.questions = 0
        await cached.send("/page", *lines, cookies=cookies, method=method)
        assert cached.asked.questions == 1, method


async def test_in_10_nothing_a_client_sends_puts_an_answer_where_another_finds_it(cached: World) -> None:
    """IN-10: a person fills the cache with every header that tells a request; nobody else gets anything from it."""
    await cached.log_in()
    cookies = cached.cookies()
    for line in (*TELLING, "Origin: https://x", "Accept: */*", "X-Forwarded-User: a", "Cookie: a=b", "Cookie:"):
        await cached.send("/page", line, cookies=cookies)
    cached.app.heads.clear()
    for line in (*TELLING, "Origin: https://x", "X-Forwarded-User: a", "Cookie: a=b", f"X-Cookie: {cookies}"):
        assert (await cached.send("/page", line)).status in (303, 401), line
        assert (await cached.send("/page", line, cookies="c=d")).status in (303, 401), line
    assert cached.app.heads == []


async def test_a_no_is_not_kept(cached: World) -> None:
    """Who may not is asked about each time, and so is who is nobody."""
    await cached.log_in()
    for cookies in ("", cached.cookies()):
        cached.asked.questions = 0
        for _ in range(3):
            assert (await cached.send("/admin", cookies=cookies)).status in (303, 401, 403)
        assert cached.asked.questions == 3


async def test_a_session_that_ends_is_out_when_kept_answers_are_old(cached: World) -> None:
    """At most five seconds later (P1 of the docs), and for good."""
    await cached.log_in()
    cookies = cached.cookies()
    assert (await cached.send("/page", cookies=cookies)).status == 200
    tab = await cached.browser.open(f"{cached.node.issuer}oidc/logout")
    await tab.submit()

    async def is_out() -> bool:
        return (await cached.send("/page", cookies=cookies)).status in (303, 401)

    await eventually(is_out, within=8)
    assert await is_out()


async def test_gw_15_kept_answers_do_not_outlive_isthmus(cached: World) -> None:
    """GW-15: what was kept serves its seconds; then who cannot be asked about is out."""
    await cached.log_in()
    cookies = cached.cookies()
    assert (await cached.send("/page", cookies=cookies)).status == 200
    cached.asked.node, cached.asked.open = 1, False

    async def is_out() -> bool:
        return (await cached.send("/page", cookies=cookies)).status == 503

    await eventually(is_out, within=8)
    cached.app.heads.clear()
    assert (await cached.send("/other", cookies=cookies)).status == 503 and cached.app.heads == []
