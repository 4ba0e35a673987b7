"""The gate: what never reaches the site, how many do, and what is written about it."""

from __future__ import annotations

import asyncio

import pytest
from aiohttp import web

from proxy.telemetry import logs, metrics
from proxy.web.client_address import of
from proxy.web.gate import hosts_of
from proxy.web.limits import Capacity
from tests.kit.serving_site import knocking, until

ISSUER = "https://sso.example/"


async def hello(request: web.Request) -> web.Response:
    await request.read()
    return web.Response(text=of(request))


@pytest.mark.parametrize(
    ("issuer", "hosts"),
    [
        ("https://sso.example/", {"sso.example", "sso.example:443"}),
        ("https://SSO.example:443/", {"sso.example", "sso.example:443"}),
        ("https://sso.example:8443/x/", {"sso.example:8443"}),
        ("http://127.0.0.1:9000/", {"127.0.0.1:9000"}),
        ("http://[::1]:80/", {"[::1]", "[::1]:80"}),
    ],
)
def test_the_default_port_may_be_said_or_not(issuer: str, hosts: set[str]) -> None:
    """The issuer's host with its port; the scheme's own port goes without saying."""
    assert hosts_of(issuer) == hosts


@pytest.mark.parametrize("host", ["evil.example", "", 'evil"/><x>', "127.0.0.1.evil.example", "a@b"])
async def test_cb_13_cf_02_an_unknown_host_is_misdirected(host: str) -> None:
    """No answer is made for a name that is not ours, whatever a forwarding header adds (CB-13, CF-02)."""
    async with knocking(hello) as site:
        answer = await site.ask(headers={"Host": host, "X-Forwarded-Host": site.host})
        assert answer.status == 421
        assert (await site.ask(headers={"X-Forwarded-Host": "evil.example"})).status == 200


@pytest.mark.parametrize(
    ("method", "target", "headers", "status"),
    [
        ("GET", "http://evil.example/", {}, 400),
        ("GET", "/#/admin", {}, 400),
        ("OPTIONS", "*", {}, 400),
        ("TRACE", "/", {}, 405),
        ("CONNECT", "evil.example:443", {}, 405),
        ("POST", "/", {"Content-Encoding": "gzip"}, 415),
        ("POST", "/", {"Content-Encoding": "br"}, 415),
        ("POST", "/", {"Content-Encoding": "identity"}, 200),
    ],
)
async def test_ds_03_what_the_site_never_sees(method: str, target: str, headers: dict[str, str], status: int) -> None:
    """Other forms of the address, methods for proxies and compressed bodies stop at the gate (DS-03, GW-10, GW-12)."""
    async with knocking(hello) as site:
        body = b"\x1f\x8bnot gzip" if method == "POST" else b""
        assert (await site.ask(target, method, body, headers)).status == status


@pytest.mark.parametrize(
    ("trusted", "method", "proto", "status"),
    [
        ((), "GET", "https", 308),
        ((), "GET", "", 308),
        ((), "POST", "https", 400),
        (("127.0.0.1/32",), "GET", "https", 200),
        (("127.0.0.1/32",), "GET", "http, https", 200),
        (("127.0.0.1/32",), "GET", "https, http", 308),
        (("127.0.0.1/32",), "GET", "http", 308),
        (("127.0.0.1/32",), "GET", "", 400),
    ],
)
async def test_se_23_plain_http_under_an_https_issuer(
    trusted: tuple[str, ...], method: str, proto: str, status: int
) -> None:
    """Only a trusted proxy can say that TLS was there; else the way leads to https and no cookie is set (SE-23)."""
    headers = {"Host": "sso.example"} | ({"X-Forwarded-Proto": proto} if proto else {})
    async with knocking(hello, issuer=ISSUER, trusted=trusted) as site:
        answer = await site.ask("/item/x?y=1", method, headers=headers)
    assert answer.status == status
    assert "set-cookie" not in answer.headers
    assert answer.header("Strict-Transport-Security") == "max-age=31536000"
    assert answer.header("Location") == ("https://sso.example/item/x?y=1" if status == 308 else "")


async def test_gw_30_the_site_hears_the_client_behind_a_trusted_proxy() -> None:
    """The address the site sees is the one a trusted proxy wrote (GW-30)."""
    async with knocking(hello, trusted=("127.0.0.1/32",)) as site:
        assert (await site.ask(headers={"X-Forwarded-For": "127.0.0.1, 192.0.2.7"})).body == b"192.0.2.7"
    async with knocking(hello) as site:
        assert (await site.ask(headers={"X-Forwarded-For": "192.0.2.7"})).body == b"127.0.0.1"


async def test_overload_is_refused_at_once_and_passes() -> None:
    """One too many hears 503 with a time to come back; when the load ends, all is as before."""
    go = asyncio.Event()

    async def slow(_: web.Request) -> web.Response:
        await go.wait()
        return web.Response()

    async with knocking(slow, capacity=Capacity(running=1, waiting=1, patience=10)) as site:
        admission = site.runner.gate._admission
        running = asyncio.create_task(site.ask())
        await until(admission.full)
        waiting = asyncio.create_task(site.ask())
        await until(lambda: len(admission._queue) == 1)
        refused = await site.ask()
        go.set()
        assert [(await each).status for each in (running, waiting)] == [200, 200]
        assert refused.status == 503
        assert 1 <= int(refused.header("Retry-After")) <= 4
        assert admission.running == 0


async def test_a_request_that_takes_too_long_is_ended() -> None:
    """The deadline holds for the whole request: 503, and its place is free again."""

    async def stuck(_: web.Request) -> web.Response:
        await asyncio.Event().wait()
        return web.Response()

    async with knocking(stuck, capacity=Capacity(deadline=0.05)) as site:
        answer = await site.ask(headers={"Accept": "text/html"})
        assert answer.status == 503
        assert site.runner.gate._admission.running == 0


async def test_a_timeout_of_the_sites_own_is_a_fault_not_a_deadline() -> None:
    """A TimeoutError that escapes the site is no deadline of ours: 500."""

    async def fault(_: web.Request) -> web.Response:
        raise TimeoutError

    async with knocking(fault) as site:
        assert (await site.ask()).status == 500


async def test_ds_14_labels_come_from_fixed_sets() -> None:
    """A hundred paths and methods that nobody knows are one route and one method (DS-14)."""
    async with knocking(hello) as site:
        for number in range(100):
            await site.ask(f"/item/{number}-MARKER")
            await site.ask(f"/MARKER-{number}")
        await site.ask("/", "PROPFIND")
    page = metrics.page().decode()
    assert "MARKER" not in page
    assert "PROPFIND" not in page
    assert 'route="/item/{name}"' in page
    assert f'route="{metrics.UNMATCHED}"' in page


async def test_every_request_has_an_id_of_its_own() -> None:
    """The reference on a page is the id in the log, and no two requests share one."""
    seen: list[str] = []

    async def note(_: web.Request) -> web.Response:
        seen.append(logs.request_id())
        return web.Response()

    async with knocking(note) as site:
        await site.ask()
        await site.ask()
    assert len({*seen, ""}) == 3
