"""Blocking and deleting people, and all of a connection: what they had ends everywhere, and others keep theirs."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from proxy.bridge import transaction as trips
from proxy.bridge.offboarding import Offboarding, connection_of
from proxy.bridge.session import sessions_of_user
from proxy.bridge.upstream_tokens import tokens_key
from proxy.bridge.users import Users, user_key, users_of
from proxy.downstream.consents import Consents
from proxy.downstream.grant import Grant, grant_key, listed_under, session_key
from proxy.models import Identity, Session, TenantTokens
from proxy.oidc.errors import Shown, Unavailable
from proxy.store import Drop, Put
from proxy.store.memory import MemoryStore
from tests.bridge.test_arrival import BROWSER, NOW, World, connection
from tests.downstream.world import FailingStore, SlowStore
from tests.kit.counting import Counting

KEEPS = {
    "type": "back_channel",
    "client_secret": "a-secret",
    "federated_connections_access_tokens": {"active": True},
}


@dataclass
class People:
    """A house with people in it, and who ends them."""

    world: World = field(default_factory=lambda: World(connections={n: connection(n, **KEEPS) for n in ("corp", "x")}))

    @property
    def offboarding(self) -> Offboarding:
        return Offboarding(self.world.store, self.world.arrival.logout.end)

    async def moves_in(self, sub: str, name: str = "corp") -> Session:
        """A login, with an offline grant, kept tokens of the tenant, and a consent."""
        tokens = TenantTokens("at", "rt", expires_at=int(NOW) + 60)
        self.world.tenant.says = Identity(name, "https://idp.example", sub, {"name": sub}, tokens=tokens)
        await self.world.store.drop(trips.last_login(BROWSER))
        session = await self.world.login(connection=name)
        grant = a_grant(session)
        await self.world.store.put(grant_key(grant.id), grant.as_value(), 9999, under=listed_under(grant))
        await Consents(self.world.store).allow(session.user_id, "webapp", ("scope email",), NOW)
        return session

    async def has(self, session: Session) -> dict[str, bool]:
        """What a person still has."""
        store = self.world.store
        grant = await store.get(grant_key(a_grant(session).id))
        return {
            "session": await store.get(session_key(session.sid)) is not None,
            "grant": grant is not None and Grant.from_value(grant.value) is not None,
            "tokens": await store.get(tokens_key(session.user_id, session.connection)) is not None,
            "consent": bool(await Consents(store).given_by(session.user_id)),
            "record": await Users(store).find(session.user_id) is not None,
        }


def a_grant(session: Session, **changes: Any) -> Grant:
    plain = Grant(
        id=f"grant-{session.user_id}",
        client_id="webapp",
        user_id=session.user_id,
        sid=session.sid,
        connection=session.connection,
        scopes=("openid", "offline_access"),
        auth_time=int(NOW),
        created_at=int(NOW),
        expires_at=int(NOW) + 9999,
        profile={},
        offline=True,
    )
    return replace(plain, **changes)


def everything(**changes: bool) -> dict[str, bool]:
    return {**dict.fromkeys(("session", "grant", "tokens", "consent", "record"), True), **changes}


NOTHING = dict.fromkeys(everything(), False)
BLOCKED = everything(session=False, grant=False, tokens=False)


async def test_rp_21_blocking_ends_all_that_a_person_has_and_nobody_elses() -> None:
    """RP-21: sessions, refresh tokens and kept tokens of the tenant; the record stays and says so."""
    people = People()
    ada, bob = await people.moves_in("ada"), await people.moves_in("bob")
    assert await people.has(ada) == everything()
    assert await people.offboarding.block(ada.user_id, NOW + 5)
    assert await people.has(ada) == BLOCKED
    assert await people.has(bob) == everything()
    found = await Users(people.world.store).find(ada.user_id)
    assert found is not None and found.blocked and found.updated_at == int(NOW) + 5


async def test_rp_21_a_grant_that_outlived_its_session_ends_too() -> None:
    """RP-21: refresh tokens are found by person, not by session."""
    people = People()
    ada = await people.moves_in("ada")
    await people.world.store.drop(session_key(ada.sid))
    await people.offboarding.block(ada.user_id, NOW)
    assert await people.has(ada) == BLOCKED


async def test_rp_21_who_is_blocked_comes_in_again_only_after_the_block() -> None:
    """RP-21: unblocking gives nothing back; a new login does."""
    people = People()
    ada = await people.moves_in("ada")
    await people.offboarding.block(ada.user_id, NOW)
    with pytest.raises(Shown, match="user is blocked"):
        await people.moves_in("ada")
    assert await people.offboarding.unblock(ada.user_id)
    assert await people.has(ada) == BLOCKED
    again = await people.moves_in("ada")
    assert again.sid != ada.sid and (await people.has(again)) == everything()
    assert not await people.offboarding.unblock(ada.user_id)


async def test_mg_15_a_deleted_person_leaves_nothing_and_is_new_when_they_return() -> None:
    """MG-15: sessions, refresh tokens, the tenant's tokens, consents, record and block are gone."""
    people = People()
    ada, bob = await people.moves_in("ada"), await people.moves_in("bob")
    await people.offboarding.block(ada.user_id, NOW)
    assert await people.offboarding.delete(ada.user_id, NOW)
    assert await people.has(ada) == NOTHING and await people.has(bob) == everything()
    assert not await people.offboarding.delete(ada.user_id, NOW)
    await people.moves_in("ada")
    found = await Users(people.world.store).find(ada.user_id)
    assert found is not None and (found.logins_count, found.blocked) == (1, False)


async def test_mg_15_with_a_connection_go_its_people_and_no_others() -> None:
    """MG-15: everybody who came through it; a connection of the same name may later be another tenant."""
    people = People()
    gone = [await people.moves_in(f"user-{n}") for n in range(205)]
    kept = await people.moves_in("user-1", "x")
    assert await people.offboarding.delete_of_connection("corp", NOW) == 205
    for one in (gone[0], gone[204]):
        assert await people.has(one) == NOTHING
    assert await people.has(kept) == everything()
    assert await people.offboarding.delete_of_connection("corp", NOW) == 0
    people.world.tenant.says = Identity("corp", "https://new.example", "user-0", {})
    people.world.connections["corp"] = connection("corp", discovery_url="https://new.example")
    assert (await people.world.login()).issuer == "https://new.example"


@pytest.mark.parametrize("what", ["block", "delete"])
async def test_rp_21_a_login_at_the_same_moment_slips_through_nowhere(what: str) -> None:
    """RP-21, MG-15: whatever order their steps take, a login either hears of the block or is ended by it; after a
    deletion it is ended, or is a new person's, whole."""
    for delay in range(8):
        store = SlowStore(MemoryStore())
        people = People(World(store=store, connections={"corp": connection("corp")}))
        ada = await people.moves_in("ada")
        await store.drop(trips.last_login(BROWSER))
        await people.world.trip()

        async def arrive(people: People = people) -> None:
            with contextlib.suppress(Shown):
                await people.world.arrive(NOW + 1)

        async def end(people: People = people, delay: int = delay, user_id: str = ada.user_id) -> None:
            for _ in range(delay):
                await asyncio.sleep(0)
            await getattr(people.offboarding, what)(user_id, NOW + 1)

        await asyncio.gather(arrive(), end())
        live = [key for key in await store.list(sessions_of_user(ada.user_id)) if await store.get(key)]
        user = await Users(store).find(ada.user_id)
        assert user is not None or (what == "delete" and not live)
        assert what == "delete" or not live


async def test_a_store_that_goes_away_in_between_leaves_the_block_and_the_rest_to_do_again() -> None:
    """FT-01: nobody hears that it is done; nobody gets in; asking again finishes it."""
    people = People()
    ada = await people.moves_in("ada")
    whole = people.world.store
    broken = FailingStore(whole, lambda op: isinstance(op, Drop), Unavailable("down"))
    with pytest.raises(Unavailable):
        await Offboarding(broken, people.world.arrival.logout.end).block(ada.user_id, NOW)
    with pytest.raises(Shown, match="user is blocked"):
        await people.moves_in("ada")
    await people.offboarding.block(ada.user_id, NOW)
    assert await people.has(ada) == BLOCKED


async def test_mg_15_a_deletion_that_was_interrupted_is_finished_by_asking_again() -> None:
    """MG-15: people who are not forgotten yet are still listed; those who are had nothing any more."""
    people = People()
    everybody = [await people.moves_in(f"user-{n}") for n in range(3)]
    broken = FailingStore(
        people.world.store, lambda op: isinstance(op, Drop) and op.key.kind == "user", Unavailable("down")
    )
    with pytest.raises(Unavailable):
        await Offboarding(broken, people.world.arrival.logout.end).delete_of_connection("corp", NOW)
    for one in everybody:
        assert await people.has(one) == BLOCKED
    assert await people.offboarding.delete_of_connection("corp", NOW) == 3
    for one in everybody:
        assert await people.has(one) == NOTHING


async def test_people_who_have_nothing_are_forgotten_by_the_hundred() -> None:
    """A connection with many people costs round trips for those alone who are logged in."""
    store = Counting()
    world = World(store=store)
    for n in range(150):
        await store.run(Put(user_key(f"oidc|corp|{n}"), old_record(str(n)), 60, (users_of("corp"),)))
    store.rounds.clear()
    assert await Offboarding(store, world.arrival.logout.end).delete_of_connection("corp", NOW) == 150
    assert len(store.rounds) < 30


def old_record(sub: str) -> dict[str, Any]:
    """A person who was here long ago."""
    names = {"user_id": f"oidc|corp|{sub}", "connection": "corp", "subject": sub, "issuer": "https://idp.example"}
    return {**names, "created_at": 1, "root": {}}


@pytest.mark.parametrize(
    ("user_id", "name"),
    [("oidc|corp|ada", "corp"), ("oidc|corp|a|b", "corp"), ("oidc|a-b|", "a-b"), ("ada", ""), ("", "")],
)
def test_the_connection_is_part_of_the_user_id(user_id: str, name: str) -> None:
    """Between the first two separators; a subject may hold more of them."""
    assert connection_of(user_id) == name


async def test_an_index_that_names_what_is_gone_harms_nobody() -> None:
    """Names of records that ended stay in an index for a while."""
    people = People()
    await people.world.store.run(Put(user_key("oidc|corp|old"), {}, 60, (users_of("corp"),)))
    await people.world.store.drop(user_key("oidc|corp|old"))
    assert await people.offboarding.delete_of_connection("corp", NOW) == 0
    assert await Users(people.world.store).of_connection("corp", 0, 10) == ((), 1)


async def test_rp_21_whom_a_connection_does_not_hear_any_more_is_out() -> None:
    """RP-21, MG-15: the connection was given another tenant: what its people have ends, and their records stay, so that
    the new tenant's people of the same names are not they (RP-19)."""
    people = People()
    gone, kept = await people.moves_in("ada"), await people.moves_in("bob", "x")
    moved = connection("corp", **{**KEEPS, "discovery_url": "https://new.example"})
    before = people.world.connections["corp"]
    assert await people.offboarding.end_strangers(before, before, NOW) == 0
    assert await people.has(gone) == everything()
    assert await people.offboarding.end_strangers(before, moved, NOW) == 1
    assert await people.has(gone) == BLOCKED
    assert await people.has(kept) == everything()
