"""How our signing keys lie in the store: a ring for each algorithm, changed so that nobody's change is lost."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from proxy.downstream.ring import LEEWAY, Ring, SigningKey
from proxy.oidc.errors import Unavailable
from proxy.store import Add, Get, Key, Record, Store, key

FOREVER = 10 * 365 * 86_400
RING: Key = key("signing_keys", "ring")
PLACES: Mapping[str, Key] = {"RS256": RING, **{alg: key("signing_keys", alg) for alg in ("PS256", "ES256", "EdDSA")}}
"""Every algorithm we can sign with, and where its ring lies."""
_TRIES = 5


@dataclass(frozen=True)
class Held:
    """One algorithm's ring as the store holds it; ``ended``: when it was found switched off."""

    ring: Ring = ()
    ended: int | None = None

    def serves(self, now: float, longest: int) -> bool:
        """Whether a token of it, which lived at most ``longest`` seconds, may still live."""
        return bool(self.ring) and (self.ended is None or now < self.ended + longest + LEEWAY)


def to_value(held: Held) -> Mapping[str, Any]:
    """The record of a ring."""
    keys = [asdict(k) for k in held.ring]
    return {"keys": keys} if held.ended is None else {"keys": keys, "ended": held.ended}


def from_record(record: Record) -> Held:
    """The ring of a record."""
    return Held(tuple(SigningKey(**k) for k in record.value["keys"]), record.value.get("ended"))


async def read(store: Store) -> dict[str, Held]:
    """Every ring there is, by algorithm, in one round trip. Raises ``Unavailable``."""
    records = await store.run(*map(Get, PLACES.values()))
    return {alg: from_record(record) for alg, record in zip(PLACES, records, strict=True) if record}


async def add(store: Store, new: Mapping[str, Held]) -> None:
    """Write rings where there are none yet, in that order. Raises ``Unavailable``."""
    await store.run(*(Add(PLACES[alg], to_value(held), FOREVER) for alg, held in new.items()))


async def change(store: Store, alg: str, work: Callable[[Held], Held]) -> Held:
    """Put what ``work`` makes of the ring in its place, unless somebody else was first: then ``work`` is asked again.

    Answers the ring as it is now. Raises ``Unavailable`` if it never comes through.
    """
    for _ in range(_TRIES):
        record = await store.get(PLACES[alg])
        if record is None:
            raise Unavailable("the signing keys are gone")
        before = from_record(record)
        after = work(before)
        if after == before or await store.swap(PLACES[alg], to_value(after), FOREVER, record.revision):
            return after
    raise Unavailable("the signing keys are being changed by somebody else")
