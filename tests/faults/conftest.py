"""A store server of their own for the fault cases: they stop it, silence it and empty it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import uvloop

from tests.kit.invariants import check_log, check_store
from tests.kit.valkey import Valkey, valkey
from tests.kit.whole import Whole, whole

Loops = Mapping[str, Callable[[], asyncio.AbstractEventLoop]]
Wholes = Callable[..., AbstractAsyncContextManager[Whole]]


def pytest_asyncio_loop_factories(config: pytest.Config, item: pytest.Item) -> Loops:
    """The loop that we serve on."""
    return {"uvloop": uvloop.new_event_loop}


@pytest.fixture(scope="session")
def shared() -> Iterator[Valkey]:
    """One server for all."""
    with valkey(tcp=True) as running:
        yield running


@pytest.fixture
def server(shared: Valkey) -> Valkey:
    """The server, emptied."""
    shared.command("FLUSHALL")
    return shared


@pytest.fixture
def wholes(tmp_path: Path, server: Valkey) -> Wholes:
    """Makes a whole node; at its end the invariants are checked."""

    @asynccontextmanager
    async def make(channel: str = "back_channel", **serving: Any) -> AsyncIterator[Whole]:
        async with whole(tmp_path, server, channel, **serving) as made:
            yield made
            cookies = [cookie.value for cookie in made.browser.jar.cookies.values()]
            secrets = {*made.app.secrets, *cookies}
        check_store(server, secrets)
        check_log(made.log, secrets)

    return make
