"""``isthmus demo --check``: logins through each connection and the gateway, walked by a strict little browser and
told a step a line."""

from __future__ import annotations

from urllib.parse import urlsplit

import aiohttp

from proxy.lab.app import LabApp
from proxy.lab.browser import Browser, Tab
from proxy.lab.navigation import Navigation, Stuck
from proxy.lab.plain import ASSERTION, USER, PlainApp

PERSON, EMAIL = "Mira Joan Vance", "mira@corp.example"
FAULTS = (Stuck, aiohttp.ClientError, TimeoutError)


class Failed(Exception):
    """A step did not go as it must; the text says which and what came instead."""


async def walk(app: LabApp, isthmus: str, tenant: str, connection: str) -> None:
    """Log in at the application through ``connection``, look, log out. Prints each step. Raises ``Failed``."""
    print(f"\n{connection}: {app.connections[connection]}")
    walked: list[Navigation] = []
    names = {app.base: "app", isthmus: "Isthmus", tenant: "tenant"}
    async with Browser(stop=lambda navigation: _tell(navigation, walked, names)) as browser:
        try:
            await _log_in(await browser.open(app.base), app, connection)
            _inspect(browser, app, walked, isthmus)
        except FAULTS as error:
            raise Failed(str(error) or type(error).__name__) from None


def _tell(navigation: Navigation, walked: list[Navigation], names: dict[str, str]) -> bool:
    """Print where the browser goes; parameters stay out, they hold secrets. Never stops it."""
    walked.append(navigation)
    base = next((base for base in names if navigation.url.startswith(base)), "")
    cross = ", from another site" if navigation.cross_site and navigation.method == "POST" else ""
    print(f"  {names.get(base, '?'):8} {navigation.method:4} {urlsplit(navigation.url).path}{cross}")
    return False


async def _log_in(tab: Tab, app: LabApp, connection: str) -> None:
    await tab.click(app.connections[connection])
    if PERSON not in " ".join(tab.page.names):
        raise Failed(f"the tenant's login form did not come, but {tab.page.status} {tab.page.text[:200]!r}")
    print(f"  {'person':8} chooses {PERSON}")
    await tab.click(PERSON)
    if tab.page.url != app.base or PERSON not in tab.page.text or EMAIL not in tab.page.text:
        raise Failed(f"name and email did not arrive at the application: {tab.page.status} {tab.page.text[:200]!r}")


def _inspect(browser: Browser, app: LabApp, walked: list[Navigation], isthmus: str) -> None:
    """What came: the ID token, which the application has checked, and what the browser thought of the cookies."""
    claims = list(app.logins.values())[-1]["claims"]
    print(f"  {'app':8} ID token: signature good, iss {claims['iss']}, sub {claims['sub']}")
    print(f"  {'app':8} name {claims['name']!r}, email {claims['email']!r}, {len(claims)} claims in all")
    if browser.jar.refused:
        raise Failed(f"the browser refused a cookie: {browser.jar.refused[0][1]}")
    kept = [c for c in browser.jar.cookies.values() if c.name.startswith("__Host-") and c.secure and c.http_only]
    print(
        f"  {'browser':8} keeps {len(kept)} __Host- cookies of Isthmus, SameSite {sorted({c.same_site for c in kept})}"
    )


async def walk_in(app: PlainApp, isthmus: str, tenant: str) -> None:
    """Log in at the plain app through the gateway, look, log out, and try the old cookie. Prints each step. Raises
    ``Failed``."""
    print(f"\ngateway: a plain app at {app.base}")
    names = {app.base: "gateway", isthmus: "Isthmus", tenant: "tenant"}
    async with Browser(stop=lambda navigation: _tell(navigation, [], names)) as browser:
        try:
            tab = await browser.open(app.base)
            if app.seen:
                raise Failed("the app was asked before anybody had logged in")
            print(f"  {'app':8} has heard nothing so far")
            await tab.click("Log in")
            print(f"  {'person':8} chooses {PERSON}")
            await tab.click(PERSON)
            await tab.click("Continue")
            _check_told(app, tab)
            await tab.click("Log out")
            await tab.click("Log out")
            await _check_gone(app, browser)
        except FAULTS as error:
            raise Failed(str(error) or type(error).__name__) from None


def _check_told(app: PlainApp, tab: Tab) -> None:
    """The app was told who came, and could verify it."""
    if tab.page.url != app.base or f"Hello {PERSON}" not in tab.page.text or EMAIL not in tab.page.text:
        raise Failed(f"name and email did not arrive at the app: {tab.page.status} {tab.page.text[:200]!r}")
    told = app.seen[-1]
    if "isthmus" in told.get("Cookie", ""):
        raise Failed("the app saw a cookie of Isthmus")
    print(f"  {'app':8} was told {USER} {told[USER]}, and no cookie of ours")
    print(f"  {'app':8} {ASSERTION}: signature good, for {app.base}")


async def _check_gone(app: PlainApp, browser: Browser) -> None:
    """After the logout the app hears nothing any more."""
    heard = len(app.seen)
    tab = await browser.open(app.base)
    if len(app.seen) != heard or PERSON in tab.page.text:
        raise Failed("the app was asked again after the logout")
    print(f"  {'app':8} hears nothing after the logout")
