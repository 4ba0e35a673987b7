"""A store in memory that notes every round trip."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from proxy.store import Op
from proxy.store.memory import MemoryStore


class Counting(MemoryStore):
    """Notes every round trip."""

    def __init__(self) -> None:
        super().__init__()
        self.rounds: list[tuple[Op, ...]] = []

    async def run(self, *ops: Op) -> Sequence[Any]:
        self.rounds.append(ops)
        return await super().run(*ops)
