"""Notices that clients must get, kept until they have them: a queue in the store that every node works on.

A delivery is written with what it tells of (``downstream.backchannel_logout``), tried at once by the node that wrote
it, and again later and later by whoever looks first. Who tries it moves its next time away, with compare and set, so no
two nodes send it at the same moment; one that dies with it leaves it to the others. Nobody waits for a slow client but
its own deliveries: so many at once, so many in the queue, and each has a few seconds.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from proxy.models.client import REGISTERED
from proxy.oidc.errors import Unavailable, UpstreamError
from proxy.store import Get, Key, Op, Put, Store, Swap, key

BACKOFF = (1, 5, 30, 120, 600)
"""Seconds from one try to the next; after one more it is given up."""
LEASE = 15
"""Seconds that a try has for itself: more than a call and its aftermath can take."""
POLL = 5.0
"""Seconds until a node looks again for what others left."""
WAITS = 3600
KEPT = 86_400
"""Seconds that a delivery waits at most, and that its outcome can be seen."""
LONGEST_QUEUE, MOST_OUTCOMES = 10_000, 1000
AT_ONCE, OF_REGISTERED, OF_ONE_CLIENT, READ_AT_ONCE = 40, 30, 10, 200

State = Literal["pending", "delivered", "failed"]
PENDING: Key = key("deliveries", "pending", group="deliveries")
OUTCOMES: Key = key("deliveries", "outcomes", group="deliveries")
log = logging.getLogger("isthmus.deliveries")


@dataclass(frozen=True)
class Delivery:
    """That a client must hear of the end of the session ``sid`` of ``user_id``. ``last`` is what came of the last try,
    ``next_at`` when the next one is due."""

    id: str
    client_id: str
    user_id: str
    sid: str
    created_at: int
    state: State = "pending"
    attempts: int = 0
    next_at: float = 0
    last: str = ""

    @property
    def key(self) -> Key:
        """Where it lies."""
        return key("delivery", self.id, group="deliveries")


Carry = Callable[[Delivery, float], Awaitable[str]]
"""Tries one delivery; answers what became of it, empty if it arrived. Raises ``Unavailable``, ``UpstreamError``."""


def new(client_id: str, user_id: str, sid: str, now: float) -> Op:
    """What writes a new delivery. With too many waiting, the oldest is forgotten."""
    made = Delivery(secrets.token_urlsafe(16), client_id, user_id, sid, int(now), next_at=now)
    return Put(made.key, vars(made), WAITS, (PENDING,), LONGEST_QUEUE)


async def all_of(store: Store) -> tuple[Delivery, ...]:
    """Every delivery that waits, and what became of the others lately. Raises ``Unavailable``."""
    keys = [key for index in (PENDING, OUTCOMES) for key in await store.list(index)]
    records = await store.run(*map(Get, keys)) if keys else ()
    found = {one.id: one for record in records if record and (one := _from_value(record.value))}
    return tuple(sorted(found.values(), key=lambda one: one.created_at))


def _from_value(value: Mapping[str, Any]) -> Delivery | None:
    """None for what another version wrote: it may hold up nobody."""
    try:
        found = Delivery(**value)
    except TypeError:
        return None
    texts = all(isinstance(each, str) for each in (found.id, found.client_id, found.user_id, found.sid))
    numbers = all(isinstance(each, int | float) for each in (found.attempts, found.created_at, found.next_at))
    return found if texts and numbers else None


class Deliveries:
    """Works on the queue. ``clock`` answers seconds since the epoch."""

    def __init__(self, store: Store, carry: Carry, clock: Callable[[], float]) -> None:
        self._store = store
        self._carry = carry
        self._clock = clock
        self._later: dict[Key, float] = {}
        self._under_way: dict[Key, Delivery] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._bell = asyncio.Event()

    def wake(self) -> None:
        """There is something new."""
        self._bell.set()

    async def run(self) -> None:
        """Work for ever; a failed look is logged, and the next one comes. What is under way ends with it."""
        try:
            while True:
                await self._wait(await self._looked())
        finally:
            for task in tuple(self._tasks):
                task.cancel()

    async def _looked(self) -> float:
        try:
            return await self.look()
        except Exception as error:  # noqa: BLE001  # whatever it is, the work must go on
            log.warning("deliveries_unread", extra={"reason": str(error) or type(error).__name__})
            return POLL

    async def _wait(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._bell.wait()
        self._bell.clear()

    async def look(self) -> float:
        """Begin what is due and has room; answers in how many seconds to look again. Raises ``Unavailable``."""
        now, listed = self._clock(), await self._store.list(PENDING)
        self._later = {each: self._later[each] for each in listed if each in self._later}
        due = [each for each in listed if self._later.get(each, 0) <= now and each not in self._under_way]
        if len(self._under_way) < AT_ONCE:
            await self._begin(due[:READ_AT_ONCE], now)
        if len(due) > READ_AT_ONCE and len(self._under_way) < AT_ONCE:
            return 0
        waits = (at - now for at in self._later.values() if at > now)
        return max(0.1, min((POLL, *waits)))

    async def _begin(self, keys: Sequence[Key], now: float) -> None:
        """Try those of ``keys`` that are due, as far as there is room. Raises ``Unavailable``."""
        records = await self._store.run(*map(Get, keys)) if keys else ()
        claims: dict[Key, Op] = {}
        for where, record in zip(keys, records, strict=True):
            delivery = _from_value(record.value) if record else None
            if record and not delivery:
                log.warning("delivery_unreadable")
            if record is None or delivery is None or delivery.state != "pending":
                self._later[where] = float("inf")
                continue
            self._later[where] = max(delivery.next_at, now + 1) if self._is_crowded(delivery) else delivery.next_at
            if self._later[where] <= now and len(self._under_way) < AT_ONCE:
                taken = replace(delivery, attempts=delivery.attempts + 1, next_at=now + LEASE)
                self._under_way[where] = taken
                claims[where] = Swap(where, vars(taken), WAITS, record.revision, (PENDING,))
        await self._claim(claims)

    def _is_crowded(self, delivery: Delivery) -> bool:
        """Whether its client, or all that registered themselves, have their share under way: those behind it come
        first."""
        going, itself = self._under_way.values(), delivery.client_id
        if sum(one.client_id == itself for one in going) >= OF_ONE_CLIENT:
            return True
        theirs = sum(one.client_id.startswith(REGISTERED) for one in going)
        return itself.startswith(REGISTERED) and theirs >= OF_REGISTERED

    async def _claim(self, claims: Mapping[Key, Op]) -> None:
        """Start what we were the first to take. Raises ``Unavailable``: then whoever looks later takes it."""
        won: Sequence[bool] = ()
        try:
            won = await self._store.run(*claims.values()) if claims else ()
        finally:
            for where, ours in zip(claims, won or [False] * len(claims), strict=True):
                self._later[where] = self._under_way[where].next_at
                if ours:
                    task = asyncio.create_task(self._try(self._under_way[where]))
                    self._tasks.add(task)
                    task.add_done_callback(self._tasks.discard)
                else:
                    del self._under_way[where]

    async def _try(self, taken: Delivery) -> None:
        try:
            await self._note(taken, await self._outcome(taken), self._clock())
        except Unavailable as error:
            log.warning("delivery_not_noted", extra={"client_id": taken.client_id, "reason": error.what})
        finally:
            del self._under_way[taken.key]
            self.wake()

    async def _outcome(self, taken: Delivery) -> str:
        try:
            return await self._carry(taken, self._clock())
        except UpstreamError as error:
            return error.reason
        except Unavailable as error:
            return error.what
        except Exception as error:  # a fault of ours must not try for ever
            log.exception("delivery_broke", extra={"client_id": taken.client_id})
            return type(error).__name__

    async def _note(self, taken: Delivery, failure: str, now: float) -> None:
        about = {"client_id": taken.client_id, "attempt": taken.attempts, "reason": failure or "ok"}
        if failure and taken.attempts <= len(BACKOFF):
            again = replace(taken, last=failure, next_at=now + BACKOFF[taken.attempts - 1])
            self._later[taken.key] = again.next_at
            await self._store.run(Swap(taken.key, vars(again), WAITS, None, (PENDING,)))
            log.info("delivery_failed", extra=about)
            return
        ended = replace(taken, state="failed" if failure else "delivered", last=failure or "ok", next_at=0)
        self._later[taken.key] = float("inf")
        outcome = key("delivery_outcome", taken.id, group="deliveries")
        await self._store.run(  # a second later it has left the queue
            Swap(taken.key, vars(ended), 1, None, (PENDING,)),
            Put(outcome, vars(ended), KEPT, (OUTCOMES,), MOST_OUTCOMES),
        )
        log.log(logging.WARNING if failure else logging.INFO, "delivery_ended", extra=about)
