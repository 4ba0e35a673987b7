"""What a tenant gave at a login: kept where the connection says so, replaced at each login, refreshed once however many
ask, and not for ever."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import pytest

from proxy.bridge import transaction as trips
from proxy.bridge.upstream_tokens import EVERY, HELD, PATIENCE, Kept, UpstreamTokens, lock_key, tokens_key
from proxy.downstream.grant import Grant, session_key
from proxy.models import Connection, Identity, Session, TenantTokens
from proxy.oidc.errors import Refused, Unavailable, UpstreamError
from proxy.store import Add, Store
from proxy.store.memory import MemoryStore
from proxy.upstream.refreshed import Known
from proxy.upstream.token import Tokens
from tests.bridge.test_arrival import BROWSER, World, connection
from tests.bridge.test_offboarding import KEEPS, a_grant
from tests.downstream.world import SlowStore

GIVEN = TenantTokens("access", "refresh", "openid calendar", 1_800_003_600)
ADA = Identity("corp", "https://idp.example", "ada", {"name": "Ada"}, tokens=GIVEN)


class Clock:
    now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


def keeping(store: Store | None = None) -> World:
    return World(store=store or MemoryStore(), connections={"corp": connection("corp", **KEEPS)})


async def found(world: World, user_id: str = "oidc|corp|ada") -> TenantTokens | None:
    record = await world.store.get(tokens_key(user_id, "corp"))
    kept = Kept.of(record)
    return kept.tokens if kept else None


async def test_a_login_keeps_them_and_the_next_replaces_them() -> None:
    """Under person and connection; nobody else's are touched."""
    world = keeping()
    world.tenant.says = ADA
    await world.login()
    assert await found(world) == GIVEN and await found(world, "oidc|corp|bob") is None
    world.tenant.says = replace(ADA, tokens=TenantTokens("newer"))
    await world.login()
    assert await found(world) == TenantTokens("newer")


async def test_what_did_not_come_is_not_kept() -> None:
    """A login that brought none costs no record, nor does a connection that only mapped what came."""
    world = keeping()
    await world.login()
    assert await found(world) is None
    maps = {"mapping_mode": "use_map", "attributes": {"at": "${context.tokenset.access_token}"}}
    world.connections["corp"] = connection("corp", type="back_channel", attribute_map=maps)
    world.tenant.says = ADA
    await world.login()
    assert await found(world) is None


async def test_they_end_with_the_session_at_the_latest() -> None:
    """Their life is the absolute life of the session (here 10,000 seconds)."""
    clock = Clock()
    world = keeping(MemoryStore(clock=clock))
    world.tenant.says = ADA
    await world.login()
    clock.now += 9_999
    assert await found(world) == GIVEN
    clock.now += 1
    assert await found(world) is None


async def test_rp_19_a_person_of_another_issuer_replaces_nothing() -> None:
    """RP-19: a login that is refused leaves the tokens of the person it claimed to be."""
    world = keeping()
    world.tenant.says = ADA
    await world.login()
    await world.store.drop(trips.last_login(BROWSER))
    world.tenant.says = replace(ADA, issuer="https://evil.example", tokens=TenantTokens("evil"))
    here = world.connections["corp"]
    world.connections["corp"] = connection("corp", discovery_url="https://evil.example")
    await world.trip()
    with pytest.raises(UpstreamError) as refused:
        await world.arrive()
    assert refused.value.reason == "issuer_changed"
    world.connections["corp"] = here
    assert await found(world) == GIVEN


async def test_they_show_in_no_traceback() -> None:
    """Neither by themselves nor within the identity they came with."""
    assert "access" not in repr(GIVEN) and "refresh" not in repr(ADA)


async def test_tokens_of_another_shape_are_none() -> None:
    """What another version wrote is not handed on: the next login brings others."""
    world = keeping(MemoryStore())
    world.tenant.says = ADA
    session = await world.login()
    await world.store.put(tokens_key(session.user_id, "corp"), {"access_token": "x", "a_field_of_later": 1}, 100)
    assert await found(world) is None


# --- refreshing ---

LATER = float(GIVEN.expires_at or 0)
FRESH = Tokens("", "access-2", "refresh-2", "openid", 60)


@dataclass
class Tenant:
    """Stands for the upstream shore: gives tokens when it is let, or raises."""

    says: Tokens | Exception = FRESH
    asked: list[tuple[str, Known]] = field(default_factory=list)
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    reached: asyncio.Event = field(default_factory=asyncio.Event)

    async def refresh(self, connection: Connection, refresh_token: str, known: Known, now: float) -> Tokens:
        self.asked.append((refresh_token, known))
        self.reached.set()
        await self.gate.wait()
        if isinstance(self.says, Exception):
            raise self.says
        return self.says


@dataclass
class Refreshing:
    """Ada is logged in; her tenant's access token ends at ``LATER``."""

    world: World
    session: Session
    tenant: Tenant = field(default_factory=Tenant)
    ended: list[str] = field(default_factory=list)
    pauses: int = 0

    @property
    def grant(self) -> Grant:
        return a_grant(self.session)

    def node(self) -> UpstreamTokens:
        """One more node on the same store."""
        return UpstreamTokens(self.world.store, self.tenant, self.world.connections, self.end, self.pause)

    async def end(self, session: Session, browsers: Sequence[str], now: float) -> None:
        self.ended.append(session.sid)

    async def pause(self, seconds: float) -> None:
        self.pauses += 1
        if self.pauses > 20:
            self.tenant.gate.set()
        await asyncio.sleep(0)

    async def ask(self, now: float = LATER) -> TenantTokens | None:
        return await self.node().find(self.grant, now)

    async def reason(self, code: str = "invalid_grant") -> str:
        with pytest.raises(Refused) as caught:
            await self.ask()
        assert caught.value.code == code
        return caught.value.reason


@pytest.fixture
async def case() -> Refreshing:
    world = keeping(SlowStore(MemoryStore()))
    world.tenant.says = ADA
    made = Refreshing(world, await world.login())
    made.tenant.gate.set()
    return made


async def test_a_good_token_is_handed_on_and_nobody_is_asked(case: Refreshing) -> None:
    """Until the second it ends; one without an end is good for ever."""
    assert await case.ask(LATER - 1) == GIVEN
    case.world.tenant.says = replace(ADA, tokens=TenantTokens("endless"))
    await case.world.login()
    assert await case.ask(LATER + 9999) == TenantTokens("endless")
    assert await case.node().find(replace(case.grant, user_id="oidc|corp|bob"), LATER) is None
    assert case.tenant.asked == []


async def test_what_has_ended_is_refreshed_and_kept(case: Refreshing) -> None:
    """RFC 6749 6: the new refresh token takes the place of the old one, and the next asker gets the new tokens."""
    fresh = TenantTokens("access-2", "refresh-2", "openid", int(LATER) + 60)
    assert await case.ask() == fresh == await found(case.world)
    assert await case.ask() == fresh
    assert case.tenant.asked == [("refresh", Known("https://idp.example", "ada"))]
    case.tenant.says = Tokens("", "access-3")
    assert await case.ask(LATER + 60) == TenantTokens("access-3", "refresh-2", "openid", None)
    assert case.tenant.asked[-1][0] == "refresh-2"


async def test_one_refresh_however_many_ask_on_however_many_nodes(case: Refreshing) -> None:
    """A rotated refresh token is sent once; all others wait for what it brings."""
    case.tenant.gate.clear()
    found = await asyncio.gather(*(case.ask() for _ in range(10)))
    assert {one.access_token for one in found if one} == {"access-2"} and len(found) == 10
    assert len(case.tenant.asked) == 1 and case.pauses > 20


async def test_a_lock_that_nobody_gives_back_is_waited_for_and_no_longer(case: Refreshing) -> None:
    """A node that died while it refreshed costs others a 503 until its lock lapses; nobody waits for ever."""
    await case.world.store.run(Add(lock_key(case.session.user_id, "corp"), {"by": "dead"}, HELD))
    assert await case.reason("temporarily_unavailable") == "tenant_refresh_busy"
    assert (case.pauses, case.tenant.asked) == (PATIENCE / EVERY, [])
    await case.world.store.drop(lock_key(case.session.user_id, "corp"))
    assert await case.ask() is not None


async def test_a_login_meanwhile_is_not_overwritten(case: Refreshing) -> None:
    """What a newer login brought stands, with its own refresh token."""
    case.tenant.gate.clear()
    waiting = asyncio.ensure_future(case.ask())
    await case.tenant.reached.wait()
    newer = TenantTokens("newest", "newest-refresh", "openid", int(LATER) + 900)
    case.world.tenant.says = replace(ADA, tokens=newer)
    await case.world.login()
    case.tenant.gate.set()
    assert await waiting is not None
    assert await found(case.world) == newer


async def test_without_a_refresh_token_the_person_must_log_in_again(case: Refreshing) -> None:
    """invalid_grant, as before there was refreshing; nobody is asked."""
    case.world.tenant.says = replace(ADA, tokens=replace(GIVEN, refresh_token=""))
    await case.world.login()
    assert await case.reason() == "tenant_token_expired"
    assert case.tenant.asked == []


async def test_a_refresh_token_that_is_good_no_more_is_let_go_of(case: Refreshing) -> None:
    """invalid_grant; the session stays, and the tenant is not asked with it again."""
    case.tenant.says = UpstreamError("access_denied", "no", reason="upstream_invalid_grant")
    assert await case.reason() == "upstream_invalid_grant"
    assert (await found(case.world), case.ended) == (None, [])
    assert await case.ask() is None and len(case.tenant.asked) == 1


@pytest.mark.parametrize("reason", ["other_person", "iss_mismatch", "bad_signature", "aud_mismatch"])
async def test_rp_31_tokens_of_somebody_else_end_the_session(case: Refreshing, reason: str) -> None:
    """RP-31, refresh-token-invalid-issuer, refresh-token-invalid-sub: nothing of it is kept or handed on."""
    case.tenant.says = UpstreamError("access_denied", "no", reason=reason)
    assert await case.reason() == reason
    assert (await found(case.world), case.ended) == (None, [case.session.sid])


async def test_rp_31_the_session_that_asked_ends_with_the_one_the_tokens_came_from(case: Refreshing) -> None:
    """RP-31: a person with two browsers; both lean on the same tokens."""
    first = case.session
    await case.world.store.drop(trips.last_login(BROWSER))
    second = await case.world.login()
    case.tenant.says = UpstreamError("access_denied", "no", reason="other_person")
    assert await case.reason() == "other_person"
    assert set(case.ended) == {first.sid, second.sid} and len(case.ended) == 2


async def test_rp_31_a_session_that_ended_meanwhile_is_not_ended_twice(case: Refreshing) -> None:
    """RP-31: there is nothing left to end."""
    await case.world.store.drop(session_key(case.session.sid))
    case.tenant.says = UpstreamError("access_denied", "no", reason="other_person")
    assert await case.reason() == "other_person" and case.ended == []


@pytest.mark.parametrize("status", [502, 503, 504])
async def test_a_tenant_that_is_away_takes_nothing_away(case: Refreshing, status: int) -> None:
    """temporarily_unavailable: the tokens stay, the lock is free, and the next time it succeeds."""
    case.tenant.says = UpstreamError("server_error", "away", reason="token_status", status=status)
    assert await case.reason("temporarily_unavailable") == "token_status"
    case.tenant.says = FRESH
    assert await found(case.world) == GIVEN and await case.ask() is not None and case.ended == []


async def test_a_key_store_that_cannot_be_asked_frees_the_lock(case: Refreshing) -> None:
    """FT-01: 503, and nothing is taken away."""
    case.tenant.says = Unavailable("keys")
    with pytest.raises(Unavailable):
        await case.ask()
    case.tenant.says = FRESH
    assert await case.ask() is not None


async def test_rp_21_a_connection_that_went_meanwhile_is_not_asked(case: Refreshing) -> None:
    """RP-21: its tenant hears of us no more."""
    del case.world.connections["corp"]
    assert await case.reason() == "connection_removed" and case.tenant.asked == []
