"""What holds for every test: only loopback is spoken to, and nothing of the machine's environment is taken for ours."""

from __future__ import annotations

import ipaddress
import os
import sys
from typing import Any

import pytest

for name in [name for name in os.environ if name.startswith("ISTHMUS_")]:
    del os.environ[name]


def only_loopback(event: str, arguments: tuple[Any, ...]) -> None:
    """An audit hook: a test that leaves this machine fails, in whatever library it does so."""
    if event != "socket.connect" or not isinstance(arguments[1], tuple):
        return
    host = str(arguments[1][0])
    if host != "localhost" and not ipaddress.ip_address(host.partition("%")[0]).is_loopback:
        raise RuntimeError(f"a test may speak to loopback only, not to {host}")


def pytest_configure(config: pytest.Config) -> None:
    """Begin to watch. A hook of this kind cannot be taken back, so it is set once."""
    sys.addaudithook(only_loopback)
