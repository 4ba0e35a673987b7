"""A session that ends takes what it has open with it: WebSockets, event streams and long polls, on every node.

Two nodes in processes of their own share a store. What ends a session here is what ends it in life: a logout at the
issuer, the tenant's notice, an operator's command. The promise is two seconds, and five when the nodes cannot hear each
other (``P1``).
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from proxy.bridge.session import Sessions, from_value
from proxy.downstream.grant import session_key
from proxy.gateway.frames import close_frame
from proxy.gateway.links import Links
from proxy.http.cookies import cookie_name
from proxy.lab.browser import Browser
from proxy.lab.people import Person
from proxy.lab.rooms import LabClient
from proxy.lab.tenant import Tenant
from proxy.store import Store
from tests.gateway.test_frames import MASK, frame
from tests.journeys.conftest import JONAS, MIRA, Stores, lab_tenant
from tests.journeys.test_notices import token
from tests.kit.authlib_app import AuthlibApp, authlib_app
from tests.kit.echo_app import EchoApp, echo_app
from tests.kit.isthmus import CLIENT_SECRET, Process, client, configure, connection, isthmus_process
from tests.kit.line import Line, line
from tests.kit.relay import relay
from tests.kit.valkey import Valkey, free_port

HOST = "app.example"
MOST = 166
"""WebSockets of one person on one node."""
SOON, DEAF = 2.0, 5.0
"""Seconds that are promised: with messages, and without."""
UP = frame(b"are you there", opcode=1, mask=MASK)
CLOSE, AWAY = close_frame(1008, "session ended"), close_frame(1001, "going away")
BACK = frame(bytes(a ^ MASK[i % 4] for i, a in enumerate(b"are you there")), opcode=1)


@dataclass
class Open:
    """One exchange that lasts. ``kind`` is the path it was asked for at."""

    kind: str
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    @property
    def port(self) -> int:
        """Of the node."""
        return int(self.writer.get_extra_info("peername")[1])

    async def over(self) -> float:
        """The loop's time when it was closed by the node, in the way that becomes it."""
        said = b""
        try:
            while piece := await self.reader.read(65_536):
                said += piece
                if said == CLOSE:
                    self.writer.write(close_frame(1008, "", MASK))  # as browsers do
        except ConnectionError:
            assert self.kind == "events"  # cut: nobody shall take it for complete
        self.writer.close()
        assert said == CLOSE or self.kind != "socket"
        assert said.startswith(b"HTTP/1.1 401 ") or self.kind != "poll"
        return asyncio.get_running_loop().time()

    async def echoes(self) -> None:
        """A frame goes there and comes back."""
        self.writer.write(UP)
        assert await self.reader.readexactly(len(BACK)) == BACK


@dataclass
class Scene:
    """A tenant, two nodes behind one address, an app behind them, and a store to look into."""

    tenant: Tenant
    client: AuthlibApp
    app: EchoApp
    nodes: tuple[Process, Process]
    issuer: str
    store: Store
    way: Line
    config: tuple[Path, dict[str, str]]
    browsers: dict[str, Browser] = field(default_factory=dict)
    logins: dict[str, Any] = field(default_factory=dict)
    cookies: dict[str, str] = field(default_factory=dict)
    open: dict[str, list[Open]] = field(default_factory=dict)

    async def log_in(self, name: str, person: Person, browser: Browser) -> None:
        """A session, called ``name`` here, and its link on the app's host."""
        self.browsers[name] = browser
        tab = await browser.open(f"{self.client.base}login")
        await tab.click(person.name)
        self.logins[name] = self.client.last
        record = await self.store.get(session_key(self.client.last.claims["sid"]))
        session = from_value(record.value) if record else None
        assert session is not None
        links = Links(self.store, Sessions(self.store, {}, idle=3600, absolute=36_000))
        cookie, link = links.begin(session, HOST, time.time())
        await self.store.run(*link)
        self.cookies[name] = f"{cookie_name('gateway', self.issuer)}={cookie}"

    async def begin(self, name: str, kind: str, count: int) -> None:
        """So many exchanges of a session, half of them on each node."""
        await asyncio.gather(*(self._begin(name, kind, self.nodes[n % 2].port) for n in range(count)))

    async def _begin(self, name: str, kind: str, port: int, status: int = 101) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        self.open.setdefault(name, []).append(Open(kind, reader, writer))
        head = f"GET /{kind} HTTP/1.1\r\nHost: {HOST}\r\nCookie: {self.cookies[name]}\r\n"
        if kind == "socket":
            head += "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            head += f"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nOrigin: http://{HOST}:{port}\r\n"
        writer.write(f"{head}\r\n".encode())
        if kind == "socket":
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 %d " % status)
        elif kind == "events":
            await reader.readuntil(b"data: one\n\n")

    async def stop_first(self) -> None:
        """SIGTERM to the first node; its WebSockets hear that it goes away, the second's go on."""
        self.nodes[0].process.terminate()
        for some in self.open.values():
            first = [each for each in some if each.port == self.nodes[0].port]
            async with asyncio.timeout(DEAF):
                for each in first:
                    assert await each.reader.readexactly(len(AWAY)) == AWAY
                    each.writer.write(close_frame(1001, "", MASK))
                    assert await each.reader.read() == b""
                    each.writer.close()
            some[:] = [each for each in some if each not in first]

    async def is_full(self, name: str) -> None:
        """One more WebSocket is one too many, on either node."""
        for port in (node.port for node in self.nodes):
            await self._begin(name, "socket", port, status=429)
            one = self.open[name].pop()
            await one.reader.read()
            one.writer.close()

    async def ends(self, *names: str, by: Callable[[], Awaitable[object]], within: float, word: str) -> None:
        """Everything of these sessions is closed in time, counted from when ``by`` is done."""
        loop = asyncio.get_running_loop()
        waiting = [asyncio.create_task(each.over()) for name in names for each in self.open.pop(name)]
        begun = loop.time()
        await by()
        said = loop.time()
        async with asyncio.timeout(within):
            closed = await asyncio.gather(*waiting)
        print(f"{len(closed)} closed {max(closed) - begun:.2f} s after the beginning of {word} of {said - begun:.2f} s")

    async def goes_on(self, *names: str) -> None:
        """What these sessions have open is open, and echoes."""
        async with asyncio.timeout(30):
            await asyncio.gather(
                *(each.echoes() for name in names for each in self.open[name] if each.kind == "socket")
            )
        assert not any(each.reader.at_eof() for name in names for each in self.open[name])

    async def command(self, *words: str) -> None:
        """``isthmus WORDS``, in a process of its own."""
        file, environ = self.config
        asked = (sys.executable, "-m", "proxy", *words, "--config", str(file))
        done = await asyncio.create_subprocess_exec(
            *asked, env={**os.environ, **environ}, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
        )
        assert await done.wait() == 0

    async def notice(self) -> None:
        """The tenant's logout token about all that Mira has."""
        sub = MIRA.sub
        said = token_for(self.tenant, sub)
        async with aiohttp.ClientSession() as http:
            url = f"{self.issuer}login/backchannel-logout"
            async with http.post(url, data={"logout_token": said}) as answer:
                assert answer.status == 200

    def close(self) -> None:
        """Let go of what is open."""
        for each in (one for some in self.open.values() for one in some):
            each.writer.transport.abort()


def token_for(tenant: Tenant, sub: str) -> str:
    """A logout token for every login of a person."""
    kept = dict(tenant.memory.logins)
    try:
        first = next(iter(kept))
        tenant.memory.logins.clear()
        tenant.memory.logins[first] = kept[first]
        return token(tenant, sub=sub, sid=None)
    finally:
        tenant.memory.logins.clear()
        tenant.memory.logins.update(kept)


@asynccontextmanager
async def scene(
    directory: Path, server: Valkey, stores: Stores, people: Sequence[tuple[str, Person]]
) -> AsyncIterator[Scene]:
    """Everything running, and everybody logged in. The second node reaches the store through a line."""
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        tenant, webapp, app = await enter(lab_tenant()), await enter(authlib_app()), await enter(echo_app())
        balancer, way = await enter(relay()), await enter(line(server.socket_path))
        webapp.issuer = issuer = f"http://127.0.0.1:{balancer.port}/"
        tenant.clients["isthmus"] = LabClient("isthmus", (f"{issuer}login/callback",), CLIENT_SECRET)
        route = {"host": HOST, "upstream": app.url, "websocket": True, "limits": {"websockets": MOST}}
        tables = {
            "connections": [connection("corp", tenant.issuer, "back_channel", clients=("webapp", "gateway"))],
            "clients": [client(webapp)],
            "gateway": {"routes": [route]},
            "server": {"trusted_proxies": ["127.0.0.1"]},  # one address may bring more than 200 connections
        }
        direct, through = f"unix://{server.socket_path}?db=0", f"redis://127.0.0.1:{way.port}/0"
        store = stores(0)
        one = await enter(isthmus_process(directory, issuer, direct, **tables))
        two = await enter(isthmus_process(directory, issuer, through, **tables))
        balancer.nodes = [one.port]
        config = configure(directory, issuer, free_port(), {**tables, "redis": {"url": direct}})
        made = Scene(tenant, webapp, app, (one, two), issuer, store, way, config)
        stack.callback(made.close)
        for name, person in people:
            await made.log_in(name, person, await enter(Browser()))
        yield made


EVERYBODY = (("mira at work", MIRA), ("mira at home", MIRA), ("jonas", JONAS))
MIRAS = ("mira at work", "mira at home")


@pytest.mark.timeout(180)
async def test_lo_17_500_websockets_of_two_nodes_close_when_an_operator_says_so(
    tmp_path: Path, server: Valkey, stores: Stores
) -> None:
    """LO-17, DS-17: 500 WebSockets and 60 other exchanges; those of one person, in two browsers, are gone within two
    seconds of the command, and everybody else's go on."""
    async with scene(tmp_path, server, stores, EVERYBODY) as made:
        for name in made.cookies:
            for kind, count in (("socket", MOST if name != "jonas" else 168), ("events", 10), ("poll", 10)):
                await made.begin(name, kind, count)
        await made.goes_on(*made.cookies)
        await made.is_full("mira at home")

        async def revoke() -> None:
            await made.command("sessions", "revoke", "--user", "oidc|corp|mira")

        await made.ends(*MIRAS, by=revoke, within=SOON, word="isthmus sessions revoke")
        await made.goes_on("jonas")


@pytest.mark.timeout(120)
async def test_lo_17_a_logout_at_the_issuer_and_a_notice_of_the_tenant(
    tmp_path: Path, server: Valkey, stores: Stores
) -> None:
    """LO-17: a logout ends the session of its browser alone; the tenant's notice those of the person."""
    async with scene(tmp_path, server, stores, EVERYBODY) as made:
        for name in made.cookies:
            for kind in ("socket", "events", "poll"):
                await made.begin(name, kind, 10)

        async def leave() -> None:
            url = await asyncio.to_thread(made.client.logout_url, made.logins["mira at work"])
            await made.browsers["mira at work"].open(url)

        await made.ends("mira at work", by=leave, within=SOON, word="a logout at the issuer")
        await made.goes_on("mira at home", "jonas")
        await made.ends("mira at home", by=made.notice, within=SOON, word="the tenant's notice")
        await made.goes_on("jonas")


@pytest.mark.timeout(120)
async def test_ft_18_p1_nodes_that_cannot_hear_each_other(tmp_path: Path, server: Valkey, stores: Stores) -> None:
    """FT-18, P1: the second node's subscription is killed and kept out: five seconds, and nothing for anybody else."""
    async with scene(tmp_path, server, stores, EVERYBODY) as made:
        for name in made.cookies:
            for kind in ("socket", "events", "poll"):
                await made.begin(name, kind, 10)
        made.way.deafen()

        async def revoke() -> None:
            await made.command("sessions", "revoke", "--user", "oidc|corp|mira")

        await made.ends(*MIRAS, by=revoke, within=DEAF, word="a revocation without messages")
        await made.goes_on("jonas")


@pytest.mark.timeout(120)
async def test_ft_23_a_node_that_goes_down_says_so_to_its_websockets(
    tmp_path: Path, server: Valkey, stores: Stores
) -> None:
    """FT-23: 1001 within five seconds on the node that got SIGTERM; it ends well, and the other one goes on."""
    async with scene(tmp_path, server, stores, EVERYBODY[:1]) as made:
        await made.begin("mira at work", "socket", 20)
        await made.stop_first()
        await made.goes_on("mira at work")
        async with asyncio.timeout(30):
            assert await made.nodes[0].process.wait() == 0
