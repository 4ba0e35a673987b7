"""The world of the Management API, for its tests."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.management.world import World, world


@pytest.fixture
async def api() -> AsyncIterator[World]:
    """The API, with a token that may do everything."""
    async with world() as made:
        yield made
