"""``isthmus serve`` as a shell runs it."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.cli.conftest import ROOT, configure, isthmus
from tests.kit.valkey import free_port
from tests.kit.waiting import eventually


@contextmanager
def server(file: Path, port: int, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A running ``serve`` on ``port``; killed at the end if it is still there."""
    environ = {**os.environ, "ISTHMUS_SERVER__PORT": str(port), "ISTHMUS_TENANT__ISSUER": f"http://127.0.0.1:{port}/"}
    process = subprocess.Popen(
        [sys.executable, "-m", "proxy", "serve", "--config", str(file), *arguments],
        cwd=ROOT, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def ask(port: int, path: str) -> str:
    """What the server answers; empty while it does not, or says that it cannot serve."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/{path}", timeout=5) as answer:
            return str(answer.read().decode())
    except OSError:
        return ""


@pytest.mark.parametrize("workers", [[], ["--workers", "2"]], ids=["one", "two"])
async def test_it_serves_until_it_is_told_to_stop(tmp_path: Path, workers: list[str]) -> None:
    """From an empty folder to ready, with the environment's port and issuer; status 0 after SIGTERM."""
    port = free_port()
    with server(configure(tmp_path, more="trust_prompt = true"), port, *workers) as process:

        async def ready() -> bool:
            return bool(await asyncio.to_thread(ask, port, "readyz"))

        await eventually(ready)
        document = await asyncio.to_thread(ask, port, ".well-known/openid-configuration")
        assert f'"http://127.0.0.1:{port}/"' in document
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=30)
    assert process.returncode == 0, said
    assert "warning: connections[corp].options.trust_prompt" in said
    assert "Traceback" not in said


def test_a_port_that_is_taken_is_one_line_and_status_2(tmp_path: Path) -> None:
    """The commonest mistake at a start."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        said = isthmus("serve", "--config", configure(tmp_path), environ={"ISTHMUS_SERVER__PORT": port})
    assert said.status == 2
    assert "is in use" in said.err
    assert "Traceback" not in said.err
