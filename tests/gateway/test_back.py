"""An app's answer, byte by byte: what the client gets of it, and what ends the connection (GW-22)."""

from __future__ import annotations

import asyncio

import pytest

from tests.gateway.on_the_wire import Wire
from tests.gateway.test_front import H, exchange, scene, status_of
from tests.kit.raw_app import CLOSE, HANG, OK
from tests.kit.waiting import eventually

LENGTH_2 = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n"
IN_CHUNKS = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n"
GET = b"GET / HTTP/1.1\r\n" + H + b"Connection: close\r\n\r\n"
BAD = {
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok!",
    "length and chunks": LENGTH_2 + b"Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    "another coding": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "101 unasked": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
    "a control in the phrase": b"HTTP/1.1 200 O\x00K\r\nContent-Length: 2\r\n\r\nok",
    "folded": b"HTTP/1.1 200 OK\r\nX-A: b\r\n c\r\nContent-Length: 2\r\n\r\nok",
    "no HTTP": b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
    "HTTP/2": b"HTTP/2.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
    "status 999": b"HTTP/1.1 999 No\r\nContent-Length: 2\r\n\r\nok",
    "an endless head": b"HTTP/1.1 200 OK\r\nX: " + b"a" * 80_000,
    "endless interim": b"HTTP/1.1 103 Early Hints\r\n\r\n" * 50 + OK,
    "nothing": CLOSE,
    "half a head": b"HTTP/1.1 200 OK\r\nContent-" + CLOSE,
}


@pytest.mark.parametrize("said", BAD.values(), ids=BAD)
async def test_gw_22_an_answer_that_is_none_is_502(said: bytes) -> None:
    """GW-22: framing that two readers could read differently, or no answer at all: ours says so, and nothing else."""
    async with scene(said) as (wire, _):
        answer = await exchange(wire, GET)
        final = answer[answer.rfind(b"HTTP/1.1 5") :] if b" 103 " in answer[:40] else answer
        assert status_of(final) == 502
        assert b"\r\n\r\nok" not in final


@pytest.mark.parametrize(
    ("said", "got"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", b"ok"),
        (
            IN_CHUNKS + b"\r\n1\r\no\r\n1\r\nk\r\n0\r\n\r\n",
            b"1\r\no\r\n1\r\nk\r\n0\r\n\r\n",
        ),
        (b"HTTP/1.0 200 OK\r\n\r\nok" + CLOSE, b"2\r\nok\r\n0\r\n\r\n"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", b""),
        (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", b""),
    ],
)
async def test_bodies_are_framed_anew(said: bytes, got: bytes) -> None:
    """RFC 9112 6.3: what ends with its connection there ends with a last chunk here."""
    async with scene(said) as (wire, _):
        answer = await exchange(wire, GET)
        assert answer.partition(b"\r\n\r\n")[2] == got


async def test_head_has_no_body_whatever_its_length_says() -> None:
    """RFC 9110 9.3.2: the length stays, the connection is good for the next."""
    async with scene(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n", OK) as (wire, app):
        head = await exchange(wire, GET.replace(b"GET", b"HEAD"))
        assert head.endswith(b"\r\n\r\n") and b"Content-Length: 1000" in head
        assert status_of(await exchange(wire, GET)) == 200
        assert len(app.heard) == 1


async def test_trailers_and_early_hints_go_on() -> None:
    """RFC 9110 6.5, RFC 8297: trailers after the last chunk, hints before the answer; ours alone stay out."""
    said = b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n" + IN_CHUNKS + b"Trailer: Digest\r\n\r\n"
    async with scene(said + b"2\r\nok\r\n0\r\nDigest: x\r\nX-Isthmus-Assertion: y\r\n\r\n") as (wire, _):
        answer = await exchange(wire, GET)
        assert answer.startswith(b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\nHTTP/1.1 200 OK\r\n")
        assert answer.endswith(b"2\r\nok\r\n0\r\nDigest: x\r\n\r\n")


@pytest.mark.parametrize("said", [b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok" + CLOSE,
                                  IN_CHUNKS + b"\r\n2\r\nok\r\n" + CLOSE])  # fmt: skip
async def test_a_body_that_stops_short_is_seen_to(said: bytes) -> None:
    """RFC 9112 8: the client's connection is cut, so that half is not taken for all."""
    async with scene(said) as (wire, _):
        answer = await exchange(wire, GET)
        assert not answer.endswith(b"0\r\n\r\n")


async def test_ft_61_what_comes_out_of_turn_is_nobodys() -> None:
    """FT-61: a second answer ends the connection, and the next user gets an answer of their own."""
    async with scene(OK + b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nstray", OK) as (wire, app):
        first, second = [await exchange(wire, GET) for _ in range(2)]
        assert b"stray" not in first + second
        assert [status_of(first), status_of(second)] == [200, 200]
        assert len(app.heard) == 2


async def test_gw_23_gw_24_redirects_and_cookies_are_the_browsers_affair() -> None:
    """GW-23, GW-24: a redirect is passed on and not followed; a cookie goes to no other user."""
    said = b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:6379/\r\nSet-Cookie: sid=USER1\r\n"
    said += b"Content-Length: 2\r\n\r\nok"
    async with scene(said, OK) as (wire, app):
        first, second = [await exchange(wire, GET) for _ in range(2)]
        assert b"Location: http://127.0.0.1:6379/" in first and b"sid=USER1" in first
        assert b"USER1" not in app.all and b"USER1" not in second


async def test_an_early_no_to_a_long_body_reaches_the_client() -> None:
    """RFC 9112 9.5: 413 in the middle of an upload is passed on, and both connections end."""
    said = b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno"
    async with scene(said, OK) as (wire, app):
        answer = await exchange(wire, b"POST / HTTP/1.1\r\n" + H + b"Content-Length: 1000000\r\n\r\n" + b"a" * 1000)
        assert status_of(answer) == 413 and b"connection: close" in answer.lower()
        assert status_of(await exchange(wire, GET)) == 200
        assert len(app.heard) == 2


async def open_get(wire: Wire) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A request that is under way."""
    near, out = await asyncio.open_connection("127.0.0.1", wire.port)
    out.write(GET)
    return near, out


async def test_ft_59_a_client_that_leaves_takes_the_apps_connection_along() -> None:
    """FT-59: nobody waits for an answer that nobody reads."""
    async with scene(HANG) as (wire, app):
        _, out = await open_get(wire)

        async def asked() -> bool:
            return bool(app.heard and app.heard[0])

        async def let_go() -> bool:
            return not wire.proxy.crowd.guests and not any(server.open for server in wire.servers.all)

        await eventually(asked)
        out.transport.abort()
        await eventually(let_go)


async def test_an_app_that_is_silent_is_answered_for() -> None:
    """504: the first byte has its deadline (reliability 3)."""
    async with scene(HANG, timeouts={"first_byte": 0.2}) as (wire, _):
        assert status_of(await exchange(wire, GET)) == 504


async def test_an_app_that_is_not_there_is_502() -> None:
    """Refused at once."""
    async with scene(upstream="http://127.0.0.1:9") as (wire, _):
        assert status_of(await exchange(wire, GET)) == 502
