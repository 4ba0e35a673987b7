"""Logout as a Relying Party: to the tenant, and from it over back channel, front channel and session frame.

RP-Initiated Logout 1.0, Back-Channel Logout 1.0, Front-Channel Logout 1.0, Session Management 1.0.
"""

from __future__ import annotations

import hashlib
import re
from urllib.parse import parse_qs, urlsplit

import pytest

from proxy.oidc.urls import origin
from tests.spec.rp.conftest import ALL, THE_APP, Run, Runs, Variant, variants

pytestmark = pytest.mark.asyncio(loop_scope="session")
BACK = {"backchannel_logout_uri": "{issuer}login/backchannel-logout"}
FRONT = {"frontchannel_logout_uri": "{issuer}login/frontchannel-logout"}
ONE_OF_EACH = (("code", "query"), ("id_token", "form_post"), ("code id_token token", "fragment"))


async def left(made: Run) -> None:
    """A logout that the application begins: the tenant is asked with a token it issued in this run, an address it
    knows and a state, and the person ends at the application, known to nobody."""
    tab = await made.leave()
    assert tab.pending is not None and tab.pending.url.startswith(THE_APP), (tab.page.url, tab.page.text)
    (asked,) = made.calls("end_session")
    assert asked.params["id_token_hint"] in made.tenant.memory.issued
    assert asked.params["post_logout_redirect_uri"] in made.tenant.clients["isthmus"].post_logout_redirect_uris
    assert len(asked.params["state"]) >= 16 and not made.tenant.memory.logins


@variants()
async def test_oidcc_client_test_rp_init_logout(run: Runs, variant: Variant) -> None:
    """The logout of a client that also hears of logouts."""
    async with run("healthy", variant, BACK) as made:
        await made.logged_in()
        await left(made)
        assert await made.nobody()


@variants(*ONE_OF_EACH)
async def test_oidcc_client_test_rp_init_logout_other_state(run: Runs, variant: Variant) -> None:
    """Another state comes back: the person gets where they were going all the same."""
    async with run("logout-other-state", variant, BACK) as made:
        await made.logged_in()
        await left(made)
        assert await made.nobody()


@variants(*ONE_OF_EACH)
async def test_oidcc_client_test_rp_init_logout_no_state(run: Runs, variant: Variant) -> None:
    """No state comes back: the person gets where they were going all the same."""
    async with run("logout-no-state", variant, BACK) as made:
        await made.logged_in()
        await left(made)
        assert await made.nobody()


def heard(made: Run) -> tuple[int, str]:
    """How Isthmus received the one logout token: status, and what it said about copies."""
    (notice,) = made.tenant.memory.notices
    return notice.status, notice.headers.get("Cache-Control", "")


async def told(made: Run) -> None:
    """The person logs out at the tenant itself."""
    await made.browser.open(f"{made.tenant.issuer}end_session")


async def hears(made: Run, status: int, *, by_application: bool) -> None:
    """A logout token that comes while the tenant handles a logout, which the application or the person began there:
    answered with exactly that status, never to be cached; a good one ends the session, a bad one does not."""
    await made.logged_in()
    await (left(made) if by_application else told(made))
    received, copies = heard(made)
    assert received == status and "no-store" in copies
    assert await made.nobody() is (by_application or status == 200)


both = pytest.mark.parametrize("by_application", [True, False], ids=["rp", "op"])


@both
@variants()
async def test_oidcc_client_test_rp_backchannel_rpinitlogout(run: Runs, variant: Variant, by_application: bool) -> None:
    """A good token is answered 200; claims and a form field that nobody knows are ignored."""
    async with run("logout-more", variant, BACK) as made:
        await hears(made, 200, by_application=by_application)


@both
async def test_oidcc_client_test_rp_backchannel_rpinitlogout_alg_none(run: Runs, by_application: bool) -> None:
    """A token without a signature: 400."""
    async with run("logout-alg-none", client=BACK) as made:
        await hears(made, 400, by_application=by_application)


@both
async def test_oidcc_client_test_rp_backchannel_rpinitlogout_no_event(run: Runs, by_application: bool) -> None:
    """A token without events: 400."""
    async with run("logout-no-events", client=BACK) as made:
        await hears(made, 400, by_application=by_application)


@both
async def test_oidcc_client_test_rp_backchannel_rpinitlogout_with_nonce(run: Runs, by_application: bool) -> None:
    """A token with a nonce, as an ID token has: 400."""
    async with run("logout-nonce", client=BACK) as made:
        await hears(made, 400, by_application=by_application)


@both
async def test_oidcc_client_test_rp_backchannel_rpinitlogout_wrong_alg(run: Runs, by_application: bool) -> None:
    """A token well signed with ES256, where RS256 is agreed on: 400."""
    async with run("logout-other-alg", client=BACK) as made:
        await hears(made, 400, by_application=by_application)


@both
async def test_oidcc_client_test_rp_backchannel_rpinitlogout_wrong_aud(run: Runs, by_application: bool) -> None:
    """A token for another client: 400."""
    async with run("logout-wrong-aud", client=BACK) as made:
        await hears(made, 400, by_application=by_application)


@both
async def test_oidcc_client_test_rp_backchannel_rpinitlogout_wrong_event(run: Runs, by_application: bool) -> None:
    """A token about another event: 400."""
    async with run("logout-wrong-event", client=BACK) as made:
        await hears(made, 400, by_application=by_application)


@both
async def test_oidcc_client_test_rp_backchannel_rpinitlogout_wrong_iss(run: Runs, by_application: bool) -> None:
    """A token of another issuer: 400."""
    async with run("logout-wrong-iss", client=BACK) as made:
        await hears(made, 400, by_application=by_application)


@both
@variants(*ONE_OF_EACH)
async def test_oidcc_client_test_rp_frontchannel_rpinitlogout(
    run: Runs, variant: Variant, by_application: bool
) -> None:
    """The tenant's page loads our address in a frame with ``iss`` and ``sid``: it may, the answer is a page that nobody
    keeps, and the session is over."""
    async with run("healthy", variant, FRONT) as made:
        await made.logged_in()
        page = await (made.leave() if by_application else made.browser.open(f"{made.tenant.issuer}end_session"))
        (frame,) = page.page.reader.frames
        assert frame.startswith(f"{made.node.issuer}login/frontchannel-logout?")
        assert parse_qs(urlsplit(frame).query)["iss"] == [made.tenant.issuer]
        (shown,) = await page.frames()
        assert shown.status == 200 and "no-store" in shown.headers["Cache-Control"]
        assert await made.nobody()
        if by_application:
            await page.click("Continue")
            assert page.pending is not None and page.pending.url.startswith(THE_APP)


def answer_of_the_tenant(made: Run, message: str) -> str:
    """What the tenant's frame answers to a message of our page (Session Management 3.2)."""
    client, state = message.split(" ")
    digest, _, salt = state.partition(".")
    kept = next((c.value for c in made.browser.jar.cookies.values() if c.name == f"{made.tenant.cookie}_state"), "")
    text = f"{client} {origin(made.node.callback)} {kept} {salt}"
    return "unchanged" if digest == hashlib.sha256(text.encode()).hexdigest() else "changed"


async def asked_of_the_frame(made: Run) -> str:
    """The message that our page sends the tenant's frame, which it frames, and which lets itself be framed."""
    tab = await made.browser.open(f"{made.node.issuer}login/session")
    assert tab.page.status == 200, tab.page.text
    assert tab.page.reader.frames == [f"{made.tenant.issuer}check_session"]
    (inner,) = await tab.frames()
    assert inner.status == 200
    values = dict(re.findall(r'data-(\w+)="([^"]*)"', tab.page.body))
    assert values["origin"] == origin(made.tenant.issuer)
    assert "postMessage" in tab.page.reader.scripts[0].text
    return values["message"]


@variants(*[variant for variant in ALL if variant in ONE_OF_EACH])
async def test_oidcc_client_test_session_management(run: Runs, variant: Variant) -> None:
    """Our page asks the tenant's frame before the logout, which says that nothing has changed; and after it, when it
    says that something has."""
    async with run("healthy", variant, BACK) as made:
        await made.logged_in()
        assert answer_of_the_tenant(made, await asked_of_the_frame(made)) == "unchanged"
        await left(made)
        assert answer_of_the_tenant(made, await asked_of_the_frame(made)) == "changed"
