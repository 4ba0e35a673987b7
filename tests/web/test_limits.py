"""Admission: so many run, so many wait for so long, the rest hears no at once."""

from __future__ import annotations

import asyncio

import pytest

from proxy.web.limits import Admission, Capacity
from tests.kit.serving_site import until


async def test_a_free_place_is_taken_at_once() -> None:
    """Up to the limit nobody waits."""
    admission = Admission(Capacity(running=2, waiting=0))
    assert [await admission.enter() for _ in range(3)] == [True, True, False]
    admission.leave()
    assert await admission.enter()


async def test_places_are_handed_over_in_order() -> None:
    """Whoever waits longest is next, and the count never passes the limit."""
    admission = Admission(Capacity(running=1, waiting=2, patience=10))
    await admission.enter()
    order: list[int] = []

    async def come(number: int) -> None:
        await admission.enter()
        order.append(number)
        assert admission.running == 1
        admission.leave()

    waiting = [asyncio.create_task(come(number)) for number in (1, 2)]
    await asyncio.sleep(0)
    admission.leave()
    await asyncio.gather(*waiting)
    assert order == [1, 2]
    assert admission.running == 0


async def test_patience_ends() -> None:
    """Who waited long enough hears no and leaves the queue."""
    admission = Admission(Capacity(running=1, waiting=1, patience=0.01))
    await admission.enter()
    assert not await admission.enter()
    assert not await admission.enter()
    admission.leave()
    assert admission.running == 0


async def test_a_cancelled_waiter_keeps_no_place() -> None:
    """One who goes away while waiting takes nothing along, not even at the moment of the handover."""
    admission = Admission(Capacity(running=1, waiting=2, patience=10))
    await admission.enter()
    first = asyncio.create_task(admission.enter())
    await until(admission.full)
    await asyncio.sleep(0)
    admission.leave()
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    assert admission.running == 0
    assert await admission.enter()
