"""GW-02, users.md 35 and section 3, 13: apps that fold header names, PHP and WSGI, and a client with a raw socket."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.downstream.world import a_session
from tests.gateway.on_the_wire import GW_COOKIE, HEAD, Wire, on_the_wire
from tests.gateway.spellings import FORBIDDEN, HOP_BY_HOP, spellings
from tests.kit.folding_apps import php_app, raw, wsgi_app

pytestmark = pytest.mark.e2e
ADA = a_session()
EVIL = "EVIL"
TEAM = {"X-Team": "team", "X-Forwarded-User": "user_id", "X-Forwarded-Groups": "groups"}


@pytest.fixture(params=["php", "wsgi"])
async def port(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[int]:
    """An app that folds."""
    async with php_app(tmp_path) if request.param == "php" else wsgi_app() as port:
        yield port


async def environment(wire: Wire, *headers: bytes) -> dict[str, Any]:
    """What the app finds in its environment."""
    status, body = await wire.send(*headers)
    assert status == 200
    found: dict[str, Any] = json.loads(body)
    return found


async def test_gw_02_without_the_gateway_the_app_is_fooled(port: int) -> None:
    """The control: these apps do fold; what is tried here is no invention (and GW-39 is why they must stand alone)."""
    _, body = await raw(port, HEAD.encode() + b"X_Forwarded-User: EVIL\r\n\r\n")
    assert json.loads(body)["HTTP_X_FORWARDED_USER"] == EVIL


async def test_gw_02_users_35_no_alias_reaches_the_app(port: int) -> None:
    """GW-02: one request for each name, with all its spellings; whatever the app makes of them, nothing is theirs."""
    async with on_the_wire(ADA, port, headers=TEAM) as wire:
        for name in (*FORBIDDEN, *HOP_BY_HOP):
            found = await environment(wire, *(spelled + b": EVIL" for spelled in spellings(name)), b"X-Harmless: 1")
            assert EVIL not in json.dumps(found)
            assert found["HTTP_X_HARMLESS"] == "1" and found["HTTP_X_FORWARDED_USER"] == "oidc|corp|ada"
            assert found["HTTP_X_FORWARDED_GROUPS"] == "staff" and "HTTP_X_TEAM" not in found


async def test_gw_21_our_cookie_reaches_the_app_under_no_name(port: int) -> None:
    """GW-21, SE-06: nor what such an app trims or folds to it."""
    async with on_the_wire(ADA, port) as wire:
        odd = b"; ..Host-isthmus-gateway-x=EVIL; \xe2\x80\x80__Host-isthmus-gateway-x=EVIL; a=1"
        found = await environment(wire, b"Cookie: " + GW_COOKIE + odd)
        assert found["HTTP_COOKIE"] == "a=1" and EVIL not in json.dumps(found)


async def test_gw_31_users_13_five_thousand_groups_reach_it_as_a_reference(port: int) -> None:
    """users.md section 3, 13: the app's server reads the head, and knows where the groups are."""
    async with on_the_wire(a_session(profile={"groups": [f"team-{n}" for n in range(5000)]}), port) as wire:
        found = await environment(wire)
        assert found["HTTP_X_ISTHMUS_CLAIMS_URL"].endswith("/.isthmus/claims")
        assert found["HTTP_X_ISTHMUS_CLAIMS_TOKEN"] and "HTTP_X_FORWARDED_GROUPS" not in found
