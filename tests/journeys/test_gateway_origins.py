"""An https issuer with TLS in front: who is believed about where a request comes from, on raw sockets."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from proxy.lab.browser import Browser
from tests.journeys.conftest import Stores, lab_tenant
from tests.kit.echo_app import echo_app
from tests.kit.gateway import Gated
from tests.kit.isthmus import connection, isthmus
from tests.kit.valkey import free_port

APP = "app.example"


@asynccontextmanager
async def behind_tls(directory: Path, stores: Stores, *trusted: str) -> AsyncIterator[Gated]:
    """A gateway with an https issuer and no TLS of its own; ``trusted`` are its proxies."""
    port = free_port()
    async with lab_tenant() as tenant, echo_app() as app, Browser() as browser:
        route = {"host": APP, "upstream": app.url, "public_paths": ["/public"]}
        tables: dict[str, Any] = {
            "gateway": {"port": port, "routes": [route]},
            "server": {"trusted_proxies": list(trusted), "allow_private": ["127.0.0.0/8"]},
            "connections": [connection("corp", "https://idp.example/", "back_channel", ("gateway",))],
        }
        async with isthmus(directory, stores(0), issuer="https://login.example/", **tables) as node:
            yield Gated(tenant, node, app, browser, port)


async def ask(world: Gated, *lines: str, start: str = "GET /public", host: str = APP) -> tuple[int, str]:
    """Status, and where it leads."""
    head = "".join(f"{line}\r\n" for line in (f"Host: {host}", *lines, "Connection: close"))
    answer = await world.send(f"{start} HTTP/1.1\r\n{head}\r\n".encode())
    return answer.status, answer.header("Location")


async def test_se_23_plain_http_goes_nowhere(tmp_path: Path, stores: Stores) -> None:
    """SE-23: whatever the client says of the way it came; to https if nothing is lost, else 400. No cookie is set."""
    async with behind_tls(tmp_path, stores) as world:
        for lines in ((), ("X-Forwarded-Proto: https",), ("Forwarded: proto=https",), ("X-Forwarded-Ssl: on",)):
            assert await ask(world, *lines) == (308, f"https://{APP}/public")
            assert await ask(world, *lines, start="GET /private?x=1") == (308, f"https://{APP}/private?x=1")
            assert (await ask(world, *lines, "Content-Length: 0", start="POST /public"))[0] == 400
        assert (await ask(world, host="evil.example"))[0] in (400, 421)
        answer = await world.send(f"GET /private HTTP/1.1\r\nHost: {APP}\r\nConnection: close\r\n\r\n".encode())
        assert not answer.header("Set-Cookie")
        assert world.app.heads == []


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (("X-Forwarded-Proto: https",), 200),
        (("X-Forwarded-Proto: HTTPS",), 200),
        (("X-Forwarded-Proto: http, https",), 200),
        (("X-Forwarded-Proto: http",), 308),
        (("X-Forwarded-Proto: https, http",), 308),
        (("X-Forwarded-Proto: gopher",), 400),
        ((), 400),
    ],
)
async def test_se_23_a_trusted_proxy_says_how_the_browser_came(
    tmp_path: Path, stores: Stores, said: tuple[str, ...], expected: int
) -> None:
    """SE-23: and one that does not say is told so."""
    async with behind_tls(tmp_path, stores, "127.0.0.1/32") as world:
        assert (await ask(world, *said))[0] == expected
        assert len(world.app.heads) == (expected == 200)


@pytest.mark.parametrize(
    ("claims", "told"),
    [
        ((), "127.0.0.1"),
        (("X-Forwarded-For: 203.0.113.9",), "203.0.113.9, 127.0.0.1"),
        (("X-Forwarded-For: 10.9.8.7, 203.0.113.9",), "203.0.113.9, 127.0.0.1"),
        (("X-Forwarded-For: 10.9.8.7", "X-Forwarded-For:  203.0.113.9 "), "203.0.113.9, 127.0.0.1"),
        (("X-Forwarded-For: ::ffff:203.0.113.9",), "203.0.113.9, 127.0.0.1"),
        (("X-Forwarded-For: 203.0.113.9, junk",), "127.0.0.1"),
    ],
)
async def test_gw_30_of_a_trusted_proxy_the_right_most_address_counts(
    tmp_path: Path, stores: Stores, claims: tuple[str, ...], told: str
) -> None:
    """GW-30: the app gets a clean chain; what the client wrote before is gone."""
    async with behind_tls(tmp_path, stores, "127.0.0.1/32") as world:
        proxied = ("X-Forwarded-Proto: https", "X-Real-IP: 10.9.8.7", "Forwarded: for=10.9.8.7", *claims)
        assert (await ask(world, *proxied))[0] == 200
        head = world.app.heads[0].decode().lower()
        assert f"x-forwarded-for: {told}\r\n" in head and f"x-real-ip: {told.partition(',')[0]}\r\n" in head
        assert "10.9.8.7" not in head and head.count("forwarded: for=") == 1
        assert "x-forwarded-port: 443\r\n" in head and "x-forwarded-proto: https\r\n" in head
