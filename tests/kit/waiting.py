"""Wait for a condition, never for a time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable


async def eventually(holds: Callable[[], Awaitable[bool]], *, within: float = 10.0) -> None:
    """Return once ``holds`` does. Raises ``AssertionError`` if it does not ``within`` that many seconds."""
    ends = time.monotonic() + within
    while not await holds():
        if time.monotonic() > ends:
            raise AssertionError(f"did not come about within {within} seconds")
        await asyncio.sleep(0.02)
