"""A listener for the time of a block, which leaves nothing open behind it."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def listening(
    serve: Serve, *, host: str = "127.0.0.1", port: int = 0, path: Path | None = None, tls: ssl.SSLContext | None = None
) -> AsyncIterator[int]:
    """``serve`` has every connection; gives the port. At the end all connections are cut."""
    running: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    async def one(near: asyncio.StreamReader, out: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            running[task] = out
        try:
            await serve(near, out)
        except (OSError, EOFError, asyncio.CancelledError):
            pass  # the other side left, or the block is over
        finally:
            out.close()

    if path is None:
        server = await asyncio.start_server(one, host, port, ssl=tls)
    else:
        server = await asyncio.start_unix_server(one, path, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1] if path is None else 0
    finally:
        server.close()
        await asyncio.sleep(0)  # a connection that was just taken begins
        for task, out in running.items():
            task.cancel()
            out.transport.abort()
        if running:
            await asyncio.wait(running)
        await asyncio.sleep(0)  # their sockets are closed
