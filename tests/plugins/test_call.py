"""One guarded call: whatever a plugin does, its caller gets a checked value or a Fault."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from proxy.plugins.call import BACKLOG, THREADS, Fault, Implementation, Runner
from proxy.plugins.values import Refusal

SOON, LONG = 0.05, 30.0
ERRORS = [ValueError, KeyError, SystemExit, KeyboardInterrupt, StopIteration, GeneratorExit, asyncio.CancelledError]


def same(value: Any) -> Any:
    """The check that accepts everything."""
    return value


@pytest.fixture
def runner() -> Iterator[Callable[[float], Runner]]:
    """Runners whose threads end with the test."""
    made: list[Runner] = []

    def make(limit: float = LONG) -> Runner:
        made.append(Runner("acme", limit))
        return made[-1]

    yield make
    for each in made:
        each.close()


async def test_only_the_named_arguments_are_passed() -> None:
    """An implementation gets exactly what it names."""

    def taken(**given: Any) -> Any:
        return given

    step = Implementation("acme", "hook", taken, ("claims",), None)
    assert await step.call({"claims": 1, "profile": 2}, same) == {"claims": 1}


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: error.__name__)
@pytest.mark.parametrize("kind", ["plain", "async", "awaitable"])
async def test_pl_01_whatever_is_raised_becomes_a_fault(runner: Any, kind: str, error: type[BaseException]) -> None:
    """PL-01: an exception of any kind, SystemExit and a cancellation of its own too, never leaves the call."""

    def plain() -> Any:
        raise error("what the tenant said")

    async def late() -> Any:
        raise error("what the tenant said")

    call: Callable[[], Any] = {"plain": plain, "async": late, "awaitable": lambda: late()}[kind]
    with pytest.raises(Fault) as caught:
        await runner().run(call, same)
    assert "tenant" not in str(caught.value)
    assert await runner().run(lambda: "still here", same) == "still here"


async def test_a_fault_names_the_line_and_not_the_text(runner: Any) -> None:
    """The log learns type and place; the exception's own words may hold personal data."""

    def broken() -> Any:
        raise KeyError("ann@example.com")

    with pytest.raises(Fault, match=r"^raised KeyError at test_call\.py:\d+$"):
        await runner().run(broken, same)


async def test_a_plain_function_runs_beside_the_loop(runner: Any) -> None:
    """A plain function that blocks holds up a thread: the loop goes on, and here it is what lets the function end."""
    gate = threading.Event()
    waiting = asyncio.ensure_future(runner().run(lambda: gate.wait(LONG), same))
    await asyncio.sleep(0)
    gate.set()
    assert await waiting is True


async def test_an_awaitable_of_a_plain_function_is_awaited(runner: Any) -> None:
    """A decorator that hides an async function does no harm."""

    async def late() -> str:
        await asyncio.sleep(0)
        return "late"

    assert await runner().run(lambda: late(), same) == "late"


async def test_context_reaches_the_thread(runner: Any) -> None:
    """A log line of a plugin can carry the request's id."""
    request = contextvars.ContextVar("request", default="")
    request.set("r-1")
    assert await runner().run(request.get, same) == "r-1"


@pytest.mark.parametrize("kind", ["plain", "async"])
async def test_pl_02_what_the_check_refuses_is_a_fault(runner: Any, kind: str) -> None:
    """PL-02: a wrong return value is a fault, told in the check's words."""

    def refuse(value: Any) -> Any:
        raise Refusal("returned nonsense")

    async def late() -> int:
        return 1

    with pytest.raises(Fault, match="^returned nonsense$"):
        await runner().run(late if kind == "async" else lambda: 1, refuse)


async def test_pl_09_a_plain_result_is_checked_in_its_thread(runner: Any) -> None:
    """PL-09: a value too large to walk holds up its thread, not the loop."""
    where = await runner().run(lambda: 1, lambda value: threading.current_thread().name)
    assert where == "plugin acme"


async def test_pl_09_threads_that_hang_are_counted_and_come_back(runner: Any) -> None:
    """PL-09: each call that hangs times out; once every thread is lost nothing is tried, until one returns."""
    gate, slow = threading.Event(), runner(SOON)
    try:
        for _ in range(THREADS):
            with pytest.raises(Fault, match="took longer than 0.05 s"):
                await slow.run(lambda: gate.wait(LONG), same)
        with pytest.raises(Fault, match=f"not called: {THREADS} earlier calls have not come back"):
            await slow.run(lambda: "never", same)
        assert await runner().run(lambda: "another plugin", same) == "another plugin"
    finally:
        gate.set()
    assert await _until_answered(slow) == "back"


async def _until_answered(runner: Runner) -> Any:
    for _ in range(1000):
        try:
            return await runner.run(lambda: "back", same)
        except Fault:
            await asyncio.sleep(0.001)
    return None


async def test_pl_09_the_queue_is_bounded(runner: Any) -> None:
    """PL-09: with every thread busy, so many calls wait and no more."""
    gate, begun, busy = threading.Event(), threading.Semaphore(0), runner()

    def hang() -> bool:
        begun.release()
        return gate.wait(LONG)

    calls = [asyncio.ensure_future(busy.run(hang, same)) for _ in range(THREADS)]
    try:
        for _ in range(THREADS):
            assert await asyncio.to_thread(begun.acquire, timeout=LONG)
        calls += [asyncio.ensure_future(busy.run(hang, same)) for _ in range(BACKLOG)]
        await _let_them_queue()
        with pytest.raises(Fault, match=f"not called: {BACKLOG} calls are waiting already"):
            await busy.run(lambda: "one too many", same)
    finally:
        gate.set()
    assert await asyncio.gather(*calls) == [True] * (THREADS + BACKLOG)


async def _let_them_queue() -> None:
    for _ in range(5):  # each call is a task that starts a task
        await asyncio.sleep(0)


@pytest.mark.parametrize("stubborn", [False, True], ids=["obedient", "swallows its cancellation"])
async def test_pl_09_an_async_call_ends_at_its_limit(runner: Any, stubborn: bool) -> None:
    """PL-09: an async call is given up at the limit even if it will not be cancelled, and counted while it lives."""
    release, slow = asyncio.Event(), runner(SOON)

    async def hang() -> None:
        while not release.is_set():
            try:
                await release.wait()
            except asyncio.CancelledError:
                if not stubborn:
                    raise

    for _ in range(THREADS):
        with pytest.raises(Fault, match="took longer"):
            await slow.run(hang, same)
        await asyncio.sleep(0)
    if stubborn:
        with pytest.raises(Fault, match="have not come back"):
            await slow.run(hang, same)
        release.set()
    assert await _until_answered(slow) == "back"


async def test_a_request_that_is_cancelled_cancels_its_plugin(runner: Any) -> None:
    """A browser that went away leaves no async call behind."""
    begun, ended = asyncio.Event(), asyncio.Event()

    async def hang() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    request = asyncio.ensure_future(runner().run(hang, same))
    await begun.wait()
    request.cancel()
    with pytest.raises(asyncio.CancelledError):
        await request
    await asyncio.wait_for(ended.wait(), LONG)


async def test_a_fault_in_our_own_default_is_told_the_same_way() -> None:
    """Ours are called in place, and guarded."""

    def broken() -> Any:
        raise TypeError("x")

    with pytest.raises(Fault, match="raised TypeError"):
        await Implementation("isthmus", "hook", broken, (), None).call({}, same)
