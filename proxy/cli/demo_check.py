"""``isthmus demo --check``: one login through one connection, walked by a strict little browser, told a step a line."""

from __future__ import annotations

from urllib.parse import urlsplit

import aiohttp

from proxy.lab.app import LabApp
from proxy.lab.browser import Browser, Tab
from proxy.lab.navigation import Navigation, Stuck

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
