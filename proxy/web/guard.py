"""Guards connections below HTTP. aiohttp has no deadline for a request that is still arriving, nor for an answer that
nobody reads (and a transport that is closed with bytes in its buffer waits for ever).

    head    first byte to end of headers, and the first request of a new connection
    body    the whole of it, and a least rate after a few seconds
    stall   an answer of which no byte leaves
    idle    between requests
    caps    connections in all and of one address; pipelined requests (aiohttp queues 32 and stops reading)

One look over all connections a tick costs less than timers for each request. A request that is no HTTP is answered
with a plain text that does not repeat it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any, Final, cast

from aiohttp import web
from aiohttp.http_exceptions import LineTooLong
from aiohttp.streams import EMPTY_PAYLOAD, StreamReader
from aiohttp.web_protocol import RequestHandler

from proxy.http.client_address import Proxies
from proxy.http.crowd import Crowd, Limits
from proxy.telemetry import logs, metrics
from proxy.web.porch import Porch
from proxy.web.refusals import refusal

HEAD_END: Final = b"\r\n\r\n"


class Connection(RequestHandler):
    """One connection: aiohttp's protocol, and since when it waits for what."""

    __slots__ = (
        "_body",
        "_body_bytes",
        "_body_since",
        "_broken",
        "_ended",
        "_follows",
        "_guard",
        "_head_since",
        "_newest",
        "_stall",
        "_torn",
        "_wire",
        "address",
    )

    def __init__(self, guard: Guard, **options: Any) -> None:
        super().__init__(guard, **options)
        self._guard = guard
        self._head_since: float | None = None
        self._body: StreamReader | None = None
        self._body_since = 0.0
        self._body_bytes = 0
        self._stall = (0, 0.0)
        self._newest: StreamReader | None = None
        self._follows, self._torn = 0, False
        self._wire: asyncio.Transport | None = None
        self.address = ""
        self._broken = False
        self._ended: asyncio.Event | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Count it; one too many is closed without a word."""
        peer = transport.get_extra_info("peername")
        self.address = str(peer[0]) if isinstance(peer, tuple) and peer else ""
        self._wire = cast("asyncio.Transport", transport)  # uvloop's are no subclasses of it
        if not self._guard.crowd.admit(self):
            self._wire.abort()
            return
        self._head_since = self._loop.time()
        super().connection_made(transport)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Forget it."""
        self._guard.crowd.forget(self)
        self._body = None
        if self._ended is not None:
            self._ended.set()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Note what the bytes belong to. What follows a broken request is thrown away."""
        if self._broken:
            return
        if self._guard.porch is not None and self._is_idle and self._guard.porch.wants(data):
            self._go_over(self._guard.porch, data)
            return
        before = self._request_count
        if self._body is not None:
            self._body_bytes += len(data)
        self._feed(data)
        if self._guard.porch is not None and data:
            self._note_end(data, self._request_count != before)
        if self._request_count != before:
            self._head_since = None
            self._await_body()
        elif self._head_since is None and self._waiter is not None and self._body is None:
            self._head_since = self._loop.time()

    @property
    def _is_idle(self) -> bool:
        """Whether the next byte begins a request."""
        waits = self._waiter is not None and not self._messages and not self._torn
        return waits and self._head_since is None and (self._body is None or self._body.is_eof())

    def _note_end(self, data: bytes, heads: bool) -> None:
        """Whether these bytes end a request; else aiohttp may have the beginning of another, and gets the rest, too.
        ``heads``: there was a head in them."""
        if heads and self._messages:
            self._newest, self._follows = self._messages[-1][1], len(data) - data.find(HEAD_END) - len(HEAD_END)
        elif self._newest is not None:
            self._follows += len(data)
        whole = self._newest is not None and self._newest.is_eof() and self._follows == self._newest.total_bytes
        self._torn = not whole and not data.endswith(HEAD_END)

    def _go_over(self, porch: Porch, data: bytes) -> None:
        """The connection is the porch's from now on. aiohttp must not close what it has no more."""
        full = self.writing_paused
        transport, self._wire, self.transport = self._wire, None, None
        self.connection_lost(None)
        porch.take_over(cast("asyncio.Transport", transport), data, full=full)

    def _feed(self, data: bytes) -> None:
        """aiohttp takes nothing more in while it closes; what is still to come of a running request must arrive."""
        if self._body is None or self._body.is_eof():
            super().data_received(data)
            return
        closing, self._close = self._close, False
        forced, self._force_close = self._force_close, False
        super().data_received(data)
        self._close, self._force_close = self._close or closing, self._force_close or forced

    def _await_body(self) -> None:
        """The newest request's headers are complete; its body may not be."""
        if not self._messages:
            return
        payload = self._messages[-1][1]
        if payload is EMPTY_PAYLOAD or payload.is_eof():
            self._body = None
        elif payload is not self._body:
            self._body, self._body_since, self._body_bytes = payload, self._loop.time(), 0

    def overdue(self, now: float, limits: Limits) -> str:
        """Which deadline has passed, if any."""
        if self._stalls(now, limits.stall):
            return "stall"
        if self._head_since is not None and now - self._head_since > limits.head:
            return "head"
        return self._late_body(now, limits)

    def _late_body(self, now: float, limits: Limits) -> str:
        if self._body is None:
            return ""
        if self._body.is_eof():
            self._body = None
            return ""
        age = now - self._body_since
        if age > limits.body:
            return "body"
        # While we do not read, the rate is ours and not theirs.
        slow = age > limits.rate_after and self._body_bytes < age * limits.rate and not self._reading_paused
        return "rate" if slow else ""

    def _stalls(self, now: float, most: float) -> bool:
        size = 0 if self._wire is None else self._wire.get_write_buffer_size()
        if size == 0 or size != self._stall[0]:
            self._stall = (size, now)
            return False
        return now - self._stall[1] > most

    def cut(self) -> None:
        """End it now, whatever is in its buffers."""
        self._force_close = True
        if self._wire is not None:
            self._wire.abort()

    def log_exception(self, *args: Any, **named: Any) -> None:
        """aiohttp's own complaints: where it happened, without the offending bytes, seldom."""
        logs.seldom("connection_fault", level="error", text=str(args[0]), exc_info=named.get("exc_info"))

    def _make_error_handler(self, err_info: Any) -> Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]:
        """The answer to what the parser refused."""
        status = _status(err_info.exc, self.max_line_size)
        self._broken = True

        async def answer(request: web.BaseRequest) -> web.StreamResponse:
            metrics.turned_away("parser")
            logs.seldom("malformed_request", status=status, client=self.address, reason=type(err_info.exc).__name__)
            response = refusal(request, status, self._guard.issuer)
            response.force_close()
            await response.prepare(request)
            await response.write_eof()
            await self._linger()
            return response

        return answer

    async def _linger(self) -> None:
        """Read on for a moment: closing on unread bytes resets the connection, and the answer would be lost."""
        wire = self._wire
        if wire is None or not wire.can_write_eof():
            return
        wire.write_eof()
        self._ended = asyncio.Event()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._guard.limits.linger):
                await self._ended.wait()


def _status(error: BaseException, target_limit: int) -> int:
    if isinstance(error, LineTooLong):
        return 414 if error.args[1:2] == (target_limit,) else 431
    return 431 if "Too many headers" in str(error) else 400


class Guard(web.Server):
    """The listening side: makes connections, in a crowd that counts them and looks over them."""

    def __init__(
        self,
        handler: Any,
        *,
        limits: Limits,
        proxies: Proxies,
        issuer: str,
        porch: Porch | None = None,
        **options: Any,
    ) -> None:
        """``porch``: who else answers on this port."""
        super().__init__(handler, **options)
        self.limits, self.issuer, self.porch = limits, issuer, porch
        self.crowd: Crowd[Connection] = Crowd(limits, proxies)

    def __call__(self) -> Connection:
        """A new connection's protocol."""
        limits = self.limits
        return Connection(
            self,
            loop=self._loop,
            keepalive_timeout=limits.idle,
            max_line_size=limits.target,
            max_field_size=limits.field,
            max_headers=limits.fields,
            lingering_time=limits.linger,
            **self._kwargs,
        )
