"""A store in memory in place of the one a command would open: quick, and kept from one command to the next."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from types import ModuleType

import pytest

from proxy.cli import common
from proxy.settings import Settings
from proxy.store import Store


def remembered(monkeypatch: pytest.MonkeyPatch, module: ModuleType, store: Store) -> None:
    """Let the commands of ``module`` use ``store``."""

    @contextlib.asynccontextmanager
    async def opened(settings: Settings) -> AsyncIterator[Store]:
        yield store

    for each in (common, module):
        monkeypatch.setattr(each, "open_store", opened, raising=False)
