"""A line between two parties that can be cut, for real: while it is shut nobody listens, so a caller is refused.

Beyond what ``FaultProxy`` does, it strikes at a chosen moment: the piece of a request that holds certain bytes.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from tests.kit.faults import FaultProxy


@dataclass
class Line(FaultProxy):
    """``lose``: the far side gets the request with these bytes, its answer is lost and the connection cut. ``halt``:
    that request and all that come after it are swallowed. ``mute``: it gets through, and nothing after it does, nor any
    answer. Each happens once, and sets ``struck``. ``deaf``: nobody can subscribe through it (``deafen``)."""

    lose: bytes = b""
    halt: bytes = b""
    mute: bytes = b""
    struck: asyncio.Event = field(default_factory=asyncio.Event)
    deaf: bool = False
    _ears: set[asyncio.StreamWriter] = field(default_factory=set)
    _server: asyncio.Server | None = None

    async def open(self) -> None:
        """Listen (again, at the same port)."""
        self._server = await asyncio.start_server(self.serve, "127.0.0.1", self.port, backlog=1024)
        self.port = self._server.sockets[0].getsockname()[1]

    @property
    def is_open(self) -> bool:
        """Whether it listens."""
        return self._server is not None

    async def shut(self) -> None:
        """Listen no more, and cut what is open."""
        if self._server is not None:
            self._server.close()
            self._server = None
        self.cut()

    def deafen(self) -> None:
        """Cut the connections that subscribed to something, and let no other one do so."""
        self.deaf = True
        while self._ears:
            self._ears.pop().transport.abort()

    async def _requests(self, near_in: asyncio.StreamReader, far_out: asyncio.StreamWriter) -> None:
        while piece := await near_in.read(65536):
            self.requests += 1
            if b"SUBSCRIBE" in piece:
                self._ears.add(far_out)
            if self._passes(piece) and not (self.deaf and far_out in self._ears):
                far_out.write(piece)
                await far_out.drain()

    def _passes(self, piece: bytes) -> bool:
        """Whether the far side gets ``piece``; what strikes at it, strikes now."""
        passes = not self.hold
        if self.mute and self.mute in piece:
            self.mute, self.hold = b"", True
            self.struck.set()
        if self.halt and self.halt in piece:
            self.halt, self.hold, passes = b"", True, False
            self.struck.set()
        if self.lose and self.lose in piece:
            self.lose, self.swallow = b"", self.swallow + 1
            self.struck.set()
        return passes


@asynccontextmanager
async def line(target: int | str = 0) -> AsyncIterator[Line]:
    """An open line to ``target``, which may be set later."""
    made = Line(target)
    await made.open()
    try:
        yield made
    finally:
        await made.shut()
        await made.close()
