"""What a tenant tells us over the wire: exactly 200 or 400, never cached, and who is logged in afterwards."""

from __future__ import annotations

import json
import secrets
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

import aiohttp
import pytest

from proxy.lab import logout
from proxy.lab.tenant import Tenant
from proxy.upstream.logout_token import EVENT
from tests.journeys.conftest import JONAS, World, Worlds
from tests.journeys.test_attacks import who_is_in
from tests.kit.tenant import b64


@pytest.fixture
async def world(worlds: Worlds) -> AsyncIterator[World]:
    """One tenant, on the back channel."""
    async with worlds("back_channel") as made:
        yield made


def token(tenant: Tenant, **changes: Any) -> str:
    """A logout token of the tenant for its one login; a change to None removes a claim."""
    (login,) = tenant.memory.logins.values()
    usual: dict[str, Any] = {
        "iss": tenant.issuer,
        "aud": "isthmus",
        "iat": tenant.now,
        "jti": secrets.token_urlsafe(8),
        "events": {EVENT: {}},
        "sub": login.person.sub,
        "sid": login.sid,
        "extra": {"not": "ours"},
    }
    claims = {name: value for name, value in {**usual, **changes}.items() if value is not None}
    return tenant.sign(claims, "logout")


async def tell(world: World, form: Any, *, method: str = "POST", **headers: str) -> tuple[int, Mapping[str, str], str]:
    """The answer to a notice."""
    url = f"{world.node.issuer}login/backchannel-logout"
    async with aiohttp.ClientSession() as http:
        at = {"params": form} if method == "GET" else {"data": form}
        async with http.request(method, url, headers=headers, **at) as answer:
            return answer.status, answer.headers, await answer.text()


async def test_lo_10_a_good_token_is_200_once(world: World) -> None:
    """oidcc-client-test-rp-backchannel-rpinitlogout, LO-10: exactly 200 and ``no-store``, with a field in the form that
    nobody knows; the second time exactly 400, and who logged in again stays."""
    await world.log_in()
    good = token(world.tenants["corp"])
    status, headers, _ = await tell(world, {"logout_token": good, "extra": "field"})
    assert (status, headers["Cache-Control"]) == (200, "no-store") and await who_is_in(world) == ""
    await world.start()
    assert await who_is_in(world) == "oidc|corp|mira"
    status, headers, _ = await tell(world, {"logout_token": good})
    assert (status, headers["Cache-Control"]) == (400, "no-store") and await who_is_in(world) == "oidc|corp|mira"


def _unsigned(tenant: Tenant) -> str:
    _, body, _ = token(tenant).split(".")
    return f"{b64(json.dumps({'alg': 'none'}).encode())}.{body}."


BAD: Mapping[str, Callable[[Tenant], Any]] = {
    "alg-none": lambda tenant: {"logout_token": _unsigned(tenant)},
    "no-event": lambda tenant: {"logout_token": token(tenant, events=None)},
    "nonce": lambda tenant: {"logout_token": token(tenant, nonce="n")},
    "wrong-aud": lambda tenant: {"logout_token": token(tenant, aud="isthmus1")},
    "wrong-iss": lambda tenant: {"logout_token": token(tenant, iss=f"{tenant.issuer}1")},
    "wrong-event": lambda tenant: {"logout_token": token(tenant, events={f"{EVENT}2": {}})},
    "id-token": lambda tenant: {"logout_token": token(tenant, events=None, exp=tenant.now + 60, nonce="n")},
    "old": lambda tenant: {"logout_token": token(tenant, iat=tenant.now - 86_400)},
    "nobody": lambda tenant: {"logout_token": token(tenant, sub=None, sid=None)},
    "empty": lambda tenant: {"logout_token": ""},
    "missing": lambda tenant: {"other": "field"},
    "twice": lambda tenant: [("logout_token", token(tenant)), ("logout_token", token(tenant))],
    "long": lambda tenant: {"logout_token": f"{'a' * 20_000}.b.c"},
    "bytes": lambda tenant: b"logout_token=%ff",
}


@pytest.mark.parametrize("name", BAD)
async def test_lo_09_a_bad_token_is_exactly_400(world: World, name: str) -> None:
    """LO-09, oidcc-client-test-rp-backchannel-rpinitlogout-*: 400 in JSON, ``no-store``, and nobody is logged out."""
    await world.log_in()
    form = BAD[name](world.tenants["corp"])
    kind = {"Content-Type": "application/x-www-form-urlencoded"} if isinstance(form, bytes) else {}
    status, headers, text = await tell(world, form, **kind)
    assert (status, headers["Cache-Control"]) == (400, "no-store")
    assert json.loads(text)["error"] == "invalid_request" and await who_is_in(world) == "oidc|corp|mira"


async def test_lo_09_a_token_comes_in_a_form_and_nowhere_else(world: World) -> None:
    """LO-09: not by GET, not in JSON, not in an address."""
    await world.log_in()
    good = token(world.tenants["corp"])
    as_json = json.dumps({"logout_token": good})
    assert (await tell(world, {"logout_token": good}, method="GET"))[0] == 400
    assert (await tell(world, as_json, **{"Content-Type": "application/json"}))[0] == 400
    assert await who_is_in(world) == "oidc|corp|mira"
    assert (await tell(world, {"logout_token": good}))[0] == 200


async def test_lo_11_a_token_reaches_those_it_names(worlds: Worlds) -> None:
    """LO-11: two people with one ``sub`` at two tenants, in two browsers: only the tenant's own is logged out, by
    ``sub`` alone and by ``sid`` alone."""
    both = {"corp": (JONAS,), "shop": (JONAS,)}
    async with worlds("back_channel", tenants=both) as world:
        for name in both:
            tab = await world.start(connection=name)
            await tab.click(JONAS.name)
            assert await who_is_in(world) == f"oidc|{name}|jonas"
            other = "shop" if name == "corp" else "corp"
            if world.tenants[other].memory.logins:
                assert (await tell(world, {"logout_token": token(world.tenants[other], sid=None)}))[0] == 200
            assert await who_is_in(world) == f"oidc|{name}|jonas"
            assert (await tell(world, {"logout_token": token(world.tenants[name], sub=None)}))[0] == 200
            assert await who_is_in(world) == ""


async def test_a_logout_at_the_tenant_is_heard(world: World) -> None:
    """The tenant's own logout page: its call is taken, and the session is gone."""
    await world.log_in()
    tenant = world.tenants["corp"]
    (login,) = tenant.memory.logins.values()
    client = tenant.clients["isthmus"]
    address = f"{world.node.issuer}login/backchannel-logout"
    tenant.clients["isthmus"] = type(client)(**{**vars(client), "backchannel_logout_uri": address})
    await logout.tell(tenant, login)
    assert [notice.status for notice in tenant.memory.notices] == [200]
    assert await who_is_in(world) == ""


@pytest.mark.parametrize("named", [{}, {"iss": "x"}, {"sid": "x"}, {"iss": "https://evil.example/", "sid": "x"}])
async def test_lo_03_a_link_logs_nobody_out(world: World, named: dict[str, str]) -> None:
    """LO-03: a navigation brings the cookie; without the names of the tenant and of its session it is not enough."""
    await world.log_in()
    query = "&".join(f"{name}={value}" for name, value in named.items())
    page = (await world.browser.open(f"{world.node.issuer}login/frontchannel-logout?{query}")).page
    assert page.status == 400 and await who_is_in(world) == "oidc|corp|mira"


async def test_the_browsers_own_session_ends_with_its_cookies(world: World) -> None:
    """A frame that does bring the cookie: the session and its cookies go."""
    await world.log_in()
    tenant = world.tenants["corp"]
    (login,) = tenant.memory.logins.values()
    query = f"iss={tenant.issuer}&sid={login.sid}"
    page = (await world.browser.open(f"{world.node.issuer}login/frontchannel-logout?{query}")).page
    assert page.status == 200 and await who_is_in(world) == ""
    assert not [c for c in world.browser.jar.cookies.values() if "-session-" in c.name]
