"""Refresh tokens towards the tenant, and logins that a third party begins: the suite's plans beside certification.

OpenID Connect Core 4, 12.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from proxy.lab.browser import Tab
from proxy.lab.fault import replacing
from proxy.lab.navigation import Navigation
from tests.kit.plain_app import CALLBACK, Told, arrived, stop_at_the_app
from tests.spec.rp.conftest import CODE, HYBRID, MIRA, THE_APP, Run, Runs, Variant, played, variants

pytestmark = pytest.mark.asyncio(loop_scope="session")
KEPT = {"federated_connections_access_tokens": {"active": True}, "scope": "openid profile email offline_access"}
WITH_REFRESH = (*CODE, *HYBRID)


def short_lived(name: str) -> Any:
    """A fault whose access tokens have ended when they come."""
    return replace(played(name), tokens=replacing(expires_in=0), options={})


async def exchange(made: Run, tokens: dict[str, Any]) -> Told:
    """The application asks for the tenant's token of the person."""
    kind = "urn:ietf:params:oauth:token-type:access_token"
    return await made.app.token(
        grant_type="urn:ietf:params:oauth:grant-type:token-exchange", subject_token=tokens["access_token"],
        subject_token_type=kind, requested_token_type=kind, connection=made.name,
    )  # fmt: skip


@variants(*WITH_REFRESH)
async def test_oidcc_client_test_refresh_token(run: Runs, variant: Variant) -> None:
    """A token that has ended is refreshed with the refresh token of the login, and the new one is good at userinfo."""
    async with run(short_lived("healthy"), variant, **KEPT) as made:
        told = await exchange(made, await made.logged_in())
        assert told.status == 200, (told.text, made.reasons)
        first, second = made.calls("token")
        assert (first.params["grant_type"], second.params["grant_type"]) == ("authorization_code", "refresh_token")
        assert "nonce" not in second.params and second.headers["Authorization"].startswith("Basic ")
        bearer = {"Authorization": f"Bearer {told.json['access_token']}"}
        assert (await made.app.ask(f"{made.tenant.issuer}userinfo", headers=bearer)).json["sub"] == MIRA.sub


async def ended(made: Run, reason: str) -> None:
    """The refresh is refused for that reason: nothing of the answer is used, userinfo is not called with it, and the
    session ends; the refresh token is not tried again."""
    tokens = await made.logged_in()
    before = made.called.count("userinfo")
    told = await exchange(made, tokens)
    assert (told.status, told.error) == (400, "invalid_grant")
    await made.noted(reason)
    assert made.called[-1] in ("token", "jwks") and made.called.count("userinfo") == before
    assert await made.nobody()
    assert (await exchange(made, tokens)).status == 400 and made.called.count("token") == 2


@variants(*CODE)
async def test_oidcc_client_test_refresh_token_invalid_issuer(run: Runs, variant: Variant) -> None:
    """A refreshed ID token of another issuer ends the session."""
    async with run(short_lived("refresh-other-iss"), variant, **KEPT) as made:
        await ended(made, "iss_mismatch")


@variants(*CODE)
async def test_oidcc_client_test_refresh_token_invalid_sub(run: Runs, variant: Variant) -> None:
    """A refreshed ID token about somebody else ends the session."""
    async with run(short_lived("refresh-other-sub"), variant, **KEPT) as made:
        await ended(made, "other_person")


@variants(("code", "query"), ("id_token", "form_post"), ("code id_token token", "fragment"))
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_oidcc_client_test_3rd_party_init_login(run: Runs, variant: Variant, method: str) -> None:
    """``iss`` at the login initiation address begins a login at that tenant, through the application, which keeps the
    state; what the tenant said of the person goes along."""
    async with run("healthy", variant) as made:
        made.browser.stop = lambda navigation: navigation.url.startswith(f"{THE_APP}start")
        query = f"iss={made.tenant.issuer}&login_hint=mira%40corp.example"
        address, tab = f"{made.node.issuer}login/initiate", Tab(made.browser)
        if method == "POST":
            await tab.navigate(Navigation("POST", address, query, made.tenant.issuer))
        else:
            await tab.navigate(Navigation("GET", f"{address}?{query}", "", made.tenant.issuer))
        assert tab.pending is not None, (tab.page.status, tab.page.text)
        told = {name: values[0] for name, values in parse_qs(urlsplit(tab.pending.url).query).items()}
        assert (told["iss"], told["connection"]) == (made.node.issuer, made.name)
        stop_at_the_app(made.browser)
        trip = made.app.begin(connection=told["connection"], login_hint=told["login_hint"])
        tab = await made.browser.open(trip.url)
        await tab.click(MIRA.name)
        assert tab.pending is not None and tab.pending.url.startswith(CALLBACK) and "code" in arrived(tab)
        assert made.calls("authorize")[0].params["login_hint"] == "mira@corp.example"
