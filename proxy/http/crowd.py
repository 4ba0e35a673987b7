"""The connections of a listener: counted, together and by address, and looked over for what is overdue."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from proxy.http.client_address import Proxies
from proxy.telemetry import logs, metrics

KILOBYTE = 1024


@dataclass(frozen=True)
class Limits:
    """Deadlines in seconds, sizes in bytes (reliability: nginx's are the outer limit)."""

    head: float = 10
    body: float = 30
    rate: float = KILOBYTE
    rate_after: float = 5
    stall: float = 30
    idle: float = 75
    connections: int = 4000
    per_address: int = 200
    target: int = 8 * KILOBYTE
    field: int = 32 * KILOBYTE
    fields: int = 100
    linger: float = 1

    @property
    def tick(self) -> float:
        """Seconds between two looks."""
        return min(1.0, self.head / 4, self.body / 4, self.stall / 4)


class Guest(Protocol):
    """One connection."""

    address: str

    def overdue(self, now: float, limits: Limits) -> str:
        """Which deadline has passed at ``now`` (the loop's time), or empty."""

    def cut(self) -> None:
        """End it now, whatever is in its buffers."""


G = TypeVar("G", bound=Guest)


class Crowd(Generic[G]):
    """Who is connected."""

    def __init__(self, limits: Limits, proxies: Proxies) -> None:
        self.limits = limits
        self.guests: set[G] = set()
        self._proxies = proxies
        self._by_address: Counter[str] = Counter()
        self._look: asyncio.TimerHandle | None = None

    def admit(self, guest: G) -> bool:
        """Whether there is room. A trusted proxy brings many people: only the cap of all holds for it."""
        address = guest.address
        full = len(self.guests) >= self.limits.connections
        crowd = self._by_address[address] >= self.limits.per_address and not self._proxies.trusts(address)
        if full or crowd:
            metrics.cut("full" if full else "per_address")
            logs.seldom("connection_refused", reason="full" if full else "per_address", client=address)
            return False
        self.guests.add(guest)
        self._by_address[address] += 1
        if self._look is None:
            self._look = asyncio.get_running_loop().call_later(self.limits.tick, self._inspect)
        return True

    def forget(self, guest: G) -> None:
        """A connection has ended, or is somebody else's now."""
        if guest not in self.guests:
            return
        self.guests.discard(guest)
        self._by_address[guest.address] -= 1
        if self._by_address[guest.address] <= 0:
            del self._by_address[guest.address]

    def _inspect(self) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        for guest in tuple(self.guests):
            if reason := self._overdue(guest, now):
                metrics.cut(reason)
                logs.seldom("connection_cut", reason=reason, client=guest.address)
                guest.cut()
        self._look = loop.call_later(self.limits.tick, self._inspect) if self.guests else None

    def _overdue(self, guest: G, now: float) -> str:
        """One who cannot be looked at is cut, and holds up nobody else."""
        try:
            return guest.overdue(now, self.limits)
        except Exception as error:  # noqa: BLE001  # whatever it is, the others must be looked at
            logs.event("failed", reason=type(error).__name__, exc_info=error)
            return "failed"
