"""``isthmus lab`` as somebody runs it: in a process of its own."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import sys
from asyncio.subprocess import PIPE, Process

import aiohttp
import pytest

from proxy.lab.directory import FAULTS
from tests.cli.conftest import ROOT, isthmus


async def run(*arguments: str) -> Process:
    """The command, at a free port."""
    words = (sys.executable, "-m", "proxy", "lab", "--port", "0", *arguments)
    return await asyncio.create_subprocess_exec(*words, cwd=ROOT, stdout=PIPE, stderr=PIPE)


async def stopped(lab: Process, number: int) -> tuple[int | None, bytes]:
    """Its status and complaints after a signal."""
    lab.send_signal(number)
    _, complaints = await asyncio.wait_for(lab.communicate(), 20)
    return lab.returncode, complaints


async def test_it_says_where_to_look_until_ctrl_c() -> None:
    """Every tenant with its address, the page that explains them; Ctrl-C ends it with 0 and no word of complaint."""
    lab = await run()
    assert lab.stdout
    text = (await asyncio.wait_for(lab.stdout.readuntil(b"closes the lab."), 30)).decode()
    assert len(re.findall(r"^http://localhost:\d+/[a-z0-9-]+/  +\w", text, re.MULTILINE)) == len(FAULTS)
    found = re.search(r"Open (\S+)", text)
    assert found
    async with aiohttp.ClientSession() as http, http.get(found[1]) as answer:
        assert answer.status == 200 and answer.content_type == "text/html"
    assert await stopped(lab, signal.SIGINT) == (0, b"")


async def test_programs_get_json() -> None:
    """--json: one document with every tenant and its connection, and nothing else on standard output."""
    lab = await run("--json")
    assert lab.stdout
    found = json.loads(await asyncio.wait_for(lab.stdout.readuntil(b"\n}\n"), 30))
    assert [tenant["name"] for tenant in found["tenants"]] == list(FAULTS)
    lab.send_signal(signal.SIGTERM)
    assert await asyncio.wait_for(lab.communicate(), 20) == (b"", b"")


@pytest.mark.parametrize("port", ["no-number", "65536", "-1"])
def test_a_port_is_a_port(port: str) -> None:
    """Anything else is one line on standard error, status 2."""
    said = isthmus("lab", f"--port={port}")
    assert (said.status, said.out, said.err.count("\n")) == (2, "", 1)
