"""Nodes that are processes of their own and can be killed, without each paying for its imports:
``python -m tests.kit.fleet_program CONFIG...`` loads everything once and forks a node for each configuration.

Below: how a test starts them.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.kit.isthmus import configure, ready
from tests.kit.valkey import free_port


@dataclass
class Forked:
    """One node."""

    port: int
    pid: int

    async def die(self) -> None:
        """``kill -9``."""
        os.kill(self.pid, signal.SIGKILL)


@asynccontextmanager
async def forked(directory: Path, issuer: str, redis: Sequence[str], **tables: Any) -> AsyncIterator[list[Forked]]:
    """A ready node for each address of the store. What they write is in ``fleet.log``."""
    ports, files = [free_port() for _ in redis], []
    environ: dict[str, str] = {}
    for port, url in zip(ports, redis, strict=True):
        file, needed = configure(directory, issuer, port, {**tables, "redis": {"url": url}})
        files.append(str(file))
        environ |= needed
    with (directory / "fleet.log").open("w") as log:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.kit.fleet_program", *files,
            env={**os.environ, **environ}, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=log,
        )  # fmt: skip
    try:
        line = await process.stdout.readline() if process.stdout else b""
        pids = list(map(int, line.split()))
        await asyncio.gather(*map(ready, ports))
        yield [Forked(port, pid) for port, pid in zip(ports, pids, strict=True)]
    finally:
        with suppress(ProcessLookupError):
            process.terminate()
        await process.wait()


def main() -> int:
    """The program: fork, tell the process ids, and take all down at the end."""
    from proxy import app, settings
    from proxy.web import serve, worker

    pids = []
    for path in sys.argv[1:]:
        loaded = settings.load(Path(path), os.environ)
        pid = os.fork()
        if pid == 0:
            os.dup2(2, 1)
            os._exit(serve.main(loaded, app.build, 1) if worker else 1)
        pids.append(pid)
    print(*pids, flush=True)
    signal.signal(signal.SIGTERM, lambda *_: os.close(0))
    with suppress(OSError):
        sys.stdin.read()  # until we are told to end, or whoever started us is gone
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
