"""A real Redis-compatible server for tests: empty, forgets all, on a unix socket and, if asked, a TCP port."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from proxy.store.embedded import find_server
from proxy.store.redis import Limits

START_SECONDS = 10.0

PATIENT = Limits(connect=30.0, command=30.0, total=60.0, wait=30.0)
"""Deadlines for tests in which the store is not what fails: a busy machine must not look like one."""


def free_port() -> int:
    """A TCP port on loopback that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Valkey:
    """One server. ``socket_path`` is a store's url; so is ``url`` if it has a ``port``."""

    socket_path: str
    port: int | None = None
    options: tuple[str, ...] = ()
    _process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @property
    def url(self) -> str:
        """The address over TCP."""
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """Start, empty, and wait until it answers."""
        binary = find_server()
        if binary is None:
            raise RuntimeError("no Redis-compatible server found")
        folder = os.path.dirname(self.socket_path)
        place = [
            "--port",
            str(self.port or 0),
            "--bind",
            "127.0.0.1",
            "--unixsocket",
            self.socket_path,
            "--dir",
            folder,
        ]
        keep = ["--save", "", "--appendonly", "no", "--logfile", os.path.join(folder, "log")]
        self._process = subprocess.Popen([binary, *place, *keep, *self.options])
        ends = time.monotonic() + START_SECONDS
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > ends:
                raise RuntimeError("the server did not start")
            time.sleep(0.01)

    def stop(self) -> None:
        """Stop it; what it held is gone."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def command(self, *words: str | bytes) -> bytes:
        """The raw reply to one command, on a connection of its own, outside the code under test."""
        parts = [w if isinstance(w, bytes) else w.encode() for w in words]
        request = b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(p), p) for p in parts)
        with socket.socket(socket.AF_UNIX) as link:
            link.settimeout(5)
            link.connect(self.socket_path)
            link.sendall(request + b"*1\r\n$4\r\nQUIT\r\n")
            reply = b""
            while piece := link.recv(65536):
                reply += piece
        return reply.removesuffix(b"+OK\r\n")

    def calls(self, name: str) -> int:
        """How often the server ran the command ``name`` (as INFO counts it)."""
        for line in self.command("INFO", "commandstats").decode().splitlines():
            if line.startswith(f"cmdstat_{name}:"):
                return int(line.split("calls=")[1].split(",")[0])
        return 0

    def _answers(self) -> bool:
        try:
            return self.command("PING").startswith(b"+PONG")
        except OSError:
            return False


@contextmanager
def valkey(*options: str, tcp: bool = False) -> Iterator[Valkey]:
    """A running server with ``options`` (as on its command line), gone at the end."""
    folder = tempfile.mkdtemp(prefix="vk-")
    server = Valkey(os.path.join(folder, "s"), free_port() if tcp else None, options)
    try:
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)
