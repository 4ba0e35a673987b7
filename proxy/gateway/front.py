"""A client's connection: requests are read one at a time, decided, and answered by their app or by us (RFC 9112).

What most requests are (a known person, an app with a connection to spare) goes through without a task or a timer of its
own. A request is decided before a byte of its body is looked at; what comes after it waits until it is answered.
Deadlines are looked at by the crowd, now and then.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from enum import Enum, auto
from typing import TYPE_CHECKING, Any, Final, cast

from proxy.gateway import framing
from proxy.gateway.back import Back
from proxy.gateway.connecting import CannotConnect
from proxy.gateway.framing import HEAD_END, MOST_HEAD, AnswerHead, Chunks, chunk, lines, read_request
from proxy.gateway.replies import CONTINUE, render
from proxy.gateway.request import Asked, Header, Malformed
from proxy.gateway.streams import Seat
from proxy.gateway.tunnel import Tunnel
from proxy.gateway.verdict import BodyTooLarge, Forward, Reply, Verdict
from proxy.http.crowd import Limits
from proxy.telemetry import logs

if TYPE_CHECKING:
    from proxy.gateway.reverse_proxy import ReverseProxy

HIGH_WATER: Final = 256 * 1024
MOST_WAITING: Final = 64 * 1024
"""Bytes of a body, or of what follows a request, that wait here before reading stops."""
SAFE: Final = frozenset((b"GET", b"HEAD", b"OPTIONS"))
ENDED: Final = {"session_ended": 401, "forbidden": 403}
"""What is answered to a request whose session ended, or lost its rights, before the app answered; else 503."""
UNSERVED: Final = frozenset((b"TRACE", b"CONNECT"))
WITH_BODY: Final = frozenset((b"POST", b"PUT", b"PATCH"))


class State(Enum):
    """What the connection is about."""

    HEAD = auto()
    BUSY = auto()
    LINGER = auto()
    TUNNEL = auto()


class Front(asyncio.Protocol):
    """One connection. ``active`` is the loop's time when bytes went last, in either direction."""

    def __init__(self, proxy: ReverseProxy, *, shared: bool, secure: bool) -> None:
        self.proxy, self.loop = proxy, asyncio.get_running_loop()
        self.address, self.active = "", 0.0
        self._shared, self._secure = shared, secure
        self.transport: asyncio.Transport = cast(asyncio.Transport, None)
        self._state, self._buffer = State.HEAD, b""
        self._since = self.loop.time()
        self._lost = self._paused = self._full = False
        self._stall = (0, 0.0)
        self._blank()

    def _blank(self) -> None:
        """No request under way."""
        self._asked: Asked | None = None
        self._forward: Forward | None = None
        self._back: Back | None = None
        self._task: asyncio.Task[None] | None = None
        self._chunks: Chunks | None = None
        self._left = 0
        self._arrived = True
        self._body: list[bytes] = []
        self._waiting = self._taken = 0
        self._reader: tuple[int, asyncio.Future[bytes]] | None = None
        self._begun = self._chunking = self._expects = self._keeps = False
        self._status, self._sent, self._reason = 0, 0, ""
        self._reading_since = 0.0

    # --- the connection ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Count it; one too many is closed without a word."""
        self.transport = cast(asyncio.Transport, transport)
        peer = transport.get_extra_info("peername")
        self.address = str(peer[0]) if isinstance(peer, tuple) and peer else ""
        self.transport.set_write_buffer_limits(high=HIGH_WATER)
        self._since = self.active = self.loop.time()
        if not self.proxy.crowd.admit(self):
            self._lost = True
            self.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """The client is gone: nobody needs the app's answer any more."""
        self._lost = True
        self.proxy.crowd.forget(self)
        if self._task is not None:
            self._task.cancel()
        if self._reader is not None and not self._reader[1].done():
            self._reader[1].set_exception(ConnectionResetError())
        if self._asked is not None:
            self._account(self._status if self._begun else 499, "client_gone")
        self._let_go()
        self._blank()

    def data_received(self, data: bytes) -> None:
        """Bytes of a request, or of what follows it."""
        if self._state is State.HEAD:
            if not self._buffer:
                self._since = self.loop.time()
            self._buffer = self._buffer + data if self._buffer else data
            self._next()
        elif self._state is State.BUSY:
            self.active = self.loop.time()
            self._take_in(data)

    def eof_received(self) -> bool:
        """The client is gone. One that has only said its last looks the same, and would hold the app's answer up for
        as long as nothing is written: so it is taken for gone, as other servers do."""
        return False

    # --- a request ---

    def _next(self) -> None:
        """Begin with the request in the buffer, if its head is complete."""
        while self._state is State.HEAD and self._buffer and not self._lost:
            end = self._buffer.find(HEAD_END)
            if end < 0:
                if len(self._buffer) > MOST_HEAD + 3:  # the end of it may have come but for a byte
                    self._refuse(Malformed("head_size", 431))
                return
            if end > MOST_HEAD:
                self._refuse(Malformed("head_size", 431))
                return
            head, rest = self._buffer[: end + 4], self._buffer[end + 4 :]
            if self._shared and not self.proxy.is_ours(head):
                self._hand_over()
                return
            self._buffer = b""
            try:
                asked = self._read(head)
            except Malformed as error:
                self._refuse(error)
                return
            self._begin(asked, rest)

    def _read(self, head: bytes) -> Asked:
        """Raises ``Malformed``."""
        read = read_request(head)
        asked = Asked(read.method, read.target, read.minor, peer=self.address, secure=self._secure)
        asked.id, asked.started = self.proxy.new_id(), self.loop.time()
        self._asked = asked
        self.proxy.sort(asked, read.headers)
        if asked.method in UNSERVED:
            raise Malformed("method", 405)
        if not asked.host:
            raise Malformed("no_host")
        if asked.upgrade:
            _check_upgrade(asked)
        expected = asked.seen.get(b"expect")
        if expected is not None and expected.lower() != b"100-continue":
            raise Malformed("expect", 417)
        if asked.seen.get(b"early-data") == b"1" and asked.method not in SAFE:
            raise Malformed("early_data", 425)
        self._expects = expected is not None and asked.has_body and asked.minor > 0  # RFC 9110 10.1.1
        self._keeps = framing.keeps_alive(asked.minor, asked.seen.get(b"connection", b""))
        self._left = asked.length or 0
        self._arrived = asked.length == 0
        self._chunks = read.chunks if asked.length is None else None
        return asked

    def _begin(self, asked: Asked, rest: bytes) -> None:
        """Decide, with what came after the head."""
        self._state = State.BUSY
        self.active = asked.started
        if rest:
            self._take_in(rest)
            if not self._is_at(asked):
                return
        verdict = self.proxy.keeper.at_once(asked)
        if verdict is None:
            self._run(self._ask(asked))
        else:
            self._act(verdict)

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        """What somebody must be waited for. If it fails in a way that nobody foresaw, the connection ends."""
        self._task = self.loop.create_task(work)
        self._task.add_done_callback(self._ran)

    def _ran(self, task: asyncio.Task[None]) -> None:
        if task.cancelled():
            if task is self._task and not self._lost:  # not by us: nobody else would go on with it
                self.cut()
        elif (error := task.exception()) is not None:
            logs.event("failed", reason=type(error).__name__, exc_info=error)
            self.cut()

    def _is_at(self, asked: Asked) -> bool:
        """Whether that request is still the one under way."""
        return self._asked is asked and self._state is State.BUSY

    async def _ask(self, asked: Asked) -> None:
        try:
            verdict = await self.proxy.keeper.ask(asked, self._read_body)
        except ConnectionError:  # of the client's, which is gone, or else of somebody's who was asked
            verdict = self.proxy.keeper.trouble(asked, 503, "failed")
        self._task = None
        if not self._lost and self._asked is asked:
            self._act(verdict)

    def _act(self, verdict: Verdict) -> None:
        self._reason = verdict.reason
        if isinstance(verdict, Forward):
            self._send_on(verdict)
        else:
            self._reply(verdict)

    def _refuse(self, error: Malformed) -> None:
        """What cannot be read is answered, and ends the connection: where the next request begins nobody knows."""
        self._keeps, self._arrived = False, False
        self._state, self._buffer = State.BUSY, b""
        if self._asked is None:
            self._asked = Asked(b"", b"", peer=self.address, id=self.proxy.new_id(), started=self.loop.time())
        self._reason = error.reason
        self._reply(self.proxy.keeper.trouble(self._asked, error.status, error.reason))

    # --- its body ---

    def _take_in(self, data: bytes) -> None:
        """Bytes while a request is under way: its body, then what waits for its turn."""
        if self._arrived:
            self._wait(data)
            return
        asked = self._asked
        try:
            pieces, rest = self._pieces(data)
        except Malformed as error:
            self._broken_body(error)
            return
        for piece in pieces:
            self._taken += len(piece)
            self._piece(piece)
            if asked is None or not self._is_at(asked):
                return
        if rest:
            self._wait(rest)
        self._body_may_end()

    def _pieces(self, data: bytes) -> tuple[list[bytes], bytes]:
        """What of ``data`` is body, and the rest. Raises ``Malformed``."""
        if self._chunks is not None:
            pieces = self._chunks.feed(data)
            self._arrived = self._chunks.done
            if self._chunks.overrun:
                self._keeps = False  # the parser has read on: what follows is lost to us
            return pieces, b""
        taken, rest = data[: self._left], data[self._left :]
        self._left -= len(taken)
        self._arrived = self._left == 0
        return [taken] if taken else [], rest

    def _piece(self, piece: bytes) -> None:
        """One piece of the body: on to the app, or kept until somebody wants it."""
        limit = self._forward.route.limits.body if self._forward is not None else 0
        if limit and self._taken > limit:
            self._broken_body(Malformed("body_size", 413))
        elif self._back is not None and not self._body:
            self._back.transport.write(chunk(piece) if self._chunks is not None else piece)
        else:
            self._body.append(piece)
            self._waiting += len(piece)
            self._read_on()

    def _read_on(self) -> None:
        """While nobody takes what waits, nothing more is read than fits."""
        if self._reader is not None:
            most, future = self._reader
            if self._waiting > most and not future.done():
                future.set_exception(BodyTooLarge("the body is larger"))
        elif self._waiting > MOST_WAITING:
            self.hold(True)

    def _body_may_end(self) -> None:
        if not self._arrived:
            return
        if self._reader is not None and not self._reader[1].done():
            self._reader[1].set_result(b"".join(self._body))
        elif self._back is not None and self._chunks is not None and not self._body:
            self._back.transport.write(framing.CHUNKED_END)

    async def _read_body(self, most: int) -> bytes:
        """See ``verdict.ReadBody``."""
        if self._waiting > most or self._left > most:
            raise BodyTooLarge("the body is larger")
        if self._arrived:
            return b"".join(self._body)
        future: asyncio.Future[bytes] = self.loop.create_future()
        self._reader, self._reading_since = (most, future), self.loop.time()
        if self._expects:
            self.transport.write(CONTINUE)
            self._expects = False
        self.hold(False)
        try:
            return await future
        finally:
            self._reader = None

    def _broken_body(self, error: Malformed) -> None:
        """A body that is none, or too large: the app never gets the end of it."""
        if self._begun:
            self.cut()
            return
        self._let_go()
        self._refuse(error)

    def _wait(self, data: bytes) -> None:
        """What follows a request waits for its turn."""
        self._buffer += data
        if len(self._buffer) > MOST_WAITING:
            self.hold(True)

    # --- to the app ---

    def _send_on(self, forward: Forward) -> None:
        asked, limit = cast(Asked, self._asked), forward.route.limits.body
        self._forward = forward
        if limit and max(asked.length or 0, self._taken) > limit:
            self._failed(413, "body_size")
            return
        if asked.upgrade:
            self._keeps = False
            if not self.proxy.streams.sit(self._seat(forward), forward.route.limits.websockets):
                self._forward = None  # no seat was taken
                self._failed(429, "websockets", forward.route.label)
                return
        if forward.sid:
            self.proxy.streams.add(forward.sid, self.end, active=self._when_active, route=forward.route)
            if not self._is_at(asked):
                return  # the session ended meanwhile
        back = self.proxy.upstreams.of(forward.route).idle()
        if back is not None:
            self._go(back)
        else:
            self._run(self._connect(forward))

    def _seat(self, forward: Forward) -> Seat:
        return forward.route.label, forward.user_id or self.address

    async def _connect(self, forward: Forward) -> None:
        servers = self.proxy.upstreams.of(forward.route)
        try:
            back = await servers.connect()
        except CannotConnect as error:
            self._task = None
            if self._forward is forward:
                self._failed(error.status, error.reason)
            return
        self._task = None
        if self._forward is not forward or back.closed:
            servers.give_back(back)
            if self._forward is forward:
                self._failed(502, "unreachable")
            return
        self._go(back)

    def _go(self, back: Back) -> None:
        """The request's head, and what there is of its body."""
        asked, forward = cast(Asked, self._asked), cast(Forward, self._forward)
        self._back, self.active = back, self.loop.time()
        back.begin(self, to_head=asked.method == b"HEAD")
        if self._full:  # of the last answer: nobody says so again
            back.transport.pause_reading()
        out = [self._head(asked, forward, back)]
        if self._expects:
            self.transport.write(CONTINUE)
            self._expects = False
        if self._body:
            out += map(chunk, self._body) if self._chunks is not None else self._body
            self._body, self._waiting = [], 0
        if self._arrived and self._chunks is not None:
            out.append(framing.CHUNKED_END)
        self.hold(False)  # before writing: an app that does not keep up holds us again
        back.transport.write(b"".join(out))

    def _head(self, asked: Asked, forward: Forward, back: Back) -> bytes:
        route = forward.route
        wire = forward.target
        if route.strip_prefix:
            wire = b"/" + wire[len(route.path_prefix) :].lstrip(b"/")
        host = asked.host if route.preserve_host else back.server.netloc.encode("ascii")
        kept = asked.kept
        if forward.drop_authorization:
            kept = [header for header in kept if header[0].lower() != b"authorization"]
        out = [asked.method, b" ", wire, b" HTTP/1.1\r\nHost: ", host, b"\r\n", lines(kept)]
        if forward.cookies:
            out += (b"Cookie: ", forward.cookies, b"\r\n")
        out += (forward.told, b"X-Request-Id: ", asked.id.encode("ascii"))
        if asked.upgrade:
            out.append(b"\r\nConnection: Upgrade\r\nUpgrade: websocket")
        elif self._chunks is not None:
            out.append(b"\r\nTransfer-Encoding: chunked")
        elif asked.length or asked.method in WITH_BODY:
            out.append(b"\r\nContent-Length: %d" % (asked.length or 0))
        out.append(HEAD_END)
        return b"".join(out)

    # --- the app's answer ---

    def answer_begins(self, answer: AnswerHead) -> bytes | None:
        """The head as the client gets it; None if the client gets something else."""
        asked, forward = cast(Asked, self._asked), cast(Forward, self._forward)
        headers = self.proxy.answer_headers(answer.headers, asked, private=bool(forward.sid))
        self._begun, self._status = True, answer.status
        self._chunking = asked.minor == 1 and answer.length is None
        if self.proxy.draining or not self._arrived or (answer.length is None and asked.minor == 0):
            self._keeps = False
        return self._head_for_client(answer, headers, asked)

    def _head_for_client(self, answer: AnswerHead, headers: list[Header], asked: Asked) -> bytes:
        out = [b"HTTP/1.1 %d %b\r\n" % (answer.status, answer.reason), lines(headers)]
        if self._chunking:
            out = [out[0], _without_length(headers), b"Transfer-Encoding: chunked\r\n"]
        elif answer.status == 204:
            out = [out[0], _without_length(headers)]
        out += (b"X-Request-Id: ", asked.id.encode("ascii"), b"\r\n" if self._keeps else b"\r\nConnection: close\r\n")
        out.append(b"\r\n")
        return b"".join(out)

    def pass_on(self, head: bytes, pieces: list[bytes]) -> None:
        """A part of the answer, to the client."""
        if self._lost:
            return
        self._sent += sum(map(len, pieces))
        out = [head, *map(chunk, pieces)] if self._chunking else [head, *pieces]
        data = b"".join(out)
        if data:
            self.transport.write(data)

    def trailers(self, headers: list[Header]) -> list[Header]:
        """What the client gets of an answer's trailers."""
        return self.proxy.trailers(headers) if headers and self._chunking else []

    def answer_ends(self, end: bytes | None, *, reusable: bool) -> None:
        """The answer is complete: ``end`` is the end of a chunked one, None for one that ended with its connection."""
        if self._chunking:
            self.transport.write(end or framing.CHUNKED_END)
        back, self._back = self._back, None
        if back is not None:
            back.release()
            if not (reusable and self._arrived and back.is_told) and not back.closed:
                back.closed = True
            self.proxy.upstreams.of(cast(Forward, self._forward).route).give_back(back)
        self._over()

    def inform(self, answer: AnswerHead) -> None:
        """A 1xx answer: early hints go on to whoever knows them (RFC 9110 15.2); 100 was said already."""
        asked = self._asked
        if asked is None or asked.minor == 0 or answer.status == 100:
            return
        headers = self.proxy.answer_headers(answer.headers, asked, private=False)
        head = b"HTTP/1.1 %d %b\r\n" % (answer.status, answer.reason)
        self.transport.write(head + _without_length(headers) + b"\r\n")

    def switched(self, answer: AnswerHead, rest: bytes) -> None:
        """The app goes on with a WebSocket, if that was asked. Raises ``Malformed``."""
        asked, forward, back = self._asked, self._forward, self._back
        if asked is None or forward is None or back is None or asked.upgrade.lower() != b"websocket":
            raise Malformed("answer")
        headers = self.proxy.answer_headers(answer.headers, asked, private=False)
        head = b"HTTP/1.1 101 Switching Protocols\r\n" + _without_length(headers)
        self.transport.write(head + b"Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
        early, self._buffer, self._state = self._buffer, b"", State.TUNNEL
        self.proxy.streams.discard(forward.sid, self.end)
        self._status, self._begun = 101, True
        back.front, back.closed = None, True
        back.server.gone(back)
        self._back = self._forward = None

        def over(tunnel: Tunnel) -> None:
            self._tunnel_over(tunnel, forward.route.label)

        tunnel = Tunnel(self.transport, back.transport, forward, self.proxy.streams, over, self._seat(forward))
        self.proxy.tunnels.add(tunnel)
        tunnel.start(rest, early)
        if self._full and not back.transport.is_closing():
            back.transport.pause_reading()

    def _tunnel_over(self, tunnel: Tunnel, label: str) -> None:
        self.proxy.tunnels.discard(tunnel)
        self.proxy.crowd.forget(self)
        self._sent, self._lost = tunnel.down, True
        self._account(101, tunnel.reason, label)
        self._blank()

    # --- what goes wrong ---

    def app_failed(self, status: int, reason: str) -> None:
        """The app's answer is none, or it gave none in time."""
        if self._begun:
            self.cut()
        else:
            self._failed(status, reason)

    def app_lost(self, back: Back, *, answered: bool) -> None:
        """The app's connection is gone in the middle. What loses nothing is asked once more, if it was a connection
        from the pool that had not answered: it may have been closed before the request came (RFC 9112 9.3.1)."""
        self._back = None
        asked = cast(Asked, self._asked)
        if answered or self._begun:
            self.cut()
        elif back.used and not back.has_answered and asked.method in SAFE and asked.length == 0:
            self._run(self._connect(cast(Forward, self._forward)))
        else:
            self._failed(502, "app_gone")

    def _failed(self, status: int, reason: str, label: str = "") -> None:
        """An answer of ours in the app's place."""
        label = self._forward.route.label if self._forward is not None else label
        self._let_go()
        reply = self.proxy.keeper.trouble(self._asked, status, reason)
        reply.route, self._reason = reply.route or label, reason
        self._reply(reply)

    def end(self, reason: str) -> None:
        """The session ended (or we stop): so does the exchange, visibly unfinished."""
        if self._forward is None:
            return
        self._keeps = False
        if self._begun:
            self._reason = reason
            self.cut()
        else:
            self._failed(ENDED.get(reason, 503), reason)

    def _let_go(self) -> None:
        """Nothing more is wanted of the app."""
        forward, self._forward = self._forward, None
        back, self._back = self._back, None
        task, self._task = self._task, None
        if task is not None and task is not asyncio.current_task():
            task.cancel()
        if back is not None:
            back.server.drop(back)
        if forward is None:
            return
        if forward.sid:
            self.proxy.streams.discard(forward.sid, self.end)
        if self._asked is not None and self._asked.upgrade and self._state is not State.TUNNEL:
            self.proxy.streams.rise(self._seat(forward))

    def _reply(self, reply: Reply) -> None:
        """An answer of ours."""
        asked = cast(Asked, self._asked)
        if self._lost:
            return
        close = self.proxy.draining or not (self._keeps and self._arrived)
        self._keeps = not close
        data = render(reply, asked.id, https=self.proxy.https, close=close, to_head=asked.method == b"HEAD")
        self.transport.write(data)
        self._status, self._sent, self._begun = reply.status, len(reply.body), True
        self._over(reply.route)

    def _over(self, label: str = "") -> None:
        """A request is answered."""
        self._account(self._status, self._reason, label)
        forward, keeps, arrived = self._forward, self._keeps, self._arrived
        self._let_go()
        if forward is not None or keeps:
            self._since = self.loop.time()
        self._blank()
        self._arrived = arrived
        if keeps and not self._lost:
            self._state = State.HEAD
            self.hold(False)
            if self._buffer:
                self.loop.call_soon(self._next_in_turn)
        else:
            self._linger()

    def _next_in_turn(self) -> None:
        """The loop ends a connection whose bytes nobody can handle. Here it would not: nobody handed bytes over."""
        try:
            self._next()
        except Exception as error:  # noqa: BLE001  # whatever it is, the connection is of no use
            logs.event("failed", reason=type(error).__name__, exc_info=error)
            self.cut()

    def _linger(self) -> None:
        """The last answer is on its way. Closing on bytes that nobody read would reset the connection, and the answer
        would be lost: so we read on for a moment."""
        whole = self._arrived and not self._buffer
        self._state, self._buffer, self._since = State.LINGER, b"", self.loop.time()
        if whole or self._lost:
            self.transport.close()
            return
        if self.transport.can_write_eof():
            try:
                self.transport.write_eof()
            except OSError:  # the client reset it a moment ago
                self.transport.abort()
                return
        self.hold(False)
        self.loop.call_later(self.proxy.crowd.limits.linger, self._leave)

    def _leave(self) -> None:
        if self._lost:
            return
        if self.transport.get_write_buffer_size():  # whoever takes nothing is cut (``overdue``)
            self.loop.call_later(self.proxy.crowd.limits.linger, self._leave)
        elif self.transport.can_write_eof():
            self.transport.abort()
        else:
            self.transport.close()  # TLS says good-bye

    # --- the way to the site, deadlines, back-pressure ---

    def _hand_over(self) -> None:
        """The request is for the site: from now on the connection is."""
        self.proxy.crowd.forget(self)
        self._lost = True
        buffer, self._buffer = self._buffer, b""
        self.proxy.to_site(self.transport, buffer, full=self._full)

    def overdue(self, now: float, limits: Limits) -> str:
        """See ``crowd.Guest``. An app that is late is answered for, not cut."""
        if self._state is State.TUNNEL:
            return ""
        if self._stalls(now, limits.stall):
            return "stall"
        if self._stall[0] and not self._buffer:
            self._since = now  # the last answer is still on its way
        if self._state is State.HEAD:
            if self._buffer:
                return "head" if now - self._since > limits.head else ""
            return "idle" if now - self._since > limits.idle else ""
        if self._state is State.LINGER:
            return "linger" if now - self._since > 2 * limits.linger + 5 else ""
        if self._forward is None:
            return "body" if self._reader is not None and now - self._reading_since > limits.body else ""
        return self._late_app(now, self._forward)

    def _late_app(self, now: float, forward: Forward) -> str:
        times = forward.route.timeouts
        if self._back is None:
            return ""
        if self._begun:
            return "idle_stream" if now - self.active > times.idle else ""
        if now - self.active > (times.first_byte if self._arrived else times.idle):
            self._keeps = False
            slow = not (self._arrived or self._paused)
            self._failed(408 if slow else 504, "body" if slow else "app_silent")
        return ""

    def _stalls(self, now: float, most: float) -> bool:
        size = self.transport.get_write_buffer_size()
        if size == 0 or size != self._stall[0]:
            if size < self._stall[0]:
                self.active = now  # the client reads
            self._stall = (size, now)
            return False
        return now - self._stall[1] > most

    def cut(self) -> None:
        """End it now, whatever is in its buffers."""
        self._keeps = False
        self.transport.abort()

    def hold(self, paused: bool) -> None:
        """Read no more from the client for now; or go on."""
        if paused is self._paused or self.transport.is_closing():
            return
        self._paused = paused
        if paused:
            self.transport.pause_reading()
        else:
            self.transport.resume_reading()

    def pause_writing(self) -> None:
        """The client does not keep up: read no more of the app's answer."""
        self._full = True
        if self._back is not None and not self._back.transport.is_closing():
            self._back.transport.pause_reading()

    def resume_writing(self) -> None:
        """It keeps up again."""
        self._full = False
        if self._back is not None and not self._back.transport.is_closing():
            self._back.transport.resume_reading()

    @property
    def idle(self) -> bool:
        """Whether no request is under way."""
        return self._state is State.HEAD and not self._buffer

    def _when_active(self) -> float:
        return self.active

    def _account(self, status: int, reason: str, label: str = "") -> None:
        asked = self._asked
        if asked is not None:
            route = label or (self._forward.route.label if self._forward is not None else "")
            self.proxy.account(asked, route, status, reason, self._sent)


def _check_upgrade(asked: Asked) -> None:
    """No other protocol than WebSockets is spoken here, and any wish may be ignored (RFC 9110 7.8): so is one that is
    not for this connection, or no handshake (RFC 6455 4.1). Raises ``Malformed`` for one with a body."""
    if asked.upgrade.lower() != b"websocket":
        asked.upgrade = b""
        return
    if asked.has_body:
        raise Malformed("upgrade_with_body")
    if asked.method != b"GET" or asked.minor < 1 or not framing.upgrades(asked.seen.get(b"connection", b"")):
        asked.upgrade = b""


def _without_length(headers: list[Header]) -> bytes:
    """The header lines of an answer that has no length of its own (RFC 9110 8.6)."""
    return lines([header for header in headers if header[0].lower() != b"content-length"])
