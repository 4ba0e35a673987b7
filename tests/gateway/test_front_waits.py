"""A client's connection while somebody is asked for the verdict, and when something fails that nobody foresaw."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import pytest
import uvloop

from proxy.gateway.request import Asked
from proxy.gateway.verdict import BodyTooLarge, ReadBody, Reply, Verdict
from proxy.http.crowd import Limits
from tests.downstream.world import a_session
from tests.gateway.on_the_wire import Doorman, Wire
from tests.gateway.test_front import CHUNKED, H, exchange, scene, status_of
from tests.kit.raw_app import HANG, OK, RawApp
from tests.kit.waiting import eventually

LAST = b"Connection: close\r\n"


@dataclass
class Slow:
    """A gatekeeper who must ask first, until ``go``. ``reads``: it wants the body, of at most so many bytes."""

    door: Doorman
    reads: int = 0
    go: asyncio.Event = field(default_factory=asyncio.Event)
    asked: list[bytes] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    left: int = 0
    fails: BaseException | None = None

    def at_once(self, asked: Asked) -> Verdict | None:
        """See ``verdict.Gatekeeper``."""
        return None

    def trouble(self, asked: Asked | None, status: int, reason: str) -> Reply:
        """See ``verdict.Gatekeeper``."""
        return self.door.trouble(asked, status, reason)

    async def ask(self, asked: Asked, body: ReadBody) -> Verdict:
        """See ``verdict.Gatekeeper``."""
        self.asked.append(asked.target)
        try:
            if self.reads:
                try:
                    self.bodies.append(await body(self.reads))
                except BodyTooLarge:
                    return Reply(401, body=b"too large")
                return Reply(303, body=b"kept")
            await self.go.wait()
        except asyncio.CancelledError:
            self.left += 1
            raise
        if self.fails is not None:
            raise self.fails
        verdict = self.door.at_once(asked)
        assert verdict is not None
        return verdict


@asynccontextmanager
async def slowly(*says: bytes, reads: int = 0, **route: Any) -> AsyncIterator[tuple[Wire, RawApp, Slow]]:
    """The gateway with such a gatekeeper."""
    async with scene(*says, **route) as (wire, app):
        wire.proxy.keeper = Slow(wire.proxy.keeper, reads)  # type: ignore[arg-type]  # the doorman it has
        yield wire, app, wire.proxy.keeper
        await nothing_is_left(wire)


async def nothing_is_left(wire: Wire) -> None:
    """No place in the crowd, no exchange of a session, no seat, no connection in use."""

    async def at_rest() -> bool:
        busy = any(server.under_way for server in wire.servers.all)
        return not (wire.proxy.crowd.guests or wire.proxy.streams._of or wire.proxy.streams._seats or busy)

    await eventually(at_rest)


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("size", [3, 70_000, 700_000])
async def test_a_body_that_comes_before_the_verdict_waits(size: int, chunked: bool) -> None:
    """The app gets it whole, framed as it came; no more of it is read than fits before somebody wants it."""
    async with slowly(HANG) as (wire, app, keeper):
        _near, out = await asyncio.open_connection("127.0.0.1", wire.port)
        body = bytes(range(256)) * (size // 256 + 1)
        head = b"POST / HTTP/1.1\r\n" + H + (CHUNKED if chunked else b"Content-Length: %d\r\n" % len(body)) + b"\r\n"
        pieces = [body[at : at + 50_000] for at in range(0, len(body), 50_000)]
        raw = [b"%x\r\n%b\r\n" % (len(p), p) for p in pieces] + [b"0\r\n\r\n"] if chunked else pieces
        out.write(head + b"".join(raw))
        await eventually(lambda: truth(bool(keeper.asked)))
        (front,) = wire.proxy.crowd.guests
        if size > 100_000:
            await eventually(lambda: truth(front._paused))
            assert front._waiting < 600_000
        keeper.go.set()

        async def arrived() -> bool:
            got = app.all.partition(b"\r\n\r\n")[2]
            return got.endswith(b"\r\n0\r\n\r\n") if chunked else len(got) == len(body)

        await eventually(arrived)
        got = app.all.partition(b"\r\n\r\n")[2]
        assert unchunked(got) == body if chunked else got == body
        out.transport.abort()


async def truth(value: bool) -> bool:
    """A value that can be waited for."""
    return value


def unchunked(raw: bytes) -> bytes:
    """A body out of its chunks."""
    body = b""
    while raw:
        size, _, raw = raw.partition(b"\r\n")
        body, raw = body + raw[: int(size, 16)], raw[int(size, 16) + 2 :]
    return body


async def test_requests_in_one_piece_wait_for_the_verdict_of_the_first() -> None:
    """RFC 9112 9.3.2: their order stays, and nobody is asked about the second before the first is answered."""
    async with slowly() as (wire, app, keeper):
        near, out = await asyncio.open_connection("127.0.0.1", wire.port)
        one = b"POST /%d HTTP/1.1\r\n" + H + b"Content-Length: 3\r\n\r\nabc"
        out.write(one % 1 + one % 2 + b"GET /3 HTTP/1.1\r\n" + H + LAST + b"\r\n")
        await eventually(lambda: truth(bool(keeper.asked)))
        assert keeper.asked == [b"/1"]
        keeper.go.set()
        assert (await near.read()).count(b"HTTP/1.1 200") == 3
        assert keeper.asked == [b"/1", b"/2", b"/3"] and app.all.count(b"\r\n\r\nabc") == 2
        out.close()


@pytest.mark.parametrize("reads", [0, 100])
async def test_ft_59_who_leaves_before_the_verdict_takes_the_question_along(reads: int) -> None:
    """FT-59: nobody is asked any longer, and the app has heard nothing."""
    async with slowly(reads=reads) as (wire, app, keeper):
        _, out = await asyncio.open_connection("127.0.0.1", wire.port)
        out.write(b"POST / HTTP/1.1\r\n" + H + b"Content-Length: 30\r\n\r\nhalf")
        await eventually(lambda: truth(bool(keeper.asked)))
        out.transport.abort()
        await eventually(lambda: truth(keeper.left == 1))
        keeper.go.set()
        await nothing_is_left(wire)
        assert app.all == b""


async def test_a_bad_body_ends_the_question() -> None:
    """A chunk that is none comes before the verdict: 400, once, and the verdict is not waited for."""
    async with slowly() as (wire, app, keeper):
        near, out = await asyncio.open_connection("127.0.0.1", wire.port)
        out.write(b"POST / HTTP/1.1\r\n" + H + CHUNKED + b"\r\n")
        await eventually(lambda: truth(bool(keeper.asked)))
        out.write(b"zz\r\n")
        answer = await near.read()
        assert status_of(answer) == 400 and answer.count(b"HTTP/1.1 ") == 1
        out.close()
        await eventually(lambda: truth(keeper.left == 1))
        assert app.all == b""


@pytest.mark.parametrize(
    ("fails", "status"), [(ConnectionResetError(), 503), (RuntimeError(), 0), (asyncio.CancelledError(), 0)]
)
async def test_whoever_fails_to_say_yes_has_not_said_it(fails: BaseException, status: int) -> None:
    """P1: an error of whoever was asked is an answer, or the end of the connection; never a wait without an end, never
    a way to the app."""
    async with slowly() as (wire, app, keeper):
        keeper.fails = fails
        keeper.go.set()
        assert status_of(await exchange(wire, b"GET / HTTP/1.1\r\n" + H + LAST + b"\r\n")) == status
        assert app.all == b""


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize(("size", "status"), [(0, 303), (100, 303), (101, 401), (300_000, 401)])
async def test_a_form_is_read_for_whoever_wants_it(size: int, status: int, chunked: bool) -> None:
    """RFC 9110 10.1.1: it is asked for, by 100, and read up to what is wanted; the connection goes on if all came."""
    async with slowly(reads=100) as (wire, app, keeper):
        near, out = await asyncio.open_connection("127.0.0.1", wire.port)
        body = b"a" * size
        framing = CHUNKED if chunked else b"Content-Length: %d\r\n" % size
        out.write(b"POST / HTTP/1.1\r\n" + H + framing + b"Expect: 100-continue\r\n\r\n")
        asks = status == 303 and (size or chunked) or chunked
        head = await near.readuntil(b"\r\n\r\n")
        if asks:
            assert head == b"HTTP/1.1 100 Continue\r\n\r\n"
            pieces = [body[at : at + 64] for at in range(0, size, 64)] if chunked else []
            out.write(b"".join(b"%x\r\n%b\r\n" % (len(p), p) for p in pieces) + b"0\r\n\r\n" if chunked else body)
            head = await near.readuntil(b"\r\n\r\n")
        assert status_of(head) == status
        assert keeper.bodies == ([body] if status == 303 else [])
        if not asks or status == 303:
            assert (b"Connection: close" in head) is (status != 303)
        assert app.all == b""
        out.close()


async def test_a_form_has_its_time_however_it_trickles() -> None:
    """The deadline is for the whole of it, not for each byte."""
    async with slowly(reads=100) as (wire, _, keeper):
        _near, out = await asyncio.open_connection("127.0.0.1", wire.port)
        out.write(b"POST / HTTP/1.1\r\n" + H + b"Content-Length: 90\r\n\r\n")
        await eventually(lambda: truth(bool(keeper.asked)))
        (front,) = wire.proxy.crowd.guests
        began = front.loop.time()
        for _ in range(5):
            out.write(b"a")
            await out.drain()
        await eventually(lambda: truth(front._waiting == 5))
        front.active = began + 20
        assert front.overdue(began + 25, Limits()) == ""
        assert front.overdue(began + 31, Limits()) == "body"
        out.transport.abort()


# --- what nobody foresaw ---


def broken(*args: Any, **named: Any) -> Any:
    """Something that should not happen."""
    raise RuntimeError("should not happen")


async def fails(where: Callable[[Wire], None], before: bytes = b"") -> None:
    """A request after ``before`` meets what is broken."""
    loop, told = asyncio.get_running_loop(), list[Any]()
    loop.set_exception_handler(lambda loop, context: told.append(context.get("exception")))
    async with scene(OK) as (wire, _):
        near, out = await asyncio.open_connection("127.0.0.1", wire.port)
        if before:
            out.write(before)
            await near.readuntil(b"ok")
        where(wire)
        out.write(b"GET / HTTP/1.1\r\n" + H + b"\r\n" + b"GET / HTTP/1.1\r\n" + H + b"\r\n")
        try:
            answer = await asyncio.wait_for(near.read(), 5)
        except ConnectionError:
            answer = b""
        assert status_of(answer) in (0, 502)
        out.transport.abort()
        await nothing_is_left(wire)


def in_sorting(wire: Wire) -> None:
    """The headers cannot be sorted."""
    wire.proxy.sort = broken


def in_the_verdict(wire: Wire) -> None:
    """There is none."""
    wire.proxy.keeper.at_once = broken  # type: ignore[method-assign]


def in_the_answer(wire: Wire) -> None:
    """Its headers cannot be filtered."""
    wire.proxy.answer_headers = broken  # type: ignore[method-assign]


def in_the_pool(wire: Wire) -> None:
    """There is no way to the app."""
    wire.proxy.upstreams.of = broken  # type: ignore[method-assign]


PLACES = (in_sorting, in_the_verdict, in_the_answer, in_the_pool)


@pytest.mark.parametrize("where", PLACES)
@pytest.mark.parametrize("factory", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_what_nobody_foresaw_ends_the_connection(where: Callable[[Wire], None], factory: Any) -> None:
    """P1: on a new connection and on one that was used, nothing waits without an end and nothing stays behind."""
    with asyncio.Runner(loop_factory=factory) as runner:
        for before in (b"", b"GET / HTTP/1.1\r\n" + H + b"\r\n"):
            runner.run(fails(where, before))


async def test_the_second_of_two_in_one_piece_fails_alone() -> None:
    """The first is answered; then the connection ends, although no bytes came that could have failed."""
    async with scene(OK) as (wire, _):
        at_once = wire.proxy.keeper.at_once

        def once(asked: Asked) -> Verdict | None:
            if asked.target == b"/2":
                raise RuntimeError("should not happen")
            return at_once(asked)

        wire.proxy.keeper.at_once = once  # type: ignore[method-assign]
        near, out = await asyncio.open_connection("127.0.0.1", wire.port)
        out.write(b"GET /1 HTTP/1.1\r\n" + H + b"\r\n" + b"GET /2 HTTP/1.1\r\n" + H + b"\r\n")
        with suppress(ConnectionError):
            assert (await asyncio.wait_for(near.read(), 5)).count(b"HTTP/1.1 200") == 1
        out.transport.abort()
        await nothing_is_left(wire)


async def test_who_cannot_be_looked_at_is_cut_and_the_others_are_still_looked_at() -> None:
    """The deadlines of everybody hang on one look."""
    async with scene(HANG, timeouts={"first_byte": 0.2}) as (wire, _):
        bad_near, bad = await asyncio.open_connection("127.0.0.1", wire.port)
        await eventually(lambda: truth(len(wire.proxy.crowd.guests) == 1))
        (front,) = wire.proxy.crowd.guests
        front.overdue = broken  # type: ignore[method-assign]
        answer = await exchange(wire, b"GET / HTTP/1.1\r\n" + H + LAST + b"\r\n")
        assert status_of(answer) == 504
        with suppress(ConnectionError):
            assert await bad_near.read() == b""
        bad.transport.abort()


# --- deadlines ---


async def test_a_slow_upload_is_408_and_a_deaf_app_504() -> None:
    """Reliability 3: whoever is late is named, as long as nothing of an answer has left."""
    async with scene(HANG, timeouts={"idle": 0.3, "first_byte": 5}) as (wire, _):
        slow = await exchange(wire, b"POST / HTTP/1.1\r\n" + H + b"Content-Length: 5\r\n\r\nhal")
        assert status_of(slow) == 408 and b"Connection: close" in slow
        await nothing_is_left(wire)


async def test_se_14_a_client_that_just_left_keeps_no_other_exchange_open() -> None:
    """SE-14, LO-17: the session ends at the moment when one of its clients has reset its connection."""

    def reset() -> None:
        raise OSError(107, "Transport endpoint is not connected")

    async with scene(HANG) as (wire, app):
        lines = [await asyncio.open_connection("127.0.0.1", wire.port) for _ in range(3)]
        for _, out in lines:
            out.write(b"POST / HTTP/1.1\r\n" + H + b"Content-Length: 9\r\n\r\nhalf")
        await eventually(lambda: truth(app.requests == 3))
        for front in wire.proxy.crowd.guests:
            front.transport.write_eof = reset  # type: ignore[method-assign]
        assert wire.proxy.streams.end(a_session().sid, "session_ended") == 3
        for near, out in lines:
            with suppress(ConnectionError):
                assert status_of(await near.read()) in (0, 401)
            out.transport.abort()
        await nothing_is_left(wire)
