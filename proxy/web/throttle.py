"""Slow down guessing of client secrets: by source and client together, so that nobody can lock a client out
(RFC 6819 4.3.5).

Only failures count. Each node counts for itself; what it remembers is bounded.
"""

from __future__ import annotations

from collections import OrderedDict

from proxy.oidc.errors import Refused

MOST_REMEMBERED = 10_000


class Throttle:
    """A bucket of ``burst`` failures for each key, refilled by one every ``seconds``. ``told`` is what they hear."""

    def __init__(self, *, burst: int, seconds: float, told: str = "too many failed attempts from this address") -> None:
        self._told = told
        self._burst = burst
        self._seconds = seconds
        self._buckets: OrderedDict[tuple[str, ...], tuple[float, float]] = OrderedDict()

    def _level(self, key: tuple[str, ...], now: float) -> float:
        level, since = self._buckets.get(key, (0.0, now))
        return max(0.0, level - (now - since) / self._seconds)

    def left(self, key: tuple[str, ...], now: float) -> int:
        """How many more the bucket of ``key`` has room for."""
        return int(self._burst - self._level(key, now))

    def check(self, key: tuple[str, ...], now: float) -> None:
        """Raises ``Refused`` (429) while the bucket of ``key`` is full. ``now`` is in seconds of any clock."""
        if self._level(key, now) + 1 > self._burst:
            raise Refused("slow_down", self._told, reason="throttled", status=429)

    def failed(self, key: tuple[str, ...], now: float) -> None:
        """Count one failure."""
        self._buckets[key] = (self._level(key, now) + 1, now)
        self._buckets.move_to_end(key)
        while len(self._buckets) > MOST_REMEMBERED:
            self._buckets.popitem(last=False)

    def spend(self, key: tuple[str, ...], now: float) -> None:
        """Count one that may succeed, too. Raises ``Refused`` (429) when there were too many."""
        self.check(key, now)
        self.failed(key, now)
