"""The failure policy as a table: what each endpoint answers while something it leans on is away, and what is left
afterwards.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from proxy import app
from proxy.lab.browser import Browser, Tab
from tests.faults.conftest import Wholes
from tests.kit.plain_app import Told, Trip, arrived, stop_at_the_app
from tests.kit.valkey import PATIENT
from tests.kit.waiting import eventually
from tests.kit.whole import CHANNELS, MIRA, USUAL, Login, Whole

BUSY = "503 page"
BUSY_JSON = "503 json"
KNOCKS = (
    "authorize, logged in", "authorize, nobody", "callback", "token, code", "token, refresh", "userinfo", "logout",
    "discovery", "jwks", "healthz", "readyz",
)  # fmt: skip


@dataclass
class Scene:
    """What was prepared while all was well: a person logged in, one without a session, trips and codes under way."""

    world: Whole
    login: Login
    stranger: Browser
    back: Tab
    back_trip: Trip
    unused: str
    unused_trip: Trip

    async def knock(self, name: str) -> Told:
        """One request of the table."""
        world, app = self.world, self.world.app
        ways: Mapping[str, Callable[[], Awaitable[Any]]] = {
            "authorize, logged in": lambda: self.seen(world.browser, app.begin().url),
            "authorize, nobody": lambda: self.seen(self.stranger, app.begin().url),
            "callback": self.arrive,
            "token, code": lambda: app.redeem(self.unused_trip, self.unused),
            "token, refresh": lambda: app.refresh(self.login.tokens["refresh_token"]),
            "userinfo": lambda: app.userinfo(self.login.tokens["access_token"]),
            "logout": lambda: self.seen(world.browser, f"{world.issuer}oidc/logout"),
            "discovery": lambda: app.ask(".well-known/openid-configuration"),
            "jwks": lambda: app.ask(".well-known/jwks.json"),
            "healthz": lambda: app.ask("healthz"),
            "readyz": lambda: app.ask("readyz"),
        }
        told: Told = await ways[name]()
        return told

    async def seen(self, browser: Browser, url: str) -> Told:
        """What one exchange of a browser shows; redirects are not followed."""
        cookies = browser.jar.header(url, browser.clock(), cross_site=False, safe=True)
        told = await self.world.app.ask(url, headers={"Cookie": cookies, "Accept": "text/html"})
        gone = [line for line in told.headers.getall("Set-Cookie", ()) if "Max-Age=0" in line]  # type: ignore[attr-defined]
        assert not gone or told.status < 500, "a cookie was deleted because nobody could look"
        return told

    async def arrive(self) -> Told:
        """The tenant's answer is brought; the browser stops at the application."""
        page = await self.back.resume()
        if arrived(self.back):
            return Told(303, {"Location": self.back.pending.url if self.back.pending else ""})
        return Told(page.status, page.headers, page.body)


@asynccontextmanager
async def scene(wholes: Wholes, channel: str, *, fresh_keys: bool = False) -> AsyncIterator[Scene]:
    """All prepared. ``fresh_keys``: the tenant's keys are such as this node has never seen; the store is given all the
    time it wants, since it is not what fails then."""
    patience = PATIENT if fresh_keys else USUAL
    async with wholes(channel, patience=patience) as world, Browser() as stranger, Browser() as third:
        login = await world.log_in()
        unused_trip, tab = await world.depart()
        unused = arrived(tab)["code"]
        if fresh_keys:
            world.tenant.rotate()
        back_trip, back = await world.at_the_door(third)
        yield Scene(world, login, stop_at_the_app(stranger), back, back_trip, unused, unused_trip)
        world.app.secrets.update((unused, arrived(back).get("code", "")))


def verdict(told: Told) -> str:
    """An answer in the words of the table."""
    if told.status == 303:
        return "on to the app" if told.headers["Location"].startswith("http://127.0.0.1:9/") else "on to the tenant"
    kind = "page" if told.headers.get("Content-Type", "").startswith("text/html") else "json"
    if told.status == 503 and told.text not in ("ready", "not ready"):
        assert int(told.headers["Retry-After"]) > 0
        assert "no-store" in told.headers["Cache-Control"]
        assert kind == "page" or told.error == "temporarily_unavailable"
        assert not told.json.get("access_token")
    return f"{told.status} {kind}" if told.status >= 400 and told.text != "not ready" else str(told.status)


async def shut(world: Whole) -> None:
    await world.line.shut()


async def silence(world: Whole) -> None:
    world.line.hold = True


async def heal(world: Whole) -> None:
    """Everything is well again."""
    world.line.hold = False
    world.line.cut()
    if not world.line.is_open:
        await world.line.open()
    if not world.tenant.line.is_open:
        await world.tenant.line.open()
    world.tenant.keys_down = False


async def tenant_away(world: Whole) -> None:
    await world.tenant.line.shut()


async def keys_away(world: Whole) -> None:
    world.tenant.keys_down = True


WORKS = {
    "authorize, logged in": "on to the app",
    "authorize, nobody": "on to the tenant",
    "callback": "on to the app",
    "token, code": "200",
    "token, refresh": "200",
    "userinfo": "200",
    "logout": "200",
    "discovery": "200",
    "jwks": "200",
    "healthz": "200",
    "readyz": "200",
}
NO_STORE = {
    **dict.fromkeys(("authorize, logged in", "authorize, nobody", "callback", "logout"), BUSY),
    **dict.fromkeys(("token, code", "token, refresh", "userinfo"), BUSY_JSON),
    **dict.fromkeys(("discovery", "jwks", "healthz"), "200"),
    "readyz": "503",
}


@pytest.mark.parametrize("channel", CHANNELS)
@pytest.mark.parametrize(("fault", "within"), [(shut, 0.7), (silence, 1.2)], ids=["ft_01_refused", "ft_02_black_hole"])
async def test_ft_01_ft_70_the_store_cannot_be_asked(
    channel: str, fault: Callable[[Whole], Awaitable[None]], within: float, wholes: Wholes
) -> None:
    """FT-01, FT-02, FT-70: every endpoint says 503 in its caller's words, and nothing is burnt: afterwards code,
    refresh token, transaction, session and access token are all good."""
    async with scene(wholes, channel) as made:
        world = made.world
        await fault(world)
        async with asyncio.timeout(within * 4):
            told = await asyncio.gather(*map(made.knock, KNOCKS))
        assert dict(zip(KNOCKS, map(verdict, told), strict=True)) == NO_STORE
        await heal(world)
        assert (await made.back.reload()).status
        assert arrived(made.back)["state"] == made.back_trip.state
        assert (await world.app.redeem(made.back_trip, arrived(made.back)["code"])).status == 200
        for name in ("token, code", "token, refresh", "userinfo", "authorize, logged in"):
            assert verdict(await made.knock(name)) == WORKS[name], name


@pytest.mark.parametrize("channel", CHANNELS)
async def test_ft_33_the_tenant_is_away(channel: str, wholes: Wholes) -> None:
    """A tenant that is down, with metadata and keys known: only what must ask it fails, with a page that names it."""
    async with scene(wholes, channel) as made:
        await tenant_away(made.world)
        told = await asyncio.gather(*map(made.knock, KNOCKS))
        expected = {**WORKS, "callback": WORKS["callback"] if channel == "front_channel" else "502 page"}
        assert dict(zip(KNOCKS, map(verdict, told), strict=True)) == expected


@pytest.mark.parametrize("channel", CHANNELS)
async def test_ft_33_the_keys_are_away_but_known(channel: str, wholes: Wholes) -> None:
    """FT-33: with the tenant's keys known, its key set may be down: everything works."""
    async with scene(wholes, channel) as made:
        await keys_away(made.world)
        told = await asyncio.gather(*map(made.knock, KNOCKS))
        assert dict(zip(KNOCKS, map(verdict, told), strict=True)) == WORKS


@pytest.mark.parametrize("channel", CHANNELS)
async def test_ft_34_the_keys_are_away_and_not_known(
    channel: str, wholes: Wholes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """FT-34: an unknown key while the key set is down is a 503 page, after one fetch; afterwards, on the front channel,
    the same person's retry succeeds; on the back channel, where the tenant's code is used, the page leads to a new
    start that does."""
    monkeypatch.setattr("proxy.cell.PAUSE", 0.3)
    async with scene(wholes, channel, fresh_keys=True) as made:
        await keys_away(made.world)
        fetched = made.world.tenant.hits["jwks"]
        told = await asyncio.gather(*map(made.knock, KNOCKS))
        assert dict(zip(KNOCKS, map(verdict, told), strict=True)) == {**WORKS, "callback": BUSY}
        assert made.world.tenant.hits["jwks"] == fetched + 1
        await heal(made.world)

        async def gets_in() -> bool:
            if channel == "front_channel":
                await made.back.reload()
            else:
                await made.back.follow(link_back(made.back))
                await made.back.click(MIRA.name)
            return bool(arrived(made.back))

        await eventually(gets_in)
        assert arrived(made.back)["state"] == made.back_trip.state
        assert (await made.world.app.redeem(made.back_trip, arrived(made.back)["code"])).status == 200


def link_back(tab: Tab) -> str:
    """The link of an error page to a new start."""
    return next(link.attributes["href"] for link in tab.page.reader.links if "authorize?" in link.attributes["href"])


@pytest.mark.parametrize("channel", CHANNELS)
async def test_ft_35_a_key_changed_without_overlap(channel: str, wholes: Wholes) -> None:
    """FT-35: twenty people come back at once with tokens of a key nobody has seen: all get in, with one fetch."""
    async with wholes(channel) as world, AsyncExitStack() as stack:
        await world.log_in()
        people = [await stack.enter_async_context(Browser()) for _ in range(20)]
        world.tenant.rotate()
        tabs = [(await world.at_the_door(one))[1] for one in people]
        fetched = world.tenant.hits["jwks"]
        await asyncio.gather(*(tab.resume() for tab in tabs))
        assert all(arrived(tab).get("code") for tab in tabs)
        assert world.tenant.hits["jwks"] == fetched + 1
        world.app.secrets.update(arrived(tab)["code"] for tab in tabs)


@pytest.mark.parametrize("channel", CHANNELS)
@pytest.mark.parametrize(("skew", "lets_in"), [(45, True), (-45, True), (90, False)])
async def test_ft_47_the_tenants_clock_differs(channel: str, skew: int, lets_in: bool, wholes: Wholes) -> None:
    """FT-47: a tenant's clock may differ by a minute; beyond, the person reads a page and the log says which check."""
    async with wholes(channel) as world:
        world.tenant.clock = lambda: time.time() + skew
        _, tab = await world.depart()
        await tab.click(MIRA.name)
        assert bool(arrived(tab)) is lets_in
        if not lets_in:
            assert tab.page.status == 400
            await log_says(world, "clock")


async def log_says(world: Whole, word: str) -> None:
    """Wait until the log has a word."""

    async def has() -> bool:
        return word in world.log.read_text()

    await eventually(has)


async def test_a_tenant_never_seen_is_a_page(wholes: Wholes) -> None:
    """A tenant that was never reached: the way in is a page that says so, whoever is logged in elsewhere goes on, and
    the node is ready."""
    async with wholes() as world:
        await world.tenant.line.shut()
        _, tab = await world.depart()
        assert tab.page.status in (502, 504)
        assert "login service" in tab.page.text
        assert (await world.app.ask("readyz")).status == 200
        await world.tenant.line.open()


async def test_the_signer_has_no_keys(wholes: Wholes) -> None:
    """Without a key to sign with: no token, ``temporarily_unavailable``, not ready; the rest works."""
    async with scene(wholes, "back_channel") as made:
        ring = made.world.site[app.KEYS]
        kept, ring._held = ring._held, {}
        told = {name: verdict(await made.knock(name)) for name in KNOCKS if name not in ("jwks", "token, refresh")}
        ring._held = kept
        expected = {**WORKS, "token, code": BUSY_JSON, "readyz": "503"}
        assert told == {name: expected[name] for name in told}


async def test_no_key_costs_no_code(wholes: Wholes) -> None:
    """Without a key to sign with, a code is refused for now and good again later."""
    async with scene(wholes, "back_channel") as made:
        ring = made.world.site[app.KEYS]
        kept, ring._held = ring._held, {}
        assert verdict(await made.knock("token, code")) == BUSY_JSON
        ring._held = kept
        assert verdict(await made.knock("token, code")) == "200"
