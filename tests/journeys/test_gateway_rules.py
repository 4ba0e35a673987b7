"""Routes and rules on raw sockets: what gets through to the app, byte for byte, and what never does."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.journeys.conftest import Stores, lab_tenant
from tests.kit.gateway import HERE, Gated, gated

FETCH = "Sec-Fetch-Mode: cors"
AMBIGUOUS = (
    "/a/../admin", "/a/%2e%2e/admin", "/./admin", "//admin", "/admin%2f", "/admin;x", "/admin%00", "/%2e/admin",
    "/a/..%2fadmin", "/\\admin", "/a%5c..%5cadmin", "/public/..;/admin", "/public/../admin", "/public/%2e%2e/admin",
    "/public%2f..%2fadmin", "/public/.%2e/admin", "/%c0%ae%c0%ae/admin", "/.well-known/acme-challenge/../admin",
)  # fmt: skip


@pytest.fixture
async def world(tmp_path: Path, stores: Stores) -> AsyncIterator[Gated]:
    """Two hosts with public paths; for everything else somebody must be logged in, and may only read."""
    route = {"public_paths": ["/public", "/healthz"], "methods": ["GET"]}
    async with lab_tenant() as tenant, gated(tmp_path, stores(0), tenant, route=route) as running:
        yield running


async def statuses(world: Gated, targets: tuple[str, ...], *lines: str) -> dict[str, int]:
    """What GET of each target is answered."""
    return {target: (await world.ask(*lines, target=f"GET {target}")).status for target in targets}


async def test_gw_08_the_app_gets_the_path_that_the_rules_saw(world: Gated) -> None:
    """GW-08: with a session or without one nothing ambiguous reaches the app; every plain spelling is one."""
    await world.log_in()
    cookie = f"Cookie: {world.cookie()}"
    world.app.heads.clear()
    for lines in ((FETCH,), (FETCH, cookie)):
        assert await statuses(world, AMBIGUOUS, *lines) == dict.fromkeys(AMBIGUOUS, 400)
    assert world.app.targets == []
    plain = ("/%61dmin", "/admin?x=%2e%2e/", "/%c3%a9", "/Admin")
    assert await statuses(world, plain, FETCH, cookie) == dict.fromkeys(plain, 200)
    assert world.app.targets == ["/admin", "/admin?x=%2e%2e/", "/%C3%A9", "/Admin"]


async def test_gw_09_gw_10_gw_11_nothing_looks_public_that_is_not(world: Gated) -> None:
    """GW-09, GW-10, GW-11: query, fragment, and a name that only begins alike."""
    closed = ("/admin?x=/public", "/admin?/healthz", "/admin%3f/public", "/x%23/public", "/publicadmin", "/healthzx",
              "/Public", "/x/public", "/", "/favicon.ico", "/robots.txt", "/.well-known/acme-challenge/x")  # fmt: skip
    assert await statuses(world, closed, FETCH) == dict.fromkeys(closed, 401)
    fragments = ("/admin#/public", "/public#/../admin", "/public#", "/public?x#y")
    assert await statuses(world, fragments, FETCH) == dict.fromkeys(fragments, 400)
    assert world.app.targets == []
    assert await statuses(world, ("/public", "/public/x?y", "/healthz/"), FETCH) == {
        "/public": 200, "/public/x?y": 200, "/healthz/": 200,
    }  # fmt: skip
    assert world.app.targets == ["/public", "/public/x?y", "/healthz/"]


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1:{port}", 200),
        ("127.0.0.1", 200),
        ("LOCALHOST:{port}", 200),
        ("localhost.:{port}", 400),
        ("a@b", 400),
        ("a@localhost:{port}", 400),
        ("localhost:99999", 400),
        ("localhost:1", 421),
        ('x"/><script>', 400),
        ("app.example", 421),
        ("localhost.evil.example", 421),
        ("evillocalhost", 421),
        ("", 400),
    ],
)
async def test_gw_12_a_host_is_ours_or_nobodys(world: Gated, host: str, expected: int) -> None:
    """GW-12: 400 for what is no host, 421 for one that is not ours."""
    named = host.format(port=world.port)
    raw = f"GET /public HTTP/1.1\r\nHost: {named}\r\nConnection: close\r\n\r\n"
    assert (await world.send(raw.encode())).status == expected
    assert len(world.app.heads) == (expected == 200)


async def test_gw_12_one_host_and_a_target_without_one(world: Gated) -> None:
    """GW-12: absolute form, authority form, no Host, two Hosts: 400 each, and nothing reaches the app."""
    here = f"Host: {HERE}:{world.port}\r\n"
    for head in (
        f"GET http://{HERE}:{world.port}/public HTTP/1.1\r\n{here}",
        f"GET http://evil.example/public HTTP/1.1\r\n{here}",
        f"GET public HTTP/1.1\r\n{here}",
        f"OPTIONS * HTTP/1.1\r\n{here}",
        "GET /public HTTP/1.1\r\n",
        "GET /public HTTP/1.0\r\n",
        f"GET /public HTTP/1.1\r\n{here}{here}",
        f"GET /public HTTP/1.1\r\n{here}Host: localhost\r\n",
    ):
        answer = await world.send(f"{head}Connection: close\r\n\r\n".encode())
        assert answer.status == 400, head
    assert world.app.heads == []


@pytest.mark.parametrize(
    "lines",
    [
        ("User-Agent: kube-probe/1.2",),
        ("User-Agent: GoogleHC/1.0", "X-Healthcheck: 1"),
        ("X-Forwarded-Uri: /public", "X-Original-URL: /public", "X-Rewrite-URL: /public"),
        ("X-Forwarded-For: 127.0.0.1", "X-Real-IP: 127.0.0.1", "Forwarded: for=127.0.0.1"),
        ("Cookie: x=y",),
        ("Authorization: Bearer x",),
    ],
)
async def test_gw_13_nothing_but_a_session_opens_a_door(world: Gated, lines: tuple[str, ...]) -> None:
    """GW-13, GW-06: no user agent, no header of a proxy, no credential that is not ours."""
    assert (await world.ask(FETCH, *lines)).status == 401
    preflight = ("Origin: https://evil.example", "Access-Control-Request-Method: GET")
    assert (await world.ask(*lines, *preflight, target="OPTIONS /")).status in (401, 405)
    assert world.app.heads == []


async def test_gw_14_methods_are_those_of_the_route(world: Gated) -> None:
    """GW-14: on public paths too; no header turns one into another."""
    answered = {
        method: (await world.ask(FETCH, target=f"{method} /public")).status
        for method in ("GET", "HEAD", "POST", "DELETE", "TRACE", "QUERY", "BREW", "get")
    }
    assert {answered.pop("GET"), answered.pop("HEAD")} == {200}
    assert set(answered.values()) <= {400, 405, 501}, answered
    assert (await world.ask(FETCH, target="POST /public")).header("Allow") == "GET, HEAD"
    connect = f"CONNECT {HERE}:{world.port} HTTP/1.1\r\nHost: {HERE}:{world.port}\r\nConnection: close\r\n\r\n"
    assert (await world.send(connect.encode())).status in (400, 405, 501)
    await world.ask("X-HTTP-Method-Override: DELETE", "X-Method-Override: DELETE", "X-HTTP-Method: DELETE",
                    target="GET /public/last")  # fmt: skip
    assert b"override" not in world.app.heads[-1].lower() and b"x-http-method" not in world.app.heads[-1].lower()
    assert [head.split(b" ")[0] for head in world.app.heads] == [b"GET", b"HEAD", b"GET"]


async def test_gw_15_a_broken_cookie_is_no_cookie(world: Gated) -> None:
    """GW-15, SE-11: cut, changed, doubled, oversized or foreign: 401, and the app hears nothing."""
    await world.log_in()
    name, _, value = world.cookie().partition("=")
    world.app.heads.clear()
    for broken in (
        value[:-1], value[:10], value[::-1], f"{value[:-1]}!", value.replace(".", ""), f'"{value}"', f"{value}x", "",
        f"{value}; {name}=other", f"x; {name}={value}", "a" * 6000, value.swapcase(),
    ):  # fmt: skip
        answer = await world.ask(FETCH, f"Cookie: {name}={broken}")
        assert answer.status in (401, 431), broken
    assert world.app.heads == []
    assert (await world.ask(FETCH, f"Cookie: {name}={value}")).status == 200


async def test_gw_30_where_a_request_comes_from_is_not_the_clients_word(world: Gated) -> None:
    """GW-30: the app gets the address of the connection, once, in every header for it."""
    claims = ("X-Forwarded-For: 10.9.8.7", "X-Forwarded-For: 127.0.0.1", "X-Real-IP: 10.9.8.7",
              "Forwarded: for=10.9.8.7",
              "X-Forwarded-Host: evil.example", "X-Forwarded-Proto: https", "X-Forwarded-Port: 1")  # fmt: skip
    assert (await world.ask(*claims, target="GET /public")).status == 200
    (head,) = world.app.heads
    told = head.decode().lower()
    assert "10.9.8.7" not in told and "evil" not in told
    assert told.count("x-forwarded-for: 127.0.0.1\r\n") == told.count("x-forwarded-for") == 1
    assert f'forwarded: for=127.0.0.1;host="127.0.0.1:{world.port}";proto=http\r\n' in told
    assert f"x-forwarded-port: {world.port}\r\n" in told and "x-forwarded-proto: http\r\n" in told


async def test_gw_33_our_paths_are_ours_and_the_apps_are_the_apps(world: Gated) -> None:
    """GW-33: nothing below ``/.isthmus`` is proxied, and the issuer's addresses are the app's own on its host."""
    await world.log_in()
    cookie = f"Cookie: {world.cookie()}"
    world.app.heads.clear()
    ours = ("/.isthmus/x", "/.isthmus", "/.isthmus/", "/.ISTHMUS/x", "/.%69sthmus/x", "/%2eisthmus/x", "/.isthmus%2fx",
            "/.isthmus/forward-auth", "/public/../.isthmus/x")  # fmt: skip
    found = await statuses(world, ours, FETCH, cookie)
    assert set(found.values()) <= {400, 403, 404}, found
    assert world.app.heads == []
    theirs = (
        "/oauth/token",
        "/login/callback",
        "/.well-known/openid-configuration",
        "/authorize",
        "/metrics",
        "/x/.isthmus",
    )
    assert await statuses(world, theirs, FETCH, cookie) == dict.fromkeys(theirs, 200)
    assert world.app.targets == list(theirs)


PLUGINS = {
    "yes": "async def isthmus_gateway_access(): return True",
    "no": "async def isthmus_gateway_access(): return False",
    "none": "async def isthmus_gateway_access(): return None",
    "raises": "async def isthmus_gateway_access(): raise SystemExit(1)",
    "threads": "def isthmus_gateway_access(): return 1 / 0",
    "odd": "async def isthmus_gateway_access(): return 'yes'",
    "hangs": "async def isthmus_gateway_access():\n    import asyncio\n    await asyncio.Event().wait()",
}


@pytest.mark.parametrize(
    ("enabled", "expected"),
    [
        (["yes"], 200), (["yes", "none"], 200), (["no"], 403), (["none"], 403), (["yes", "no"], 403),
        (["yes", "raises"], 403),
        (["threads", "yes"], 403), (["yes", "odd"], 403), (["yes", "hangs"], 403), ([], 403),
    ],
)  # fmt: skip
async def test_pl_01_a_plugin_that_fails_lets_nobody_in(
    tmp_path: Path, stores: Stores, enabled: list[str], expected: int
) -> None:
    """PL-01, PL-02: whatever ``on_error`` says; and where no plugin has an opinion nobody passes."""
    for name, source in PLUGINS.items():
        (tmp_path / f"{name}.py").write_text(f"from proxy import hookimpl\n\n@hookimpl\n{source}\n")
    plugins = {"enabled": enabled, "folder": str(tmp_path), "on_error": "skip", "time_limit": 0.3}
    route = {"allow": {"plugin": True}}
    async with lab_tenant() as tenant, gated(tmp_path, stores(0), tenant, route=route, plugins=plugins) as world:
        await world.log_in()
        world.app.heads.clear()
        assert (await world.ask(FETCH, f"Cookie: {world.cookie()}")).status == expected
        assert len(world.app.heads) == (expected == 200)
        assert (await world.ask(FETCH)).status == 401


@pytest.mark.parametrize(
    ("allow", "expected"),
    [
        ({"users": ["oidc|corp|nobody"]}, 403),
        ({"email_domains": ["nowhere.example"]}, 403),
        ({"groups": ["nobody"]}, 403),
        ({"claims": {"nothing": True}}, 403),
        ({"connections": ["corp"]}, 200),
    ],
)
async def test_rules_of_every_kind(tmp_path: Path, stores: Stores, allow: dict[str, object], expected: int) -> None:
    """403 for whom they do not hold, and the app hears nothing."""
    async with lab_tenant() as tenant, gated(tmp_path, stores(0), tenant, route={"allow": allow}) as world:
        await world.log_in()
        world.app.heads.clear()
        assert (await world.ask(FETCH, f"Cookie: {world.cookie()}")).status == expected
        assert len(world.app.heads) == (expected == 200)
