"""A WebSocket after the app's 101 (RFC 6455): bytes go through as they come, both ways, with back-pressure.

Each direction knows where its frames end (``frames``), so that a Close frame can be put in: when the session ends, when
we go down, when a frame is too large. From then on nothing goes through any more: the browser may answer the Close for
a moment, then both connections end. Where a frame is only half sent to the browser, its rest may follow for a moment,
too; a frame that came half from the browser stays half, so that an app never acts on what came after a session's end.

While nothing goes through we ask the browser with a Ping, after half of the idle time; its Pong, which goes on to the
app like any frame, counts as a sign of life. So a quiet app stays, and a browser that is gone does not.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from typing import Final, cast

from proxy.gateway.frames import GOING_AWAY, LATER, POLICY, PROTOCOL, TOO_BIG, Frames, close_frame, ping_frame
from proxy.gateway.streams import Seat, Streams
from proxy.gateway.verdict import Forward

CLOSING: Final = 1.0
"""Seconds for the browser to answer a Close, and for what was half sent to end."""
LINGER: Final = 10.0
"""Seconds for what one side still has to say when the other has said its last."""
CODES: Final = {
    "session_ended": (POLICY, "session ended"),
    "forbidden": (POLICY, "access ended"),
    "unconfirmed": (LATER, "session cannot be confirmed"),
    "stopping": (GOING_AWAY, "going away"),
    "idle": (GOING_AWAY, "idle"),
    "frame_too_big": (TOO_BIG, "frame too big"),
    "bad_frame": (PROTOCOL, "bad frame"),
}
"""The Close of each reason: code and text."""


class _Side(asyncio.Protocol):
    """One of the two connections. ``frames`` are those that come from it; ``passed`` counts their bytes."""

    __slots__ = ("eof", "frames", "gone", "other", "passed", "transport", "tunnel")

    def __init__(self, tunnel: Tunnel, transport: asyncio.Transport, frames: Frames) -> None:
        self.tunnel, self.transport, self.frames = tunnel, transport, frames
        self.other = self
        self.passed = 0
        self.gone = self.eof = False

    def data_received(self, data: bytes) -> None:
        """From this side to the other."""
        self.tunnel.active = self.tunnel.now()
        if self.tunnel.ended:
            self.tunnel.heard_after_end(self, data)
            return
        passing = self.frames.feed(data)
        if passing:
            self.send_on(passing)
        if self.frames.fault:
            self.tunnel.end("frame_too_big" if self.frames.fault == TOO_BIG else "bad_frame")

    def send_on(self, data: bytes) -> None:
        """To the other side."""
        self.passed += len(data)
        if not self.other.gone:
            self.other.transport.write(data)

    def eof_received(self) -> bool:
        """It has said its last; the other may go on for a while. Over TLS there is no such half."""
        self.eof = True
        self.tunnel.half_closed(self)
        return self.transport.can_write_eof()

    def connection_lost(self, exc: Exception | None) -> None:
        """It is gone."""
        self.gone = True
        self.tunnel.side_lost(self)

    def pause_writing(self) -> None:
        """Whom we write to does not keep up: read no more from the other side."""
        if not self.other.gone:
            self.other.transport.pause_reading()

    def resume_writing(self) -> None:
        """It keeps up again."""
        if not self.other.gone:
            self.other.transport.resume_reading()


class Tunnel:
    """Takes over both transports. ``client`` and ``app`` are connected, and the head of the 101 has been written to the
    client. ``seat`` was taken in ``streams`` for it; ``done`` is called once, when both connections are over.

    ``up`` and ``down`` are the bytes that went to the app and to the browser, ``reason`` why it ended.
    """

    def __init__(
        self,
        client: asyncio.BaseTransport,
        app: asyncio.BaseTransport,
        forward: Forward,
        streams: Streams,
        done: Callable[[Tunnel], None],
        seat: Seat | None = None,
    ) -> None:
        limit = forward.route.limits.frame
        self._client = _Side(self, cast(asyncio.Transport, client), Frames(limit, masked=True))
        self._app = _Side(self, cast(asyncio.Transport, app), Frames(limit, masked=False))
        self._client.other, self._app.other = self._app, self._client
        self._forward, self._streams, self._done, self._seat = forward, streams, done, seat
        self._loop = asyncio.get_running_loop()
        self.now = self._loop.time
        self._idle = forward.route.timeouts.idle
        self._timer: asyncio.TimerHandle | None = None
        self._closing = self._told = False
        self.active = self.started = self.now()
        self.reason = self._first = ""

    @property
    def ended(self) -> bool:
        """Whether nothing goes through any more."""
        return bool(self.reason)

    @property
    def up(self) -> int:
        """Bytes from the browser that went to the app."""
        return self._client.passed

    @property
    def down(self) -> int:
        """Bytes from the app that went to the browser."""
        return self._app.passed

    def start(self, from_app: bytes = b"", from_client: bytes = b"") -> None:
        """Begin, with what came with the two heads already."""
        for side in (self._client, self._app):
            side.transport.set_protocol(side)
        self._timer = self._loop.call_later(self._idle / 2, self._look)
        if self._forward.sid:
            self._streams.add(self._forward.sid, self.end, active=self._when_active, route=self._forward.route)
        for side, early in ((self._app, from_app), (self._client, from_client)):
            if not side.gone:
                side.transport.resume_reading()  # before writing: the other one may not keep up
            if early:
                side.data_received(early)

    def end(self, reason: str) -> None:
        """Close both sides, for one of the reasons of ``CODES``. Nothing goes through from now on."""
        if self.ended:
            return
        self.reason, self._closing = reason, True
        self._set_timer(CLOSING, self.abort)
        self._tell_app()
        self._tell_client()
        if not self._client.gone:
            self._client.transport.resume_reading()  # its answer is looked for; what else it says is dropped

    def abort(self) -> None:
        """End both connections now, whatever is in their buffers."""
        self.reason = self.reason or self._first or "aborted"
        for side in (self._client, self._app):
            if not side.gone:
                side.transport.abort()

    # --- what the sides tell ---

    def heard_after_end(self, side: _Side, data: bytes) -> None:
        """Of the app only the rest of a frame that was half sent; of the browser nothing but that it answers Close."""
        if side is self._client:
            side.frames.feed(data)
            if side.frames.closing and side.frames.between:
                side.transport.close()
        elif self._closing and not self._told:
            side.send_on(side.frames.finish(data))
            self._tell_client()

    def half_closed(self, side: _Side) -> None:
        """``side`` says no more. What it said is on its way to the other, and then the end of it."""
        if self.ended or side.other.eof:
            side.transport.close()
            return
        self._first = self._name(side)
        self._set_timer(LINGER, self.abort)
        if not side.other.gone and side.other.transport.can_write_eof():
            try:
                side.other.transport.write_eof()
            except OSError:  # that one reset it a moment ago
                side.other.transport.abort()

    def side_lost(self, side: _Side) -> None:
        """``side`` is gone: the other hears what is in its buffer, and goes, too."""
        self.reason = self.reason or self._first or self._name(side)
        if side.other.gone:
            self._over()
            return
        if not self._closing:  # else it has its moment
            side.other.transport.close()
            self._set_timer(LINGER, self.abort)

    def _name(self, side: _Side) -> str:
        return "client_gone" if side is self._client else "app_gone"

    # --- the end ---

    def _tell_app(self) -> None:
        """A Close if the browser's last frame is whole; else the app sees that the connection ends in the middle."""
        side, frames = self._app, self._client.frames
        if side.gone or side.transport.is_closing():
            return
        if frames.between and not frames.closing and not self._client.eof:
            side.transport.write(close_frame(*CODES[self.reason], mask=secrets.token_bytes(4)))
        else:
            side.transport.close()

    def _tell_client(self) -> None:
        """A Close as soon as the app's last frame is whole."""
        side, frames = self._client, self._app.frames
        if side.gone or side.transport.is_closing() or not frames.between:
            return
        self._told = True
        if not frames.closing and not self._app.eof:
            side.transport.write(close_frame(*CODES[self.reason]))

    def _over(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._streams.discard(self._forward.sid, self.end)
        if self._seat is not None:
            self._streams.rise(self._seat)
        self._done(self)

    def _look(self) -> None:
        """Half of the idle time has gone by: ask the browser, or end."""
        quiet = self.now() - self.active
        if quiet >= self._idle:
            self.end("idle")
            return
        if quiet >= self._idle / 2 and self._app.frames.between and not self._app.frames.closing:
            self._client.transport.write(ping_frame())
        self._set_timer(self._idle / 2, self._look)

    def _set_timer(self, seconds: float, then: Callable[[], None]) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_later(seconds, then)

    def _when_active(self) -> float:
        return self.active
