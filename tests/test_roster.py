"""The connections there are, on one node and on two."""

from __future__ import annotations

from dataclasses import replace

import pytest
from pydantic import SecretStr

from proxy.models import Connection, ConnectionOptions
from proxy.oidc.errors import Unavailable
from proxy.roster import ALL, Entry, NameTaken, Roster, connection_key, declared_id, new_id
from proxy.store.memory import MemoryStore

OPTIONS = ConnectionOptions(client_id="isthmus", issuer="https://idp.example", client_secret=SecretStr("geheim"))
CONNECTION = {"name": "first", "options": {"client_id": "isthmus", "issuer": "https://idp.example"}}
DECLARED = {"corp": Connection(name="corp", options=OPTIONS)}


@pytest.fixture
def store() -> MemoryStore:
    """An empty store."""
    return MemoryStore()


def entry(name: str, **changes: object) -> Entry:
    """A connection that the API makes."""
    return Entry(new_id(), Connection(name=name, options=OPTIONS, **changes), created_at=1)  # type: ignore[arg-type]


async def test_the_files_come_first_and_the_others_follow(store: MemoryStore) -> None:
    """One mapping holds both, each with an id; a secret comes back as it was."""
    roster = Roster(DECLARED, store)
    made = await roster.add(replace(entry("other"), extra={"schema_version": 2}))
    assert list(roster) == ["corp", "other"] and len(roster) == 2
    assert roster["other"].options == OPTIONS and made.extra == {"schema_version": 2}
    assert roster.by_id(made.id) == made and roster.by_id(declared_id("corp")) == roster.entries()[0]
    assert [one.is_declared for one in roster.entries()] == [True, False]
    assert roster.by_id("con_0000000000000000") is None


async def test_every_node_sees_a_change_when_it_looks(store: MemoryStore) -> None:
    """What one node adds, changes or removes is there, other, gone on the next look of another node."""
    here, there = Roster(DECLARED, store), Roster(DECLARED, store)
    made = await here.add(entry("other"))
    assert "other" not in there and await there.refresh() and "other" in there
    assert not await there.refresh()
    changed = await here.replace(replace(made, connection=made.connection.model_copy(update={"display_name": "O"})))
    assert changed is not None and await there.refresh() and there["other"].label == "O"
    assert await here.remove("other") and await there.refresh() and list(there) == ["corp"]


async def test_mg_11_a_change_of_an_old_version_does_not_count(store: MemoryStore) -> None:
    """MG-11: two change the same connection; the second hears of it, and nothing is lost. What is gone stays gone."""
    roster = Roster(DECLARED, store)
    made = await roster.add(entry("other"))
    assert await roster.replace(made) is not None
    assert await roster.replace(made) is None
    await roster.remove("other")
    assert await roster.replace(made) is None and "other" not in roster


@pytest.mark.parametrize("name", ["corp", "other"])
async def test_a_name_is_given_once(store: MemoryStore, name: str) -> None:
    """Neither the file's names nor those in the store can be taken again."""
    roster = Roster(DECLARED, store)
    await roster.add(entry("other"))
    with pytest.raises(NameTaken):
        await roster.add(entry(name))


async def test_the_file_wins_over_a_record_of_the_same_name(store: MemoryStore) -> None:
    """A name that moves from the API to the file is the file's."""
    await Roster({}, store).add(entry("corp"))
    roster = Roster(DECLARED, store)
    await roster.refresh()
    assert roster.entries()[0].is_declared and len(roster) == 1


async def test_a_record_that_todays_rules_refuse_harms_no_other(store: MemoryStore) -> None:
    """It serves nobody, and the rest go on."""
    roster = Roster(DECLARED, store)
    await roster.add(entry("other"))
    record = await store.get(connection_key("other"))
    assert record is not None
    broken = {**record.value, "connection": {**record.value["connection"], "name": "a b"}}
    await store.put(connection_key("other"), broken, 900)
    fresh = Roster(DECLARED, store)
    await fresh.refresh()
    assert list(fresh) == ["corp"]


async def test_while_the_store_is_away_the_last_copy_stands(
    store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing can be changed then, so what was read last is right."""
    roster = Roster(DECLARED, store)
    await roster.add(entry("other"))

    async def away(*ops: object) -> None:
        raise Unavailable("the store")

    monkeypatch.setattr(store, "run", away)
    with pytest.raises(Unavailable):
        await roster.refresh()
    with pytest.raises(Unavailable):
        await roster.add(entry("third"))
    assert list(roster) == ["corp", "other"]


@pytest.mark.parametrize(
    "broken",
    [
        {},
        {"id": "con_x"},
        {"id": "con_x", "connection": CONNECTION},
        {"id": 7, "connection": [], "extra": 1},
        {"connection": None, "created_at": "x"},
    ],
)
async def test_mg_11_a_record_of_another_shape_harms_no_other(store: MemoryStore, broken: dict[str, object]) -> None:
    """MG-11: a newer version may keep connections in another way; those we can read are there all the same."""
    roster = Roster(DECLARED, store)
    await roster.add(entry("first"))
    await roster.add(entry("other"))
    await store.put(connection_key("first"), broken, 900)
    fresh = Roster(DECLARED, store)
    await fresh.refresh()
    assert list(fresh) == ["corp", "other"]


async def test_mg_13_a_record_that_is_left_out_is_told(store: MemoryStore, caplog: pytest.LogCaptureFixture) -> None:
    """MG-13: a connection that stricter rules of a new version leave out does not vanish without a word; no value of it
    is told."""
    value = {"id": "con_old", "connection": {"name": "old", "options": {"client_id": "bad\n"}}, "extra": {}}
    await store.put(connection_key("old"), {**value, "created_at": 1}, 1000, under=(ALL,))
    roster = Roster(DECLARED, store)
    await roster.refresh()
    assert list(roster) == ["corp"]
    (line,) = caplog.records
    assert (line.message, line.__dict__["id"], line.__dict__["keys"]) == (
        "connection_left_out", "con_old", ["options.client_id"],
    )  # fmt: skip
    assert "bad" not in str(line.__dict__)
