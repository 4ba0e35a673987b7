"""Certification: the provider's keys rotate. Between the module's two looks stands ``isthmus keys rotate``, as it must
with any provider; the command needs a store that it can reach too."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from proxy.store.redis import RedisStore
from proxy.store.sealing import Seal
from tests.kit.isthmus import OWN_SECRET
from tests.kit.suite import Clock
from tests.kit.valkey import Valkey, valkey
from tests.spec.op import checks
from tests.spec.op.conftest import World, world
from tests.spec.op.flow import login

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.fixture(scope="module")
def server() -> Iterator[Valkey]:
    """A store that node and command share."""
    with valkey() as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def op(tmp_path_factory: pytest.TempPathFactory, clock: Clock, server: Valkey) -> AsyncIterator[World]:
    """A node on a real store."""
    url = f"unix://{server.socket_path}"
    store = RedisStore(url, Seal([OWN_SECRET.encode()]))
    async with world(tmp_path_factory.mktemp("op"), clock, store, redis={"url": url}) as made:
        yield made
    await store.close()


async def test_oidcc_server_rotate_keys(op: World) -> None:
    """oidcc-server-rotate-keys: a key with another ``kid`` and another modulus is published; once every client can have
    it, it signs. The old key stays, since its tokens live: that is the module's one warning."""
    async with op.runs() as run:
        before, signed_by = list(run.keys), checks.header_of((await login(run)).id_token)["kid"]
        words = ("-m", "proxy", "keys", "rotate", "--config", str(op.config))
        ended = await asyncio.to_thread(
            subprocess.run, [sys.executable, *words], env={**op.environ}, check=True, capture_output=True
        )
        assert b"next" in ended.stdout
        op.clock.move(2)
        await op.runs.read(run)
        new = [key for key in run.keys if key["kid"] not in {old["kid"] for old in before}]
        assert any(key["use"] == "sig" and key["alg"] == "RS256" for key in new)
        assert not {key["n"] for key in new} & {key["n"] for key in before}
        assert {key["kid"] for key in before} <= {key["kid"] for key in run.keys}
        op.clock.move(3600)
        await op.runs.read(run)
        assert checks.header_of((await login(run, prompt="login")).id_token)["kid"] != signed_by
