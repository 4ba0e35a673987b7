"""One document: fetched once for all, kept while it cannot be had, and how long each pause is."""

from __future__ import annotations

import asyncio

import pytest

from proxy.cell import KEEP, PAUSE, SHORT_PAUSE, Cell
from proxy.oidc.errors import UpstreamError
from tests.upstream.conftest import NOW, Clock


class Source:
    """Gives 1, 2, 3 ... and fails while it is ``down``."""

    def __init__(self) -> None:
        self.asked, self.down = 0, False

    async def fetch(self) -> int:
        self.asked += 1
        await asyncio.sleep(0)
        if self.down:
            raise UpstreamError("server_error", "no", reason="unreachable", status=502)
        return self.asked


def cell(max_age: int = 60) -> tuple[Cell[int], Source, Clock]:
    source, clock = Source(), Clock()
    return Cell(source.fetch, clock, max_age=max_age), source, clock


async def test_a_copy_serves_until_its_age() -> None:
    """Young: no fetch. At its age: one, shared by all who wait."""
    one, source, clock = cell()
    assert [await one.get() for _ in range(3)] == [1, 1, 1]
    clock.now += 60
    assert await asyncio.gather(*(one.get() for _ in range(20))) == [2] * 20
    assert source.asked == 2


async def test_ft_33_the_last_good_copy_serves_for_a_day_with_pauses_between_tries() -> None:
    """FT-33: a failure keeps the copy; the next try comes after the pause; after a day it is over."""
    one, source, clock = cell()
    await one.get()
    source.down = True
    clock.now += 60
    for seconds in (0.0, PAUSE - 1):
        clock.now = NOW + 60 + seconds
        assert await one.get() == 1
    assert (source.asked, one.failed) == (2, True)
    clock.now = NOW + 60 + PAUSE
    assert await one.get() == 1
    assert source.asked == 3
    clock.now = NOW + KEEP + 1
    with pytest.raises(UpstreamError) as caught:
        await one.get()
    assert caught.value.reason == "unreachable"


@pytest.mark.parametrize("max_age", [0, 60])
async def test_without_a_usable_copy_the_pause_is_short(max_age: int) -> None:
    """Nobody can log in meanwhile, so it is tried again soon; but not by everybody."""
    one, source, clock = cell(max_age)
    source.down = True
    for _ in range(5):
        with pytest.raises(UpstreamError):
            await one.get(since=clock.now)
    assert source.asked == 1
    source.down = False
    clock.now += SHORT_PAUSE
    assert await one.get(since=clock.now) == 2


async def test_each_caller_gets_an_exception_of_its_own() -> None:
    """A shared failure is told anew: an exception object gathers the traces of whoever raises it."""
    one, source, _ = cell()
    source.down = True
    told = await asyncio.gather(*(one.get() for _ in range(3)), return_exceptions=True)
    assert len({id(error) for error in told}) == 3
    assert {getattr(error, "reason", "") for error in told} == {"unreachable"}


async def test_jo_06_a_useless_copy_holds_up_renewal_alone() -> None:
    """JO-06: after a copy that lacked what was wanted nothing is renewed for a while; age still counts."""
    one, source, clock = cell(max_age=10)
    await one.get()
    assert await one.renew() == 2
    one.useless()
    assert await one.renew() is None
    clock.now += 10
    assert await one.get() == 3
    assert await one.renew() is None
    clock.now = NOW + PAUSE
    assert await one.renew() == 4
    assert source.asked == 4


async def test_renewal_says_whether_it_brought_something() -> None:
    """A failed renewal gives nothing, and the old copy stays."""
    one, source, _ = cell()
    await one.get()
    source.down = True
    assert await one.renew() is None
    assert (one.failed, one.value) == (True, 1)


async def test_a_copy_older_than_wanted_is_replaced_if_it_can_be() -> None:
    """``since``: a fetch; with an age of 0 nothing older is ever served, otherwise the old one is better than none."""
    for max_age, served in ((60, True), (0, False)):
        one, source, clock = cell(max_age)
        await one.get(since=NOW)
        clock.now += 5
        assert await one.get(since=NOW + 1) == 2
        source.down = True
        clock.now += 5
        if served:
            assert await one.get(since=NOW + 6) == 2
        else:
            with pytest.raises(UpstreamError):
                await one.get(since=NOW + 6)
