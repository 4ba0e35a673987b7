"""The user's record: what a login writes down, who may not log in, and who there is."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from proxy.bridge import transaction as trips
from proxy.bridge.offboarding import Offboarding
from proxy.bridge.users import KEPT, User, Users, login_key, user_key, users_of
from proxy.downstream.grant import session_key
from proxy.models import Identity
from proxy.oidc.errors import Shown, UpstreamError
from proxy.store import key
from proxy.store.memory import MemoryStore
from tests.bridge.test_arrival import BROWSER, NOW, STATE, World, connection
from tests.downstream.world import SlowStore
from tests.kit.counting import Counting

ADA = "oidc|corp|ada"
ISSUER = "https://idp.example"


def says(sub: str = "ada", issuer: str = ISSUER, connection: str = "corp", **claims: Any) -> Identity:
    return Identity(connection, issuer, sub, {"sub": sub, "name": "Ada", **claims})


def with_options(**options: Any) -> World:
    return World(connections={"corp": connection("corp", **options)})


async def known(world: World, user_id: str = ADA) -> User:
    found = await Users(world.store).find(user_id)
    assert found is not None
    return found


async def log_in(world: World, identity: Identity, now: float = NOW, source: str = "") -> None:
    """A login in a browser that knows nothing of the one before."""
    world.tenant.says = identity
    await world.store.drop(trips.last_login(BROWSER))
    await world.trip()
    await world.arrive(now, source=source)


async def test_a_login_is_written_down() -> None:
    """The normalised profile, the identity, first and last login, where it came from, how many there were."""
    world = World()
    await log_in(world, says(email="old@corp.example"), source="192.0.2.1")
    await log_in(world, says(email="ada@corp.example"), NOW + 500, source="192.0.2.2")
    own = {"connection": "corp", "user_id": "corp|ada", "provider": "oidc", "isSocial": False}
    found = await known(world)
    assert found == User(
        user_id=ADA,
        connection="corp",
        issuer=ISSUER,
        subject="ada",
        created_at=int(NOW),
        updated_at=int(NOW) + 500,
        last_login=int(NOW) + 500,
        last_ip="192.0.2.2",
        logins_count=2,
        blocked=False,
        profile={"sub": "ada", "name": "Ada", "email": "ada@corp.example"},
    )
    assert found.identities == (own,)
    assert await Users(world.store).find("oidc|corp|nobody") is None


async def test_a_plain_login_costs_two_round_trips() -> None:
    """The trip is taken, and everything is written: session, code, note and the person's record."""
    store = Counting()
    world = World(store=store)
    await world.trip()
    store.rounds.clear()
    await world.arrive()
    assert len(store.rounds) == 2


async def test_rp_19_another_issuer_changes_nothing_of_a_known_person() -> None:
    """RP-19: the refused login leaves profile, time, address and count as they were."""
    world = World()
    await log_in(world, says(), source="192.0.2.1")
    before = await known(world)
    world.connections["corp"] = connection("corp", discovery_url="https://evil.example")
    with pytest.raises(UpstreamError) as refused:
        await log_in(world, says(issuer="https://evil.example", name="Eve"), NOW + 9, source="192.0.2.66")
    assert refused.value.reason == "issuer_changed"
    assert await known(world) == before
    assert await world.store.get(login_key(ADA, "https://evil.example")) is None


async def test_rp_14_rp_17_an_email_joins_nobody() -> None:
    """RP-14, RP-17: the same verified email at another connection is another user with an identity of their own; a user
    has the one identity they logged in with, and nothing here adds a second."""
    world = World(connections={name: connection(name) for name in ("corp", "evil")})
    await log_in(world, says(email="ada@corp.example", email_verified=True))
    thief = says("thief", connection="evil", email="ada@corp.example", email_verified=True)
    world.tenant.says = thief
    await world.trip(connection="evil")
    await world.arrive()
    people = [await known(world, ADA), await known(world, "oidc|evil|thief")]
    assert [len(person.identities) for person in people] == [1, 1]
    assert [person.logins_count for person in people] == [1, 1]
    assert not [name for name in dir(Users) if "link" in name]


@pytest.mark.parametrize("subs", [("1001", "1001"), ("b|c", "c"), ("B", "b")])
async def test_rp_19_the_same_sub_at_two_connections_is_two_users(subs: tuple[str, str]) -> None:
    """RP-19: users are told apart by connection and exact subject; separators are unambiguous."""
    world = World(connections={name: connection(name) for name in ("a", "a-b")})
    ids = []
    for name, sub in zip(("a", "a-b"), subs, strict=True):
        world.tenant.says = says(sub, connection=name)
        await world.store.drop(trips.last_login(BROWSER))
        ids.append((await world.login(connection=name)).user_id)
    assert len(set(ids)) == 2
    assert [(await known(world, one)).subject for one in ids] == list(subs)


async def test_rp_21_a_blocked_user_is_refused_and_leaves_nothing() -> None:
    """RP-21: a page with 403, no session, no code, and the record says what it said before."""
    world = World()
    await log_in(world, says(), source="192.0.2.1")
    before = await known(world)
    assert await Offboarding(world.store, nobody_ends).block(ADA, NOW + 1)
    with pytest.raises(Shown, match="user is blocked") as refused:
        await log_in(world, says(name="New"), NOW + 9, source="192.0.2.2")
    assert (refused.value.status, refused.value.reason) == (403, "user_blocked")
    assert await known(world) == replace(before, blocked=True, updated_at=int(NOW) + 1)
    live = [each async for each in world.store.scan("session")]
    assert len(live) == 1  # the first login's, which the one who blocks would have ended
    assert [each async for each in world.store.scan("code")] == [key("code", await sid_of(world))]
    await Offboarding(world.store, nobody_ends).block(ADA, NOW + 99)
    assert await known(world) == replace(before, blocked=True, updated_at=int(NOW) + 1)
    assert await Offboarding(world.store, nobody_ends).unblock(ADA)
    assert await known(world) == before


async def nobody_ends(*args: Any) -> None:
    """In place of what ends sessions."""


async def sid_of(world: World) -> str:
    (place,) = [each async for each in world.store.scan("session")]
    record = await world.store.get(place)
    assert record is not None
    return str(record.value["sid"])


async def test_two_first_logins_at_once_are_one_user_with_two_logins() -> None:
    """RP-19: of many first logins one makes the record, and each is counted, in whatever order they write."""
    inner = MemoryStore()
    worlds = [World(store=SlowStore(inner)) for _ in range(5)]
    browsers = [f"{n}" * 43 for n in range(5)]
    for world, browser in zip(worlds, browsers, strict=True):
        trip = await world.trip()
        await inner.run(trips.save(browser, replace(trip, id=browser[:4] + STATE[4:])))

    async def arrive(world: World, browser: str) -> None:
        params = {"state": browser[:4] + STATE[4:], "code": "c"}
        await world.arrive(params=params, browsers=(browser,))

    await asyncio.gather(*map(arrive, worlds, browsers))
    assert (await known(worlds[0])).logins_count == 5
    assert await inner.list(users_of("corp")) == (user_key(ADA),)


async def test_a_login_that_is_overtaken_counts_once() -> None:
    """A session that ended meanwhile makes the login write twice; it was one login."""
    world = World()
    first = await world.login()
    await world.store.drop(session_key(first.sid))
    await world.login()
    assert (await known(world)).logins_count == 2


@pytest.mark.parametrize(
    ("mode", "told", "kept"),
    [
        ("on_each_login", ["First", "Second"], "Second"),
        ("on_first_login", ["First", "First"], "First"),
        ("never_on_login", [None, None], None),
    ],
)
async def test_set_user_root_attributes(mode: str, told: list[str | None], kept: str | None) -> None:
    """Root attributes are those of each login, of the first, or of none; what is no root attribute is always new. Apps
    are told what the record says."""
    world, heard = with_options(set_user_root_attributes=mode), []
    for name, email in (("First", "1@corp.example"), ("Second", "2@corp.example")):
        world.tenant.says = says(name=name, email=email)
        session = await world.login()
        heard.append(session.profile.get("name"))
        assert session.profile["email"] == email
        assert set(session.sources) == set(session.profile)
    assert heard == told
    assert (await known(world)).profile.get("name") == kept


async def test_root_attributes_of_a_first_login_that_said_less_stay_so() -> None:
    """``on_first_login``: a picture that came later is not taken, as at Auth0."""
    world = with_options(set_user_root_attributes="on_first_login")
    await world.login()
    world.tenant.says = says(picture="https://idp.example/ada.png")
    assert "picture" not in (await world.login()).profile


@pytest.mark.parametrize("mode", ["on_each_login", "on_first_login"])
async def test_non_persistent_attributes_are_told_and_not_kept(mode: str) -> None:
    """They are in the session's profile at every login, root attributes too, and in no record of the user."""
    world = with_options(non_persistent_attrs=["ssn", "given_name"], set_user_root_attributes=mode)
    for given in ("Ada", "Augusta"):
        world.tenant.says = says(ssn="078-05-1120", given_name=given)
        profile = (await world.login()).profile
        assert (profile["ssn"], profile["given_name"]) == ("078-05-1120", given)
    record = await world.store.get(user_key(ADA))
    assert record is not None and set(record.value["root"]) == {"name"}
    assert set((await known(world)).profile) == {"sub", "name"}


async def test_the_people_of_a_connection_can_be_listed() -> None:
    """A page of them, those who came last at the end; those of another connection are not among them."""
    clock = [NOW]
    world = World(store=MemoryStore(lambda: clock[0]), connections={n: connection(n) for n in ("corp", "other")})
    for sub in ("a", "b", "c", "a"):
        clock[0] += 1
        await log_in(world, says(sub))
    world.tenant.says = says("z", connection="other")
    await world.trip(connection="other")
    await world.arrive()
    users = Users(world.store)
    everybody, total = await users.of_connection("corp", 0, 50)
    assert ([user.subject for user in everybody], total) == (["b", "c", "a"], 3)
    assert [user.logins_count for user in everybody] == [1, 1, 2]
    assert [user.subject for user in (await users.of_connection("corp", 1, 1))[0]] == ["c"]
    assert await users.of_connection("nothing", 0, 50) == ((), 0)


async def test_a_person_is_forgotten_long_after_the_last_login() -> None:
    """Each login lengthens the life of the whole record."""
    clock = [NOW]
    world = World(store=MemoryStore(lambda: clock[0]))
    await log_in(world, says())
    clock[0] += KEPT - 10
    await log_in(world, says(), clock[0])
    clock[0] += KEPT - 10
    assert (await known(world)).created_at == int(NOW)
    clock[0] += 11
    assert await Users(world.store).find(ADA) is None
