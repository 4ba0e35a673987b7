"""Registered clients in the store: hashes, secrets, the list, its end."""

from __future__ import annotations

from typing import Any

import pytest

from proxy.downstream import registered
from proxy.downstream.client_metadata import House, read
from proxy.downstream.clients import Clients, client_key, secret_hash
from proxy.downstream.registered import Registered, Registry, hashed, matches, new_id
from proxy.models import Client
from proxy.oidc.errors import Refused, Unavailable
from proxy.store.memory import MemoryStore
from tests.downstream.world import NOW, Clock

HOUSE = House("https://sso.example/", ("RS256",))
PLAIN: dict[str, Any] = {"redirect_uris": ["https://app.example/cb"]}
MAC = {**PLAIN, "token_endpoint_auth_method": "client_secret_jwt"}
PUBLIC = {**PLAIN, "token_endpoint_auth_method": "none"}


def a_client(body: dict[str, Any], id: str = "tpc_1") -> Client:
    """A client by its own word."""
    return read(body, id, HOUSE)


def made(body: dict[str, Any]) -> tuple[Registered, str]:
    """Its record, and the secret it is told."""
    client = a_client(body)
    return Registered(client, int(NOW), hashed("access")).having(client)


async def test_rg_11_a_secret_is_kept_as_its_hash() -> None:
    """RG-11: 256 random bits, in the store by their SHA-256; the client is found with it, and nothing else."""
    entry, secret = made(PLAIN)
    store = MemoryStore()
    await Registry(store).add(entry)
    record = await store.get(client_key("tpc_1"))
    assert record is not None and len(secret) == 43 and secret not in str(record.value)
    known = await Clients({}, store).known("tpc_1", NOW)
    assert known is not None and known.hashes == (secret_hash(secret),) and known.client.client_secret is None
    assert "access" not in str(record.value["token"])


async def test_rg_11_a_secret_that_signs_is_kept_readable() -> None:
    """RG-11: for client_secret_jwt alone, and no representation shows it."""
    entry, secret = made(MAC)
    store = MemoryStore()
    await Registry(store).add(entry)
    known = await Clients({}, store).known("tpc_1", NOW)
    assert known is not None and known.client.client_secret is not None
    assert known.client.client_secret.get_secret_value() == secret and secret not in repr(entry)


def test_rg_11_a_public_client_gets_no_secret() -> None:
    """RG-11: nothing to keep, nothing to lose."""
    entry, secret = made(PUBLIC)
    assert (secret, entry.hashes, entry.secret) == ("", (), "")


@pytest.mark.parametrize(
    ("before", "after", "shown", "new", "hashes", "readable"),
    [
        (PLAIN, PLAIN, False, False, 1, False),
        (PLAIN, PUBLIC, False, False, 0, False),
        (PUBLIC, PLAIN, False, True, 1, False),
        (PLAIN, MAC, False, True, 1, True),
        (PLAIN, MAC, True, False, 1, True),
        (MAC, MAC, False, False, 1, True),
        (MAC, PLAIN, False, False, 1, False),
    ],
)
def test_rg_11_a_change_makes_a_secret_only_where_none_fits(
    before: dict[str, Any], after: dict[str, Any], shown: bool, new: bool, hashes: int, readable: bool
) -> None:
    """RG-11, RFC 7592 2.2: the secret stays; a readable one is dropped with its need, and made when only a hash is
    there and the client did not show it."""
    entry, first = made(before)
    changed, second = entry.having(a_client(after), first if shown else "")
    assert bool(second) is new
    assert len(changed.hashes) == hashes and bool(changed.secret) is readable
    if hashes and not new:
        assert changed.hashes == (hashed(first),) and changed.secret in ("", first)


@pytest.mark.parametrize("body", [PLAIN, MAC])
def test_a_renewed_secret_leaves_the_one_before_good(body: dict[str, Any]) -> None:
    """Two live secrets while a client changes them, never three."""
    entry, first = made(body)
    entry, second = entry.having(entry.client, renew=True)
    assert entry.hashes == (hashed(second), hashed(first))
    entry, third = entry.having(entry.client, renew=True)
    assert entry.hashes == (hashed(third), hashed(second))
    assert (entry.secret, entry.previous) == ((third, second) if body is MAC else ("", ""))
    assert Registered.from_value(entry.as_value()) == entry


def test_nothing_matches_nothing() -> None:
    """RG-07: an empty text is no secret, least of all where there is none."""
    assert not matches("", ()) and not matches("", (hashed(""),)) and not matches("x", ())
    assert matches("x", (hashed("y"), hashed("x")))


async def test_the_list_follows_what_is_there() -> None:
    """A removed client leaves the list, too, and does not come back by a late change."""
    clock = Clock()
    store = MemoryStore(clock=clock)
    registry = Registry(store)
    for number in range(3):
        client = a_client(PLAIN, f"tpc_{number}")
        await registry.add(Registered(client, int(NOW)))
    assert [each.client.client_id for each in await registry.all()] == ["tpc_0", "tpc_1", "tpc_2"]
    found = await registry.find("tpc_1")
    assert found is not None and await registry.remove("tpc_1") and not await registry.remove("tpc_1")
    with pytest.raises(Unavailable):
        await registry.replace(*found)
    clock.now += 1
    assert [each.client.client_id for each in await registry.all()] == ["tpc_0", "tpc_2"]
    assert len(await store.list(registered.ALL)) == 2
    assert await registry.find("tpc_1") is None and await registry.find("") is None


async def test_ds_14_there_is_an_end_to_clients(monkeypatch: pytest.MonkeyPatch) -> None:
    """DS-14: as many as there may be, then a clear no; the count is read anew after a while, not at every try."""
    monkeypatch.setattr(registered, "MOST", 2)
    registry = Registry(MemoryStore())
    for number in range(2):
        await registry.check_room(NOW)
        await registry.add(Registered(a_client(PLAIN, f"tpc_{number}"), int(NOW)))
    with pytest.raises(Refused, match="no more clients") as refused:
        await registry.check_room(NOW)
    assert refused.value.status == 503
    await registry.remove("tpc_0")
    with pytest.raises(Refused):
        await registry.check_room(NOW + registered.COUNTED_FOR - 1)


def test_ids_are_random_and_told_from_declared_ones() -> None:
    """128 random bits behind the prefix that says where the client comes from."""
    assert new_id().startswith("tpc_") and len({new_id() for _ in range(50)}) == 50 and len(new_id()) == 36


async def test_a_record_of_another_shape_is_passed_over() -> None:
    """One bad record hides no other, and its own client can do nothing but be removed."""
    store = MemoryStore()
    registry = Registry(store)
    good, bad = made(PLAIN)[0], Registered(a_client(PLAIN, "tpc_2"), int(NOW))
    await registry.add(good)
    await registry.add(bad)
    broken = {**bad.as_value(), "metadata": {"client_id": "tpc_2", "redirect_uris": ["javascript:alert(1)"]}}
    await store.put(client_key("tpc_2"), broken, 100)
    assert await registry.all() == (good,)
    assert await registry.find("tpc_2") is None
    assert await registry.remove("tpc_2")
    lacking = {name: value for name, value in good.as_value().items() if name != "issued_at"}
    await store.put(client_key("tpc_1"), lacking, 100)
    assert await registry.find("tpc_1") is None
