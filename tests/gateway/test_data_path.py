"""Bodies, answers and WebSocket handshakes on raw sockets, at the places where a proxy's state goes wrong."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
import trustme
import uvloop

from proxy.gateway.framing import HEAD_END, MOST_HEAD
from proxy.http.crowd import Limits
from tests.gateway.on_the_wire import Wire
from tests.gateway.spellings import FORBIDDEN, spellings
from tests.gateway.test_back import GET, IN_CHUNKS
from tests.gateway.test_front import CHUNKED, H, exchange, scene, slow_reader, status_of
from tests.gateway.test_front_waits import nothing_is_left, truth
from tests.kit.raw_app import CLOSE, HANG, OK
from tests.kit.waiting import eventually

SHAKE = (
    b"GET /ws HTTP/1.1\r\n" + H + b"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
)  # fmt: skip
NAMED = b"Connection: Upgrade\r\n"
SWITCH = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
NO = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno"


# --- answers ---


@pytest.mark.parametrize("method", [b"HEAD", b"GET"])
@pytest.mark.parametrize(
    "says",
    [
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n",
        b"HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n",
    ],
)
async def test_an_answer_without_a_body_ends_at_its_head(says: bytes, method: bytes) -> None:
    """RFC 9112 6.3: both connections go on to the next exchange."""
    if b"200 OK\r\nTransfer" in says and method == b"GET":
        says += b"0\r\n\r\n"
    async with scene(says, OK) as (wire, app):
        near, out = await asyncio.open_connection("127.0.0.1", wire.port)
        out.write(method + b" / HTTP/1.1\r\n" + H + b"\r\n" + GET)
        answer = await asyncio.wait_for(near.read(), 5)
        assert answer.count(b"HTTP/1.1 ") == 2 and answer.endswith(b"ok") and len(app.heard) == 1
        out.close()
        await nothing_is_left(wire)


async def test_what_is_ours_to_say_is_said_once() -> None:
    """GW-22: an app's X-Request-Id and Connection are not passed on; bytes beyond ASCII stay as they are."""
    says = (
        b"HTTP/1.1 200 Sch\xf6n\r\nX-Request-Id: theirs\r\nx-request-id: theirs\r\nConnection: keep-alive, X-Hop\r\n"
        b"X-Hop: 1\r\nKeep-Alive: timeout=5\r\nX-Obs: \xe9\xff\r\nContent-Length: 2\r\n\r\nok"
    )
    async with scene(says) as (wire, _):
        head = (await exchange(wire, GET)).partition(b"\r\n\r\n")[0]
        low = head.lower()
        assert head.startswith(b"HTTP/1.1 200 Sch\xf6n\r\n") and b"X-Obs: \xe9\xff" in head
        assert [low.count(b"\r\n" + name + b":") for name in (b"x-request-id", b"connection", b"content-length")] == [
            1
        ] * 3
        assert b"theirs" not in low and b"x-hop" not in low and b"keep-alive" not in low


@pytest.mark.parametrize("bad", [b"X: a\rSet-Cookie: b=c", b"X: a\nSet-Cookie: b=c", b"X: a\x00b", b"X Y: b", b": b"])
async def test_gw_22_an_app_cannot_split_its_answer(bad: bytes) -> None:
    """GW-22: a header that is none makes it no answer."""
    async with scene(b"HTTP/1.1 200 OK\r\n" + bad + b"\r\nContent-Length: 2\r\n\r\nok") as (wire, _):
        answer = await exchange(wire, GET)
        assert status_of(answer) == 502 and b"b=c" not in answer


@pytest.mark.parametrize(("says", "whole"), [(IN_CHUNKS + b"\r\n2\r\nok\r\n0\r\nX-T: 1\r\n\r\n", True),
                                             (IN_CHUNKS + b"\r\n2\r\nok\r\n" + CLOSE, False)])  # fmt: skip
async def test_http_1_0_knows_no_chunks(says: bytes, whole: bool) -> None:
    """RFC 9112 6.1: its body ends with the connection; no 100, no 103, no trailers, and no WebSocket."""
    async with scene(b"HTTP/1.1 103 Early Hints\r\n\r\n" + says) as (wire, app):
        raw = b"POST / HTTP/1.0\r\n" + H + b"Expect: 100-continue\r\nUpgrade: websocket\r\nConnection: upgrade\r\n"
        answer = await exchange(wire, raw.replace(b"Upgrade: websocket\r\n", b"") + b"Content-Length: 2\r\n\r\nhi")
        if whole:
            assert status_of(answer) == 200 and answer.endswith(b"\r\n\r\nok")
        assert b"chunked" not in answer.lower() and b"HTTP/1.1 10" not in answer
        await exchange(wire, b"GET / HTTP/1.0\r\n" + H + b"Upgrade: websocket\r\nConnection: upgrade\r\n\r\n")
        assert b"upgrade" not in app.all.lower()


async def test_an_interim_answer_on_a_used_connection_is_an_answer() -> None:
    """RFC 9112 9.3.1: what got a 103 is not asked once more when the app then leaves."""
    async with scene(OK, b"HTTP/1.1 103 Early Hints\r\n\r\n" + CLOSE, OK) as (wire, app):
        assert status_of(await exchange(wire, GET)) == 200
        assert b"HTTP/1.1 502" in await exchange(wire, GET)
        assert app.requests == 2


@pytest.mark.parametrize("ends", [b"", CLOSE])
async def test_an_app_that_answers_and_is_gone_before_the_body_came(ends: bytes) -> None:
    """RFC 9112 9.5: its answer arrives whole, and what is still to come of the body is read over."""
    async with scene(b"HTTP/1.1 413 Large\r\nContent-Length: 2\r\n\r\nno" + ends) as (wire, _):
        near, out = await asyncio.open_connection("127.0.0.1", wire.port)
        out.write(b"POST / HTTP/1.1\r\n" + H + CHUNKED + b"\r\n5\r\nhello\r\n")
        head = await near.readuntil(b"\r\n\r\n")
        assert status_of(head) == 413 and b"Connection: close" in head
        with suppress(ConnectionError):
            for _ in range(20):
                out.write(b"5\r\nhello\r\n")
                await out.drain()
        assert await near.read() == b"no"
        out.close()
        await nothing_is_left(wire)


# --- bodies of requests ---


@pytest.mark.parametrize(("limit", "size", "status"), [(10, 10, 200), (10, 11, 413), (70_000, 70_001, 413)])
@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("late", [False, True])
async def test_a_limit_for_bodies_is_kept(limit: int, size: int, status: int, chunked: bool, late: bool) -> None:
    """413 whatever the framing, and whether it comes with the head or after it; the app sees no end of one."""
    async with scene(OK if status == 200 else HANG, limits={"body": limit}) as (wire, app):
        near, out = await asyncio.open_connection("127.0.0.1", wire.port)
        framing = CHUNKED if chunked else b"Content-Length: %d\r\n" % size
        body = b"%x\r\n%b\r\n0\r\n\r\n" % (size, b"a" * size) if chunked else b"a" * size
        out.write(b"POST / HTTP/1.1\r\n" + H + framing + b"Connection: close\r\n\r\n" + (b"" if late else body))
        if late:
            await asyncio.sleep(0.02)
            out.write(body)
        assert status_of(await asyncio.wait_for(near.read(), 5)) == status
        assert status == 200 or b"0\r\n\r\n" not in app.all
        out.close()
        await nothing_is_left(wire)


@pytest.mark.parametrize("size", [MOST_HEAD - 1, MOST_HEAD, MOST_HEAD + 1])
@pytest.mark.parametrize("piece", [1 << 20, 1000])
async def test_heads_of_up_to_32_kib(size: int, piece: int) -> None:
    """Exactly, in one piece or in many."""
    lead = b"GET / HTTP/1.1\r\n" + H + b"Connection: close\r\n"
    fields = (size + 2 - len(lead)) // 8000 + 1
    room = size + 2 - len(lead) - sum(len(b"X-%d: \r\n" % n) for n in range(fields))
    each = [room // fields + (room % fields if n == 0 else 0) for n in range(fields)]
    raw = lead + b"".join(b"X-%d: %b\r\n" % (n, b"a" * each[n]) for n in range(fields)) + b"\r\n"
    assert raw.find(HEAD_END) == size
    async with scene() as (wire, _):
        near, out = await asyncio.open_connection("127.0.0.1", wire.port)
        with suppress(ConnectionError):
            for at in range(0, len(raw), piece):
                out.write(raw[at : at + piece])
                await out.drain()
        assert status_of(await asyncio.wait_for(near.read(), 5)) == (200 if size <= MOST_HEAD else 431)
        out.close()


async def test_a_body_that_was_not_asked_for_yet_goes_along() -> None:
    """RFC 9110 10.1.1: whoever expects 100 may send all the same."""
    async with scene() as (wire, app):
        raw = b"POST / HTTP/1.1\r\n" + H + b"Expect: 100-continue\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi"
        answer = await exchange(wire, raw)
        assert answer.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n") and app.all.endswith(
            b"\r\n\r\nhi"
        )


async def test_what_follows_the_last_request_does_not_take_its_answer_away() -> None:
    """RFC 9112 9.6: bytes after ``Connection: close`` are read over, so that the answer is not reset away."""
    size = 200_000
    async with scene(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size + b"x" * size) as (wire, app):
        near, out = await asyncio.open_connection("127.0.0.1", wire.port)
        out.write(GET + b"\r\n" + GET * 2000)
        await near.readuntil(b"\r\n\r\n")
        assert len(await asyncio.wait_for(near.read(), 10)) == size
        assert app.requests == 1
        out.close()
        await nothing_is_left(wire)


# --- back-pressure ---


def on_both_loops(work: Any, *args: Any) -> None:
    """asyncio's loop, and the one that serves in production."""
    for factory in (asyncio.new_event_loop, uvloop.new_event_loop):
        with asyncio.Runner(loop_factory=factory) as runner:
            runner.run(work(*args))


async def slow_then_next() -> None:
    size = 3_000_000
    said = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size + b"x" * size
    async with scene(said, OK, OK) as (wire, app):
        near, out = await slow_reader(wire)
        out.write(b"GET / HTTP/1.1\r\n" + H + b"\r\n")
        await near.readuntil(b"\r\n\r\n")
        (front,) = wire.proxy.crowd.guests
        await eventually(lambda: truth(front._full))
        assert front.transport.get_write_buffer_size() < 1_000_000
        out.write(b"GET / HTTP/1.1\r\n" + H + b"\r\n")
        assert len(await near.readexactly(size)) == size
        assert (await near.readuntil(b"ok")).startswith(b"HTTP/1.1 200")
        assert status_of(await exchange(wire, GET)) == 200
        assert len(app.heard) <= 2
        out.transport.abort()
        await nothing_is_left(wire)


def test_ft_55_a_slow_reader_holds_the_app_up_and_nobody_after_it() -> None:
    """FT-55: bounded memory meanwhile; then the next exchange is read, on a connection that was held, too."""
    on_both_loops(slow_then_next)


async def leaves_while_held() -> None:
    size = 3_000_000
    async with scene(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size + b"x" * size, OK) as (wire, _app):
        near, out = await slow_reader(wire)
        out.write(b"GET / HTTP/1.1\r\n" + H + b"\r\n")
        await near.readuntil(b"\r\n\r\n")
        (front,) = wire.proxy.crowd.guests
        await eventually(lambda: truth(front._full))
        out.transport.abort()
        await nothing_is_left(wire)
        assert status_of(await exchange(wire, GET)) == 200


def test_ft_59_a_slow_reader_that_leaves_takes_the_held_connection_along() -> None:
    """FT-59: a connection to the app that is not being read goes back to nobody."""
    on_both_loops(leaves_while_held)


# --- WebSocket handshakes ---


@asynccontextmanager
async def sockets(*says: bytes, **route: Any) -> AsyncIterator[tuple[Wire, Any]]:
    """The gateway in front of an app that answers handshakes so."""
    async with scene(*says, websocket=True, **route) as (wire, app):
        yield wire, app
        await nothing_is_left(wire)


async def test_gw_19_connection_names_nothing_of_ours_in_a_handshake() -> None:
    """GW-19, GW-05: ``Connection: Upgrade, X-Auth-User`` takes nothing away from what the app is told."""
    async with sockets(SWITCH) as (wire, app):
        near, out = await asyncio.open_connection("127.0.0.1", wire.port)
        out.write(SHAKE + b"Connection: Upgrade, X-Forwarded-User, X-Auth-User\r\nX-Auth-User: admin\r\n\r\n")
        assert status_of(await near.readuntil(b"\r\n\r\n")) == 101
        assert app.all.count(b"\r\nX-Forwarded-User: ") == 1 and b"admin" not in app.all
        out.transport.abort()


async def test_gw_19_gw_02_no_spelling_of_a_name_reaches_the_app_in_a_handshake() -> None:
    """GW-02, GW-19: a WebSocket is no other way in."""
    every = [line for name in FORBIDDEN for line in spellings(name)]
    async with sockets(NO, headers={"X-Team": "team"}) as (wire, app):
        for at in range(0, len(every), 80):
            evil = b"".join(line + b": EVIL\r\n" for line in every[at : at + 80])
            assert status_of(await exchange(wire, SHAKE + NAMED + evil + b"\r\n")) == 403
        assert b"EVIL" not in app.all and app.requests == -(-len(every) // 80)


@pytest.mark.parametrize("says", [NO, OK, b"HTTP/1.1 426 Upgrade Required\r\nContent-Length: 0\r\n\r\n"])
async def test_gw_19_what_follows_a_failed_handshake_is_no_request(says: bytes) -> None:
    """GW-19: the app did not switch, so the connection ends, and what was smuggled after the head reaches nobody."""
    async with sockets(says) as (wire, app):
        smuggled = b"GET /admin HTTP/1.1\r\n" + H + b"X-Forwarded-User: admin\r\n\r\n"
        answer = await exchange(wire, SHAKE + NAMED + b"\r\n" + smuggled * 3)
        assert answer.count(b"HTTP/1.1 ") == 1 and b"Connection: close" in answer
        assert app.requests == 1 and b"/admin" not in app.all


@pytest.mark.parametrize(
    "line",
    [b"", b"Connection: close\r\n", b"Connection: notupgrade\r\n", b"Connection: Upgraded, keep-alive\r\n"],
)
async def test_gw_19_an_upgrade_that_is_not_for_this_connection_is_none(line: bytes) -> None:
    """RFC 9110 7.8: the app is asked for no WebSocket, and cannot begin one."""
    async with sockets(SWITCH) as (wire, app):
        near, out = await asyncio.open_connection("127.0.0.1", wire.port)
        out.write(SHAKE + line + b"\r\n")
        assert status_of(await near.readuntil(b"\r\n\r\n")) == 502
        out.transport.abort()
        assert b"upgrade" not in app.all.lower().replace(b"websocket", b"")


@pytest.mark.parametrize("how", ["403", "429", "leaves", "silent", "no app", "garbage"])
async def test_ds_17_a_seat_that_came_to_nothing_is_free(how: str) -> None:
    """DS-17: refused by the app, left, unanswered or unreachable: the next one has room."""
    says = {"403": NO, "silent": HANG, "leaves": HANG, "garbage": b"SSH-2.0\r\n\r\n"}.get(how, SWITCH)
    more: dict[str, Any] = {"upstream": "http://127.0.0.1:9"} if how == "no app" else {}
    async with sockets(says, limits={"websockets": 1}, timeouts={"first_byte": 0.2}, **more) as (wire, app):
        near, out = await asyncio.open_connection("127.0.0.1", wire.port)
        out.write(SHAKE + NAMED + b"\r\n")
        if how == "429":
            assert status_of(await near.readuntil(b"\r\n\r\n")) == 101
            assert status_of(await exchange(wire, SHAKE + NAMED + b"\r\n")) == 429
            assert app.requests == 1
        elif how == "leaves":
            await eventually(lambda: truth(app.requests == 1))
        else:
            assert status_of(await near.read()) in (403, 502, 504)
        out.transport.abort()
        await nothing_is_left(wire)


# --- TLS ---


def contexts() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A server's and a client's that trust each other."""
    authority = trustme.CA()
    server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    authority.issue_cert("localhost").configure_cert(server)
    authority.configure_trust(client)
    return server, client


async def early_no_over_tls() -> None:
    server, client = contexts()
    async with scene(b"HTTP/1.1 413 Large\r\nContent-Length: 2\r\n\r\nno") as (wire, _):
        wire.proxy.crowd.limits = Limits(linger=0.2)
        loop = asyncio.get_running_loop()
        listener = await loop.create_server(wire.proxy.protocol(shared=False, secure=True), "127.0.0.1", 0, ssl=server)
        port = listener.sockets[0].getsockname()[1]
        near, out = await asyncio.open_connection("127.0.0.1", port, ssl=client, server_hostname="localhost")
        out.write(b"POST / HTTP/1.1\r\n" + H + b"Content-Length: 10000000\r\n\r\n" + b"a" * 500_000)
        assert status_of(await asyncio.wait_for(near.readuntil(b"no"), 5)) == 413
        out.transport.abort()
        await nothing_is_left(wire)
        listener.close()


def test_an_early_no_over_tls_arrives() -> None:
    """RFC 9112 9.5: the rest of the upload is read over for a moment there, too, so that nothing is reset."""
    on_both_loops(early_no_over_tls)
