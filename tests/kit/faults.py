"""A TCP proxy that misbehaves on demand, to put between two parties. Every fault can be switched while it runs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass
class FaultProxy:
    """Set the fields at any time; ``requests`` counts the pieces that came from the near side.

    ``target`` is a port on loopback or the path of a unix socket. ``latency`` delays each piece of the answer.
    ``hold``: accept and read, pass nothing on. ``refuse``: reset whoever connects. ``swallow``: that many of the coming
    pieces of answer are lost and their connections cut, after the far side did its work; ``cut_after`` pieces pass
    first.
    """

    target: int | str
    latency: float = 0.0
    hold: bool = False
    refuse: bool = False
    swallow: int = 0
    cut_after: int = 0
    port: int = 0
    requests: int = 0
    accepted: int = 0
    _open: set[asyncio.StreamWriter] = field(default_factory=set)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    @property
    def connections(self) -> int:
        """How many connections from the near side are open."""
        return len(self._open)

    def cut(self) -> None:
        """Cut every open connection now."""
        for writer in self._open:
            writer.transport.abort()

    async def serve(self, near_in: asyncio.StreamReader, near_out: asyncio.StreamWriter) -> None:
        """One connection from the near side, until either side ends it."""
        self.accepted += 1
        if self.refuse:
            near_out.transport.abort()
            return
        self._open.add(near_out)
        far_out = None
        try:
            far_in, far_out = await self._reach()
            back = asyncio.create_task(self._answers(far_in, near_out))
            self._tasks.add(back)
            await self._requests(near_in, far_out)
            back.cancel()
            self._tasks.discard(back)
        except OSError:
            pass  # one side is gone: so is the connection
        finally:
            self._open.discard(near_out)
            near_out.transport.abort()
            if far_out is not None:
                far_out.transport.abort()

    async def _reach(self) -> Streams:
        if isinstance(self.target, str):
            return await asyncio.open_unix_connection(self.target)
        return await asyncio.open_connection("127.0.0.1", self.target)

    async def _requests(self, near_in: asyncio.StreamReader, far_out: asyncio.StreamWriter) -> None:
        while piece := await near_in.read(65536):
            self.requests += 1
            if not self.hold:
                far_out.write(piece)
                await far_out.drain()

    async def _answers(self, far_in: asyncio.StreamReader, near_out: asyncio.StreamWriter) -> None:
        try:
            while piece := await far_in.read(65536):
                if self.latency:
                    await asyncio.sleep(self.latency)
                if self._swallows():
                    break
                if not self.hold:
                    near_out.write(piece)
                    await near_out.drain()
        except OSError:
            pass  # one side is gone: so is the connection
        near_out.transport.abort()

    def _swallows(self) -> bool:
        if self.swallow and self.cut_after:
            self.cut_after -= 1
            return False
        if not self.swallow:
            return False
        self.swallow -= 1
        return True

    async def close(self) -> None:
        """End every connection and task."""
        self.cut()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


@asynccontextmanager
async def fault_proxy(target: int | str) -> AsyncIterator[FaultProxy]:
    """A running proxy on a free loopback port (``.port``) before ``target``."""
    proxy = FaultProxy(target)
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        server.close()
        await proxy.close()
        await server.wait_closed()
