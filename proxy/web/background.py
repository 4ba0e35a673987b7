"""Work that goes on as long as the site is up, beside its requests."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine

log = logging.getLogger("isthmus.app")


@contextlib.asynccontextmanager
async def repeating(work: Callable[[], Awaitable[object]], seconds: float, failed: str) -> AsyncIterator[None]:
    """Do ``work`` every so many seconds until the end of the block. A failure is logged, and the next turn comes."""

    async def turns() -> None:
        while True:
            await asyncio.sleep(seconds)
            try:
                await work()
            except Exception as error:  # noqa: BLE001  # whatever it is, the next turn must come
                log.warning(failed, extra={"reason": str(error)})

    async with running(turns()):
        yield


@contextlib.asynccontextmanager
async def running(work: Coroutine[None, None, None]) -> AsyncIterator[None]:
    """A task that runs until the end of the block."""
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
