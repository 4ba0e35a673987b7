"""Sessions: begun, kept alive, ended, never revived."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from proxy.bridge.session import CHANGED, ENDED, Sessions, Ticket, ends, new_sid, sessions_of_upstream, sessions_of_user
from proxy.downstream.grant import session_key
from proxy.models import Connection, Session
from proxy.store import Drop, Get, Tell
from proxy.store.memory import MemoryStore
from proxy.web.background import running

NOW = 1_800_000_000.0
CORP = Connection.model_validate(
    {"name": "corp", "options": {"client_id": "isthmus", "discovery_url": "https://idp.example"}}
)


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(clock: Clock) -> MemoryStore:
    return MemoryStore(clock=clock)


@pytest.fixture
def sessions(store: MemoryStore) -> Sessions:
    return Sessions(store, {"corp": CORP}, idle=100, absolute=1000)


def a_session(**changes: object) -> Session:
    plain = Session(
        sid=new_sid(),
        user_id="oidc|corp|ada",
        connection="corp",
        issuer="https://idp.example",
        subject="ada",
        auth_time=int(NOW),
        created_at=int(NOW),
        expires_at=int(NOW) + 1000,
        profile={"name": "Ada"},
        upstream_sid="up-1",
    )
    return replace(plain, **changes)  # type: ignore[arg-type]  # a test names the fields it changes


async def begun(sessions: Sessions, store: MemoryStore, session: Session) -> str:
    ticket = Ticket.new(session.sid)
    await store.run(sessions.begin(session, ticket, NOW))
    return ticket.cookie


async def test_a_session_is_found_by_its_cookie(sessions: Sessions, store: MemoryStore) -> None:
    """What was begun is loaded whole."""
    session = a_session()
    assert await sessions.load(await begun(sessions, store, session), NOW) == session


@pytest.mark.parametrize("cookie", ["", "attackerchosen", "." * 66, "a" * 22 + "." + "b" * 43, "é" * 66])
async def test_se_01_a_cookie_of_an_attackers_choice_opens_nothing(sessions: Sessions, cookie: str) -> None:
    """SE-01: unknown values are never adopted."""
    assert await sessions.load(cookie, NOW) is None


async def test_se_01_the_sid_alone_or_with_another_secret_opens_nothing(sessions: Sessions, store: MemoryStore) -> None:
    """SE-01, SE-18: the sid that apps know is no secret, and opens nothing."""
    session = a_session()
    await begun(sessions, store, session)
    assert await sessions.load(f"{session.sid}.{Ticket.new(session.sid).cookie.partition('.')[2]}", NOW) is None


def test_se_02_cookies_have_256_random_bits() -> None:
    """SE-02: 10,000 cookies, none twice, each with a secret of 43 base64url characters."""
    secrets = {Ticket.new("s" * 22).cookie.partition(".")[2] for _ in range(10_000)}
    assert len(secrets) == 10_000 and {len(s) for s in secrets} == {43}


async def test_se_03_what_the_store_holds_opens_no_session(sessions: Sessions, store: MemoryStore) -> None:
    """SE-03: neither the key nor the record holds the cookie's secret."""
    session = a_session()
    cookie = await begun(sessions, store, session)
    record = await store.get(session_key(session.sid))
    secret = cookie.partition(".")[2]
    assert record is not None and secret not in str(record.value) and secret not in session_key(session.sid).name


async def test_se_11_a_session_ends_at_its_absolute_limit_however_much_it_is_used(
    sessions: Sessions, store: MemoryStore, clock: Clock
) -> None:
    """SE-11: touched all the time, it ends where it was to end."""
    session = a_session()
    cookie = await begun(sessions, store, session)
    for _ in range(19):
        clock.now += 50
        assert await sessions.load(cookie, clock.now) is not None
        await store.run(sessions.keep_alive(session, clock.now))
    clock.now = NOW + 1000
    assert await sessions.load(cookie, clock.now) is None


async def test_an_unused_session_ends_at_its_idle_limit(sessions: Sessions, store: MemoryStore, clock: Clock) -> None:
    """Idle for longer than the limit: gone."""
    cookie = await begun(sessions, store, a_session())
    clock.now += 101
    assert await sessions.load(cookie, clock.now) is None


async def test_lo_06_a_dropped_session_is_never_revived(sessions: Sessions, store: MemoryStore) -> None:
    """LO-06: neither a use nor a new login over it brings it back."""
    session = a_session()
    cookie = await begun(sessions, store, session)
    await store.run(*ends(session.sid))
    renewed, touched = await store.run(
        sessions.renew(session, Ticket.new(session.sid), NOW), sessions.keep_alive(session, NOW)
    )
    assert (renewed, touched) == (False, False)
    assert await sessions.load(cookie, NOW) is None


async def test_lo_17_the_end_of_a_session_is_told_in_the_same_round_trip(
    store: MemoryStore, sessions: Sessions
) -> None:
    """LO-17: every node hears of it, after the record is gone: who asks the store then finds nothing."""
    session, heard = a_session(), list[tuple[str, str]]()
    await begun(sessions, store, session)
    async with running(store.listen((ENDED, CHANGED), lambda *said: heard.append(said), lambda up: None)):
        await asyncio.sleep(0)
        await store.run(*ends(session.sid), Get(session_key(session.sid)))
    assert heard == [(ENDED, session.sid)]
    assert [type(op) for op in ends(session.sid)] == [Drop, Tell]


async def test_cb_14_a_new_login_over_a_session_ends_the_old_cookie(sessions: Sessions, store: MemoryStore) -> None:
    """CB-14: same sid, new secret; the old cookie opens nothing."""
    session = a_session()
    old, ticket = await begun(sessions, store, session), Ticket.new(session.sid)
    await store.run(sessions.renew(session, ticket, NOW))
    assert await sessions.load(old, NOW) is None
    assert await sessions.load(ticket.cookie, NOW) == session


async def test_se_14_a_session_of_a_removed_connection_is_none(store: MemoryStore, sessions: Sessions) -> None:
    """SE-14: the connection is gone from the configuration, so is what came through it."""
    cookie = await begun(sessions, store, a_session())
    assert await Sessions(store, {}, idle=100, absolute=1000).load(cookie, NOW) is None


MOVED = {"discovery_url": "https://new.example"}
FAMILY = {"issuer": "https://idp.example/{tenantid}", "tenant_ids": ["a"]}


@pytest.mark.parametrize(
    ("options", "issuer", "alive"),
    [
        ({}, "https://idp.example", True),
        ({}, "https://idp.example/", True),
        (MOVED, "https://idp.example", False),
        ({"issuer": "https://new.example"}, "https://idp.example", False),
        ({**MOVED, "issuer": "https://idp.example"}, "https://idp.example", True),
        ({"oidc_metadata": {"issuer": "https://new.example"}}, "https://idp.example", False),
        (FAMILY, "https://idp.example/a", True),
        (FAMILY, "https://idp.example/b", False),
        (FAMILY, "https://idp.example/{tenantid}", False),
    ],
)
async def test_se_14_rp_21_a_session_of_a_tenant_that_the_connection_does_not_hear_any_more_is_none(
    store: MemoryStore, sessions: Sessions, options: dict[str, Any], issuer: str, alive: bool
) -> None:
    """SE-14, RP-21: the connection was given another tenant, or its name to another connection, or the tenant was taken
    from the list: nobody whom the old one named is somebody of the new one."""
    session = a_session(issuer=issuer)
    cookie = await begun(sessions, store, session)
    plain = {"client_id": "isthmus", "discovery_url": "https://idp.example", **options}
    now = {"corp": Connection.model_validate({"name": "corp", "options": plain})}
    found = await Sessions(store, now, idle=100, absolute=1000).load(cookie, NOW)
    assert found == (session if alive else None)


async def test_sessions_are_listed_by_person_and_by_the_tenants_session(sessions: Sessions, store: MemoryStore) -> None:
    """LO-11: the index holds a set, and the tenant's ``sid`` is told apart by issuer and connection."""
    one, two = a_session(), a_session()
    await begun(sessions, store, one)
    await begun(sessions, store, two)
    both = {session_key(one.sid), session_key(two.sid)}
    assert set(await store.list(sessions_of_user("oidc|corp|ada"))) == both
    assert set(await store.list(sessions_of_upstream("https://idp.example", "corp", "up-1"))) == both
    assert await store.list(sessions_of_upstream("https://other.example", "corp", "up-1")) == ()


async def test_a_session_in_use_stays_listed(sessions: Sessions, store: MemoryStore, clock: Clock) -> None:
    """LO-11: the index does not forget a session at the end of the idle time that was long extended."""
    session = a_session()
    await begun(sessions, store, session)
    for _ in range(3):
        clock.now += 90
        await store.run(sessions.keep_alive(session, clock.now))
    await begun(sessions, store, a_session(created_at=int(clock.now)))
    assert session_key(session.sid) in await store.list(sessions_of_user("oidc|corp|ada"))


@pytest.mark.parametrize("change", [{"a_field_of_later": 1}, {"amr": None}, {"secret": None}])
async def test_a_session_of_another_shape_is_none(change: dict[str, Any]) -> None:
    """What another version wrote is no session: the person logs in again, and sees no fault of ours for days."""
    ada, store = a_session(), MemoryStore()
    ticket = Ticket.new(ada.sid)
    sessions = Sessions(store, {"corp": CORP}, idle=1000, absolute=10_000)
    await store.run(sessions.begin(ada, ticket, NOW))
    assert await sessions.load(ticket.cookie, NOW) == ada
    record = await store.get(session_key(ada.sid))
    assert record is not None
    await store.put(session_key(ada.sid), {**record.value, **change}, 1000)
    assert await sessions.load(ticket.cookie, NOW) is None
