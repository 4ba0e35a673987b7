"""The layer under HTTP and the command line: one owner for each domain, races, what a change may not carry along."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import pytest

from proxy.downstream.clients import Clients
from proxy.management.connections import ManagedConnections, nobody, realms
from proxy.models import Connection
from proxy.oidc.errors import Refused, Unavailable
from proxy.roster import Entry, Roster
from proxy.store import Add, Swap
from proxy.store.memory import MemoryStore
from proxy.upstream.health import Health
from tests.management.world import BODY, CLIENTS, DECLARED, ISSUER, OPTIONS, SECRET

NOW = time.time()


@pytest.fixture
def store() -> MemoryStore:
    """An empty store."""
    return MemoryStore()


async def never(connection: Connection) -> Health:
    """The tenant, which nobody should ask."""
    raise AssertionError(connection.name)


def node(store: MemoryStore) -> ManagedConnections:
    """One node on the store."""
    return ManagedConnections(ISSUER, Roster(DECLARED, store), Clients(CLIENTS, store), never)


def body(name: str = "corp", **options: Any) -> dict[str, Any]:
    """A connection to be made."""
    return {**BODY, "name": name, "options": {**BODY["options"], **options}}  # type: ignore[dict-item]


async def made(managed: ManagedConnections, name: str = "corp", **options: Any) -> Entry:
    """One that was made."""
    return (await managed.create(body(name, **options), "tests", NOW))[0]


@pytest.mark.parametrize("domain", ["corp.example", "CORP.example"])
async def test_rp_34_a_domain_has_one_owner(store: MemoryStore, domain: str) -> None:
    """RP-34: over all connections, in whatever case, at creation and at every change; on every node."""
    here, there = node(store), node(store)
    await made(here, domain_aliases=["corp.example"])
    with pytest.raises(Refused, match="belongs to connection corp already") as told:
        await made(there, "other", domain_aliases=[domain])
    assert told.value.status == 409
    other = await made(there, "other")
    with pytest.raises(Refused, match="belongs to connection corp already"):
        await there.change(
            other.id, {"options": {**OPTIONS, "client_secret": SECRET, "domain_aliases": [domain]}}, "t", NOW
        )
    assert there.roster["other"].options.domain_aliases == ()
    await made(here, "third", domain_aliases=["third.example"])


@pytest.mark.parametrize("domain", ["file.example", "*.example", "com", "co.uk", "192.0.2.1"])
async def test_rp_34_no_domain_of_the_file_no_wildcard_no_suffix(store: MemoryStore, domain: str) -> None:
    """RP-34: what the file gave to a connection stays there, and nobody takes what nobody owns."""
    managed = node(store)
    with pytest.raises(Refused):
        await made(managed, domain_aliases=[domain])
    assert list(managed.roster) == ["from-file"]


class Late(MemoryStore):
    """A store where another node is quicker: ``first`` happens between the check and the write."""

    first: Any = None

    async def run(self, *ops: Any) -> Any:
        if self.first and isinstance(ops[0], Add | Swap):
            first, self.first = self.first, None
            await first()
        return await super().run(*ops)


async def test_rp_34_two_who_claim_a_domain_at_the_same_moment_do_not_both_have_it() -> None:
    """RP-34: the check holds however two nodes race, for new connections and for changes."""
    store = Late()
    here, there = node(store), node(store)
    store.first = lambda: made(there, "quick", domain_aliases=["corp.example"])
    with pytest.raises(Refused, match="belongs to connection quick"):
        await made(here, "slow", domain_aliases=["corp.example"])
    assert "slow" not in here.roster and "quick" in here.roster
    late = await made(here, "late", icon_url="https://idp.example/i.png")
    store.first = lambda: made(there, "quicker", domain_aliases=["two.example"])
    with pytest.raises(Refused, match="belongs to connection quicker"):
        await here.change(late.id, {"options": {**OPTIONS, "domain_aliases": ["two.example"]}}, "tests", NOW)
    assert here.roster["late"].options == late.connection.options


async def test_a_name_is_given_once() -> None:
    """409, also where another node took it between the check and the write."""
    store = Late()
    here, there = node(store), node(store)
    store.first = lambda: made(there, "corp")
    for _ in range(2):
        with pytest.raises(Refused) as told:
            await made(here, "corp")
        assert told.value.status == 409
    with pytest.raises(Refused):
        await made(here, "from-file")


async def test_realms_are_given_once(store: MemoryStore) -> None:
    """The default realm is the name; another connection cannot take it."""
    managed = node(store)
    await made(managed)
    with pytest.raises(Refused, match="some realms"):
        await managed.create({**body("other"), "realms": ["corp"]}, "tests", NOW)
    entry, _ = await managed.create({**body("other"), "realms": ["mine"]}, "tests", NOW)
    assert realms(entry.connection) == {"mine"}


async def test_mg_11_a_change_without_a_condition_is_made_of_the_newest() -> None:
    """MG-11: somebody else was quicker: the change is made again of theirs, and both count."""
    store = Late()
    here, there = node(store), node(store)
    entry = await made(here)
    store.first = lambda: there.enable(entry.id, {"wiki": True}, "tests", NOW)
    changed, _ = await here.change(entry.id, {"metadata": {"a": "b"}}, "tests", NOW)
    assert changed.connection.enabled_clients == ("wiki",) and changed.connection.metadata == {"a": "b"}


async def test_mg_11_whoever_is_always_too_late_hears_it(store: MemoryStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """MG-11: after some tries 412, never a change of an old version."""
    managed = node(store)
    entry = await made(managed)

    async def too_late(wanted: Entry) -> None:
        return None

    monkeypatch.setattr(managed.roster, "replace", too_late)
    with pytest.raises(Refused) as told:
        await managed.change(entry.id, {"metadata": {}}, "tests", NOW)
    assert told.value.status == 412


async def test_an_application_that_is_unknown_is_named_by_its_place(store: MemoryStore) -> None:
    """400 for a list sent with the connection; one that was removed since is in nobody's way."""
    managed = node(store)
    with pytest.raises(Refused, match=r"enabled_clients\[1\] names no client"):
        await managed.create({**body(), "enabled_clients": ["webapp", "nobody"]}, "tests", NOW)
    entry, _ = await managed.create({**body(), "enabled_clients": ["webapp"]}, "tests", NOW)
    later = replace(managed, clients=Clients({}, store))
    changed, _ = await later.change(entry.id, {"metadata": {"a": "b"}}, "tests", NOW)
    assert changed.connection.enabled_clients == ("webapp",)


async def test_there_is_room_for_so_many(store: MemoryStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """403 when there are as many as there may be."""
    monkeypatch.setattr("proxy.management.connections.MOST", 1)
    with pytest.raises(Refused, match="maximum limit") as told:
        await made(node(store))
    assert told.value.status == 403


async def test_while_the_store_is_away_nothing_is_said(store: MemoryStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even that a connection is unknown: 503."""

    async def away(*ops: object) -> None:
        raise Unavailable("the store")

    monkeypatch.setattr(store, "run", away)
    managed = node(store)
    for asked in (managed.all(), managed.find("x"), managed.remove("x", "t"), managed.create(body(), "t", NOW)):
        with pytest.raises(Unavailable):
            await asked
    assert await nobody(DECLARED["from-file"], None) is None  # type: ignore[func-returns-value]


async def test_mg_15_a_removal_that_fails_half_way_can_be_asked_for_again(store: MemoryStore) -> None:
    """MG-15: while those who came through it cannot be logged out it is still there; the next DELETE does all of it."""
    told: list[bool] = []

    async def concerned(before: Connection, after: Connection | None) -> None:
        told.append(before.name in managed.roster)
        if len(told) == 1:
            raise Unavailable("the store")

    managed = replace(node(store), concerned=concerned)
    entry = await made(managed)
    with pytest.raises(Unavailable):
        await managed.remove(entry.id, "tests")
    assert "corp" in managed.roster
    await managed.remove(entry.id, "tests")
    assert told == [True, True, False] and "corp" not in managed.roster
