"""``isthmus demo`` as somebody runs it: in a process of its own."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
from asyncio.subprocess import PIPE, Process
from contextlib import closing
from pathlib import Path

import aiohttp
import pytest

from proxy.cli.demo_scene import PORTS
from proxy.lab.listen import listen, port_of

RUN = "import sys; from proxy.cli.demo import demo; sys.exit(demo(check='--check' in sys.argv))"


async def run(directory: Path, *arguments: str) -> Process:
    """The demo, with ``directory`` for its temporary files."""
    return await asyncio.create_subprocess_exec(
        sys.executable, "-c", RUN, *arguments, stdout=PIPE, stderr=PIPE, env={**os.environ, "TMPDIR": str(directory)}
    )


def children(pid: int) -> list[int]:
    """The processes below ``pid``."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


async def addresses(demo: Process) -> list[str]:
    """What it says to open, once it says that Ctrl-C stops it."""
    assert demo.stdout
    text = await asyncio.wait_for(demo.stdout.readuntil(b"Ctrl-C stops everything."), 30)
    return re.findall(r"(http://\S+/)\n", text.decode())


async def test_check_logs_in_through_each_channel(tmp_path: Path) -> None:
    """demo --check: both channels and the gateway, told step by step, exit 0, nothing left; a port that is taken is no
    obstacle."""
    with closing(listen(PORTS["Isthmus"])) as taken:
        demo = await run(tmp_path, "--check")
        out, err = await asyncio.wait_for(demo.communicate(), 40)
        assert demo.returncode == 0, (out, err)
        if port_of(taken) == PORTS["Isthmus"]:
            assert f"iss http://127.0.0.1:{PORTS['Isthmus']}/" not in out.decode()
    told = out.decode()
    for channel in ("corp-back", "corp-front"):
        assert f"sub oidc|{channel}|mira" in told
    assert told.count("name 'Mira Joan Vance', email 'mira@corp.example'") == 2
    assert "POST /login/callback, from another site" in told
    assert "X-Isthmus-Assertion: signature good" in told and "hears nothing after the logout" in told
    assert err == b""
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_signal_stops_everything(number: signal.Signals, tmp_path: Path) -> None:
    """Ctrl-C or SIGTERM: exit 0, the store's process ended, the temporary directory gone."""
    demo = await run(tmp_path)
    urls = await addresses(demo)
    async with aiohttp.ClientSession() as http:
        for url in urls[:2]:
            async with http.get(f"{url}" if url is urls[0] else f"{url}readyz") as answer:
                assert answer.status == 200
    below = children(demo.pid)
    assert below
    demo.send_signal(number)
    _, err = await asyncio.wait_for(demo.communicate(), 20)
    assert (demo.returncode, err) == (0, b"")
    assert not set(map(str, below)) & set(os.listdir("/proc"))
    assert os.listdir(tmp_path) == []
