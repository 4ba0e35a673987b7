"""Names that were said lately. A session that has just ended may still be on its way into a cache or an exchange: an
answer of the store that was given before the end comes after the message of it. Ids of sessions never come back, so
that to refuse one for some seconds is always right.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

Clock = Callable[[], float]
"""The loop's time in seconds."""
SECONDS = 10.0
"""Longer than any round trip to the store, and than what was read of it may be used."""
MOST = 50_000


def loop_time() -> float:
    """The time of the running loop."""
    return asyncio.get_running_loop().time()


class Lately:
    """What was noted in the last ``SECONDS``; of more than ``most`` names the oldest go."""

    def __init__(self, clock: Clock = loop_time, most: int = MOST) -> None:
        self._clock, self._most = clock, most
        self._until: dict[str, float] = {}

    def note(self, name: str) -> None:
        """It was said now."""
        self._until.pop(name, None)  # the newest stands last
        self._until[name] = self._clock() + SECONDS
        while len(self._until) > self._most:
            del self._until[next(iter(self._until))]

    def __contains__(self, name: str) -> bool:
        return bool(self._until) and self._looked_over().get(name) is not None

    def __len__(self) -> int:
        return len(self._looked_over())

    def _looked_over(self) -> dict[str, float]:
        now = self._clock()
        while self._until and next(iter(self._until.values())) <= now:
            del self._until[next(iter(self._until))]
        return self._until
