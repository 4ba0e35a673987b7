"""Work beside the requests: it repeats, it survives its failures, and it ends with its block."""

from __future__ import annotations

import asyncio
import logging

import pytest

from proxy.web.background import repeating, running


async def test_a_failure_is_logged_and_the_next_turn_comes(caplog: pytest.LogCaptureFixture) -> None:
    """A store that is away for a moment ends no background work."""
    turns: list[int] = []
    third = asyncio.Event()

    async def work() -> None:
        turns.append(len(turns))
        if len(turns) == 1:
            raise ValueError("away")
        if len(turns) >= 3:
            third.set()

    with caplog.at_level(logging.WARNING, "isthmus.app"):
        async with repeating(work, 0, "it could not be done"):
            await asyncio.wait_for(third.wait(), 30)
    assert [(record.message, record.reason) for record in caplog.records] == [("it could not be done", "away")]  # type: ignore[attr-defined]
    done = len(turns)
    await asyncio.sleep(0)
    assert len(turns) == done


async def test_a_task_ends_with_its_block() -> None:
    """Whatever it waits for, and when the block fails, too."""
    begun, ended = asyncio.Event(), asyncio.Event()

    async def work() -> None:
        try:
            begun.set()
            await asyncio.Event().wait()
        finally:
            ended.set()

    with pytest.raises(LookupError):
        async with running(work()):
            await begun.wait()
            raise LookupError
    assert ended.is_set()
