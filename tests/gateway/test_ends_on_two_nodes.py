"""A session that ends on one node ends on the other, too: with messages, without them, and without a store."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

import pytest

from proxy.bridge.session import Sessions, Ticket, ends
from proxy.gateway.held import Held
from proxy.gateway.listening import Listening
from proxy.gateway.rechecking import Rechecking
from proxy.gateway.streams import Streams
from proxy.gateway.tunnel import Tunnel
from proxy.models import Session
from proxy.store.redis import RedisStore
from proxy.store.sealing import Seal
from proxy.web.background import running
from tests.bridge.test_session import CORP, a_session
from tests.gateway.test_frames import MASK, frame
from tests.gateway.test_tunnel import End, forward, pair
from tests.kit.line import Line, line
from tests.kit.valkey import Valkey, valkey
from tests.kit.waiting import eventually

SECRET = b"a secret of the tests, 32 bytes or more"
HOST = "app.example"
PROMISED = 5.0
"""Seconds: P1 when nodes cannot hear each other."""
EACH = 25


@dataclass
class Node:
    """What one process has of all this."""

    store: RedisStore
    held: Held = field(default_factory=Held)
    streams: Streams = field(default_factory=Streams)
    transports: list[asyncio.BaseTransport] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.sessions = Sessions(self.store, {"corp": CORP}, idle=1000, absolute=10_000)
        self.rechecking = Rechecking(self.store, self.sessions, self.streams, self.held, lambda route, session: True)

    async def open(self, session: Session) -> tuple[End, End]:
        """A WebSocket of the session: browser and app."""
        browser, app = await pair(self.transports.append), await pair(self.transports.append)
        to = forward()
        to.sid = session.sid
        Tunnel(*self.transports[-2:], to, self.streams, lambda tunnel: None).start()
        return browser, app

    def holds(self, session: Session) -> bool:
        """Whether requests of the session are let through without asking."""
        return self.held.get(session.sid, HOST, asyncio.get_running_loop().time()) is not None

    def keep(self, session: Session) -> bool:
        """The store said so just now."""
        return self.held.keep(session.sid, HOST, session, asyncio.get_running_loop().time())


@asynccontextmanager
async def node(port: int) -> AsyncIterator[Node]:
    """One at the server behind ``port``, once it hears."""
    made = Node(RedisStore(f"redis://127.0.0.1:{port}/0", Seal([SECRET])))
    listening = Listening(made.store, made.held, made.streams, made.rechecking)

    async def hears() -> bool:
        return made.keep(a_session())

    async with running(listening.run()), running(made.rechecking.run()):
        await eventually(hears)
        yield made
    for transport in made.transports:
        transport.abort()  # type: ignore[attr-defined]  # they are sockets
    await made.store.close()


@dataclass
class World:
    """Two nodes, the second at the end of a line; Ada and Bob with WebSockets on both."""

    server: Valkey
    one: Node
    two: Node
    way: Line
    ada: Session
    bob: Session
    of: dict[str, list[tuple[End, End]]] = field(default_factory=dict)
    every: list[End] = field(default_factory=list)

    async def begin(self) -> None:
        """They log in, and open."""
        for session in (self.ada, self.bob):
            await self.one.store.run(self.one.sessions.begin(session, Ticket.new(session.sid), session.created_at))
            for each in (self.one, self.two):
                assert each.keep(session)
                opened = [await each.open(session) for _ in range(EACH)]
                self.of.setdefault(session.sid, []).extend(opened)
                self.every += [end for both in opened for end in both]

    async def all_over(self, session: Session, code: int) -> float:
        """Every connection of the session is closed with this code; answers the seconds it took."""
        loop = asyncio.get_running_loop()
        before = loop.time()

        async def over(browser: End) -> None:
            await browser.hears_close(code)
            assert await browser.is_over() == b""

        await asyncio.gather(*(over(browser) for browser, _ in self.of[session.sid]))
        return loop.time() - before

    async def all_alive(self, session: Session) -> None:
        """Every connection of the session passes frames both ways."""
        up, down = frame(b"up", mask=MASK), frame(b"down")
        for browser, app in self.of[session.sid]:
            browser.say(up)
            app.say(down)
        for browser, app in self.of[session.sid]:
            await app.hears(up)
            await browser.hears(down)


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with AsyncExitStack() as stack:
        server = stack.enter_context(valkey(tcp=True))
        assert server.port is not None
        way = await stack.enter_async_context(line(server.port))
        one, two = [await stack.enter_async_context(node(port)) for port in (server.port, way.port)]
        loop_now = 1_800_000_000
        ada, bob = (a_session(sid=sid, expires_at=2 * loop_now) for sid in ("ada", "bob"))
        made = World(server, one, two, way, ada, bob)
        await made.begin()
        yield made
        for end in made.every:
            end.writer.transport.abort()
        await asyncio.sleep(0)


async def test_lo_17_a_session_that_ends_on_one_node_ends_on_both(world: World) -> None:
    """LO-17: all of Ada's WebSockets are told and closed, on both nodes; Bob's go on; nothing of Ada is held."""
    await world.one.store.run(*ends("ada"))
    took = await world.all_over(world.ada, 1008)
    print(f"closed within {took:.2f} s")
    assert took < 2 + PROMISED  # the promise is two seconds; a busy machine is given more
    assert not world.one.holds(world.ada) and not world.two.holds(world.ada)
    await world.all_alive(world.bob)


async def test_ft_18_with_the_link_killed_and_kept_out(world: World) -> None:
    """FT-18, P1: what was held is gone as soon as the link is; what is open is found by asking, within five seconds."""
    world.way.deafen()
    await world.one.store.run(*ends("ada"))
    took = await world.all_over(world.ada, 1008)
    print(f"closed within {took:.2f} s without messages")
    assert took < 2 * PROMISED
    assert not world.two.holds(world.ada) and not world.two.holds(world.bob) and not world.two.keep(world.bob)
    await world.all_alive(world.bob)
    world.way.deaf = False

    async def held_again() -> bool:
        return world.two.keep(world.bob)

    await eventually(held_again)
    await world.all_alive(world.bob)


async def test_ft_18_a_killed_subscription_alone(world: World) -> None:
    """FT-18: ``CLIENT KILL TYPE pubsub`` between the end and its message, so to say: asked for once it is back."""
    world.server.command("CLIENT", "KILL", "TYPE", "pubsub")
    await world.one.store.run(ends("ada")[0])  # the message is lost
    took = await world.all_over(world.ada, 1008)
    print(f"closed within {took:.2f} s after a lost message")
    assert took < 2 * PROMISED
    await world.all_alive(world.bob)


async def test_p1_ft_02_a_node_that_hears_nothing_and_can_ask_nobody_lets_go(world: World) -> None:
    """P1, FT-02: the second node is cut off, in silence: everything on it ends with 1013; the first goes on."""
    world.way.hold = True
    there = {sid: pairs[EACH:] for sid, pairs in world.of.items()}
    before = asyncio.get_running_loop().time()
    for browser, _ in (*there["ada"], *there["bob"]):
        await browser.hears_close(1013)
        assert await browser.is_over() == b""
    took = asyncio.get_running_loop().time() - before
    print(f"let go within {took:.2f} s, cut off")
    assert took < 2 * PROMISED and not world.two.holds(world.bob)
    world.of = {sid: pairs[:EACH] for sid, pairs in world.of.items()}
    await world.all_alive(world.ada)
    await world.all_alive(world.bob)
