"""CPU and memory of a process tree, from /proc, and round trips to the store, from the store's own counter."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat after the command's name, which may hold anything: state, ppid, ..."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def tree(root: int) -> Iterator[int]:
    """The process and all its living descendants."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                children.setdefault(int(_stat(int(entry.name))[1]), []).append(int(entry.name))
            except OSError:
                continue  # it has just ended
    waiting = [root]
    while waiting:
        pid = waiting.pop()
        yield pid
        waiting += children.get(pid, [])


def cpu(root: int) -> float:
    """CPU seconds so far: user and system, children that ended included."""
    ticks = 0
    for pid in tree(root):
        ticks += sum(int(field) for field in _stat(pid)[11:15])
    return ticks / TICKS


def memory(root: int) -> tuple[float, float]:
    """MiB resident now, and at the peak. Pages that forked workers share count for each of them."""
    now = peak = 0
    for pid in tree(root):
        lines = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines() if ":" in line)
        now += int(lines.get("VmRSS", "0").split()[0])
        peak += int(lines.get("VmHWM", "0").split()[0])
    return now / 1024, peak / 1024
