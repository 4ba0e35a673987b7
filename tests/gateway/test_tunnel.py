"""A WebSocket through the tunnel, on raw sockets: what passes, what ends it, and how."""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
import trustme
import uvloop

from proxy.gateway.frames import close_frame, ping_frame
from proxy.gateway.streams import Streams
from proxy.gateway.tunnel import CODES, Tunnel
from proxy.gateway.verdict import Forward
from proxy.models.route import Route
from tests.gateway.test_frames import MASK, frame
from tests.kit.waiting import eventually

SEAT = ("app", "oidc|corp|ada")
PONG = frame(b"", opcode=10, mask=MASK)


def forward(*, idle: float = 60, limit: int = 100_000) -> Forward:
    """To an app, in Ada's session."""
    route = Route.model_validate(
        {
            "host": "app.example", "upstream": "http://127.0.0.1:1", "websocket": True,
            "limits": {"frame": limit}, "timeouts": {"idle": idle},
        }
    )  # fmt: skip
    return Forward(route, b"/", sid="ada")


@dataclass
class End:
    """One end of a connection, by hand."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    def say(self, data: bytes) -> None:
        """Send."""
        self.writer.write(data)

    async def hears(self, data: bytes) -> None:
        """These bytes come, and come next."""
        async with asyncio.timeout(10):
            assert await self.reader.readexactly(len(data)) == data

    async def hears_close(self, code: int, *, masked: bool = False) -> None:
        """A Close with this code comes next."""
        async with asyncio.timeout(10):
            first, second = await self.reader.readexactly(2)
            assert first == 0x88 and second >> 7 == masked
            mask = await self.reader.readexactly(4) if masked else bytes(4)
            payload = await self.reader.readexactly(second & 0x7F)
        plain = bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload))
        assert int.from_bytes(plain[:2], "big") == code

    async def is_over(self) -> bytes:
        """What comes until the other side ends or resets the connection."""
        rest = b""
        async with asyncio.timeout(10):
            try:
                while piece := await self.reader.read(65_536):
                    rest += piece
            except ConnectionResetError:
                pass
        return rest


@dataclass
class Scene:
    """A browser and an app with a tunnel between them."""

    browser: End
    app: End
    tunnel: Tunnel
    streams: Streams
    done: list[Tunnel] = field(default_factory=list)

    async def both_over(self, reason: str) -> None:
        """Both connections end; it was told once, and nothing is left of it."""

        async def told() -> bool:
            return bool(self.done)

        await eventually(told)
        assert self.done == [self.tunnel] and self.tunnel.reason == reason
        assert list(self.streams.sids()) == [] and self.streams.sit(SEAT, 1)
        self.streams.rise(SEAT)


async def pair(kept: Callable[[asyncio.BaseTransport], None], tls: trustme.CA | None = None) -> End:
    """A connection to ourselves: the far end by hand, the near one's transport handed to ``kept``."""
    loop = asyncio.get_running_loop()
    accepted: asyncio.Future[asyncio.BaseTransport] = loop.create_future()

    class Near(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            accepted.set_result(transport)
            transport.pause_reading()  # type: ignore[attr-defined]  # as a front does

    near, far = contexts(tls) if tls else (None, None)
    server = await loop.create_server(Near, "127.0.0.1", 0, ssl=near)
    end = End(*await asyncio.open_connection(*server.sockets[0].getsockname(), ssl=far))
    kept(await accepted)
    server.close()
    return end


def contexts(authority: trustme.CA) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Both sides of TLS."""
    near, far = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    authority.issue_cert("127.0.0.1").configure_cert(near)
    authority.configure_trust(far)
    return near, far


@asynccontextmanager
async def scene(
    to: Forward | None = None, *, early: tuple[bytes, bytes] = (b"", b""), tls: trustme.CA | None = None
) -> AsyncIterator[Scene]:
    """A tunnel that has begun. ``early``: what came from app and browser with the heads. ``tls``: on both sides."""
    transports: list[asyncio.BaseTransport] = []
    browser, app = await pair(transports.append, tls), await pair(transports.append, tls)
    streams, done = Streams(), list[Tunnel]()
    assert streams.sit(SEAT, 1)
    made = Tunnel(transports[0], transports[1], to or forward(), streams, done.append, SEAT)
    made.start(*early)
    try:
        yield Scene(browser, app, made, streams, done)
    finally:
        made.abort()
        for end in (browser, app):
            end.writer.transport.abort()


def loops(check: Callable[[], Any]) -> None:
    """The same on the loop that a server runs on."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(check())


DOWN, UP = frame(b"to the browser"), frame(b"to the app", mask=MASK)


async def test_ds_17_bytes_go_through_as_they_come() -> None:
    """What came with the heads first; whole, in pieces of one byte, and frames of the largest size."""
    async with scene(early=(DOWN, UP)) as it:
        await it.browser.hears(DOWN)
        await it.app.hears(UP)
        for flow, there, here in ((UP, it.browser, it.app), (DOWN, it.app, it.browser)):
            for byte in flow:
                there.say(bytes((byte,)))
                await asyncio.sleep(0)
            await here.hears(flow)
        for whole, there, here in (
            (frame(b"x" * 100_000, mask=MASK), it.browser, it.app),
            (frame(b"x" * 100_000), it.app, it.browser),
        ):
            there.say(whole)
            await here.hears(whole)
        assert (it.tunnel.up, it.tunnel.down) == (2 * len(UP) + 100_014, 2 * len(DOWN) + 100_010)


def test_the_same_on_the_loop_of_a_server() -> None:
    """uvloop's transports change hands in the same way."""
    loops(test_ds_17_bytes_go_through_as_they_come)
    loops(test_lo_17_a_session_that_ends_closes_both_sides)
    loops(test_ds_17_whoever_does_not_read_is_not_read_for)
    loops(test_half_a_close_is_half_a_close)


async def over_tls() -> None:
    """Both sides, to and fro; a session's end; and an end of the app."""
    authority = trustme.CA()
    async with scene(early=(DOWN, UP), tls=authority) as it:
        await it.browser.hears(DOWN)
        await it.app.hears(UP)
        big = frame(b"x" * 100_000)
        it.app.say(big)
        it.browser.say(UP)
        await it.browser.hears(big)
        await it.app.hears(UP)
        it.tunnel.end("session_ended")
        await it.browser.hears_close(1008)
        await it.app.hears_close(1008, masked=True)
        it.browser.say(close_frame(1008, "", MASK))
        assert (await it.browser.is_over(), await it.app.is_over()) == (b"", b"")
    async with scene(tls=authority) as it:
        it.app.say(DOWN)
        it.app.writer.close()
        assert await it.browser.is_over() == DOWN
        it.browser.writer.close()
        await it.both_over("app_gone")


async def test_tls_on_both_sides_is_no_difference() -> None:
    """But that a side cannot be half closed."""
    await over_tls()


def test_tls_on_the_loop_of_a_server() -> None:
    """uvloop has its own TLS."""
    loops(over_tls)


async def test_lo_17_a_session_that_ends_closes_both_sides() -> None:
    """LO-17: 1008 to the browser, a masked one to the app; nothing goes through afterwards, in either direction."""
    async with scene() as it:
        it.app.say(DOWN)
        await it.browser.hears(DOWN)
        assert it.streams.end("ada", "session_ended") == 1
        it.browser.say(UP)
        it.app.say(DOWN)
        await it.browser.hears_close(1008)
        await it.app.hears_close(1008, masked=True)
        it.browser.say(close_frame(1008, "", MASK))
        assert await it.browser.is_over() == b""
        assert await it.app.is_over() == b""
        await it.both_over("session_ended")


@pytest.mark.parametrize("reason", CODES)
async def test_every_end_has_its_code(reason: str) -> None:
    """1001 when we go down, 1008 for what may not go on, 1013 for what cannot be confirmed, 1009 and 1002 for frames.
    A browser that never answers is cut."""
    async with scene() as it:
        it.tunnel.end(reason)
        it.tunnel.end("stopping")
        await it.browser.hears_close(CODES[reason][0])
        await it.app.hears_close(CODES[reason][0], masked=True)
        assert (await it.browser.is_over(), await it.app.is_over()) == (b"", b"")
        await it.both_over(reason)


async def test_lo_17_a_frame_that_is_half_sent_to_the_browser_ends_first() -> None:
    """LO-17: its rest goes through, and nothing after it but the Close."""
    whole = frame(b"x" * 1000)
    async with scene() as it:
        it.app.say(whole[:500])
        await it.browser.hears(whole[:500])
        it.tunnel.end("session_ended")
        it.app.say(whole[500:] + DOWN)
        await it.browser.hears(whole[500:])
        await it.browser.hears_close(1008)
        it.app.say(DOWN)
        assert await it.browser.is_over() == b""
        await it.both_over("session_ended")


async def test_lo_17_a_frame_that_never_ends_is_cut() -> None:
    """LO-17: an app that does not finish it keeps nobody connected."""
    whole = frame(b"x" * 1000)
    async with scene() as it:
        it.app.say(whole[:500])
        await it.browser.hears(whole[:500])
        it.tunnel.end("session_ended")
        assert await it.browser.is_over() == b""
        await it.both_over("session_ended")


async def test_lo_17_a_frame_that_came_half_from_the_browser_stays_half() -> None:
    """LO-17: the app never has the rest of what was sent after the end of the session."""
    whole = frame(b"x" * 1000, mask=MASK)
    async with scene() as it:
        it.browser.say(whole[:500])
        await it.app.hears(whole[:500])
        it.tunnel.end("session_ended")
        it.browser.say(whole[500:])
        await it.browser.hears_close(1008)
        assert await it.app.is_over() == b""
        await it.both_over("session_ended")


async def test_lo_17_a_session_that_ended_on_the_way_begins_no_tunnel() -> None:
    """LO-17: the message came between the verdict and the app's 101."""
    transports: list[asyncio.BaseTransport] = []
    browser, app = await pair(transports.append), await pair(transports.append)
    streams, done = Streams(), list[Tunnel]()
    streams.end("ada", "session_ended")
    made = Tunnel(transports[0], transports[1], forward(), streams, done.append)
    made.start(DOWN, UP)
    await browser.hears_close(1008)
    await app.hears_close(1008, masked=True)
    assert (await browser.is_over(), await app.is_over()) == (b"", b"")
    for end in (browser, app):
        end.writer.transport.abort()


@pytest.mark.parametrize("side", ["browser", "app"])
@pytest.mark.parametrize("size", [100_001, 64 * 1024 * 1024])
async def test_ds_17_a_frame_beyond_the_limit_ends_both_with_1009(side: str, size: int) -> None:
    """DS-17: by its header; the other side never has a byte of it, but what came before."""
    async with scene() as it:
        there, here = (it.browser, it.app) if side == "browser" else (it.app, it.browser)
        good = UP if side == "browser" else DOWN
        there.say(good + bytes((0x82, 0x7F | (0x80 if side == "browser" else 0))) + size.to_bytes(8, "big"))
        await here.hears(good)
        await it.browser.hears_close(1009)
        await it.app.hears_close(1009, masked=True) if here is it.browser else await here.hears_close(1009, masked=True)
        await it.both_over("frame_too_big")


async def test_a_frame_that_is_none_ends_both_with_1002() -> None:
    """RFC 6455 5.1: a browser's frame without a mask."""
    async with scene() as it:
        it.browser.say(DOWN)
        await it.browser.hears_close(1002)
        await it.app.hears_close(1002, masked=True)
        await it.both_over("bad_frame")


async def test_ds_17_a_ping_flood_goes_through_like_other_bytes() -> None:
    """DS-17: nothing is answered or kept for a frame; the app decides what it is worth."""
    flood = frame(b"", opcode=9, mask=MASK) * 50_000
    async with scene() as it:
        it.browser.say(flood)
        await it.app.hears(flood)


async def test_ds_17_whoever_does_not_read_is_not_read_for() -> None:
    """DS-17: memory stays constant before a browser that does not read, however much the app sends; when it reads, all
    of it comes."""
    whole = frame(b"x" * 100_000)
    sent = 0
    async with scene() as it:

        async def stuck() -> bool:
            nonlocal sent
            while it.app.writer.transport.get_write_buffer_size() < 1_000_000:  # type: ignore[attr-defined]
                it.app.say(whole)
                sent += 1
                if sent > 1000:
                    raise AssertionError("100 MB went where nobody reads")
                await asyncio.sleep(0)
            return True

        await eventually(stuck)
        buffered = it.tunnel._client.transport.get_write_buffer_size()
        assert 0 < buffered < 1_000_000
        for _ in range(sent):
            await it.browser.hears(whole)


async def test_ds_17_whoever_does_not_read_is_ended_all_the_same() -> None:
    """LO-17, DS-17: no Close can be said to a browser whose buffers are full; it is cut."""
    whole = frame(b"x" * 100_000)
    async with scene() as it:

        async def stuck() -> bool:
            it.app.say(whole)
            return it.tunnel._client.transport.get_write_buffer_size() > 0

        await eventually(stuck)
        it.tunnel.end("session_ended")
        await it.both_over("session_ended")


async def test_half_a_close_is_half_a_close() -> None:
    """A side that has said its last still hears the other."""
    async with scene() as it:
        it.browser.say(UP)
        it.browser.writer.write_eof()
        assert await it.app.is_over() == UP
        it.app.say(DOWN)
        await it.browser.hears(DOWN)
        it.app.writer.close()
        assert await it.browser.is_over() == b""

        async def told() -> bool:
            return bool(it.done)

        await eventually(told)


@pytest.mark.parametrize("gone", ["browser", "app"])
async def test_when_one_side_is_gone_so_is_the_other(gone: str) -> None:
    """Reset, without a word; the access log says who."""
    async with scene() as it:
        there, here = (it.browser, it.app) if gone == "browser" else (it.app, it.browser)
        there.writer.transport.abort()
        await here.is_over()
        here.writer.close()
        await it.both_over("client_gone" if gone == "browser" else "app_gone")


async def test_what_was_said_before_the_end_arrives() -> None:
    """A megabyte and a Close of the app, then its end: the browser has all of it."""
    flow = frame(b"x" * 100_000) * 10 + close_frame(1000, "bye")
    async with scene() as it:
        it.app.say(flow)
        it.app.writer.close()
        assert await it.browser.is_over() == flow
        it.browser.writer.close()
        await it.both_over("app_gone")


async def test_ds_17_a_quiet_app_stays_as_long_as_the_browser_answers() -> None:
    """DS-17: idle: asked by a Ping of ours, whose answer goes on like any frame; then no answer, and it is over."""
    async with scene(forward(idle=0.6)) as it:
        for _ in range(3):
            await it.browser.hears(ping_frame())
            it.browser.say(PONG)
            await it.app.hears(PONG)
        await it.browser.hears(ping_frame())
        await it.browser.hears_close(1001)
        await it.app.hears_close(1001, masked=True)
        await it.both_over("idle")


async def test_ds_17_no_ping_is_put_into_a_frame() -> None:
    """DS-17: inside a frame nobody is asked; silence there is idleness."""
    whole = frame(b"x" * 1000)
    async with scene(forward(idle=0.1)) as it:
        it.app.say(whole[:500])
        assert await it.browser.is_over() == whole[:500]
        await it.both_over("idle")


def test_the_words_of_a_close_are_plain() -> None:
    """They go to browsers: short, and without a secret."""
    assert all(re.fullmatch(r"[a-z ]{4,40}", text) and 1001 <= code <= 1013 for code, text in CODES.values())
