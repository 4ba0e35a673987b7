"""The shore for the tests: with a session and without, in memory and on a real server."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from proxy.store.memory import MemoryStore
from proxy.store.redis import RedisStore
from proxy.store.sealing import Seal
from tests.downstream.world import Clock, SlowStore, World, a_session
from tests.kit.valkey import Valkey, valkey


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
async def racing(request: pytest.FixtureRequest) -> AsyncIterator[World]:
    """Ada is logged in, on each store in turn: answers come late enough for fifty tasks to meet."""
    clock = Clock()
    if request.param == "memory":
        yield await World(clock, store=SlowStore(MemoryStore(clock=clock))).begin(a_session())
        return
    server: Valkey = request.getfixturevalue("server")
    server.command("FLUSHALL")
    store = RedisStore(server.socket_path, Seal([b"a secret of the tests, 32 bytes or more"]))
    yield await World(clock, store=store).begin(a_session())
    await store.close()
