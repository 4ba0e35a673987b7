"""A login through npm oidc-provider on each channel and back into Authlib, walked by the strict little browser."""

from __future__ import annotations

import pytest

from proxy.lab.browser import Browser, Tab
from proxy.lab.people import PEOPLE
from tests.e2e.conftest import Crossings

pytestmark = pytest.mark.e2e
MIRA = PEOPLE[0]
GROUPS = {"enabled": ["isthmus-groups"], "settings": {"isthmus-groups": {"claim": "roles", "attribute": "duties"}}}


async def through_its_pages(tab: Tab) -> None:
    """Log in at oidc-provider's own form, and consent."""
    await tab.submit(login="mira", password="anything")
    if "Continue" in tab.page.names:
        await tab.click("Continue")


@pytest.mark.parametrize("channel", ["back_channel", "front_channel"])
async def test_a_login_through_oidc_provider(channel: str, crossings: Crossings) -> None:
    """The ID token is verified, carries name and email, and what the plugin mapped from the tenant's roles."""
    async with crossings(channel, plugins=GROUPS) as crossing, Browser() as browser:
        tab = await browser.open(crossing.app.base)
        await tab.click("Log in")
        assert tab.page.url.startswith(crossing.provider.issuer), tab.page.text
        await through_its_pages(tab)
        assert tab.page.text == "hello oidc|node|mira"
        claims = crossing.app.last.claims
        assert (claims["name"], claims["email"]) == (MIRA.claims["name"], MIRA.claims["email"])
        assert claims["duties"] == MIRA.claims["roles"]
        assert browser.jar.refused == []


@pytest.mark.parametrize("channel", ["back_channel", "front_channel"])
async def test_a_fresh_login_is_asked_of_oidc_provider(channel: str, crossings: Crossings) -> None:
    """prompt=login goes up and comes back newer, although oidc-provider has a live login."""
    async with crossings(channel) as crossing, Browser() as browser:
        tab = await browser.open(f"{crossing.app.base}login")
        await through_its_pages(tab)
        before = crossing.app.last.claims["auth_time"]
        tab = await browser.open(f"{crossing.app.base}login?prompt=login")
        await through_its_pages(tab)
        assert tab.page.text == "hello oidc|node|mira"
        assert crossing.app.last.claims["auth_time"] > before
