"""Links: the cookie of an app's host, and the session it leads to."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import pytest

from proxy.bridge.session import Sessions, Ticket, ends
from proxy.gateway.links import GRACE, MOST_OF_ONE, Links, link_key, links_of, parts_of
from proxy.models import Session
from proxy.oidc.errors import Unavailable
from proxy.store import Get, List, Op, Store
from proxy.store.memory import MemoryStore
from tests.downstream.world import CORP, Clock, FailingStore, a_session

HOST, OTHER = "app.example", "other.example"


@dataclass
class World:
    """Links, a store and a session that goes on for an hour unused, and for a day at most."""

    clock: Clock = field(default_factory=Clock)
    idle: int = 3600

    def __post_init__(self) -> None:
        self.memory = MemoryStore(clock=self.clock)
        self.links = self.on(self.memory)

    def on(self, store: Store) -> Links:
        """Links in a store, as another node has them."""
        return Links(store, Sessions(store, {"corp": CORP}, idle=self.idle, absolute=86_400))

    async def session(self, **changes: Any) -> Session:
        """Somebody is logged in."""
        session = a_session(**changes)
        await self.memory.run(self.links.sessions.begin(session, Ticket.new(session.sid), self.clock.now))
        return session

    async def link(self, session: Session, host: str = HOST, before: str = "") -> str:
        """The cookie of a new link."""
        cookie, writes = self.links.begin(session, host, self.clock.now, before)
        await self.memory.run(*writes)
        return cookie

    async def follow(self, cookie: str, host: str = HOST) -> Session | None:
        """Where a cookie leads."""
        return await self.links.follow(cookie, host, self.clock.now)


async def test_a_link_leads_to_its_session() -> None:
    """On its host."""
    world = World()
    session = await world.session()
    assert await world.follow(await world.link(session)) == session


async def test_gw_29_a_link_is_good_on_its_own_host_alone() -> None:
    """GW-29: the cookie of one host opens no other, whatever the browser or a stranger does with it."""
    world = World()
    session = await world.session()
    here, there = await world.link(session), await world.link(session, OTHER)
    assert await world.follow(here, OTHER) is None
    assert await world.follow(there) is None
    assert await world.follow(here, f"{HOST}:8443") is None
    assert await world.follow(there, OTHER) == session


async def test_lo_17_se_14_a_link_ends_with_its_session() -> None:
    """LO-17, SE-14: nobody has to find the links of a session that ends."""
    world = World()
    session = await world.session()
    cookies = [await world.link(session), await world.link(session, OTHER)]
    await world.memory.run(*ends(session.sid))
    assert [await world.follow(cookies[0]), await world.follow(cookies[1], OTHER)] == [None, None]


async def test_se_11_a_link_is_not_longer_than_its_session() -> None:
    """SE-11: used again and again it lives past the idle time, and not past the absolute end."""
    world = World()
    session = await world.session()
    cookie = await world.link(session)
    while world.clock.now < session.expires_at - world.idle / 2:
        assert await world.follow(cookie) is not None
        world.clock.now += world.idle / 2
    world.clock.now = float(session.expires_at)
    assert await world.follow(cookie) is None


async def test_an_unused_session_ends_for_its_links_too() -> None:
    """The idle end."""
    world = World()
    cookie = await world.link(await world.session())
    world.clock.now += world.idle
    assert await world.follow(cookie) is None


async def test_se_13_a_sign_of_life_revives_nothing() -> None:
    """SE-13: it is a new lifetime and writes no data; where the record is gone it stays gone."""
    world = World()
    session = await world.session()
    cookie = await world.link(session)
    written: list[Op] = []

    def note(op: Op) -> bool:
        written.append(op)
        return False

    links = world.on(FailingStore(world.memory, note, Unavailable("never")))
    assert await links.follow(cookie, HOST, world.clock.now) is not None
    assert Counter(type(op).__name__ for op in written) == {"Get": 2, "Touch": 1}
    written.clear()
    assert await links.follow(cookie, HOST, world.clock.now + 1) is not None
    assert Counter(type(op).__name__ for op in written) == {"Get": 2}  # not at every request


@pytest.mark.parametrize("change", ["cut", "longer", "other secret", "other sid", "no dot", "empty", "turned"])
async def test_se_01_gw_15_what_is_no_link_of_ours_leads_nowhere(change: str) -> None:
    """SE-01, GW-15: a value that somebody chose, or changed, is never taken on."""
    world = World()
    cookie = await world.link(await world.session())
    sid, _, secret = cookie.partition(".")
    made = {
        "cut": cookie[:-1], "longer": f"{cookie}x", "other secret": f"{sid}.{'a' * 43}",
        "other sid": f"{'a' * 22}.{secret}", "no dot": sid + secret, "empty": "", "turned": f"{secret}.{sid}",
    }[change]  # fmt: skip
    assert await world.follow(made) is None


def test_se_02_secrets_are_256_random_bits() -> None:
    """SE-02: of ten thousand none is like another, and every character is used in every place."""
    links, session = World().links, a_session()
    secrets = [links.begin(session, HOST, 0)[0].partition(".")[2] for _ in range(10_000)]
    assert len(set(secrets)) == 10_000 and {len(secret) for secret in secrets} == {43}
    for place in range(42):
        assert len({secret[place] for secret in secrets}) == 64


async def test_se_03_the_store_holds_no_secret() -> None:
    """SE-03: neither its keys nor its values are a cookie, or a part of one that opens anything."""
    world = World()
    cookie = await world.link(await world.session())
    secret = cookie.partition(".")[2]
    everything = str({name: entry.text for name, entry in world.memory._entries.items()})
    assert secret not in everything
    name = link_key(*cookie.split(".", 1)).name
    for stolen in (name, name.rpartition(":")[2], f"{cookie.partition('.')[0]}.{name.rpartition(':')[2]}"):
        assert await world.follow(stolen) is None


async def test_the_cookie_before_is_good_for_what_is_under_way() -> None:
    """A new login makes a new cookie; the one before opens nothing a minute later (ASVS 7.2.4)."""
    world = World()
    session = await world.session()
    before = await world.link(session)
    after = await world.link(session, before=before)
    assert await world.follow(before) == await world.follow(after) == session
    world.clock.now += GRACE
    assert await world.follow(before) is None
    assert await world.follow(after) == session


@pytest.mark.parametrize("before", ["", "made-up", f"{'a' * 22}.{'b' * 43}"])
async def test_se_01_a_made_up_cookie_before_changes_nothing(before: str) -> None:
    """SE-01: it is neither taken on nor made to live."""
    world = World()
    session = await world.session()
    cookie = await world.link(session, before=before)
    assert before not in cookie or not before
    assert await world.follow(before) is None


async def test_p8_the_links_of_a_session_are_bounded() -> None:
    """P8: who logs in without end fills nothing; the oldest make room."""
    world = World()
    session = await world.session()
    first = await world.link(session)
    for _ in range(MOST_OF_ONE):
        last = await world.link(session)
    assert await world.follow(first) is None
    assert await world.follow(last) == session
    (listed,) = await world.memory.run(List(links_of(session.sid)))
    assert len(listed) <= MOST_OF_ONE + 1


async def test_p1_who_cannot_be_asked_says_nothing() -> None:
    """P1: "could not look" is not "logged out"."""
    world = World()
    cookie = await world.link(await world.session())
    links = world.on(FailingStore(world.memory, lambda op: isinstance(op, Get), Unavailable("away")))
    with pytest.raises(Unavailable):
        await links.follow(cookie, HOST, world.clock.now)


def test_what_has_another_shape_is_not_looked_for() -> None:
    """The store hears of nothing that never was a cookie of ours."""
    assert parts_of(f"{'a' * 22}.{'b' * 43}") == ("a" * 22, "b" * 43)
    for odd in ("", ".", "a.b", f"{'a' * 22}{'b' * 43}", f"{'a' * 22}.{'b' * 44}", "a" * 100_000):
        assert parts_of(odd) is None
