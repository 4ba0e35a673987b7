"""Writes log lines from a thread of its own, so that a full pipe never blocks the loop."""

from __future__ import annotations

import os
import queue
import threading
from typing import Final, TextIO

MOST: Final = 10_000
"""Lines that may wait. A burst fits; a reader that went away costs a few megabytes and no more."""
GATHER: Final = 0.02
"""Seconds between two writes: a busy server writes many lines at once instead of waking a thread for each."""
LAST_WORDS: Final = 1.0


class Writer:
    """Takes lines and writes them to ``stream``, in order; drops and counts what there is no room for."""

    def __init__(self, stream: TextIO, most: int = MOST) -> None:
        self._stream, self._most = stream, most
        self._descriptor = _descriptor(stream)
        self._lines: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._closing = threading.Event()
        self.dropped = 0
        self._thread = threading.Thread(target=self._run, name="isthmus-logs", daemon=True)
        self._thread.start()

    def msg(self, line: str) -> None:
        """Take one line. Never waits."""
        if self._lines.qsize() >= self._most:
            self.dropped += 1
            return
        self._lines.put(line)

    debug = info = warning = error = critical = msg

    def close(self) -> None:
        """Write what is waiting. Gives up after a second: a reader that is gone does not hold the exit."""
        self._closing.set()
        self._lines.put("")
        self._thread.join(LAST_WORDS)

    def _run(self) -> None:
        while True:
            lines = [self._lines.get()]
            closing = self._closing.wait(GATHER)
            while not self._lines.empty():
                lines.append(self._lines.get())
            self._put([line for line in lines if line])
            if closing and self._lines.empty():
                return

    def _put(self, lines: list[str]) -> None:
        if not lines:
            return
        try:
            self._write("\n".join(lines) + "\n")
        except (OSError, ValueError):  # the disk is full, the reader is gone, the stream was closed
            self.dropped += len(lines)

    def _write(self, text: str) -> None:
        """Past the stream's buffer where there is a file below it: a thread that hangs in a full pipe while it holds
        the buffer's lock would abort the interpreter at its exit."""
        if self._descriptor is None:
            self._stream.write(text)
            self._stream.flush()
            return
        rest = memoryview(text.encode())
        while rest:
            rest = rest[os.write(self._descriptor, rest) :]


def _descriptor(stream: TextIO) -> int | None:
    try:
        stream.flush()
        return stream.fileno()
    except (OSError, ValueError):  # a stream in memory, or a closed one
        return None
