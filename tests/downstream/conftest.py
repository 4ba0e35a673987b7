"""The shore for the tests: with a session and without, in memory and on a real server."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from proxy.store import Store
from proxy.store.memory import MemoryStore
from proxy.store.redis import RedisStore
from proxy.store.sealing import Seal
from tests.downstream.world import Clock, SlowStore, World, a_session
from tests.kit.valkey import PATIENT, Valkey, valkey

SEAL = Seal([b"a secret of the tests, 32 bytes or more"])


@pytest.fixture
async def world() -> World:
    """Ada is logged in."""
    return await World().begin(a_session())


@pytest.fixture
async def nobody() -> World:
    """Nobody is logged in."""
    return await World().begin(None)


@pytest.fixture(scope="session")
def server() -> Iterator[Valkey]:
    """One real server for all tests here."""
    with valkey() as running:
        yield running


@pytest.fixture(params=["memory", "redis"])
async def nodes(request: pytest.FixtureRequest) -> AsyncIterator[tuple[World, World]]:
    """Two nodes on one store, each kind of store in turn; Ada is logged in. Answers come late enough to race."""
    clock = Clock()
    if request.param == "memory":
        one = SlowStore(MemoryStore(clock=clock))
        stores: tuple[Store, Store] = (one, one)
    else:
        server: Valkey = request.getfixturevalue("server")
        server.command("FLUSHALL")
        stores = (
            RedisStore(server.socket_path, SEAL, limits=PATIENT),
            RedisStore(server.socket_path, SEAL, limits=PATIENT),
        )
    yield (
        await World(clock, store=stores[0]).begin(a_session()),
        await World(clock, store=stores[1]).begin(a_session()),
    )
    for store in stores:
        await store.close()
