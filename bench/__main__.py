"""Runs the loads in turns, floor and Isthmus, so that what the machine does meanwhile hits both; prints a table."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import socket
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from bench.gate import GATE_LOADS, MOST_PEOPLE, Run, people, run
from bench.load import App, Operation, WentWrong, operation, repeat
from bench.measure import cpu, memory
from bench.processes import LOAD_CORE, Running, everything
from bench.web import Client

LOADS = ("login, back channel", "login, front channel", "login with a session", "refresh")
SERVERS = ("floor", "isthmus")
WARM_UP = 100
YARD = "bare exchange"


@dataclass(frozen=True)
class Figure:
    """One load on one server in one round. Milliseconds of CPU an operation; exchanges of browser and application with
    the server; round trips to the store an exchange."""

    load: str
    server: str
    cpu_ms: float
    per_second: float
    exchanges: float
    trips: float


def store_trips(port: int) -> int:
    """How many times the store has read from a client: one pipeline, one read."""
    with socket.create_connection(("127.0.0.1", port)) as link:
        link.sendall(b"*2\r\n$4\r\nINFO\r\n$5\r\nstats\r\n*1\r\n$4\r\nQUIT\r\n")
        text = b""
        while piece := link.recv(65_536):
            text += piece
    return int(text.partition(b"total_reads_processed:")[2].split()[0])


async def measured(
    load: str, server: str, work: Run, running: Running, web: Client, wish: argparse.Namespace, pid: int, netloc: str
) -> Figure:
    """Do ``work`` ``wish.n`` times and read the counters before and after. ``netloc``: the server whose exchanges are
    counted; empty where an operation is one."""
    await work(min(WARM_UP, wish.n))
    before = cpu(pid), store_trips(running.store), web.exchanges.get(netloc, 0), time.monotonic()
    await work(wish.n)
    seconds = time.monotonic() - before[3]
    used, trips = cpu(pid) - before[0], store_trips(running.store) - before[1] - 1  # our own question is one
    exchanges = (web.exchanges[netloc] - before[2]) if netloc else wish.n
    return Figure(load, server, used / wish.n * 1000, wish.n / seconds, exchanges / wish.n, trips / exchanges)


def more(wish: argparse.Namespace, times: int) -> argparse.Namespace:
    """The same, with so many times the operations."""
    return argparse.Namespace(**{**vars(wish), "n": wish.n * times})


def repeating(work: Operation, at_once: int) -> Run:
    """``work`` again and again."""
    return lambda times: repeat(work, times, at_once)


async def bare(running: Running, web: Client, wish: argparse.Namespace) -> Figure:
    """The yardstick."""

    async def work() -> None:
        await web.send("GET", running.yardstick, {})

    pid = running.pids["yardstick"]
    return await measured(YARD, "yardstick", repeating(work, wish.c), running, web, more(wish, 10), pid, "")


async def gates(running: Running, web: Client, wish: argparse.Namespace, servers: Sequence[str]) -> list[Figure]:
    """The gateway's loads, a round."""
    figures = []
    cookies = {name: await people(web, gate, min(wish.n // 10, MOST_PEOPLE)) for name, gate in running.gates.items()}
    for load, times in GATE_LOADS.items():
        for server in servers:
            gate = running.gates[server]
            work = run(gate, load, cookies[server], wish.c)
            figures.append(await measured(load, server, work, running, web, more(wish, times), gate.pid, ""))
            print(".", end="", file=sys.stderr, flush=True)
    return figures


async def rounds(running: Running, wish: argparse.Namespace) -> list[Figure]:
    """Every load on every server, ``--rounds`` times, in turns."""
    web, figures = Client(), []
    apps = {name: App(web, running.targets[name]) for name in SERVERS}
    for number in range(wish.rounds):
        servers = SERVERS if number % 2 == 0 else SERVERS[::-1]
        figures.append(await bare(running, web, wish))
        for load in LOADS if "login" in wish.only else ():
            for server in servers:
                work = repeating(await operation(apps[server], load, wish.c), wish.c)
                pid, netloc = running.pids[server], running.targets[server].netloc
                figures.append(await measured(load, server, work, running, web, wish, pid, netloc))
                print(".", end="", file=sys.stderr, flush=True)
        if "gateway" in wish.only:
            figures += await gates(running, web, wish, servers)
    print(file=sys.stderr)
    web.close()
    return figures


async def growth(running: Running, wish: argparse.Namespace) -> list[dict[str, float]]:
    """Memory of Isthmus after logins, in steps: flat is what it should be."""
    web = Client()
    app, seen = App(web, running.targets["isthmus"]), []
    for done in range(0, wish.logins + 1, max(wish.logins // 4, 1)):
        if done:
            work = await operation(app, LOADS[0], wish.c)
            await repeat(work, wish.logins // 4, wish.c)
        now, peak = memory(running.pids["isthmus"])
        seen.append({"logins": done, "mib": round(now, 1), "peak_mib": round(peak, 1)})
    web.close()
    return seen


def table(figures: list[Figure]) -> list[dict[str, object]]:
    """The medians, a row for each load and server; ``ratio`` is to the floor in the same round, then the median."""
    rows: list[dict[str, object]] = []
    for load in (YARD, *LOADS, *GATE_LOADS):
        floors = [one.cpu_ms for one in figures if (one.load, one.server) == (load, "floor")]
        for server in ("yardstick", *SERVERS):
            some = [one for one in figures if (one.load, one.server) == (load, server)]
            if not some:
                continue
            row: dict[str, object] = {"load": load, "server": server}
            for name in ("cpu_ms", "per_second", "exchanges", "trips"):
                row[name] = round(statistics.median(asdict(one)[name] for one in some), 3)
            row["spread"] = f"{min(one.cpu_ms for one in some):.2f}-{max(one.cpu_ms for one in some):.2f}"
            if floors:
                ratios = [one.cpu_ms / floor for one, floor in zip(some, floors, strict=True)]
                row["ratio"] = round(statistics.median(ratios), 2)
            rows.append(row)
    return rows


def show(rows: list[dict[str, object]], grown: list[dict[str, float]]) -> None:
    """The table for people."""
    print(
        f"{'load':22}{'server':11}{'CPU ms':>8} {'(min-max)':14}{'/floor':>7}{'ops/s':>8}{'exchanges':>11}{'trips':>7}"
    )
    for row in rows:
        print(f"{row['load']:22}{row['server']:11}{row['cpu_ms']:8.3f} {row['spread']:14}{row.get('ratio', ''):>7}"
              f"{row['per_second']:8.0f}{row['exchanges']:11.1f}{row['trips']:7.2f}")  # fmt: skip
    print("\nCPU of the server's process tree an operation; trips: to the store, an HTTP exchange; RS256 everywhere.")
    print(
        "Pages go through the gateway with a browser's headers (forward-auth: are asked about); its floor is a proxy of"
    )
    print("Protocols and llhttp without any features (bench/thin.py).")
    for step in grown:
        print(f"memory after {step['logins']:6.0f} logins: {step['mib']:6.1f} MiB, at the peak {step['peak_mib']:6.1f}")


def wishes() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="make bench ARGS=...", description=__doc__)
    parser.add_argument("-n", type=int, default=1000, help="operations a load and round (1000)")
    parser.add_argument("-c", type=int, default=16, help="side by side (16)")
    parser.add_argument("--rounds", type=int, default=3, help="rounds; the median is shown (3)")
    parser.add_argument("--logins", type=int, default=10_000, help="logins before memory is read (10000; 0 is none)")
    parser.add_argument("--only", default="login,gateway", help="which loads (login,gateway)")
    parser.add_argument("--workers", type=int, default=1, help="of Isthmus (1)")
    parser.add_argument("--quick", action="store_true", help="one round of 200, memory after 400")
    parser.add_argument("--json", action="store_true", help="figures for programs")
    wish = parser.parse_args()
    if wish.quick:
        wish.n, wish.rounds, wish.logins = 200, 1, 400
    return wish


def main() -> None:
    """Run and print."""
    wish = wishes()
    if (os.cpu_count() or 1) < 2:
        raise SystemExit("make bench needs two cores: one for the server, one for all else")
    with (
        tempfile.TemporaryDirectory(prefix="isthmus-bench-") as directory,
        everything(Path(directory), wish.workers) as running,
    ):
        os.sched_setaffinity(0, {LOAD_CORE})
        try:
            figures = asyncio.run(rounds(running, wish))
            grown = asyncio.run(growth(running, wish)) if wish.logins else []
        except* WentWrong as failed:
            raise SystemExit(f"the benchmark stopped: {failed.exceptions[0]}") from None
    rows = table(figures)
    if wish.json:
        print(json.dumps({"rows": rows, "memory": grown}, indent=1))
    else:
        show(rows, grown)


if __name__ == "__main__":
    main()
