"""Logins by every way a connection can ask for: response types and modes, authentication, request objects, PAR, DPoP.

The tenant is the lab's healthy one, which checks what it is sent as a strict tenant does.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from proxy.lab.browser import Browser, Tab
from proxy.lab.rooms import LabClient
from proxy.lab.tenant import Tenant
from tests.journeys.conftest import MIRA, World, lab_tenant
from tests.kit.authlib_app import authlib_app
from tests.kit.isthmus import CLIENT_SECRET, client, connection, isthmus

Ways = Callable[..., Any]


@pytest.fixture
def ways(tmp_path: Path, stores: Any) -> Ways:
    """Makes a world whose connection has these options; ``keys``: the tenant knows us by our keys alone."""

    @asynccontextmanager
    async def make(keys: bool = False, at_tenant: dict[str, Any] | None = None, **options: Any) -> AsyncIterator[World]:
        async with AsyncExitStack() as stack:
            tenant = await stack.enter_async_context(lab_tenant())
            app = await stack.enter_async_context(authlib_app())
            table = connection("corp", tenant.issuer, options.pop("type", "back_channel"), **options)
            if keys:
                del table["options"]["client_secret"]
            node = await stack.enter_async_context(
                isthmus(tmp_path, stores(0), connections=[table], clients=[client(app)])
            )
            app.issuer = node.issuer
            secret = "" if keys else CLIENT_SECRET
            uri = f"{node.issuer}login/keys/corp"
            known = LabClient("isthmus", (node.callback,), secret, jwks_uri=uri, **(at_tenant or {}))
            tenant.clients["isthmus"] = known
            browser = await stack.enter_async_context(Browser())
            yield World({"corp": tenant}, node, app, app, browser)

    return make


async def logged_in(world: World) -> tuple[Tab, Tenant]:
    tab = await world.log_in()
    assert tab.page.text == f"hello oidc|corp|{MIRA.sub}", tab.page.text
    return tab, world.tenants["corp"]


USERINFO = {"attribute_map": {"userinfo_scope": "email"}}
BACK = ["code", "code id_token", "code token", "code id_token token"]
FRONT = ["id_token", "id_token token"]


@pytest.mark.parametrize("mode", ["form_post", "fragment"])
@pytest.mark.parametrize("kind", [*BACK, *FRONT])
async def test_every_response_type_in_every_mode(kind: str, mode: str, ways: Ways) -> None:
    """The person arrives; a code is exchanged where there is one, userinfo called where there is a token."""
    channel = "front_channel" if kind in FRONT else "back_channel"
    more = {} if kind == "id_token" else USERINFO
    async with ways(type=channel, response_type=kind, response_mode=mode, **more) as world:
        tab, tenant = await logged_in(world)
        assert ("token" in tenant.called) is ("code" in kind)
        assert ("userinfo" in tenant.called) is (kind != "id_token")
        assert "#" not in tab.page.url and "id_token" not in "".join(tab.page.history)


async def test_a_fragment_without_a_script_is_told(ways: Ways) -> None:
    """Without JavaScript nothing of the fragment can arrive: the page says so, and nobody is logged in."""
    async with ways(type="front_channel", response_mode="fragment") as world:
        world.browser.script = False
        tab = await world.start()
        await tab.click(MIRA.name)
        assert "needs JavaScript" in tab.page.body
        assert tab.page.url == world.node.callback


SIGNED = {"request_object_signing_alg": "ES256"}
BY_KEY = {"keys": True, "token_endpoint_auth_method": "private_key_jwt"}
OPTIONS: dict[str, dict[str, Any]] = {
    "basic": {"token_endpoint_auth_method": "client_secret_basic"},
    "post": {"token_endpoint_auth_method": "client_secret_post"},
    "secret-jwt": {"token_endpoint_auth_method": "client_secret_jwt"},
    "key-jwt": BY_KEY,
    "key-jwt-es256": {**BY_KEY, "token_endpoint_auth_signing_alg": "ES256"},
    "key-jwt-ps256": {
        **BY_KEY,
        "token_endpoint_auth_signing_alg": "PS256",
        "token_endpoint_jwtca_aud_format": "token_endpoint",
    },
    "object-by-value": {"request_object": "value", **SIGNED},
    "object-by-reference": {"request_object": "reference", **SIGNED},
    "object-unsigned": {"request_object": "value", "request_object_signing_alg": "none"},
    "pushed": {"enable_pushed_authorization_requests": True},
    "pushed-object": {"enable_pushed_authorization_requests": True, "request_object": "value", **SIGNED},
    "pushed-with-a-key": {**BY_KEY, "enable_pushed_authorization_requests": True},
    "dpop": {"dpop_signing_alg": "ES256", **USERINFO},
    "pushed-dpop": {"dpop_signing_alg": "ES256", "enable_pushed_authorization_requests": True},
    "no-pkce": {"connection_settings": {"pkce": "disabled"}},
    "no-nonce": {"send_back_channel_nonce": False},
    "two-secrets": {"client_secret": "one that the tenant does not know yet", "client_secret_previous": CLIENT_SECRET},
    "userinfo": USERINFO,
    "userinfo-signed": {
        **USERINFO,
        "userinfo_signed_response_alg": "RS256",
        "at_tenant": {"userinfo_signed_response_alg": "RS256"},
    },
}


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS.keys())
async def test_every_way_to_ask(options: dict[str, Any], ways: Ways) -> None:
    """Each option alone, and those that meet: the tenant takes it, and the person arrives."""
    async with ways(**options) as world:
        _, tenant = await logged_in(world)
        assert ("par" in tenant.called) is options.get("enable_pushed_authorization_requests", False)


async def test_a_pushed_request_leaves_nothing_in_the_address(ways: Ways) -> None:
    """RFC 9126: the browser carries our name and a reference."""
    async with ways(enable_pushed_authorization_requests=True) as world:
        _, tenant = await logged_in(world)
        first = next(call for call in tenant.memory.calls if call.name == "authorize")
        assert set(first.params) == {"client_id", "request_uri"}


async def test_rp_35_what_the_application_asks_is_passed_on(ways: Ways) -> None:
    """RP-35: under the alias alone; what is not listed does not arrive."""
    params = {"screen": {"alias": "display"}, "tier": {"value": "gold"}}
    async with ways(upstream_params=params) as world:
        await logged_in(world)
        url, _ = await asyncio.to_thread(world.app.begin)
        await (await world.browser.open(f"{url}&prompt=login&display=popup&audience_hint=x")).click(MIRA.name)
        last = [call.params for call in world.tenants["corp"].memory.calls if call.name == "authorize"][-1]
        assert (last["screen"], last["tier"]) == ("popup", "gold")
        assert "display" not in last and "audience_hint" not in last
