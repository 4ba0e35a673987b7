"""CF-05: whole trips at the most talkative log level; nothing secret in anything that was printed."""

from __future__ import annotations

import asyncio
import io
import logging
from collections.abc import AsyncIterator
from itertools import chain
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

import pytest

from proxy.lab.browser import Browser, Tab
from proxy.lab.navigation import Navigation
from proxy.telemetry import logs
from tests.attacks.conftest import Scene, Scenes, asked_of
from tests.kit.authlib_app import SECRET
from tests.kit.isthmus import CLIENT_SECRET, OWN_SECRET
from tests.kit.tenant import Step

OPEN = frozenset(
    ("response_type", "response_mode", "client_id", "redirect_uri", "scope", "code_challenge_method", "iss", "prompt")
)
"""Parameters that may be known; every other value of an address is looked for."""


@pytest.fixture
async def printed() -> AsyncIterator[io.StringIO]:
    """Everything that is logged, by us at level debug, and by the libraries at theirs too."""
    stream = io.StringIO()
    logs.configure("debug", stream)
    logging.getLogger().setLevel(logging.DEBUG)
    yield stream
    logging.getLogger().setLevel(logging.WARNING)
    logs.close()


def of_address(url: str) -> set[str]:
    """The values in the query of an address."""
    return {value for name, value in parse_qsl(urlsplit(url).query) if name not in OPEN}


def of_browser(browser: Browser) -> set[str]:
    """The values of our cookies."""
    return {cookie.value for cookie in browser.jar.cookies.values() if cookie.name.startswith("__Host-isthmus-")}


async def a_whole_life(scene: Scene, browser: Browser) -> set[str]:
    """Log in, come again, refresh, ask userinfo, fail in every way, log out; answers the secrets that were seen."""
    app, tenant = scene.apps["webapp"], scene.tenants["corp"]
    app.scope = "openid profile email offline_access"
    tab = await scene.start(browser)
    asked = asked_of(tab)
    seen = {asked["state"], asked["nonce"], *app.trips, *chain(*app.trips.values())}
    await scene.answer(tab, sub="ada", name="Ada Marker Lovelace")
    seen |= of_browser(browser) | of_address(tab.page.url) | {tenant.id_token}
    seen |= {form[name] for form in tenant.forms for name in ("code", "code_verifier", "client_secret") if name in form}
    again = await scene.start(browser)
    seen |= of_address(again.page.url) | of_browser(browser)
    renewed = await asyncio.to_thread(app.refresh, app.last.tokens)
    assert (await asyncio.to_thread(app.userinfo, renewed)).status_code == 200
    for tokens in (app.last.tokens, renewed):
        seen |= {tokens["access_token"], tokens["refresh_token"], tokens["id_token"]}
    seen |= await failures(scene, browser)
    url = await asyncio.to_thread(app.logout_url, app.last)
    await browser.open(url)
    return {unquote(value) for value in seen if len(value) > 8} | {SECRET, OWN_SECRET, CLIENT_SECRET}


async def failures(scene: Scene, browser: Browser) -> set[str]:
    """Every kind of "no", with a marker wherever an attacker or an accident can put a secret."""
    issuer, tenant = scene.node.issuer, scene.tenants["corp"]
    marks = {name: f"marker-{name}" for name in ("state", "code", "id_token", "access_token", "error_description")}
    await browser.open(f"{scene.node.callback}?{urlencode(marks)}")
    await browser.open(f"{scene.node.callback}?{urlencode({'code': marks['code'], 'state': marks['state']})}")
    await Tab(browser).navigate(Navigation("POST", scene.node.callback, urlencode(marks), tenant.base))
    await browser.open(f"{issuer}authorize?client_id=webapp&redirect_uri=marker-redirect&state={marks['state']}")
    await browser.open(f"{issuer}oidc/logout?id_token_hint={marks['id_token']}&state={marks['state']}")
    await browser.open(f"{issuer}userinfo?access_token={marks['access_token']}")
    await browser.open(f"{issuer}nowhere/marker-path?code={marks['code']}")
    refusal = b'{"error":"invalid_grant","error_description":"marker-tenant"}'
    tenant.script["token"].append(Step(status=400, body=refusal))
    tab = await scene.start(browser, prompt="login")
    await scene.answer(tab, sub="ada", nonce="marker-nonce")
    tab = await scene.start(browser, prompt="login")
    assert tab.pending is not None
    placed = {f"marker-{place}" for place in ("redirect", "path", "nonce", "tenant")}
    return {*marks.values(), *placed, *of_browser(browser), *of_address(tab.pending.url)}


@pytest.mark.parametrize("channel", ["front_channel", "back_channel"])
async def test_cf_05_nothing_secret_is_printed(
    scenes: Scenes, printed: io.StringIO, capfd: pytest.CaptureFixture[str], channel: str
) -> None:
    """CF-05: a login, a second one, a refresh, every kind of failure, a logout: no secret, code, token, state, nonce,
    verifier or cookie in anything printed, while the events themselves are there."""
    async with scenes({"corp": {"type": channel}}) as scene:
        seen = await a_whole_life(scene, await scene.browser())
    logs.close()
    out, err = capfd.readouterr()
    text = printed.getvalue() + out + err
    assert [value for value in seen if value in text or unquote(value) in text] == []
    assert len(seen) > 25 and '"event": "login"' in text and '"event": "refused"' in text


async def test_cf_05_a_bug_tells_where_it_is_and_not_what_it_saw(
    scene: Scene, printed: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    """CF-05: an unforeseen exception whose text holds the whole answer of a tenant is logged by place; the person hears
    500 and a reference that the log has too."""
    browser = await scene.browser()
    tab = await scene.start(browser)

    async def broken(*args: object, **known: object) -> None:
        raise RuntimeError(f"could not read {args[2]}")

    monkeypatch.setattr("proxy.upstream.relying_party.RelyingParty.finish", broken)
    state = asked_of(tab)["state"]
    page = await scene.answer(tab, sub="ada")
    logs.close()
    text = printed.getvalue()
    reference = page.body.partition("Reference <code>")[2].partition("<")[0]
    assert page.status == 500 and state not in text and "eyJ" not in text
    assert len(reference) == 16 and f'"request_id": "{reference}"' in text and '"exception": "RuntimeError"' in text
