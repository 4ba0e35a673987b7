"""A client's connection, on raw sockets: what is read, what is refused, and that one request is ever one request."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from proxy.http.crowd import Limits
from tests.gateway.on_the_wire import Wire, on_the_wire
from tests.gateway.told import HOST, a_session
from tests.kit.listener import listening
from tests.kit.raw_app import CLOSE, OK, RawApp, raw_app

H = f"Host: {HOST}\r\n".encode()
CHUNKED = b"Transfer-Encoding: chunked\r\n"


@asynccontextmanager
async def scene(*says: bytes, **route: object) -> AsyncIterator[tuple[Wire, RawApp]]:
    """The gateway in front of an app that says exactly this."""
    async with raw_app(*says) as app, on_the_wire(a_session(), app.port, **route) as wire:
        yield wire, app


async def exchange(wire: Wire, raw: bytes, *, closes: bool = True) -> bytes:
    """All that comes back for these bytes; the connection is closed by the gateway, or by us after one answer."""
    near, out = await asyncio.open_connection("127.0.0.1", wire.port)
    out.write(raw)
    try:
        async with asyncio.timeout(10):
            return await near.read() if closes else await near.readuntil(b"ok")
    except ConnectionError:
        return b""
    finally:
        out.transport.abort()


def status_of(raw: bytes) -> int:
    """The status of the first answer; 0 without one."""
    return int(raw.split(b" ")[1]) if raw.startswith(b"HTTP/1.1 ") else 0


MALFORMED = {
    "obs-fold": (b"GET / HTTP/1.1\r\n" + H + b"X-A: b\r\n c\r\n\r\n", 400),
    "bare LF after the line": (b"GET / HTTP/1.1\n" + H + b"\r\n\r\n", 400),
    "bare LF after a header": (b"GET / HTTP/1.1\r\n" + H[:-2] + b"\n\r\n\r\n", 400),
    "lone CR": (b"GET / HTTP/1.1\r\n" + H + b"X: a\rb\r\n\r\n", 400),
    "NUL": (b"GET / HTTP/1.1\r\n" + H + b"X: a\x00b\r\n\r\n", 400),
    "blank before the colon": (b"GET / HTTP/1.1\r\n" + H + b"X : b\r\n\r\n", 400),
    "no colon": (b"GET / HTTP/1.1\r\n" + H + b"X\r\n\r\n", 400),
    "two hosts (GW-12)": (b"GET / HTTP/1.1\r\n" + H + H + b"\r\n", 400),
    "no host (GW-12)": (b"GET / HTTP/1.1\r\n\r\n", 400),
    "no host, 1.0 (GW-12)": (b"GET / HTTP/1.0\r\n\r\n", 400),
    "CL and TE": (b"POST / HTTP/1.1\r\n" + H + CHUNKED + b"Content-Length: 5\r\n\r\n0\r\n\r\n", 400),
    "two lengths": (b"POST / HTTP/1.1\r\n" + H + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello", 400),
    "a signed length": (b"POST / HTTP/1.1\r\n" + H + b"Content-Length: +5\r\n\r\nhello", 400),
    "identity, chunked": (b"POST / HTTP/1.1\r\n" + H + b"Transfer-Encoding: identity, chunked\r\n\r\n0\r\n\r\n", 501),
    "xchunked": (b"POST / HTTP/1.1\r\n" + H + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 400),
    "chunked in 1.0": (b"POST / HTTP/1.0\r\n" + H + CHUNKED + b"\r\n0\r\n\r\n", 400),
    "HTTP/2.0": (b"GET / HTTP/2.0\r\n" + H + b"\r\n", 400),
    "HTTP/1.2": (b"GET / HTTP/1.2\r\n" + H + b"\r\n", 400),
    "blank in the target": (b"GET /a b HTTP/1.1\r\n" + H + b"\r\n", 400),
    "TRACE (GW-14)": (b"TRACE / HTTP/1.1\r\n" + H + b"\r\n", 405),
    "CONNECT (GW-14)": (b"CONNECT app:443 HTTP/1.1\r\n" + H + b"\r\n", 405),
    "no method (GW-14)": (b"FOO / HTTP/1.1\r\n" + H + b"\r\n", 501),
    "expects the unknown (GW-37)": (b"POST / HTTP/1.1\r\n" + H + b"Expect: 200-ok\r\nContent-Length: 2\r\n\r\n", 417),
    "early data (GW-37)": (b"POST / HTTP/1.1\r\n" + H + b"Early-Data: 1\r\nContent-Length: 0\r\n\r\n", 425),
    "upgrade with a body (GW-19)": (
        b"POST / HTTP/1.1\r\n" + H + b"Upgrade: websocket\r\nConnection: upgrade\r\nContent-Length: 2\r\n\r\nhi", 400,
    ),
    "a TLS hello": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),
    "101 headers": (b"GET / HTTP/1.1\r\n" + H + b"".join(b"X-%d: 1\r\n" % n for n in range(101)) + b"\r\n", 431),
    "an endless head": (b"GET / HTTP/1.1\r\n" + H + b"X: " + b"a" * 40_000, 431),
    "an endless target": (b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\n" + H + b"\r\n", 414),
}  # fmt: skip


@pytest.mark.parametrize(("raw", "status"), MALFORMED.values(), ids=MALFORMED)
async def test_ft_57_what_is_no_request_is_answered_and_reaches_nobody(raw: bytes, status: int) -> None:
    """RFC 9112, GW-12, GW-14, GW-19, GW-37: refused, the connection ends, and the app has heard nothing."""
    async with scene() as (wire, app):
        answer = await exchange(wire, raw)
        assert status_of(answer) == status
        assert b"connection: close" in answer.lower()
        assert app.all == b""


async def test_a_chunked_body_that_breaks_never_ends_for_the_app() -> None:
    """RFC 9112 7.1: a bad chunk cuts the exchange; the app does not see the end of a body."""
    async with scene(b"<hang>") as (wire, app):
        answer = await exchange(wire, b"POST / HTTP/1.1\r\n" + H + CHUNKED + b"\r\n5\r\nhello\r\nzz\r\n")
        assert status_of(answer) == 400
        assert b"0\r\n\r\n" not in app.all


async def test_gw_05_connection_is_for_us_and_goes_no_further() -> None:
    """GW-05: what the client's Connection names is taken out of its headers alone."""
    async with scene() as (wire, app):
        await exchange(
            wire, b"GET / HTTP/1.1\r\n" + H + b"X-Own: 1\r\nConnection: close, X-Own, X-Forwarded-User\r\n\r\n"
        )
        assert b"x-own" not in app.all.lower()
        assert b"connection" not in app.all.lower()
        assert b"\r\nX-Forwarded-User: " in app.all


async def test_gw_14_a_get_with_a_body_is_one_request() -> None:
    """GW-14: the body goes along, and what follows it is the next request."""
    async with scene() as (wire, app):
        raw = (
            b"GET / HTTP/1.1\r\n"
            + H
            + b"Content-Length: 5\r\n\r\nGET /GET /2 HTTP/1.1\r\n"
            + H
            + b"Connection: close\r\n\r\n"
        )
        answer = await exchange(wire, raw)
        assert answer.count(b"HTTP/1.1 200") == 2
        assert app.requests == 2 and b"GET /2 HTTP/1.1" in app.all


async def test_requests_that_come_in_one_piece_are_answered_one_after_the_other() -> None:
    """RFC 9112 9.3.2: pipelined requests keep their order, whatever pieces they come in."""
    async with scene() as (wire, app):
        one = b"POST /%d HTTP/1.1\r\n" + H + b"Content-Length: 3\r\n\r\nabc"
        last = b"GET /last HTTP/1.1\r\n" + H + b"Connection: close\r\n\r\n"
        answer = await exchange(wire, one % 1 + one % 2 + last)
        assert answer.count(b"HTTP/1.1 200") == 3
        assert [line.split(b" ")[1] for line in app.all.split(b"\r\n") if b" HTTP/1.1" in line] == [
            b"/1",
            b"/2",
            b"/last",
        ]


async def test_gw_34_trailers_of_a_request_stay_here() -> None:
    """GW-34: what comes after the last chunk reaches no app."""
    async with scene() as (wire, app):
        raw = b"POST / HTTP/1.1\r\n" + H + CHUNKED + b"Connection: close\r\nTrailer: X-Auth-User\r\n\r\n"
        answer = await exchange(wire, raw + b"2\r\nhi\r\n0\r\nX-Auth-User: admin\r\n\r\n")
        assert status_of(answer) == 200
        assert b"admin" not in app.all and app.all.endswith(b"2\r\nhi\r\n0\r\n\r\n")


async def test_gw_37_a_body_is_asked_for_when_the_request_goes_on() -> None:
    """RFC 9110 10.1.1: 100 comes from us, once the app is connected, and Expect stays here."""
    async with scene() as (wire, app):
        near, out = await asyncio.open_connection("127.0.0.1", wire.port)
        out.write(b"POST / HTTP/1.1\r\n" + H + b"Expect: 100-continue\r\nContent-Length: 2\r\n\r\n")
        assert await near.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        out.write(b"hi")
        assert (await near.readuntil(b"ok")).startswith(b"HTTP/1.1 200")
        out.close()
        assert b"expect" not in app.all.lower()


async def test_gw_19_another_protocol_is_not_switched_to() -> None:
    """GW-19, h2c: the upgrade is ignored, and what follows is still HTTP/1.1."""
    async with scene() as (wire, app):
        raw = (
            b"GET / HTTP/1.1\r\n"
            + H
            + b"Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABk\r\n\r\n"
        )
        answer = await exchange(wire, raw, closes=False)
        assert status_of(answer) == 200
        assert b"upgrade" not in app.all.lower() and b"h2c" not in app.all.lower()


async def test_ft_42_a_connection_that_the_app_had_closed_is_replaced_for_what_loses_nothing() -> None:
    """FT-42: a GET is asked once more on a new connection, a POST is not."""
    async with scene(OK, CLOSE, OK, OK, CLOSE) as (wire, app):
        get = b"GET / HTTP/1.1\r\n" + H + b"Connection: close\r\n\r\n"
        assert [status_of(await exchange(wire, get)) for _ in range(2)] == [200, 200]
        assert app.requests == 3
        post = b"POST / HTTP/1.1\r\n" + H + b"Connection: close\r\nContent-Length: 0\r\n\r\n"
        assert [status_of(await exchange(wire, post)) for _ in range(2)] == [200, 502]
        assert app.requests == 5


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
async def test_one_request_is_ever_one_request(data: st.DataObject) -> None:
    """Whatever is put into a header or a body, the app sees one request for each that was sent, or none at all."""
    piece = st.binary(max_size=30) | st.sampled_from([
        b"\r\n", b"\r\n\r\n", b"\n\n", b"0\r\n\r\n", b"GET /x HTTP/1.1\r\n\r\n", b"Content-Length: 3\r\n", CHUNKED,
        b"\r\n ",
    ])  # fmt: skip
    header, body = data.draw(piece), b"".join(data.draw(st.lists(piece, max_size=4)))
    async with scene() as (wire, app):
        raw = b"POST /sent HTTP/1.1\r\n" + H + b"X-A: " + header + b"\r\nConnection: close\r\n"
        answer = await exchange(wire, raw + b"Content-Length: %d\r\n\r\n" % len(body) + body)
        sent = [line for line in app.all.split(b"\r\n") if line.startswith((b"POST /sent ", b"GET /x "))]
        head = app.all.partition(b"\r\n\r\n")[0]
        assert len([line for line in head.split(b"\r\n") if line.endswith(b" HTTP/1.1") and b": " not in line]) <= 1
        if status_of(answer) == 200 and b"\r\n" not in header:
            assert app.all.partition(b"\r\n\r\n")[2] == body
        assert len(sent) <= 1 or b"GET /x " in body + header


@pytest.mark.parametrize(
    "asks", [b"GET / HTTP/1.1\r\nConnection: close\r\n", b"POST / HTTP/1.1\r\nContent-Length: 9\r\n"]
)
async def test_the_last_answer_waits_for_a_slow_client(asks: bytes) -> None:
    """FT-59: an answer after which the connection ends arrives whole, however slowly it is read; nothing is cut while
    bytes of it leave."""
    size = 400_000
    async with scene(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size + b"x" * size) as (wire, _):
        wire.proxy.crowd.limits = Limits(linger=0.1)
        near, out = await slow_reader(wire)
        out.write(asks + H + b"\r\n")
        await near.readuntil(b"\r\n\r\n")
        await asyncio.sleep(0.4)
        (front,) = wire.proxy.crowd.guests
        now = asyncio.get_running_loop().time()
        assert [front.overdue(now + later, wire.proxy.crowd.limits) for later in (0, 20, 40)] == ["", "", "stall"]
        assert len(await asyncio.wait_for(near.readexactly(size), 20)) == size
        out.transport.abort()


async def slow_reader(wire: Wire) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection for which the kernels keep little."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.setblocking(False)
    await asyncio.get_running_loop().sock_connect(client, ("127.0.0.1", wire.port))
    streams = await asyncio.open_connection(sock=client, limit=4096)
    await asyncio.sleep(0.05)
    (front,) = wire.proxy.crowd.guests
    front.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    return streams


@pytest.mark.parametrize("says", [b"HTTP/1.1 103 Early Hints\r\nContent-Length: 5\r\n\r\n" + OK,
                                  b"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n"])  # fmt: skip
async def test_an_answer_that_has_no_body_has_no_length(says: bytes) -> None:
    """RFC 9110 8.6: neither 1xx nor 204 tells one, whatever the app says."""
    async with scene(says) as (wire, _):
        answer = await exchange(wire, b"GET / HTTP/1.1\r\n" + H + b"Connection: close\r\n\r\n")
        assert b"content-length: 5" not in answer.lower() and status_of(answer) in (103, 204)


async def test_a_connection_to_an_app_that_has_not_heard_all_is_not_used_again() -> None:
    """An app that answers without reading the body: the next request would stand in line behind the rest of it."""

    async def deaf(near: asyncio.StreamReader, out: asyncio.StreamWriter) -> None:
        await near.readuntil(b"\r\n\r\n")
        await asyncio.sleep(0.5)
        out.write(OK)
        await asyncio.sleep(1)

    async with listening(deaf) as port, on_the_wire(a_session(), port) as wire:
        near, out = await asyncio.open_connection("127.0.0.1", wire.port)
        out.write(b"POST / HTTP/1.1\r\n" + H + b"Content-Length: 2\r\n\r\nhi")
        await asyncio.sleep(0.1)
        (back,) = wire.servers.all[0].open
        back.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        back.transport.write(b"x" * 8_000_000)
        await asyncio.wait_for(near.readuntil(b"ok"), 5)
        assert not wire.servers.all[0].free and not wire.servers.all[0].open
        out.transport.abort()
