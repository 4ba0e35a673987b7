"""Says what holds up the event loop: everything waits while one plugin, name lookup or computation does not give way.

A thread looks whether the loop has beaten lately. If it has not, the thread logs, once for each stall, where the loop's
thread is at that moment; the loop logs how long the stall was when it is over.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
import threading
import time
import traceback
from collections.abc import Iterator

from proxy.telemetry import logs, metrics

PATIENCE = 0.5
"""Seconds without a beat that are a stall."""


@contextlib.contextmanager
def watch(patience: float = PATIENCE) -> Iterator[None]:
    """Watch the running loop, which the calling thread runs, until the end of the block. ``patience`` in seconds."""
    heart = _Heart(asyncio.get_running_loop(), patience)
    guard = threading.Thread(target=heart.guard, name="watchdog", daemon=True)
    heart.beat()
    guard.start()
    try:
        yield
    finally:
        heart.stop()
        guard.join()


class _Heart:
    def __init__(self, loop: asyncio.AbstractEventLoop, patience: float) -> None:
        self._loop = loop
        self._patience = patience
        self._thread = threading.get_ident()
        self._last = time.monotonic()
        self._stalled = False
        self._over = threading.Event()
        self._next: asyncio.TimerHandle | None = None

    def beat(self) -> None:
        """In the loop: it runs."""
        now = time.monotonic()
        if self._stalled:
            metrics.STALLS.inc()
            logs.event("loop_stalled", level="warning", seconds=round(now - self._last, 3))
        self._last, self._stalled = now, False
        self._next = self._loop.call_later(self._patience / 4, self.beat)

    def guard(self) -> None:
        """In the thread: look whether it does."""
        while not self._over.wait(self._patience / 4):
            if not self._stalled and time.monotonic() - self._last > self._patience:
                self._stalled = True
                logs.event("loop_stalls", level="warning", at=self._where())

    def _where(self) -> list[str]:
        return logs.places(traceback.extract_stack(sys._current_frames().get(self._thread)))

    def stop(self) -> None:
        """In the loop: look no more."""
        self._over.set()
        if self._next:
            self._next.cancel()
