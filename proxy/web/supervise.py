"""The supervisor: starts workers by forking, starts them again when they fall, takes them down together.

It waits in ``select`` on the pipe that Python writes signals to, so a fork never copies a running loop. A worker ends
when the supervisor does, however that happens (Linux: the kernel tells it).
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import select
import signal
import sys
import time
from collections.abc import Callable
from types import FrameType
from typing import NoReturn

FAULT = 2
SHORT_LIFE = 30.0
LONGEST_WAIT = 10.0
PATIENCE = 40.0
PR_SET_PDEATHSIG = 1
HEARD = (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD)


class Supervisor:
    """Keeps ``count`` processes running ``child``, which answers the worker's exit status.

    ``let_go`` closes our own copy of what the workers listen on, as soon as they are told to end: while anybody holds
    it, the kernel goes on taking connections that nobody will answer.
    """

    def __init__(self, child: Callable[[], int], count: int, let_go: Callable[[], None]) -> None:
        self._child, self._count, self._let_go = child, count, let_go
        self._workers: dict[int, float] = {}
        self._due: list[float] = []
        self._falls = 0
        self._stopping: float | None = None
        self._status = 0
        self._pid = os.getpid()
        self._reader, self._writer = os.pipe()

    def run(self) -> int:
        """Run until SIGTERM or SIGINT; answers 0, or 2 when a worker says that the configuration is at fault."""
        self._listen()
        self._due = [time.monotonic()] * self._count
        try:
            while self._workers or (self._due and self._stopping is None):
                self._start_due()
                self._wait()
                if self._stopping is not None:
                    self._let_go()
                self._reap()
                self._lose_patience()
        finally:
            self._end(signal.SIGKILL)
            self._unlisten()
        return self._status

    # --- signals ---

    def _listen(self) -> None:
        for end in (self._reader, self._writer):
            os.set_blocking(end, False)
        signal.set_wakeup_fd(self._writer, warn_on_full_buffer=False)
        for number in HEARD:
            signal.signal(number, self._heard)

    def _unlisten(self) -> None:
        signal.set_wakeup_fd(-1)
        for number in HEARD:
            signal.signal(number, signal.SIG_DFL)
        os.close(self._reader)
        os.close(self._writer)

    def _heard(self, number: int, _: FrameType | None) -> None:
        if number != signal.SIGCHLD:
            self._stopping = self._stopping or time.monotonic()
            self._end(signal.SIGTERM)

    def _end(self, number: int) -> None:
        for pid in self._workers:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    # --- workers ---

    def _start_due(self) -> None:
        now = time.monotonic()
        for due in [due for due in self._due if due <= now and self._stopping is None]:
            self._due.remove(due)
            pid = os.fork()
            if pid == 0:
                self._be_worker()
            self._workers[pid] = now
            if self._stopping is not None:  # told to end while the worker was born
                self._end(signal.SIGTERM)

    def _be_worker(self) -> NoReturn:
        status = 1
        try:
            self._workers = {}
            self._unlisten()
            if sys.platform == "linux":
                ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
            if os.getppid() == self._pid and self._stopping is None:
                status = self._child()
        except Exception as error:  # noqa: BLE001  # a worker must never run the supervisor's code after its own
            _tell("worker_crashed", reason=type(error).__name__)
        finally:
            os._exit(status)

    def _wait(self) -> None:
        until = min([*self._due, time.monotonic() + 1.0])
        select.select([self._reader], [], [], max(0.0, until - time.monotonic()))
        with contextlib.suppress(BlockingIOError):
            os.read(self._reader, 4096)

    def _reap(self) -> None:
        for pid, born in list(self._workers.items()):
            ended, raw = os.waitpid(pid, os.WNOHANG)
            if ended:
                del self._workers[pid]
                self._fallen(pid, os.waitstatus_to_exitcode(raw), time.monotonic() - born)

    def _fallen(self, pid: int, status: int, lived: float) -> None:
        _forget_counts(pid)
        if self._stopping is not None:
            return
        if status == FAULT:
            self._status = FAULT
            self._heard(signal.SIGTERM, None)
            return
        self._falls = 0 if lived > SHORT_LIFE else self._falls + 1
        wait = min(LONGEST_WAIT, 0.1 * 2.0 ** min(self._falls, 10))
        _tell("worker_fell", pid=pid, status=status, again_in=round(wait, 1))
        self._due.append(time.monotonic() + wait)

    def _lose_patience(self) -> None:
        if self._stopping is not None and time.monotonic() - self._stopping > PATIENCE:
            self._end(signal.SIGKILL)


def _forget_counts(pid: int) -> None:
    """Take a dead worker's gauges out of the sum."""
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        from prometheus_client import multiprocess

        multiprocess.mark_process_dead(pid)  # type: ignore[no-untyped-call]  # the library has no types here


def _tell(event: str, **fields: object) -> None:
    """A line of the supervisor's own. It has no log thread, since it forks."""
    with contextlib.suppress(OSError):
        os.write(2, (json.dumps({"event": event, "time": round(time.time(), 3), **fields}) + "\n").encode())
