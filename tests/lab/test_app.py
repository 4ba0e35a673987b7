"""The lab's application shows what it was told, and takes nothing from a stranger."""

from __future__ import annotations

from urllib.parse import urlencode

from proxy.lab.browser import Browser
from proxy.lab.fault import Fault, mangled
from tests.lab.conftest import Lab


async def test_a_login_shows_every_claim_in_the_application(lab: Lab) -> None:
    """From the application through the form and back: the ID token is good and says who it is; logout ends both."""
    tab = await lab.browser.open(lab.app.base)
    await tab.click("Log in")
    assert tab.page.title == "Corp login"
    await tab.click("Zoë")
    assert "Hello Zoë Ł. Ångström-Nuñez" in tab.page.text
    assert "zoe@corp.example" in tab.page.text and "Av. del Río 33" in tab.page.text
    await tab.click("Log out")
    assert "Nobody is logged in" in tab.page.text
    await tab.click("Log in")
    assert tab.page.title == "Corp login"
    assert lab.browser.jar.refused == []


async def test_an_answer_for_another_browser_is_refused(lab: Lab) -> None:
    """A finished answer, brought by a browser that did not begin the login, logs nobody in."""
    lab.browser.stop = lambda navigation: navigation.url.startswith(lab.app.callback)
    tab = await lab.browser.open(f"{lab.app.base}login")
    await tab.click("Mira")
    assert tab.pending is not None
    async with Browser() as other:
        page = (await other.open(tab.pending.url)).page
    assert (page.status, page.title, lab.app.logins) == (400, "Login failed", {})


async def test_what_the_provider_refuses_is_told(lab: Lab) -> None:
    """Cancel at the tenant ends on a page that names the error."""
    tab = await lab.browser.open(f"{lab.app.base}login")
    await tab.click("Cancel")
    assert tab.page.status == 400 and "access_denied" in tab.page.text


async def test_a_token_of_another_key_is_refused(lab: Lab) -> None:
    """An ID token whose key the provider does not publish does not log anybody in."""
    tab = await lab.browser.open(f"{lab.app.base}login?{urlencode({'login_hint': 'x'})}")
    lab.tenant.fault = Fault("x", "signs badly", "refused", seal=mangled)
    await tab.click("Mira")
    assert tab.page.status == 400 and "the ID token is not good" in tab.page.text
