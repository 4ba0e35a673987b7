"""The embedded server: private, lasting, one a directory, and never an orphan."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from proxy.oidc.errors import Misconfigured
from proxy.store import Taken, Used, key
from proxy.store.embedded import SOCKET_BYTES, EmbeddedServer, running_socket, watch
from proxy.store.redis import RedisStore
from proxy.store.sealing import Seal
from tests.kit.waiting import eventually

CODE = key("code", "c0de")

PARENT = """
import asyncio, sys
from proxy.store.embedded import EmbeddedServer
async def main():
    async with EmbeddedServer(sys.argv[1]) as server:
        print(server.pid, flush=True)
        await asyncio.sleep(60)
asyncio.run(main())
"""


def start(code: str, *arguments: str) -> tuple[subprocess.Popen[str], int]:
    """A Python process that runs ``code``, and the process id it prints first."""
    process = subprocess.Popen([sys.executable, "-c", code, *arguments], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    return process, int(process.stdout.readline())


def end(process: subprocess.Popen[str]) -> None:
    """Kill -9, and collect what is left."""
    process.kill()
    process.communicate()


@pytest.fixture
def parent(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """A process that runs an embedded server, and the server's process id."""
    process, pid = start(PARENT, str(tmp_path))
    yield process, pid
    end(process)


def running(pid: int) -> bool:
    """Whether a process runs (one that ended and was not collected does not)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


async def gone(pid: int) -> None:
    """Wait until the process has left."""

    async def left() -> bool:
        return not running(pid)

    await eventually(left)


async def test_data_outlives_a_restart(tmp_path: Path, seal: Seal) -> None:
    """What was stored is there after a restart, and what was used stays used."""
    async with EmbeddedServer(tmp_path) as server:
        store = RedisStore(server.socket_path, seal)
        await store.put(CODE, {"n": 1}, 600)
        await store.put(key("code", "used"), {"n": 2}, 600)
        assert await store.take(key("code", "used"), led_to="x") == Taken({"n": 2})
        await store.close()
    assert server.pid is None
    async with EmbeddedServer(tmp_path) as server:
        store = RedisStore(server.socket_path, seal)
        found = await store.get(CODE)
        assert found is not None
        assert found.value == {"n": 1}
        assert await store.take(key("code", "used")) == Used("x")
        await store.close()


async def test_cf_14_only_we_can_read_it(tmp_path: Path, seal: Seal) -> None:
    """CF-14: the directory is ours alone, and so is every file and socket in it, whatever the rights were before."""
    (tmp_path / "redis").mkdir(mode=0o755)
    async with EmbeddedServer(tmp_path) as server:
        store = RedisStore(server.socket_path, seal)
        await store.put(CODE, {"n": 1}, 600)
        await store.close()
        paths = [tmp_path / "redis", *(tmp_path / "redis").rglob("*"), Path(server.socket_path)]
        assert len(paths) > 4
        assert {path.name for path in paths if stat.S_IMODE(path.stat().st_mode) & 0o077} == set()


async def test_commands_find_the_running_server(tmp_path: Path) -> None:
    """Who knows the data directory finds the socket while the server runs, and only then."""
    assert running_socket(tmp_path) is None
    async with EmbeddedServer(tmp_path) as server:
        assert running_socket(tmp_path) == server.socket_path
    assert running_socket(tmp_path) is None


async def test_a_long_path_gets_a_short_socket(tmp_path: Path, seal: Seal) -> None:
    """Where the data's path is too long for a socket, the socket lies elsewhere, private and found all the same."""
    deep = tmp_path / ("d" * 60) / ("e" * 60)
    async with EmbeddedServer(deep) as server:
        folder = Path(server.socket_path).parent
        assert len(os.fsencode(server.socket_path)) <= SOCKET_BYTES
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert running_socket(deep) == server.socket_path
        store = RedisStore(server.socket_path, seal)
        await store.put(CODE, {}, 60)
        await store.close()
    assert not folder.exists()
    assert (deep / "redis" / "appendonlydir").is_dir()


async def test_a_second_server_is_refused(tmp_path: Path) -> None:
    """Two servers never share a directory; the first goes on."""
    async with EmbeddedServer(tmp_path) as first:
        with pytest.raises(Misconfigured, match="another server"):
            await EmbeddedServer(tmp_path).start()
        assert first.pid is not None
        assert running(first.pid)
        assert running_socket(tmp_path) == first.socket_path


async def test_a_directory_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    """A data directory that is a file stops the start, by name."""
    (tmp_path / "file").write_text("")
    with pytest.raises(Misconfigured, match="server.data_dir"):
        await EmbeddedServer(tmp_path / "file").start()


async def test_damaged_data_stop_the_start(tmp_path: Path) -> None:
    """A server that cannot read its data is an error that names its log, and nothing is left running."""
    async with EmbeddedServer(tmp_path):
        pass
    for manifest in (tmp_path / "redis" / "appendonlydir").glob("*.manifest"):
        manifest.write_text("nonsense")
    with pytest.raises(Misconfigured, match="server.log"):
        await EmbeddedServer(tmp_path).start()
    assert running_socket(tmp_path) is None


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
async def test_no_orphan(tmp_path: Path, parent: tuple[subprocess.Popen[str], int], how: signal.Signals) -> None:
    """However the parent ends, kill -9 too, the server ends, and the directory is free for the next one."""
    process, pid = parent
    assert running(pid)
    process.send_signal(how)
    process.wait(10)
    async with EmbeddedServer(tmp_path) as server:
        assert server.pid != pid
    await gone(pid)


async def test_ctrl_c_does_not_reach_the_server(parent: tuple[subprocess.Popen[str], int]) -> None:
    """The server is in a process group of its own, so that it serves until its parent has drained."""
    process, pid = parent
    assert os.getpgid(pid) == pid != os.getpgid(process.pid)


WATCHED = """
import os, subprocess, sys
watcher = "import sys; from proxy.store.embedded import watch; watch(int(sys.argv[1]), sys.argv[2:], every=0.02)"
command = [sys.executable, "-c", "import os, time; print(os.getpid(), flush=True); time.sleep(60)"]
subprocess.Popen([sys.executable, "-c", watcher, str(os.getpid()), *command]).wait()
"""


async def test_the_watcher_ends_what_it_watches() -> None:
    """Where the kernel does not tell of a parent's end, the watcher notices it."""
    process, pid = start(WATCHED)
    end(process)
    await gone(pid)


def test_the_watcher_passes_the_status_on() -> None:
    """What the watched command says at its end is what the watcher says."""
    before = signal.getsignal(signal.SIGTERM)
    try:
        assert watch(os.getppid(), [sys.executable, "-c", "raise SystemExit(3)"], every=0.01) == 3
    finally:
        signal.signal(signal.SIGTERM, before)
