"""The guard sits on what the event loop gives it: its tests run on both loops that we serve on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

import pytest
import uvloop

SERVING = ("test_gate.py", "test_guard.py", "test_runner.py")
Loops = Mapping[str, Callable[[], asyncio.AbstractEventLoop]]


def pytest_asyncio_loop_factories(config: pytest.Config, item: pytest.Item) -> Loops:
    """asyncio's loop for all; uvloop too for what depends on its transports."""
    plain: Loops = {"asyncio": asyncio.new_event_loop}
    return {**plain, "uvloop": uvloop.new_event_loop} if item.path.name in SERVING else plain
