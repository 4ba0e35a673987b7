"""The crowd: counted together and by address; whoever is overdue is cut."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from proxy.http.client_address import Proxies
from proxy.http.crowd import Crowd, Limits


@dataclass(eq=False)
class Guest:
    """A connection that is overdue when it is told so."""

    address: str
    late: str = ""
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    def overdue(self, now: float, limits: Limits) -> str:
        return self.late

    def cut(self) -> None:
        self.ended.set()


def crowd(*trusted: str, **limits: float) -> Crowd[Guest]:
    """One with small limits."""
    return Crowd(Limits(**limits), Proxies(trusted))  # type: ignore[arg-type]


async def test_an_address_has_its_share_and_a_trusted_proxy_all_there_is() -> None:
    """FT-53: one address cannot take every place."""
    both = crowd("10.0.0.1/32", connections=4, per_address=1)
    assert both.admit(Guest("10.0.0.9"))
    assert not both.admit(Guest("10.0.0.9"))
    assert [both.admit(Guest("10.0.0.1")) for _ in range(4)] == [True, True, True, False]


async def test_a_place_that_is_given_up_is_free() -> None:
    """Forgotten once, however often that is said."""
    one, other = Guest("10.0.0.9"), Guest("10.0.0.9")
    few = crowd(connections=1)
    assert few.admit(one)
    few.forget(one)
    few.forget(one)
    assert few.admit(other)
    assert few.guests == {other}


async def test_who_is_overdue_is_cut_and_nobody_else() -> None:
    """The look is the same for all."""
    late, good = Guest("10.0.0.8", late="head"), Guest("10.0.0.9")
    few = crowd(head=0.02, body=0.02, stall=0.02)
    assert few.admit(late)
    assert few.admit(good)
    async with asyncio.timeout(5):
        await late.ended.wait()
    assert not good.ended.is_set()


async def test_who_cannot_be_looked_at_is_cut_and_the_others_go_on() -> None:
    """One look is for all: it never stops."""

    class Broken(Guest):
        def overdue(self, now: float, limits: Limits) -> str:
            raise RuntimeError("should not happen")

    broken, late = Broken("10.0.0.8"), Guest("10.0.0.9", late="head")
    few = crowd(head=0.02, body=0.02, stall=0.02)
    assert few.admit(broken) and few.admit(late)
    async with asyncio.timeout(5):
        await broken.ended.wait()
        await late.ended.wait()
