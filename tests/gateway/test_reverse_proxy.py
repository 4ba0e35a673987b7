"""One port for the site and the apps, told apart by host: also when a connection brings requests for both."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import uvloop

from proxy.gateway.framing import sniff
from proxy.store.memory import MemoryStore
from proxy.web.porch import PORCH
from tests.kit.echo_app import EchoApp, echo_app
from tests.kit.isthmus import Node, connection, isthmus
from tests.kit.valkey import free_port
from tests.kit.waiting import eventually

APP = "localhost"
PAGE = b"Accept: application/json\r\n"


@asynccontextmanager
async def shared(directory: Path, **gateway: Any) -> AsyncIterator[tuple[Node, EchoApp]]:
    """Isthmus and an app's host on one port; ``gateway`` are more of its keys."""
    async with echo_app() as app:
        routes = [{"host": APP, "upstream": app.url, "public_paths": ["/public"]}]
        tables: dict[str, Any] = {
            "connections": [connection("corp", "http://localhost:9/", "front_channel", ("gateway",))]
        }
        async with isthmus(directory, MemoryStore(), gateway={"routes": routes, **gateway}, **tables) as node:
            yield node, app


@asynccontextmanager
async def connected(node: Node) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """One connection, closed at the end."""
    near, out = await asyncio.open_connection("127.0.0.1", node.port)
    try:
        yield near, out
    finally:
        out.close()
        with suppress(ConnectionError):
            await out.wait_closed()


async def asks(node: Node, near: asyncio.StreamReader, out: asyncio.StreamWriter, host: str, path: str) -> bytes:
    """One request on the connection; the answer's head and body."""
    out.write(f"GET {path} HTTP/1.1\r\nHost: {host}:{node.port}\r\n".encode() + PAGE + b"\r\n")
    head = await near.readuntil(b"\r\n\r\n")
    length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
    return head + await near.readexactly(int(length.partition(b":")[2]))


async def trip(directory: Path) -> None:
    """Requests for both, in turns, on one connection, and nothing left when it is closed."""
    async with shared(directory) as (node, app):
        async with connected(node) as (near, out):
            for _ in range(20):
                site = await asks(node, near, out, "127.0.0.1", "/.well-known/openid-configuration")
                assert b'"issuer"' in site
                assert b"200 OK" in await asks(node, near, out, APP, "/public/x")
                assert b"401 " in await asks(node, near, out, APP, "/private")
        assert app.targets == ["/public/x"] * 20
        porch = node.site[PORCH]

        async def nobody_is_left() -> bool:
            return not porch.crowd.guests  # type: ignore[attr-defined]  # what tests may know of it

        await eventually(nobody_is_left)


async def test_one_connection_carries_requests_for_both(tmp_path: Path) -> None:
    """A server in front keeps its connections, whatever host the next request is for."""
    await trip(tmp_path)


def test_the_same_on_uvloop(tmp_path: Path) -> None:
    """The loop that serves in production."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(trip(tmp_path))


async def test_a_head_in_pieces_is_nobodys_until_it_is_whole(tmp_path: Path) -> None:
    """The host may stand in the last of many pieces."""
    async with shared(tmp_path) as (node, app), connected(node) as (near, out):
        assert b'"issuer"' in await asks(node, near, out, "127.0.0.1", "/.well-known/openid-configuration")
        for byte in f"GET /public HTTP/1.1\r\nX-A: {'a' * 100}\r\nHost: {APP}:{node.port}\r\n\r\n".encode():
            out.write(bytes((byte,)))
            await out.drain()
            await asyncio.sleep(0)
        assert (await near.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
        assert app.targets == ["/public"]


async def test_gw_33_a_host_that_nobody_has_is_421(tmp_path: Path) -> None:
    """GW-12, GW-33: the site says so; and on an app's host there is nothing of the site."""
    async with shared(tmp_path) as (node, app):
        async with connected(node) as (near, out):
            assert b" 421 " in await asks(node, near, out, "evil.example", "/")
        async with connected(node) as (near, out):
            assert b" 401 " in await asks(node, near, out, APP, "/oauth/token")
        assert app.targets == []


@pytest.mark.parametrize(
    ("head", "host", "path"),
    [
        (b"GET /a?b HTTP/1.1\r\nHost: App.Example:80\r\n\r\n", b"app.example:80", b"/a"),
        (b"GET /a HTTP/1.1\r\nX: y\r\nhOsT:\tapp \r\n\r\n", b"app", b"/a"),
        (b"GET /a HTTP/1.1\r\nX-Host: evil\r\n\r\n", b"", b"/a"),
        (b"GET\r\n\r\n", b"", b""),
    ],
)
def test_whose_a_head_is(head: bytes, host: bytes, path: bytes) -> None:
    """Looked at, not believed: who answers reads it again."""
    assert sniff(head) == (host, path)


async def test_where_apps_have_a_port_of_their_own_the_site_still_answers_servers(tmp_path: Path) -> None:
    """``{issuer}forward-auth`` stays at the issuer; the hosts of apps are not answered there."""
    async with shared(tmp_path, port=free_port()) as (node, app), connected(node) as (near, out):
        assert b"trusts" in await asks(node, near, out, "127.0.0.1", "/forward-auth")
        assert b"200 OK" in await asks(node, near, out, "127.0.0.1", "/.well-known/openid-configuration")
        assert b"200 OK" not in await asks(node, near, out, APP, "/public/x")
        assert not app.targets
