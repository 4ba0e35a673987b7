"""What holds up the event loop is named in the log."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from proxy.telemetry import logs, metrics
from proxy.web.watchdog import watch

Lines = list[tuple[str, dict[str, Any]]]


async def test_ds_15_what_blocks_the_loop_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """DS-15: a call that does not give way is logged with the place it stands at, and again when it is over."""
    lines: Lines = []
    said, over, before = threading.Event(), asyncio.Event(), metrics.STALLS._value.get()

    def event(name: str, **fields: Any) -> None:
        lines.append((name, fields))
        (said if name == "loop_stalls" else over).set()

    def a_plugin_that_waits() -> bool:
        return said.wait(30)

    monkeypatch.setattr(logs, "event", event)
    with watch(patience=0.02):
        assert a_plugin_that_waits()
        await asyncio.wait_for(over.wait(), 30)
    (stalls, where), (stalled, how) = lines[:2]
    assert (stalls, stalled) == ("loop_stalls", "loop_stalled") and how["seconds"] > 0
    assert any(place.endswith("a_plugin_that_waits") for place in where["at"])
    assert metrics.STALLS._value.get() >= before + 1


async def test_a_loop_that_beats_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """While everything gives way nothing is logged, and the watch ends with its block."""
    lines: Lines = []
    monkeypatch.setattr(logs, "event", lambda name, **fields: lines.append((name, fields)))
    with watch(patience=60):
        await asyncio.sleep(0)
    assert not lines and not any(thread.name == "watchdog" for thread in threading.enumerate())
