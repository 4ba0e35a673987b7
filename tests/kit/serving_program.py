"""A server of its own process: ``python serving_program.py CONFIG WORKERS``, with a site that can be slow or crash.

Below: how a test starts one, and waits for it.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from aiohttp import web

ROOT = Path(__file__).resolve().parents[2]
SOON = 20.0


async def build(settings: Any, store: Any, secrets: Sequence[bytes]) -> web.Application:
    """A site without keys: who I am, a slow answer, a crash."""
    from aiohttp import web

    async def who(_: web.Request) -> web.Response:
        return web.Response(text=str(os.getpid()))

    async def slow(_: web.Request) -> web.Response:
        await asyncio.sleep(0.7)
        return web.Response(text="done")

    async def crash(_: web.Request) -> web.Response:
        os._exit(9)

    site = web.Application()
    site.router.add_get("/who", who)
    site.router.add_get("/slow", slow)
    site.router.add_get("/crash", crash)
    return site


@dataclass
class Program:
    """A running server process."""

    process: subprocess.Popen[str]
    port: int

    def get(self, path: str, port: int | None = None) -> tuple[int, str]:
        """Status and text; (0, "") when nobody answers."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port or self.port}{path}", timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()
        except OSError:
            return 0, ""

    def end(self, number: int = signal.SIGTERM) -> tuple[int, str, str]:
        """Send a signal, wait; answers exit status, standard output, standard error."""
        self.process.send_signal(number)
        out, err = self.process.communicate(timeout=SOON)
        return self.process.returncode, out, err


def config(folder: Path, port: int, *, redis: str = "", server: str = "") -> Path:
    """A configuration file for a loopback tenant."""
    path = folder / "isthmus.toml"
    url = f'[redis]\nurl = "{redis}"\n' if redis else ""
    path.write_text(
        f'[tenant]\nissuer = "http://127.0.0.1:{port}/"\n'
        f'[server]\nport = {port}\ndata_dir = "{folder / "var"}"\n{server}\n{url}'
    )
    return path


def command(path: Path, workers: int) -> list[str]:
    """What starts the program."""
    return [sys.executable, __file__, str(path), str(workers)]


def refused(path: Path) -> subprocess.CompletedProcess[str]:
    """Start a server that should not start; what came of it."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(command(path, 1), capture_output=True, text=True, timeout=SOON, env=environment)


@contextlib.contextmanager
def running(path: Path, port: int, workers: int = 1) -> Iterator[Program]:
    """A server process; killed at the end if it still runs."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        command(path, workers), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    )
    try:
        yield Program(process, port)
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def main() -> int:
    """The program itself."""
    from proxy import settings
    from proxy.web import serve

    return serve.main(settings.load(Path(sys.argv[1]), os.environ), build, int(sys.argv[2]))


if __name__ == "__main__":
    raise SystemExit(main())
