"""One implementation, one guarded call.

A plugin may raise anything, return anything, never return, or swallow its cancellation; the caller sees a checked
value or a Fault. Plain functions run in a few threads of their plugin's own, so that one that hangs stops neither the
server nor another plugin. Python cannot end a thread: calls that never came back are counted, and once they fill the
threads no further call is tried until one returns.
"""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import queue
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from proxy.plugins.values import Refusal

THREADS, BACKLOG = 4, 32

T = TypeVar("T")
Check = Callable[[Any], T]


class Fault(Exception):
    """A plugin misbehaved. The text is safe for the log: it holds no value the plugin saw."""


@dataclass(frozen=True, slots=True)
class _Raised:
    """An exception as a value: a thread or task that lets SystemExit out would take the server along."""

    error: BaseException


@dataclass(frozen=True, slots=True)
class Implementation:
    """A function of a plugin for one hook, the arguments it names, and what runs it (None: ours, called in place)."""

    plugin: str
    hook: str
    function: Callable[..., Any]
    arguments: tuple[str, ...]
    runner: Runner | None

    async def call(self, known: Mapping[str, Any], check: Check[T]) -> T:
        """What the implementation returned, checked. Raises Fault."""
        call = partial(self.function, **{name: known[name] for name in self.arguments})
        if self.runner:
            return await self.runner.run(call, check)
        try:
            return check(call())
        except Exception as error:
            raise Fault(_describe(error)) from error


class Runner:
    """Runs the calls of one plugin, each at most ``limit`` seconds."""

    def __init__(self, plugin: str, limit: float) -> None:
        self._limit = limit
        self._stuck: set[object] = set()
        self._pool = _Pool(plugin, self._stuck)

    async def run(self, call: Callable[[], Any], check: Check[T]) -> T:
        """What ``call`` returned, awaited if it must be, and checked. Raises Fault."""
        if len(self._stuck) >= THREADS:
            raise Fault(f"was not called: {len(self._stuck)} earlier calls have not come back")
        task = asyncio.ensure_future(self._attempt(call, check))
        try:
            await asyncio.wait({task}, timeout=self._limit)
        finally:
            self._give_up(task)
        if not task.done():
            raise Fault(f"took longer than {self._limit:g} s")
        if task.cancelled():
            raise Fault("cancelled itself")
        outcome = task.result()
        if isinstance(outcome, _Raised):
            raise Fault(_describe(outcome.error)) from outcome.error
        return outcome

    def close(self) -> None:
        """Let the idle threads end."""
        self._pool.close()

    def _give_up(self, task: asyncio.Task[Any]) -> None:
        if not task.done():
            task.cancel()
            self._stuck.add(task)
            task.add_done_callback(self._stuck.discard)

    async def _attempt(self, call: Callable[[], Any], check: Check[T]) -> T | _Raised:
        try:
            # The coroutine is made here, on the loop; iscoroutinefunction sees through a partial.
            value = call() if inspect.iscoroutinefunction(call) else await self._pool.run(partial(_try, call, check))
            # A plain function may hand back an awaitable; what is no longer one was checked in its thread.
            return check(await value) if inspect.isawaitable(value) else value
        except asyncio.CancelledError:
            raise
        except BaseException as error:  # noqa: BLE001 - a SystemExit let out of a task ends the server
            return _Raised(error)


def _try(call: Callable[[], Any], check: Check[Any]) -> Any:
    """Runs in a thread: call and check, so that a value too large to walk holds up the thread and not the server."""
    try:
        value = call()
        return value if inspect.isawaitable(value) else check(value)
    except BaseException as error:  # noqa: BLE001 - a thread must give its caller an answer
        return _Raised(error)


_Job = tuple["Future[Any]", Callable[[], Any]]


class _Pool:
    """A few daemon threads (the interpreter's own pool would wait at exit for one that hangs) and a bounded queue."""

    def __init__(self, name: str, stuck: set[object]) -> None:
        self._name = name
        self._stuck = stuck
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._threads = 0

    async def run(self, call: Callable[[], Any]) -> Any:
        if self._jobs.qsize() >= BACKLOG:
            raise Refusal(f"was not called: {BACKLOG} calls are waiting already")
        job: Future[Any] = Future()
        self._jobs.put((job, partial(contextvars.copy_context().run, call)))
        self._grow()
        try:
            return await asyncio.wrap_future(job)
        except asyncio.CancelledError:
            if not job.cancel():  # It runs: the thread is lost until it returns.
                self._stuck.add(job)
                job.add_done_callback(self._stuck.discard)
            raise

    def close(self) -> None:
        for _ in range(self._threads):
            self._jobs.put(None)
        self._threads = 0

    def _grow(self) -> None:
        if self._threads < THREADS:
            self._threads += 1
            threading.Thread(target=_work, args=(self._jobs,), name=f"plugin {self._name}", daemon=True).start()


def _work(jobs: queue.SimpleQueue[_Job | None]) -> None:
    while item := jobs.get():
        job, call = item
        if job.set_running_or_notify_cancel():
            job.set_result(call())


def _describe(error: BaseException) -> str:
    """What went wrong and where, without the exception's own text: that may hold what the tenant said."""
    if isinstance(error, (Refusal, Fault)):
        return str(error)
    trace, place = error.__traceback__, ""
    while trace:
        place = f" at {Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}"
        trace = trace.tb_next
    return f"raised {type(error).__name__}{place}"
