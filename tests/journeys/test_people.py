"""People over whole trips: what a mapping makes of a tenant's claims, who is blocked, and the tenant's tokens."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import requests
from authlib.integrations.base_client import OAuthError

from proxy.bridge.logout import Logout
from proxy.bridge.offboarding import Offboarding
from proxy.bridge.session import sessions_of_user
from proxy.bridge.upstream_tokens import Kept, tokens_key
from proxy.bridge.users import Users
from proxy.downstream.clients import Clients
from proxy.downstream.token_exchange import ACCESS_TOKEN
from proxy.features import Doors
from proxy.lab.browser import Browser, Tab
from proxy.lab.faults_in_tokens import TOKENS
from proxy.lab.tenant import Tenant
from proxy.models.client import TOKEN_EXCHANGE
from proxy.roster import declared_id
from proxy.store import Store
from tests.journeys.conftest import MIRA, Stores, know, lab_tenant, refused
from tests.kit.authlib_app import AuthlibApp, authlib_app
from tests.kit.isthmus import Node, client, connection, isthmus

WHO = "oidc|corp|mira"
NOW = 1_800_000_000.0


@dataclass
class House:
    """Two nodes on one store, one tenant, one application that may exchange tokens."""

    nodes: Sequence[Node]
    tenant: Tenant
    app: AuthlibApp
    browser: Browser

    @property
    def store(self) -> Store:
        return self.nodes[0].store

    @property
    def offboarding(self) -> Offboarding:
        logout = Logout(self.store, Clients(self.nodes[0].settings.clients, self.store), Doors(tuple), lambda: None)
        return Offboarding(self.store, logout.end)

    async def log_in(self) -> Tab:
        tab = await self.browser.open(f"{self.app.base}login")
        if MIRA.name in " ".join(tab.page.names):
            await tab.click(MIRA.name)
        return tab

    def exchange(self, node: int = 0) -> requests.Response:
        """The tenant's token for the application's own (RFC 8693)."""
        asked = {
            "grant_type": TOKEN_EXCHANGE,
            "connection": "corp",
            "subject_token": self.app.last.tokens["access_token"],
            "subject_token_type": ACCESS_TOKEN,
        }
        known = (self.app.client_id, self.app.secret)
        url, host = f"http://127.0.0.1:{self.nodes[node].port}/oauth/token", f"127.0.0.1:{self.nodes[0].port}"
        return requests.post(url, asked, auth=known, headers={"Host": host}, timeout=20)

    async def expire(self) -> None:
        """The tenant's access token ends."""
        place = tokens_key(WHO, "corp")
        record = await self.store.get(place)
        assert record is not None
        kept = Kept.of(record)
        ended = replace(kept, tokens=replace(kept.tokens, expires_at=1))
        await self.store.put(place, ended.as_value(), 600)

    @property
    def calls(self) -> Counter[str]:
        """How often each endpoint of the tenant was asked."""
        return Counter(call.name for call in self.tenant.memory.calls)


@asynccontextmanager
async def house(directory: Path, stores: Stores, **options: Any) -> AsyncIterator[House]:
    async with lab_tenant() as tenant, authlib_app() as app, Browser() as browser:
        app.scope = "openid profile email offline_access"
        grants = [*app.registration["grant_types"], TOKEN_EXCHANGE]
        tables: Mapping[str, Any] = {
            "connections": [connection("corp", tenant.issuer, "back_channel", **options)],
            "clients": [client(app, grant_types=grants)],
        }
        async with isthmus(directory, stores(0), **tables) as one:
            async with isthmus(directory, stores(0), issuer=one.issuer, **tables) as two:
                know(tenant, one)
                app.issuer = one.issuer
                yield House((one, two), tenant, app, browser)


KEEPS = {"federated_connections_access_tokens": {"active": True}, "scope": "openid profile email offline_access"}
MAPPED = {
    "mapping_mode": "use_map",
    "userinfo_scope": "groups",
    "attributes": {
        "email": "${context.userinfo.email}",
        "login": "corp|${context.tokenset.sub}",
        "groups": "${context.userinfo.groups}",
        "from": "${context.connection.id}",
        "token": "${context.tokenset.access_token}",
        "absent": "${context.tokenset.absent}",
    },
}


async def test_a_map_over_a_whole_login(tmp_path: Path, stores: Stores) -> None:
    """ID token, userinfo, connection and access token, as the operator mapped them; the record of the user says it."""
    async with house(tmp_path, stores, attribute_map=MAPPED, non_persistent_attrs=["token"]) as made:
        await made.log_in()
        found = await Users(made.store).find(WHO)
        assert found is not None
        profile = dict(found.profile)
        assert profile == {
            "email": MIRA.claims["email"],
            "email_verified": False,  # nobody mapped it
            "name": MIRA.claims["email"],
            "nickname": "mira",
            "login": "corp|mira",
            "groups": MIRA.claims["groups"],
            "from": declared_id("corp"),
        }
        assert (found.logins_count, found.last_ip) == (1, "127.0.0.1")
        record = await made.store.get((await made.store.list(sessions_of_user(WHO)))[0])
        assert record is not None and record.value["profile"]["token"] in made.tenant.memory.tokens
        told = (await asyncio.to_thread(made.app.userinfo, made.app.last.tokens)).json()
        assert (told["sub"], told["email"], told["email_verified"]) == (WHO, MIRA.claims["email"], False)


async def test_rp_21_a_blocked_person_is_out_everywhere_and_stays_out(tmp_path: Path, stores: Stores) -> None:
    """RP-21: access and refresh tokens are dead at once, single sign-on is over, a new login ends with a page (403);
    unblocked, a new login works."""
    async with house(tmp_path, stores) as made:
        await made.log_in()
        tokens = made.app.last.tokens
        await made.offboarding.block(WHO, NOW)
        assert (await asyncio.to_thread(made.app.userinfo, tokens)).status_code == 401
        with pytest.raises(OAuthError, match="invalid_grant"):
            await asyncio.to_thread(made.app.refresh, tokens)
        tab = await made.log_in()
        assert refused(tab.page, made.nodes[0], 403) and "User is blocked." in tab.page.text
        assert len(made.app.arrived) == 1
        await made.offboarding.unblock(WHO)
        assert (await made.log_in()).page.text == f"hello {WHO}"


async def test_rp_21_blocked_between_login_and_callback(tmp_path: Path, stores: Stores) -> None:
    """RP-21: the block is seen when the tenant's answer comes back."""
    async with house(tmp_path, stores) as made:
        made.browser.stop = lambda navigation: navigation.url.startswith(made.nodes[0].callback)
        tab = await made.log_in()
        await made.offboarding.block(WHO, NOW)
        made.browser.stop = lambda _: False
        assert tab.pending is not None
        await tab.navigate(tab.pending)
        assert refused(tab.page, made.nodes[0], 403) and made.app.arrived == []
        assert [key async for key in made.store.scan("session")] == []


async def test_rp_31_the_tenants_token_is_refreshed_once_for_all(tmp_path: Path, stores: Stores) -> None:
    """RP-31, refresh-token: ten ask at once on two nodes; the tenant, which takes a refresh token once, is asked once,
    all hear the same, and what it rotated is used the next time."""
    loop = asyncio.get_running_loop()
    async with house(tmp_path, stores, **KEEPS) as made:
        await made.log_in()
        first = (await asyncio.to_thread(made.exchange)).json()["access_token"]
        for turn in (2, 3):
            await made.expire()
            with ThreadPoolExecutor(10) as threads:  # of their own: the nodes look names up in the loop's few
                asking = (loop.run_in_executor(threads, made.exchange, n % 2) for n in range(10))
                answers = await asyncio.gather(*asking)
            assert [answer.status_code for answer in answers] == [200] * 10
            (token,) = {answer.json()["access_token"] for answer in answers}
            assert token != first and token in made.tenant.memory.tokens
            assert made.calls["token"] == turn
            first = token


@pytest.mark.parametrize("name", ["refresh-other-iss", "refresh-other-sub"])
async def test_rp_31_a_refresh_for_somebody_else_ends_the_session(name: str, tmp_path: Path, stores: Stores) -> None:
    """RP-31, refresh-token-invalid-issuer, refresh-token-invalid-sub: invalid_grant, and the person is logged out."""
    async with house(tmp_path, stores, **KEEPS) as made:
        await made.log_in()
        made.tenant.fault = next(fault for fault in TOKENS if fault.name == name)
        await made.expire()
        answer = await asyncio.to_thread(made.exchange)
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")
        assert await made.store.get(tokens_key(WHO, "corp")) is None
        assert [key async for key in made.store.scan("session")] == []
