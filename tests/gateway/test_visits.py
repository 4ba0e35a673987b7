"""Visits: bound to a browser and a host, taken once."""

from __future__ import annotations

from dataclasses import replace

import pytest

from proxy.gateway.visits import LIFETIME, MOST_KEPT, MOST_OPEN, Visit, Visits, network_of, visits_of
from proxy.http.cookies import cookie_name
from proxy.oidc.errors import Unavailable
from proxy.store import List
from proxy.store.memory import MemoryStore
from tests.downstream.world import ISSUER, Clock, FailingStore

HOST, OTHER = "app.example", "other.example"
VISIT = Visit(HOST, "/a?b=c", "v" * 43, in_page=True, form=b"a=\xff", acr=("x", "y"))
NAME = f"{cookie_name('visit', ISSUER)}-"


class World:
    """Visits in memory."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.memory = MemoryStore(clock=self.clock)
        self.visits = Visits(ISSUER, self.memory)


def sent(line: str) -> list[bytes]:
    """The Cookie header of a browser that was given a cookie."""
    return [line.partition(";")[0].encode()]


async def test_a_visit_comes_back_as_it_was() -> None:
    """All of it, and once."""
    visits = World().visits
    id, cookie = await visits.begin(VISIT, [])
    there = replace(VISIT, id=id)
    assert await visits.look(id, HOST, sent(cookie)) == there
    assert await visits.end(id, HOST, sent(cookie)) == there
    assert await visits.end(id, HOST, sent(cookie)) is None
    assert await visits.look(id, HOST, sent(cookie)) is None


async def test_gw_29_a_visit_is_one_browsers_on_one_host() -> None:
    """GW-29: without the cookie, with another browser's, or on another host there is none."""
    visits = World().visits
    id, _ = await visits.begin(VISIT, [])
    _, other = await visits.begin(VISIT, [])
    for cookies in ([], sent(other), [f"{NAME}{id[:4]}={id[:43]}".encode()], [f"{NAME}{id[:4]}={'x' * 43}".encode()]):
        assert await visits.end(id, HOST, cookies) is None
        assert await visits.look(id, HOST, cookies) is None


async def test_gw_29_a_visit_that_was_tried_on_another_host_is_over() -> None:
    """GW-29: there it leads nowhere, and afterwards not here either."""
    visits = World().visits
    id, cookie = await visits.begin(VISIT, [])
    assert await visits.end(id, OTHER, sent(cookie)) is None
    assert await visits.end(id, HOST, sent(cookie)) is None


async def test_a_visit_ends_by_itself() -> None:
    """After ten minutes."""
    world = World()
    id, cookie = await world.visits.begin(VISIT, [])
    world.clock.now += LIFETIME
    assert await world.visits.end(id, HOST, sent(cookie)) is None


async def test_se_05_the_cookie_has_every_flag() -> None:
    """SE-05: a host prefix, secure, out of reach of scripts, for this site's navigations; and it holds no identity."""
    _, cookie = await World().visits.begin(VISIT, [])
    assert cookie.startswith("__Host-isthmus-visit-")
    assert cookie.partition("; ")[2] == f"Max-Age={LIFETIME}; Path=/; Secure; HttpOnly; SameSite=Lax"


async def test_se_10_cookies_do_not_pile_up() -> None:
    """SE-10, users 28: a browser that has one goes by it, however many pages it opens; what it opens is bounded."""
    world = World()
    first, cookie = await world.visits.begin(VISIT, [])
    for _ in range(MOST_OPEN):
        last, again = await world.visits.begin(VISIT, sent(cookie))
        assert again == cookie
    assert await world.visits.end(first, HOST, sent(cookie)) is None  # the oldest made room
    assert await world.visits.end(last, HOST, sent(cookie)) is not None
    (listed,) = await world.memory.run(List(visits_of(cookie.partition(";")[0].partition("=")[2])))
    assert len(listed) <= MOST_OPEN


async def test_users_28_tabs_that_open_in_one_moment_all_arrive() -> None:
    """users 28: none has the other's cookie, and none overwrites it."""
    visits = World().visits
    begun = [await visits.begin(VISIT, []) for _ in range(10)]
    header = [b"; ".join(sent(cookie)[0] for _, cookie in begun)]
    assert all([await visits.end(id, HOST, header) for id, _ in begun])


@pytest.mark.parametrize(
    "header",
    [
        b"{n}={v}; {n}={o}",
        b"{n}={o}; {n}={v}",
        b"\xe2\x80\x80{n}={v}",
        b"{n} ={v}",
        b"{n}",
        b"={n}={v}",
        b'{n}="{v}"',
        b"{N}={v}",
    ],
)
async def test_se_06_se_07_se_09_only_one_exact_cookie_counts(header: bytes) -> None:
    """SE-06, SE-07, SE-09: two values are none, and other names are others."""
    visits = World().visits
    id, cookie = await visits.begin(VISIT, [])
    name, _, value = sent(cookie)[0].partition(b"=")
    for mark, text in ((b"{n}", name), (b"{N}", name.lower()), (b"{v}", value), (b"{o}", value[:4] + b"x" * 39)):
        header = header.replace(mark, text)
    assert await visits.end(id, HOST, [header]) is None


async def test_gw_26_forms_of_one_address_are_bounded() -> None:
    """GW-26: nobody who is not logged in fills the store; others still have room, and time makes some."""
    world = World()
    piece = 64 * 1024
    assert all([await world.visits.has_room("192.0.2.1", piece) for _ in range(MOST_KEPT // piece)])
    assert not await world.visits.has_room("192.0.2.1", 1)
    assert await world.visits.has_room("192.0.2.2", piece)
    world.clock.now += LIFETIME
    assert await world.visits.has_room("192.0.2.1", piece)


@pytest.mark.parametrize(
    ("address", "network"),
    [("192.0.2.1", "192.0.2.1"), ("", ""), ("2001:db8::1", "2001:db8::/64"), ("2001:db8::ffff:1:2:3", "2001:db8::/64"),
     ("2001:db8:0:1::1", "2001:db8:0:1::/64"), ("fe80::1%eth0", "fe80::1%eth0")],
)  # fmt: skip
def test_gw_26_whose_address_it_is(address: str, network: str) -> None:
    """GW-26: of IPv6 a household has a /64."""
    assert network_of(address) == network


async def test_a_record_of_another_shape_is_none() -> None:
    """Of another version of this program."""
    assert Visit.from_value({}) is None
    assert Visit.from_value({**VISIT.as_value(), "more": 1}) is None
    assert Visit.from_value({**VISIT.as_value(), "form": 7}) is None
    assert Visit.from_value(VISIT.as_value()) == VISIT


async def test_p1_who_cannot_be_asked_says_nothing() -> None:
    """P1: not "there is none"."""
    world = World()
    id, cookie = await world.visits.begin(VISIT, [])
    visits = Visits(ISSUER, FailingStore(world.memory, lambda op: True, Unavailable("away")))
    for asked in (visits.look, visits.end):
        with pytest.raises(Unavailable):
            await asked(id, HOST, sent(cookie))
