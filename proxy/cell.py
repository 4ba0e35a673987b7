"""A cell: one document of a tenant or a client, fetched once for all who ask, and kept while its owner is down.

Single flight: the fetch is a task of its own, so that a visitor who leaves takes nothing from the others. A fetch that
failed, or did not bring what was wanted, is followed by a pause; a good one never is. The last good copy is served for
a day at most.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from proxy.oidc.errors import UpstreamError

PAUSE = 30.0
"""Seconds until the next try after a fetch that failed or did not bring what was wanted."""
SHORT_PAUSE = 2.0
"""The same while there is no copy at all: nobody could log in meanwhile."""
KEEP = 86_400.0

T = TypeVar("T")


class Cell(Generic[T]):
    """Holds the last good ``T``. ``fetch`` gets a new one or raises ``UpstreamError``; ``clock`` is in seconds."""

    def __init__(self, fetch: Callable[[], Awaitable[T]], clock: Callable[[], float], *, max_age: int) -> None:
        self._fetch = fetch
        self._clock = clock
        self._max_age = max_age
        self._failure: UpstreamError | None = None
        self._down_until = float("-inf")
        self._useless_until = float("-inf")
        self._flight: asyncio.Task[None] | None = None
        self._fetched_at = float("-inf")
        self._fetches = 0
        self.value: T | None = None
        """The last good copy, however old."""

    @property
    def failed(self) -> bool:
        """Whether the last try brought nothing."""
        return self._failure is not None

    async def get(self, *, since: float = float("-inf")) -> T:
        """A copy that is young enough, and not older than ``since``; the last good one if no better can be had.

        With a ``max_age`` of 0 nothing older than ``since`` is ever served. Raises ``UpstreamError``.
        """
        if not self._is_young(since):
            await self._try()
        if self.value is not None and self._may_serve(since):
            return self.value
        raise _again(self._failure)

    async def renew(self) -> T | None:
        """A new copy because the old one lacks something. None: there was none a moment ago, or none can be had."""
        if self._clock() < self._useless_until:
            return None
        before = self._fetches
        await self._try()
        return self.value if self._fetches > before else None

    def useless(self) -> None:
        """The new copy lacks it too: ``renew`` no more for a while. What is fetched for its age is not held up."""
        self._useless_until = self._clock() + PAUSE

    def _is_young(self, since: float) -> bool:
        age = self._clock() - self._fetched_at
        return self.value is not None and self._fetched_at >= since and (age < self._max_age or not self._max_age)

    def _may_serve(self, since: float) -> bool:
        return self._fetched_at >= since if not self._max_age else self._clock() - self._fetched_at <= KEEP

    async def _try(self) -> None:
        """Join the fetch under way, or begin one, unless the pause after a failure is on."""
        if self._flight is None:
            if self._clock() < self._down_until:
                return
            self._flight = asyncio.create_task(self._fly())
        await asyncio.shield(self._flight)

    async def _fly(self) -> None:
        try:
            self.value = await self._fetch()
        except UpstreamError as failure:
            self._failure = failure
            has_copy = self.value is not None and self._max_age
            self._down_until = self._clock() + (PAUSE if has_copy else SHORT_PAUSE)
        else:
            self._failure, self._fetched_at = None, self._clock()
            self._fetches += 1
        finally:
            self._flight = None


def _again(failure: UpstreamError | None) -> UpstreamError:
    """The failure for one more caller: an exception object belongs to the task that raised it."""
    if failure is None:
        return UpstreamError("server_error", "nothing could be fetched", reason="too_old", status=502)
    return UpstreamError(failure.code, failure.description, reason=failure.reason, status=failure.status)
