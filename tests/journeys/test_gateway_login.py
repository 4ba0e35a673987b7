"""The gateway's doors on raw sockets: who opens a WebSocket, whose word counts, and that in doubt the app hears
nothing."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import pytest

from proxy.lab.tenant import Tenant
from proxy.oidc.errors import Unavailable
from proxy.store import Op
from proxy.store.memory import MemoryStore
from tests.downstream.world import FailingStore
from tests.journeys.conftest import lab_tenant
from tests.kit.gateway import HERE, THERE, Gated, gated

FETCH, PAGE = "Sec-Fetch-Mode: cors", "Accept: text/html"
HANDSHAKE = ("Upgrade: websocket", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Version: 13")


class World:
    """The gateway on a store that can be away."""

    def __init__(self, gated: Gated) -> None:
        self.gated = gated
        self.away = False


@pytest.fixture
async def tenant() -> AsyncIterator[Tenant]:
    """A healthy one."""
    async with lab_tenant() as running:
        yield running


@pytest.fixture
async def world(tmp_path: Path, tenant: Tenant) -> AsyncIterator[World]:
    """With WebSockets, of which one person may have two, and a public path; Mira is logged in."""
    made: list[World] = []

    def fails(op: Op) -> bool:
        return bool(made) and made[0].away

    store = FailingStore(MemoryStore(), fails, Unavailable("the store is away"))
    route = {"websocket": True, "public_paths": ["/public"], "limits": {"websockets": 2}, "cors_preflight": True}
    proxies = {"trusted_proxies": ["127.0.0.1/32"]}
    async with gated(tmp_path, store, tenant, route=route, server=proxies) as running:
        await running.log_in()
        running.app.heads.clear()
        made.append(World(running))
        yield made[0]


async def shake(world: Gated, *lines: str, path: str = "/socket") -> tuple[int, asyncio.StreamWriter]:
    """The status of a handshake, and the connection."""
    near, out = await asyncio.open_connection(HERE, world.port)
    head = f"GET {path} HTTP/1.1\r\nHost: {HERE}:{world.port}\r\nConnection: Upgrade\r\n"
    out.write((head + "".join(f"{line}\r\n" for line in (*HANDSHAKE, *lines)) + "\r\n").encode())
    status = await asyncio.wait_for(near.readline(), 15)
    return int(status.split(b" ")[1]), out


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("http://127.0.0.1:{port}", 101),
        ("http://localhost:{port}", 403),  # another app of the same gateway
        ("http://127.0.0.1", 403),
        ("https://127.0.0.1:{port}", 403),
        ("https://evil.example", 403),
        ("null", 403),
        ("", 403),
    ],
)
async def test_gw_18_a_websocket_is_opened_by_the_apps_own_pages(world: World, origin: str, status: int) -> None:
    """GW-18: on raw sockets, with the person's cookie; the app hears of no other."""
    gate = world.gated
    lines = (f"Origin: {origin.format(port=gate.port)}",) if origin else ()
    answered, out = await shake(gate, f"Cookie: {gate.cookie()}", *lines)
    out.transport.abort()
    assert answered == status and len(gate.app.heads) == (status == 101)


async def test_gw_18_a_stream_of_events_too(world: World) -> None:
    """GW-18: another site's page gets none; without a session there is none at all."""
    gate = world.gated
    stream, cookie = "Accept: text/event-stream", f"Cookie: {gate.cookie()}"
    assert (await gate.ask(stream, cookie, "Origin: https://evil.example")).status == 403
    assert (await gate.ask(stream, f"Origin: http://{HERE}:{gate.port}")).status == 401
    assert gate.app.heads == []
    assert (await gate.ask(stream, cookie, f"Origin: http://{HERE}:{gate.port}")).status == 200


async def test_ds_17_a_person_has_so_many_websockets_and_no_more(world: World) -> None:
    """DS-17: the next one is refused; when one goes there is room."""
    gate = world.gated
    lines = (f"Cookie: {gate.cookie()}", f"Origin: http://{HERE}:{gate.port}")
    opened = [await shake(gate, *lines) for _ in range(3)]
    assert [status for status, _ in opened] == [101, 101, 429]
    assert len(gate.app.heads) == 2
    opened[0][1].close()
    async with asyncio.timeout(10):
        while True:
            status, out = await shake(gate, *lines)
            opened.append((status, out))
            if status == 101:
                break
    for _, out in opened:
        out.transport.abort()


async def test_gw_17_no_credential_but_the_cookie_is_ours(world: World) -> None:
    """GW-17: the app gets its Authorization as it came, and hears that it was Mira who sent it."""
    gate = world.gated
    for credential in ("Bearer of-jonas", "Basic eDp5", "Bearer", "nonsense , \t;"):
        assert (await gate.ask(FETCH, f"Authorization: {credential}")).status == 401
        answer = await gate.ask(FETCH, f"Authorization: {credential}", f"Cookie: {gate.cookie()}")
        told = json.loads(answer.body)["headers"]
        assert told["authorization"] == credential.strip() and told["x-forwarded-user"] == "oidc|corp|mira"


async def test_gw_13_a_preflight_carries_nobody(world: World) -> None:
    """GW-13: even with a cookie; and a body makes it another request."""
    gate = world.gated
    lines = ("Origin: https://evil.example", "Access-Control-Request-Method: PUT", f"Cookie: {gate.cookie()}")
    assert (await gate.ask(*lines, target="OPTIONS /x")).status == 200
    (head,) = gate.app.heads
    assert b"x-forwarded-user" not in head.lower() and b"mira" not in head.lower() and b"isthmus-" not in head.lower()
    refused = await gate.ask(*lines[:2], "Content-Length: 3", target="OPTIONS /x", body=b"abc")
    assert refused.status == 401 and len(gate.app.heads) == 1


async def test_gw_27_se_19_no_answer_of_ours_may_be_kept(world: World) -> None:
    """GW-27, SE-19: redirects, refusals, pages and what sets a cookie."""
    gate = world.gated
    for lines, target in (
        ((PAGE,), "GET /"), ((FETCH,), "GET /"), ((PAGE,), "GET /account/x.css"), ((PAGE,), "POST /"),
        ((PAGE,), "GET /.isthmus/callback?state=x"), ((PAGE,), "GET /.isthmus/logged-out"),
        ((PAGE,), "GET /.isthmus/x"),
        ((PAGE,), "GET /.isthmus/logout"), ((FETCH,), "GET /.isthmus/me"), ((PAGE,), "GET //x"),
    ):  # fmt: skip
        answer = await gate.ask(*lines, target=target)
        assert answer.header("Cache-Control") == "no-store" and answer.status >= 200, target
    assert gate.app.heads == []


async def test_se_10_a_cookie_bomb_is_defused(world: World) -> None:
    """SE-10: a page that explains it and forgets our cookie; no redirect that would come back here."""
    bomb = "; ".join(f"c{n}={'x' * 4000}" for n in range(50))
    answer = await world.gated.ask(PAGE, f"Cookie: {bomb}")
    assert answer.status == 431 and b"Cookies of this site" in answer.body
    assert answer.header("Set-Cookie").startswith("__Host-isthmus-gateway-") and not answer.header("Location")
    assert "Max-Age=0" in answer.header("Set-Cookie") and world.gated.app.heads == []


async def test_gw_29_a_callback_is_good_in_no_other_place(world: World) -> None:
    """GW-29: what a browser was on its way with, on the other host, without its cookies, and again."""
    gate = world.gated
    away = await gate.ask(PAGE, target="GET /a?b=c")
    state = away.header("Location").partition("state=")[2].partition("&")[0]
    cookie = away.header("Set-Cookie").partition(";")[0]
    target = f"GET /.isthmus/callback?code=x&state={state}&iss={gate.node.issuer}"
    for lines, host in (((), HERE), ((f"Cookie: {cookie}",), THERE), ((f"Cookie: {cookie}",), HERE)):
        answer = await gate.ask(PAGE, *lines, host=host, target=target)
        assert answer.status == 400 and not answer.header("Set-Cookie")


AWAY: Mapping[tuple[str, tuple[str, ...]], int] = {
    ("GET /", (PAGE, "{cookie}")): 503,
    ("GET /", (FETCH, "{cookie}")): 503,
    ("GET /", (PAGE,)): 503,
    ("GET /", (FETCH,)): 401,
    ("GET /.isthmus/me", (FETCH, "{cookie}")): 503,
    ("GET /.isthmus/forward-auth/x", (FETCH, "{cookie}", "X-Forwarded-Proto: http")): 503,
    ("GET /public", (PAGE, "{cookie}")): 200,
    ("GET /public", (PAGE,)): 200,
    ("GET /.isthmus/logged-out", (PAGE, "{cookie}")): 200,
}
"""What is answered while the store cannot be asked."""


async def test_p1_while_the_store_is_away(world: World) -> None:
    """P1: 503 with Retry-After, and the app hears of nothing but what is public."""
    gate = world.gated
    cookie = f"Cookie: {gate.cookie()}"
    world.away = True
    await forgotten(gate, cookie)
    proxied = ("X-Forwarded-Proto: http", "X-Forwarded-For: 192.0.2.9")
    for (target, lines), status in AWAY.items():
        gate.app.heads.clear()
        more = proxied if not any("Proto" in line for line in lines) else proxied[1:]
        answer = await gate.ask(*(line.format(cookie=cookie) for line in lines), *more, target=target)
        assert answer.status == status, (target, lines, answer.raw)
        assert bool(answer.header("Retry-After")) == (status == 503)
        assert len(gate.app.heads) == (target == "GET /public")


async def forgotten(gate: Gated, cookie: str) -> None:
    """Wait until what the process held of the session is not fresh any more: five seconds at most."""
    async with asyncio.timeout(8):
        while (await gate.ask(FETCH, cookie, "X-Forwarded-Proto: http", "X-Forwarded-For: 192.0.2.9")).status == 200:
            pass
