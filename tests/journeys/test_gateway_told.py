"""Whole trips: what the app behind the gateway is told, and what it is not, by the real gatekeeper on raw sockets."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from proxy.downstream.grant import session_key
from proxy.lab.tenant import Tenant
from proxy.store import Drop, Get, Put, Tell
from tests.gateway.spellings import FORBIDDEN, spellings
from tests.journeys.conftest import Stores, lab_tenant
from tests.kit.gateway import MIRA, Gated, gated
from tests.kit.isthmus import connection
from tests.kit.waiting import eventually

API = "urn:example:orders"
API_SECRET = "what the API proves itself with, made up for this test"


@pytest.fixture
async def tenant() -> AsyncIterator[Tenant]:
    """A healthy one."""
    async with lab_tenant() as running:
        yield running


def app_headers(answer: bytes) -> Mapping[str, str]:
    """What the app says that it got."""
    found: Mapping[str, str] = json.loads(answer)["headers"]
    return found


def evil(name: str) -> tuple[str, ...]:
    """A header line for every spelling of a name."""
    return tuple(f"{spelled.decode()}: EVIL" for spelled in spellings(name))


async def test_gw_01_gw_02_nobody_says_who_they_are(tmp_path: Path, stores: Stores, tenant: Tenant) -> None:
    """GW-01, GW-02: without a session nothing gets to the app; on a public path, and with a session, none of it."""
    async with gated(tmp_path, stores(0), tenant, route={"public_paths": ["/open"]}) as world:
        for name in FORBIDDEN:
            refused = await world.ask(*evil(name))
            assert refused.status in (303, 401) and not world.app.heads
        await world.log_in()
        cookie = f"Cookie: {world.cookie()}"
        for name in FORBIDDEN:
            if name == "X-Team" or name == "Early-Data":
                continue  # not configured here; refused before it gets anywhere
            for target in ("GET /open/x", "GET /"):
                answer = await world.ask(cookie, *evil(name), target=target)
                assert answer.status == 200 and b"EVIL" not in world.app.heads[-1]
                user = app_headers(answer.body).get("x-forwarded-user")
                assert user == (f"oidc|corp|{MIRA.sub}" if target == "GET /" else None)


async def with_groups(world: Gated, count: int) -> None:
    """Mira is in many groups from now on, as after a new login."""
    sid = world.cookie().partition("=")[2].partition(".")[0]
    (record,) = await world.node.store.run(Get(session_key(sid)))
    profile = {**record.value["profile"], "groups": [f"team-{number}" for number in range(count)]}
    changed = Put(session_key(sid), {**record.value, "profile": profile}, 3600)
    await world.node.store.run(changed, Tell("session_changed", sid))


async def test_users_13_thousands_of_groups_are_fetched(tmp_path: Path, stores: Stores, tenant: Tenant) -> None:
    """users.md section 3, 13: a small head at the app, and the rest where it says, until the session ends."""
    async with gated(tmp_path, stores(0), tenant) as world:
        await world.log_in()
        await with_groups(world, 5000)
        cookie = f"Cookie: {world.cookie()}"
        told: dict[str, str] = {}

        async def refers() -> bool:
            told.update(app_headers((await world.ask(cookie)).body))
            return "x-isthmus-claims-token" in told

        await eventually(refers)
        assert len(world.app.heads[-1]) < 8192
        assert told["x-isthmus-claims-url"] == world.url("/.isthmus/claims")
        bearer = f"Authorization: Bearer {told['x-isthmus-claims-token']}"
        found = await world.ask(bearer, target="GET /.isthmus/claims")
        assert (found.status, found.header("Cache-Control")) == (200, "no-store")
        assert json.loads(found.body)["groups"] == [f"team-{number}" for number in range(5000)]
        await world.node.store.run(Drop(session_key(world.cookie().partition("=")[2].partition(".")[0])))
        assert (await world.ask(bearer, target="GET /.isthmus/claims")).status == 401


async def introspected(world: Gated, token: str) -> dict[str, Any]:
    """What the API hears of a token."""
    asked = {"token": token, "client_id": API, "client_secret": API_SECRET}
    async with aiohttp.ClientSession() as http:
        async with http.post(f"{world.node.issuer}oauth/introspect", data=asked) as answer:
            found: dict[str, Any] = await answer.json()
            return found


async def test_a_token_of_ours_counts_at_the_api_until_the_session_ends(
    tmp_path: Path, stores: Stores, tenant: Tenant
) -> None:
    """RFC 9068, RFC 7662: for the API that the route names, about the person; dead with the session."""
    api = {"client_id": API, "client_secret": API_SECRET, "redirect_uris": ["http://127.0.0.1:9/x"],
           "token_endpoint_auth_method": "client_secret_post"}  # fmt: skip
    route = {"token": "ours", "audience": API}
    async with gated(tmp_path, stores(0), tenant, route=route, clients=[api]) as world:
        await world.log_in()
        told = app_headers((await world.ask(f"Cookie: {world.cookie()}")).body)
        token = told["x-forwarded-access-token"]
        found = await introspected(world, token)
        assert (found["active"], found["aud"], found["sub"]) == (True, API, f"oidc|corp|{MIRA.sub}")
        await world.node.store.run(Drop(session_key(world.cookie().partition("=")[2].partition(".")[0])))
        assert await introspected(world, token) == {"active": False}


@pytest.mark.parametrize("kept", [True, False])
async def test_the_tenants_token_goes_to_an_app_that_is_to_have_it(
    tmp_path: Path, stores: Stores, tenant: Tenant, kept: bool
) -> None:
    """reliability 4: without one the app is not asked, and the person is told what to do."""
    keeps = {"federated_connections_access_tokens": {"active": True}} if kept else {}
    corp = connection("corp", tenant.issuer, "back_channel", ("gateway",), **keeps)
    async with gated(tmp_path, stores(0), tenant, route={"token": "upstream"}, connections=[corp]) as world:
        await world.log_in()
        answer = await world.ask(f"Cookie: {world.cookie()}", "Accept: text/html", "Sec-Fetch-Dest: document")
        if kept:
            assert app_headers(answer.body)["x-forwarded-access-token"]
        else:
            assert answer.status == 403 and b"Log out, then log in again" in answer.body and not world.app.heads
