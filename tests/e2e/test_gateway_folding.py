"""GW-02, users.md 35 and section 3, 13: apps that fold header names, PHP and WSGI, and a client with a raw socket."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from proxy.lab.tenant import Tenant
from tests.downstream.world import a_session
from tests.gateway.on_the_wire import HEAD, on_the_wire
from tests.gateway.spellings import FORBIDDEN, HOP_BY_HOP, spellings
from tests.journeys.conftest import Stores, lab_tenant
from tests.kit.folding_apps import php_app, raw, wsgi_app
from tests.kit.gateway import MIRA, Gated, gated

pytestmark = pytest.mark.e2e
EVIL = "EVIL"
TEAM = {"X-Team": "team", "X-Forwarded-User": "user_id", "X-Forwarded-Groups": "groups"}
REFUSED = ("Early-Data",)
"""What is no request of a browser's, and not passed on at all."""


@pytest.fixture(params=["php", "wsgi"])
async def port(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[int]:
    """An app that folds."""
    async with php_app(tmp_path) if request.param == "php" else wsgi_app() as port:
        yield port


@pytest.fixture
async def tenant() -> AsyncIterator[Tenant]:
    """Where Mira logs in."""
    async with lab_tenant() as running:
        yield running


@pytest.fixture
async def world(port: int, tmp_path: Path, stores: Stores, tenant: Tenant) -> AsyncIterator[Gated]:
    """The whole gateway in front of the app; Mira has logged in."""
    route = {"upstream": f"http://127.0.0.1:{port}", "headers": TEAM}
    async with gated(tmp_path, stores(0), tenant, route=route) as running:
        await running.log_in()
        yield running


async def environment(world: Gated, *headers: bytes) -> dict[str, Any]:
    """What the app finds in its environment when Mira's browser asks."""
    cookie = f"Cookie: {world.cookie()}"
    answer = await world.ask(cookie, *(header.decode("latin-1") for header in headers))
    assert answer.status == 200
    found: dict[str, Any] = json.loads(answer.body)
    return found


async def test_gw_02_without_the_gateway_the_app_is_fooled(port: int) -> None:
    """The control: these apps do fold; what is tried here is no invention (and GW-39 is why they must stand alone)."""
    _, body = await raw(port, HEAD.encode() + b"X_Forwarded-User: EVIL\r\n\r\n")
    assert json.loads(body)["HTTP_X_FORWARDED_USER"] == EVIL


async def test_gw_02_users_35_no_alias_reaches_the_app(world: Gated) -> None:
    """GW-02: one request for each name, with all its spellings; whatever the app makes of them, nothing is theirs."""
    for name in (*FORBIDDEN, *HOP_BY_HOP):
        if name in REFUSED:
            continue
        found = await environment(world, *(spelled + b": EVIL" for spelled in spellings(name)), b"X-Harmless: 1")
        assert EVIL not in json.dumps(found)
        assert found["HTTP_X_HARMLESS"] == "1" and found["HTTP_X_FORWARDED_USER"] == f"oidc|corp|{MIRA.sub}"
        assert "HTTP_X_TEAM" not in found and "HTTP_X_FORWARDED_GROUPS" not in found


async def test_gw_21_our_cookie_reaches_the_app_under_no_name(world: Gated) -> None:
    """GW-21, SE-06: nor what such an app trims or folds to it."""
    odd = b"Cookie: ..Host-isthmus-gateway-x=EVIL; \xe2\x80\x80__Host-isthmus-gateway-x=EVIL; a=1"
    found = await environment(world, odd)
    assert found["HTTP_COOKIE"] == "a=1" and EVIL not in json.dumps(found)


async def test_gw_31_users_13_five_thousand_groups_reach_it_as_a_reference(port: int) -> None:
    """users.md section 3, 13: the app's server reads the head, and knows where the groups are."""
    async with on_the_wire(a_session(profile={"groups": [f"team-{n}" for n in range(5000)]}), port) as wire:
        status, body = await wire.send()
        found = json.loads(body)
        assert status == 200 and found["HTTP_X_ISTHMUS_CLAIMS_URL"].endswith("/.isthmus/claims")
        assert found["HTTP_X_ISTHMUS_CLAIMS_TOKEN"] and "HTTP_X_FORWARDED_GROUPS" not in found
