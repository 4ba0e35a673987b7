"""What one serving process decides: how it leaves, and whether its store is fit."""

from __future__ import annotations

from typing import Any

import pytest
from aiohttp import web

from proxy.oidc.errors import Misconfigured, Problem, Unavailable
from proxy.store.redis import Checked
from proxy.web.worker import CAN_SIGN, Fitness, can_sign, farewell_of


class Shelf:
    """A store that answers what it is told to."""

    def __init__(self, *problems: Problem, away: bool = False) -> None:
        self.problems, self.away = problems, away

    async def check(self) -> Checked:
        if self.away:
            raise Unavailable("store")
        return Checked(problems=self.problems)

    async def claim(self, issuer: str) -> Problem | None:
        return None


def fitness(shelf: Any) -> Fitness:
    return Fitness(shelf, "https://sso.example/")


EVICTS = Problem("configuration", "redis.url", "set maxmemory-policy to noeviction")


@pytest.mark.parametrize(("issuer", "drain"), [("https://sso.example/", 5.0), ("http://127.0.0.1:9000/", 0)])
def test_ft_22_only_where_a_balancer_looks_we_wait_for_it(issuer: str, drain: float) -> None:
    """On loopback Ctrl-C is quick; elsewhere a balancer has time to see that we leave (FT-22)."""
    assert farewell_of(issuer).drain == drain


async def test_an_unfit_store_stops_the_start() -> None:
    """A store that evicts records is the operator's mistake."""
    with pytest.raises(Misconfigured, match="noeviction"):
        await fitness(Shelf(EVICTS)).at_start()


async def test_ft_27_a_store_found_unfit_later_keeps_us_not_ready() -> None:
    """A store away at the start is asked again until it answers, and what it says then counts (FT-27)."""
    shelf = Shelf(EVICTS, away=True)
    later = fitness(shelf)
    await later.at_start()
    assert not later.known
    shelf.away = False
    await later.keep_asking()
    assert later.problems == (EVICTS,)


def test_a_site_says_whether_it_can_sign() -> None:
    """Readiness asks the site for its keys; a site without keys needs none."""
    site = web.Application()
    assert can_sign(site)
    site[CAN_SIGN] = lambda: False
    assert not can_sign(site)
