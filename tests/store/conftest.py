"""Stores for the tests: in memory with a clock moved by hand, and on a real server."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass

import pytest

from proxy.store import Store
from proxy.store.memory import MemoryStore
from proxy.store.redis import RedisStore
from proxy.store.sealing import Seal
from tests.kit.valkey import Valkey, valkey
from tests.kit.waiting import eventually

SECRET = b"a secret of the tests, 32 bytes or more"


@pytest.fixture(scope="session")
def running_server() -> Iterator[Valkey]:
    """One real server for all tests here."""
    with valkey(tcp=True) as server:
        yield server


@pytest.fixture
def server(running_server: Valkey) -> Valkey:
    """The real server, emptied."""
    running_server.command("FLUSHALL")
    running_server.command("CONFIG", "RESETSTAT")
    return running_server


@pytest.fixture
def seal() -> Seal:
    """A seal with the tests' secret."""
    return Seal([SECRET])


@pytest.fixture
async def redis_store(server: Valkey, seal: Seal) -> AsyncIterator[RedisStore]:
    """A store on the real server."""
    store = RedisStore(server.socket_path, seal)
    yield store
    await store.close()


@dataclass
class Promise:
    """A store under test, and how to wait until a condition that time alone brings about holds."""

    store: Store
    until: Callable[[Callable[[], Awaitable[bool]]], Awaitable[None]]


@pytest.fixture(params=["memory", "redis"])
def promise(request: pytest.FixtureRequest) -> Promise:
    """Each store in turn."""
    if request.param == "redis":
        return Promise(request.getfixturevalue("redis_store"), eventually)
    now = [1_000_000.0]

    async def tick(holds: Callable[[], Awaitable[bool]]) -> None:
        for _ in range(100):
            if await holds():
                return
            now[0] += 0.1
        pytest.fail("did not come about in 10 seconds of the hand-moved clock")

    return Promise(MemoryStore(clock=lambda: now[0]), tick)


@pytest.fixture
def store(promise: Promise) -> Store:
    """Each store in turn."""
    return promise.store
