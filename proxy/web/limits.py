"""Admission and deadline: how many requests run, how many wait, and how long any may take."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass


@dataclass(frozen=True)
class Capacity:
    """``running`` requests at once, ``waiting`` more for at most ``patience`` seconds; each has ``deadline`` seconds.

    ``body`` and ``field`` are the most bytes of a body and of one header (the Cookie header has the guard's limit).
    """

    running: int = 500
    waiting: int = 200
    patience: float = 2.0
    deadline: float = 15.0
    body: int = 1024 * 1024
    field: int = 8 * 1024


class Admission:
    """Counts requests in. ``enter`` answers whether there is room; whoever was let in must ``leave``."""

    def __init__(self, capacity: Capacity) -> None:
        self._capacity = capacity
        self._queue: deque[asyncio.Future[None]] = deque()
        self.running = 0

    def full(self) -> bool:
        """Whether a newcomer must wait."""
        return self.running >= self._capacity.running

    async def enter(self) -> bool:
        """Take a place, waiting for one if not too many wait already."""
        if not self.full():
            self.running += 1
            return True
        if len(self._queue) >= self._capacity.waiting:
            return False
        turn = asyncio.get_running_loop().create_future()
        self._queue.append(turn)
        try:
            async with asyncio.timeout(self._capacity.patience):
                await turn
        except TimeoutError:
            return self._gave_up(turn)
        except asyncio.CancelledError:
            if self._gave_up(turn):
                self.leave()
            raise
        return True

    def _gave_up(self, turn: asyncio.Future[None]) -> bool:
        """Leave the queue. Answers whether a place was handed over at the very last moment."""
        if turn.done() and not turn.cancelled():
            return True
        if turn in self._queue:
            self._queue.remove(turn)
        return False

    def leave(self) -> None:
        """Hand the place to whoever waits longest, or give it back."""
        while self._queue:
            turn = self._queue.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self.running -= 1
