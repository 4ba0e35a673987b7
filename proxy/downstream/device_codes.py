"""What the store knows of devices that wait for a person (RFC 8628).

    user_code  what the device asks for       found by the code that the person types; taken with their decision
    device     until when                     found by the device's own code, in its client's group; taken with tokens
    decision   what was allowed, or denied    beside it, so that no poll can overwrite it
    pace       when it may ask again          beside it

The first two end by themselves. A client has at most ``MOST_WAITING`` devices; the oldest make room.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from proxy.downstream import grant as grants
from proxy.downstream.grant import REMEMBERED
from proxy.store import Add, Get, Key, Op, Put, Record, Store, Take, Taken, Used, digest, key

LETTERS = "BCDFGHJKLMNPQRSTVWXZ"
"""No vowels, so no words; no digits, so nothing to mix up (6.1). Eight of them are one of 25 thousand million codes."""
USER_CODE = re.compile(rf"[{LETTERS}]{{8}}")
LONGEST_TYPED = 64
MOST_WAITING = 1000


def new_user_code() -> str:
    """A code for a person to type, as we show it: ``BCDF-GHJK``."""
    return shown("".join(secrets.choice(LETTERS) for _ in range(8)))


def shown(letters: str) -> str:
    """Eight letters with a hyphen between, so that people keep their place."""
    return f"{letters[:4]}-{letters[4:]}"


def user_code_of(typed: str) -> str:
    """The code that a person means, as we show it; case, blanks and punctuation say nothing (6.1). Empty if it is none
    of ours."""
    letters = re.sub(r"[\W_]", "", typed[:LONGEST_TYPED]).upper()
    return shown(letters) if USER_CODE.fullmatch(letters) else ""


def user_code_key(user_code: str) -> Key:
    """Where it lies what a user code is for."""
    return key("user_code", user_code)


@dataclass(frozen=True)
class Waiting:
    """A device that waits: its client, what it asks for, and ``device``, the hash of its own code."""

    client_id: str
    scopes: tuple[str, ...]
    audiences: tuple[str, ...]
    device: str
    expires_at: int

    @classmethod
    def from_value(cls, value: Mapping[str, Any]) -> Waiting | None:
        """Back from the stored record; None for one of a shape that we do not know."""
        try:
            return cls(**{**value, "scopes": tuple(value["scopes"]), "audiences": tuple(value["audiences"])})
        except (KeyError, TypeError):
            return None


@dataclass(frozen=True)
class Pace:
    """How often a device may ask: every ``interval`` seconds, and not before ``after``."""

    interval: int
    after: float


@dataclass(frozen=True)
class State:
    """How a device stands: ``decision`` is empty while the person has not decided, ``pace`` None before it asked."""

    expires_at: int
    decision: Mapping[str, Any]
    pace: Pace | None


class DeviceCodes:
    """Reads and writes these records. Everything here raises ``Unavailable``."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def begin(
        self, client_id: str, scopes: tuple[str, ...], audiences: tuple[str, ...], *, seconds: int, now: float
    ) -> tuple[str, str]:
        """A new device: its own code, and the one for the person. An ended device is remembered for a while, so that
        it hears why."""
        device_code, ends = grants.new_secret(), int(now) + seconds
        waiting = Waiting(client_id, scopes, audiences, digest(device_code), ends)
        index = key("devices", "waiting", group=client_id)
        device = Put(_key("device", waiting), {"expires_at": ends}, seconds + REMEMBERED, (index,), MOST_WAITING)
        while True:
            user_code = new_user_code()
            there, _ = await self._store.run(Add(user_code_key(user_code), vars(waiting), seconds), device)
            if there is None:
                return device_code, user_code

    async def find(self, user_code: str) -> Waiting | None:
        """The device that waits for this code, if it still does."""
        record = await self._store.get(user_code_key(user_code))
        waiting = Waiting.from_value(record.value) if record else None
        there = await self._store.get(_key("device", waiting)) if waiting else None
        return waiting if there else None

    async def allow(self, user_code: str, code: Mapping[str, Any], now: float, *writes: Op) -> bool:
        """Keep what a person allowed, and do ``writes`` with it. False: the code has ended, or was used."""
        return await self._decide(user_code, {"allowed": code}, now, *writes)

    async def deny(self, user_code: str, now: float) -> bool:
        """Keep that a person said no. False: the code has ended, or was used."""
        return await self._decide(user_code, {"denied": True}, now)

    async def _decide(self, user_code: str, decision: Mapping[str, Any], now: float, *writes: Op) -> bool:
        taken = await self._store.take(user_code_key(user_code))
        waiting = Waiting.from_value(taken.value) if isinstance(taken, Taken) else None
        if waiting is None:
            return False
        await self._store.run(Put(_key("decision", waiting), decision, _life(waiting.expires_at, now)), *writes)
        return True

    async def look(self, device_code: str, client_id: str) -> State | None:
        """How the device of this client stands. None: the code is unknown, used, another client's or long over."""
        kinds = ("device", "decision", "pace")
        device, decision, pace = await self._store.run(*(Get(_own_key(k, device_code, client_id)) for k in kinds))
        if device is None:
            return None
        kept: Record | None = decision
        return State(device.value["expires_at"], kept.value if kept else {}, Pace(**pace.value) if pace else None)

    async def slow(self, device_code: str, client_id: str, pace: Pace, state: State, now: float) -> None:
        """Keep when the device may ask again."""
        await self._store.put(_own_key("pace", device_code, client_id), vars(pace), _life(state.expires_at, now))

    async def take(self, device_code: str, client_id: str, led_to: str) -> Taken | Used | None:
        """Use the device's code up."""
        taken: Taken | Used | None
        (taken,) = await self._store.run(Take(_own_key("device", device_code, client_id), led_to, REMEMBERED))
        return taken


def _key(kind: str, waiting: Waiting) -> Key:
    return key(kind, waiting.device, group=waiting.client_id)


def _own_key(kind: str, device_code: str, client_id: str) -> Key:
    return key(kind, digest(device_code), group=client_id)


def _life(expires_at: int, now: float) -> int:
    return max(0, expires_at - int(now)) + REMEMBERED
