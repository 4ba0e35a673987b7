"""The real command is told to go (SIGTERM) while people are being served: nobody notices."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from tests.kit.invariants import check_log
from tests.kit.plain_app import BASIC, CLIENT
from tests.kit.serving_site import Answered, answered
from tests.kit.valkey import Valkey, free_port
from tests.kit.waiting import eventually
from tests.kit.whole import Command, served

BEHIND_TLS = {"Host": "sso.example", "X-Forwarded-Proto": "https"}
FORM = urlencode(
    {"grant_type": "authorization_code", "code": "x" * 43, "redirect_uri": "https://app.example/cb"}
).encode()


@dataclass
class Person:
    """One keep-alive connection at a time, one request after the other, as a browser or a balancer would: it leaves
    when it is told ``Connection: close``, and comes back as long as the node says that it is ready."""

    node: Command
    host: str
    served: int = 0
    failed: list[str] = field(default_factory=list)

    async def live(self) -> None:
        """Ask until the node says that it is going."""
        while await self.node.status("/readyz") == 200:
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", self.node.port)
            except OSError as error:
                self.failed.append(str(error))
                return
            try:
                await self._stay(reader, writer)
            except (OSError, asyncio.IncompleteReadError, ValueError) as error:
                self.failed.append(repr(error))
            finally:
                writer.close()

    async def _stay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            path = "/.well-known/jwks.json" if self.served % 2 else "/.well-known/openid-configuration"
            writer.write(f"GET {path} HTTP/1.1\r\nHost: {self.host}\r\nX-Forwarded-Proto: https\r\n\r\n".encode())
            head = await reader.readuntil(b"\r\n\r\n")
            told = answered(head)
            await reader.readexactly(int(told.header("content-length")))
            if told.status != 200:
                raise ValueError(f"status {told.status}")
            self.served += 1
            if told.header("connection") == "close":
                return
            await asyncio.sleep(0.02)


class Slow:
    """A token request whose body comes in two halves, with whatever happens between them."""

    def __init__(self, node: Command, headers: Mapping[str, str]) -> None:
        self._node, self._headers = node, headers

    async def begin(self) -> Slow:
        """The first half."""
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._node.port)
        fields = {
            **self._headers,
            "Authorization": BASIC,
            "Content-Type": "application/x-www-form-urlencoded",
            "Content-Length": str(len(FORM)),
        }
        head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        self._writer.write(f"POST /oauth/token HTTP/1.1\r\n{head}\r\n".encode() + FORM[:10])
        await self._writer.drain()
        return self

    async def finish(self) -> Answered:
        """The second half, and the answer."""
        self._writer.write(FORM[10:])
        async with asyncio.timeout(20):
            told = answered(await self._reader.read())
        self._writer.close()
        return told


@asynccontextmanager
async def node_for(
    directory: Path, server: Valkey, issuer: str, workers: int, headers: Mapping[str, str]
) -> AsyncIterator[Command]:
    """A ready node behind a proxy that ends TLS."""
    tables: dict[str, Any] = {
        "clients": [{**CLIENT, "redirect_uris": ["https://app.example/cb"], "post_logout_redirect_uris": []}],
        "server": {"trusted_proxies": ["127.0.0.1"]},
    }
    async with served(directory, issuer, server.url, workers=workers, **tables) as node:
        node.headers = headers
        await node.becomes(200)
        yield node


def links(server: Valkey) -> int:
    """How many clients the store has, ourselves among them."""
    return int(server.command("INFO", "clients").partition(b"connected_clients:")[2].split()[0])


async def test_ft_22_sigterm_behind_a_balancer(tmp_path: Path, server: Valkey) -> None:
    """FT-22, FT-70: SIGTERM with twenty half-sent requests and a dozen keep-alive clients, at a single process and at
    two workers: not ready at once, still serving, every answer closes its connection, no request fails; exit 0, and
    nothing left open or unsaid."""
    before = links(server)
    await asyncio.gather(*(goes_down(tmp_path, server, workers) for workers in (1, 2)))
    assert links(server) == before


async def goes_down(directory: Path, server: Valkey, workers: int) -> None:
    """The life and death of one node."""
    async with node_for(directory, server, "https://sso.example/", workers, BEHIND_TLS) as node:
        slow = [await Slow(node, BEHIND_TLS).begin() for _ in range(20)]
        people = [Person(node, "sso.example") for _ in range(12)]
        lives = [asyncio.create_task(person.live()) for person in people]

        async def at_work() -> bool:
            return all(person.served for person in people)

        await eventually(at_work)
        node.tell()
        await node.becomes(503)
        assert await node.status("/healthz") == 200
        assert await node.status("/.well-known/jwks.json") == 200
        await asyncio.gather(*lives)
        told = await asyncio.gather(*(one.finish() for one in slow))
        assert {(one.status, b"invalid_grant" in one.body, one.header("connection")) for one in told} == {
            (400, True, "close")
        }
        assert [person.failed for person in people] == [[]] * len(people)
        assert await node.ended(30) == 0
    check_log(node.said, ())
    assert node.said.count('"stopped"') == workers
    assert node.err.read_text() == ""


async def test_ft_22_ctrl_c_on_loopback(tmp_path: Path, server: Valkey) -> None:
    """FT-22: on a loopback issuer nobody waits for a balancer: requests under way are finished, new ones refused at
    once (with workers too), then it ends."""
    await asyncio.gather(*(stops(tmp_path, server, workers) for workers in (1, 2)))


async def stops(directory: Path, server: Valkey, workers: int) -> None:
    """One node, told to stop in the middle of twenty requests."""
    port = free_port()
    redis = f"redis://127.0.0.1:{server.port}/{workers}"  # a database belongs to one issuer
    async with served(directory, redis=redis, port=port, workers=workers, clients=[CLIENT]) as node:
        await node.becomes(200)
        slow = [await Slow(node, {"Host": f"127.0.0.1:{port}"}).begin() for _ in range(20)]
        await node.becomes(200, "/healthz")
        node.tell()
        async with asyncio.timeout(10):
            await node.becomes(0, "/healthz")
        told = await asyncio.gather(*(one.finish() for one in slow))
        assert {one.status for one in told} == {400}
        assert await node.ended() == 0
    check_log(node.said, ())
