"""What the tests of SDKs share: a tenant of the lab, Isthmus in front of it, and programs run by Node."""

from __future__ import annotations

import asyncio
import json
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from proxy.lab.people import PEOPLE
from tests.journeys.conftest import Stores, know, lab_tenant
from tests.kit.isthmus import Node, connection, isthmus

HERE = Path(__file__).parent
MIRA = PEOPLE[0]
SUB = f"oidc|corp|{MIRA.sub}"
API = "https://api.example.com/"
Houses = Callable[..., AbstractAsyncContextManager[Node]]


@pytest.fixture
def houses(tmp_path: Path, stores: Stores) -> Houses:
    """Makes an Isthmus with one connection, ``corp``, that serves all ``clients``; third parties too."""

    @asynccontextmanager
    async def make(clients: Sequence[Mapping[str, Any]], **tables: Any) -> AsyncIterator[Node]:
        async with AsyncExitStack() as stack:
            tenant = await stack.enter_async_context(lab_tenant())
            ids = [client["client_id"] for client in clients]
            way: Any = {**connection("corp", tenant.issuer, "back_channel", ids), "is_domain_connection": True}
            node = await stack.enter_async_context(
                isthmus(tmp_path, stores(0), connections=[way], clients=clients, **tables)
            )
            know(tenant, node)
            yield node

    return make


@dataclass
class Program:
    """A program that Node runs. It speaks a line of JSON at a time, and ends with its standard input."""

    process: Process

    async def hear(self) -> Any:
        """Its next line. Fails with what it complained of when there is none."""
        assert self.process.stdout and self.process.stderr
        line = await asyncio.wait_for(self.process.stdout.readline(), 30)
        assert line, (await self.process.stderr.read()).decode()
        return json.loads(line)

    async def ask(self, *words: Any) -> Any:
        """Tell it something; its answer."""
        assert self.process.stdin
        self.process.stdin.write(json.dumps(words).encode() + b"\n")
        return await self.hear()


@asynccontextmanager
async def node_program(name: str, configuration: Mapping[str, Any]) -> AsyncIterator[Program]:
    """``name`` of this folder, running with its configuration."""
    process = await asyncio.create_subprocess_exec(
        "node", str(HERE / name), json.dumps(configuration), stdin=PIPE, stdout=PIPE, stderr=PIPE
    )
    assert process.stdin
    try:
        yield Program(process)
    finally:
        process.stdin.close()
        try:
            await asyncio.wait_for(process.communicate(), 10)
        except TimeoutError:
            process.kill()
            await process.wait()
