"""Starts what a run needs, each on its core, and ends it again, by its own process id."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.gate import Gate
from bench.load import Target
from proxy.store.embedded import find_server

ROOT = Path(__file__).resolve().parents[1]
CORE, LOAD_CORE = 0, 1
PATIENCE = 30.0
CONFIGURATION = """\
[tenant]
issuer = "http://127.0.0.1:{port}/"

[server]
port = {port}
workers = {workers}
trusted_proxies = ["127.0.0.1"]
data_dir = "{data}"

[redis]
url = "{redis}"
allow_open = true

[[connections]]
name = "back"
enabled_clients = ["{client}", "gateway"]
[connections.options]
type = "back_channel"
discovery_url = "{tenant}"
client_id = "isthmus"
client_secret = "$UPSTREAM_SECRET"
scope = "openid profile email"

[[connections]]
name = "front"
enabled_clients = ["{client}"]
[connections.options]
type = "front_channel"
discovery_url = "{tenant}"
client_id = "isthmus"
scope = "openid profile email"

[[clients]]
client_id = "{client}"
client_secret = "$APP_SECRET"
redirect_uris = ["{redirect_uri}"]
grant_types = ["authorization_code", "refresh_token"]

[gateway]
port = {gateway}

[[gateway.routes]]
host = "127.0.0.1:{gateway}"
upstream = "http://127.0.0.1:{pages}"
"""
PARTS = ("store", "tenant", "yardstick", "floor", "isthmus", "gateway", "pages", "thin")
CHANNELS = {"login, back channel": "back", "login, front channel": "front"}


@dataclass(frozen=True)
class Running:
    """What a run measures (process ids) and what stands around it."""

    targets: dict[str, Target]
    pids: dict[str, int]
    store: int
    yardstick: str
    gates: dict[str, Gate]


def free_port() -> int:
    """A port of loopback that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def process(command: list[str], port: int, core: int, log: Path, **environ: str) -> Iterator[int]:
    """The process id of ``command`` on its core, from when it listens until the end of the block."""
    with log.open("wb") as out:
        child = subprocess.Popen(
            command, stdout=out, stderr=out, stdin=subprocess.DEVNULL, cwd=ROOT, env={**os.environ, **environ},
            preexec_fn=lambda: os.sched_setaffinity(0, {core}),
        )  # fmt: skip
    try:
        ends = time.monotonic() + PATIENCE
        while not _listens(port):
            if child.poll() is not None or time.monotonic() > ends:
                raise SystemExit(f"{command[0]} does not run:\n{log.read_text()[-2000:]}")
            time.sleep(0.05)
        yield child.pid
    finally:
        child.send_signal(signal.SIGTERM)
        try:
            child.wait(40)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _wait_ready(port: int) -> None:
    """Isthmus listens before its keys are made; from ``readyz`` on it can serve."""
    ends = time.monotonic() + PATIENCE
    while True:
        link = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
        link.request("GET", "/readyz")
        if link.getresponse().status == http.client.OK:
            return
        if time.monotonic() > ends:
            raise SystemExit("isthmus does not become ready")
        time.sleep(0.05)


@contextmanager
def everything(directory: Path, workers: int) -> Iterator[Running]:
    """A store, a tenant, a bare server, the floor and Isthmus."""
    ports = {name: free_port() for name in PARTS}
    tenant = f"http://localhost:{ports['tenant']}"
    redis = f"redis://127.0.0.1:{ports['store']}"
    floor, isthmus = _targets(ports)
    python = [sys.executable, "-m"]
    with ExitStack() as stack:

        def start(name: str, command: list[str], core: int = CORE, **environ: str) -> int:
            log = directory / f"{name}.log"
            return stack.enter_context(process(command, ports[name], core, log, **environ))

        start("store", _store(ports["store"]), LOAD_CORE)
        start("tenant", [*python, "bench.tenant", str(ports["tenant"])], LOAD_CORE)
        start("pages", [*python, "bench.pages", str(ports["pages"])], LOAD_CORE)
        pids = {"yardstick": start("yardstick", [*python, "bench.yardstick", str(ports["yardstick"])])}
        pids["floor"] = start("floor", [*python, "bench.floor", str(ports["floor"]), tenant, f"{redis}/1"])
        pids["thin"] = start("thin", [*python, "bench.thin", str(ports["thin"]), str(ports["pages"])])
        file = directory / "isthmus.toml"
        file.write_text(
            CONFIGURATION.format(
                port=ports["isthmus"], workers=workers, data=directory / "var", redis=f"{redis}/0", tenant=tenant,
                client=isthmus.client_id, redirect_uri=isthmus.redirect_uri,
                gateway=ports["gateway"], pages=ports["pages"],
            )
        )  # fmt: skip
        serve = [sys.executable, "-c", "from proxy.cli import main; main()", "serve", "--config", str(file)]
        pids["isthmus"] = start("isthmus", serve, UPSTREAM_SECRET="upstream-secret", APP_SECRET=isthmus.client_secret)
        _wait_ready(ports["isthmus"])
        yield Running(
            {"floor": floor, "isthmus": isthmus}, pids, ports["store"], f"http://127.0.0.1:{ports['yardstick']}/",
            _gates(ports, pids),
        )  # fmt: skip


def _store(port: int) -> list[str]:
    binary = find_server()
    if binary is None:
        raise SystemExit("no Redis-compatible server here: make install")
    return [binary, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]


def _gates(ports: dict[str, int], pids: dict[str, int]) -> dict[str, Gate]:
    thin, gateway, issuer = (f"127.0.0.1:{ports[name]}" for name in ("thin", "gateway", "isthmus"))
    return {"floor": Gate(thin, thin, pids["thin"], login=False), "isthmus": Gate(gateway, issuer, pids["isthmus"])}


def _targets(ports: dict[str, int]) -> tuple[Target, Target]:
    floor, isthmus = (f"http://127.0.0.1:{ports[name]}" for name in ("floor", "isthmus"))
    return (
        Target("floor", f"{floor}/authorize", f"{floor}/token", CHANNELS),
        Target("isthmus", f"{isthmus}/authorize", f"{isthmus}/oauth/token", CHANNELS),
    )
