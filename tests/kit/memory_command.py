"""A store in memory in place of the one a command would open: quick, and kept from one command to the next."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from types import ModuleType

import pytest

from proxy.settings import Settings
from proxy.store import Store


def remembered(monkeypatch: pytest.MonkeyPatch, module: ModuleType, store: Store) -> None:
    """Let the commands of ``module`` use ``store``."""

    @contextlib.asynccontextmanager
    async def opened(settings: Settings) -> AsyncIterator[Store]:
        yield store

    monkeypatch.setattr(module, "open_store", opened)
