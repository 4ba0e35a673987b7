"""The clients we know: declared ones at no cost, registered ones fresh within a second."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from proxy.downstream.clients import FRESH, Clients, client_key, secret_hash
from proxy.oidc.errors import Unavailable
from proxy.store.memory import MemoryStore
from tests.downstream.world import NOW, WEBAPP, FailingStore

METADATA = {"client_id": "tpc_1", "redirect_uris": ["https://app.example/cb"]}


async def save(store: MemoryStore, **changes: Any) -> None:
    """A registered client."""
    hashes = [base64.b64encode(secret_hash("its secret")).decode()]
    await store.put(client_key("tpc_1"), {"metadata": METADATA, "hashes": hashes, **changes}, 100)


async def test_a_declared_client_costs_no_round_trip() -> None:
    """The plain flow never asks the store who the client is."""
    broken = FailingStore(MemoryStore(), lambda op: True, Unavailable("store"))
    assert await Clients({"webapp": WEBAPP}, broken).find("webapp", NOW) is WEBAPP


async def test_a_registered_client_is_not_the_operators() -> None:
    """AZ-24: what it says of itself makes it no first party."""
    store = MemoryStore()
    await save(store)
    known = await Clients({}, store).known("tpc_1", NOW)
    assert known is not None and not known.client.is_first_party and known.hashes == (secret_hash("its secret"),)
    assert known.client.client_secret is None


async def test_a_change_is_seen_within_a_second() -> None:
    """A client that was removed or changed elsewhere is known as such when the copy is ``FRESH`` seconds old."""
    store = MemoryStore()
    clients = Clients({}, store)
    await save(store)
    assert await clients.find("tpc_1", NOW) is not None
    await store.drop(client_key("tpc_1"))
    assert await clients.find("tpc_1", NOW + FRESH / 2) is not None
    assert await clients.find("tpc_1", NOW + FRESH) is None
    await save(store)
    clients.forget("tpc_1")
    assert await clients.find("tpc_1", NOW + FRESH) is not None


async def test_could_not_look_is_not_unknown() -> None:
    """The store away is 503, never "no such client"."""
    broken = FailingStore(MemoryStore(), lambda op: True, Unavailable("store"))
    with pytest.raises(Unavailable):
        await Clients({}, broken).find("tpc_1", NOW)


@pytest.mark.parametrize("client_id", ["", "x" * 256])
async def test_what_can_be_no_client_is_not_looked_for(client_id: str) -> None:
    """Nothing without end reaches the store."""
    broken = FailingStore(MemoryStore(), lambda op: True, Unavailable("store"))
    assert await Clients({}, broken).find(client_id, NOW) is None


BAD: dict[str, dict[str, Any]] = {
    "a-stricter-rule": {"metadata": {**METADATA, "redirect_uris": ["javascript:alert(1)"]}},
    "a-key-of-later": {"metadata": {**METADATA, "no_such_key": 1}},
    "no-metadata": {"metadata": None},
    "no-hashes": {"hashes": None},
    "hashes-of-another-form": {"hashes": ["x"]},
}


@pytest.mark.parametrize("change", BAD.values(), ids=BAD)
async def test_a_record_that_breaks_a_rule_is_no_client(
    change: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    """What an older version allowed and we do not is refused as an unknown client, and the log says which key."""
    store = MemoryStore()
    await save(store, **change)
    with caplog.at_level("WARNING", "isthmus.client"):
        assert await Clients({}, store).known("tpc_1", NOW) is None
    assert [record.message for record in caplog.records] == ["client_record_unusable"]
    assert "javascript" not in str(vars(caplog.records[0]))
