"""A connection to an app's server: it carries one exchange at a time and reads the answer (RFC 9112).

What the answer's head says is checked before a byte of it goes on, and its body is held to that: a body of another
length, an answer that nobody asked for (FT-61), a switch to another protocol unasked, end the connection. Bodies are
passed on as they come; while the client does not keep up, nothing more is read.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, cast

from proxy.gateway.framing import HEAD_END, MOST_HEAD, AnswerHead, last_chunk, read_answer
from proxy.gateway.request import Malformed
from proxy.gateway.upstreams import Pooled, Server

if TYPE_CHECKING:
    from proxy.gateway.front import Front

HIGH_WATER = 256 * 1024
INTERIM = 20
"""1xx answers before the final one."""


class Back(Pooled):
    """One connection. ``front`` is whose exchange it carries, None while it waits."""

    def __init__(self, server: Server[Any]) -> None:
        self.server = server
        self.front: Front | None = None
        self.used = False
        self.transport: asyncio.Transport = cast(asyncio.Transport, None)
        self._buffer = b""
        self._answer: AnswerHead | None = None
        self._left = 0
        self._to_head = False
        self._interim = 0

    # --- what the front says ---

    def begin(self, front: Front, *, to_head: bool) -> None:
        """An exchange of ``front`` begins. ``to_head``: HEAD is asked."""
        self.front, self._to_head = front, to_head
        self._buffer, self._answer, self._interim = b"", None, 0

    def release(self) -> None:
        """The exchange is over; the connection goes back to the pool, or is closed. A client that was too slow for its
        last bytes does not hold it up for the next one."""
        self.front, self.used = None, True
        if not self.transport.is_closing():
            self.transport.resume_reading()

    def close(self) -> None:
        """Close it, whatever goes on in it."""
        self.front, self.closed = None, True
        if self.transport is not None:
            self.transport.abort()

    @property
    def has_answered(self) -> bool:
        """Whether any byte of an answer came."""
        return bool(self._buffer) or self._answer is not None or self._interim > 0

    @property
    def is_told(self) -> bool:
        """Whether all of the request has left. What an answer overtook would go before the next one, and nobody would
        say again that the server does not keep up."""
        return self.transport.get_write_buffer_size() == 0

    # --- what the server says ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It is open."""
        self.transport = cast(asyncio.Transport, transport)
        self.transport.set_write_buffer_limits(high=HIGH_WATER)

    def data_received(self, data: bytes) -> None:
        """A part of the answer; or something that nobody asked for."""
        front = self.front
        if front is None:
            self.closed = True
            self.server.gone(self)
            self.transport.abort()
            return
        front.active = front.loop.time()
        try:
            self._hear(front, data)
        except Malformed:
            self.closed = True
            front.app_failed(502, "bad_answer")

    def _hear(self, front: Front, data: bytes) -> None:
        """Raises ``Malformed``."""
        if self._answer is not None:
            self._body(front, self._answer, data, b"")
            return
        self._buffer = self._buffer + data if self._buffer else data
        while (end := self._buffer.find(HEAD_END)) >= 0:
            head, rest = self._buffer[: end + 4], self._buffer[end + 4 :]
            answer = read_answer(head, to_head=self._to_head)
            if answer.switches:
                self._buffer = b""
                front.switched(answer, rest)
                return
            if answer.status >= 200:
                self._buffer, self._answer, self._left = b"", answer, answer.length or 0
                begun = front.answer_begins(answer)
                if begun is not None and self.front is front:
                    self._body(front, answer, rest, begun)
                return
            self._interim += 1
            if self._interim > INTERIM:
                raise Malformed("answer")
            front.inform(answer)
            self._buffer = rest
        if len(self._buffer) > 2 * MOST_HEAD:
            raise Malformed("answer")

    def _body(self, front: Front, answer: AnswerHead, data: bytes, head: bytes) -> None:
        """Pass on what is body in ``data``, after ``head``. Raises ``Malformed``."""
        if answer.chunks is not None:
            pieces = answer.chunks.feed(data) if data else []
            done, overrun = answer.chunks.done, answer.chunks.overrun
            front.pass_on(head, pieces)
            if done:
                self._complete(front, answer, overrun, last_chunk(front.trailers(answer.chunks.trailers)))
        elif answer.until_close:
            front.pass_on(head, [data] if data else [])
        else:
            taken = data[: self._left] if len(data) > self._left else data
            self._left -= len(taken)
            front.pass_on(head, [taken] if taken else [])
            if self._left == 0:
                self._complete(front, answer, len(data) > len(taken), b"")

    def _complete(self, front: Front, answer: AnswerHead, overrun: bool, end: bytes) -> None:
        if overrun:
            self.closed = True
        front.answer_ends(end, reusable=answer.reusable and not overrun)

    def eof_received(self) -> bool:
        """The server says no more: it is asked no more."""
        self.closed = True
        self.server.free.pop(self, None)
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """It is gone: in the middle of an answer, before one, or while it waited."""
        self.closed = True
        self.server.gone(self)
        front, self.front = self.front, None
        if front is None:
            return
        if self._answer is not None and self._answer.until_close and exc is None:
            front.answer_ends(None, reusable=False)
        else:
            front.app_lost(self, answered=self._answer is not None)

    # --- back-pressure ---

    def pause_writing(self) -> None:
        """The server does not keep up with the request's body."""
        if self.front is not None:
            self.front.hold(True)

    def resume_writing(self) -> None:
        """It keeps up again."""
        if self.front is not None:
            self.front.hold(False)
