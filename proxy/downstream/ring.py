"""When a signing key is published, when it signs and when it is gone: pure questions of a ring and a time.

A ring is the list of one algorithm's keys with times (seconds since the epoch), so every node answers alike. A rotation
never signs with a key that a client's cached key set lacks: a key signs at the earliest ``PUBLISH_AHEAD`` after it was
published (OpenID Connect Core 10.1.1). There is always exactly one key that waits for its rotation: the next.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

CACHED_FOR = 300
"""Seconds that HTTP caches may keep our key set."""
PUBLISH_AHEAD = 600 + CACHED_FOR
"""Seconds a key is published before it signs: as long as clients keep a key set that a cache had kept before them."""
LEEWAY = 300
"""Seconds a key stays published after its last token has ended."""


@dataclass(frozen=True)
class SigningKey:
    """One key: since when it is published, from when it signs (None: the next, not yet planned), if it was revoked."""

    kid: str
    pem: str
    published_at: int
    signs_from: int | None = None
    revoked: bool = False
    alg: str = "RS256"

    def signs(self, now: float) -> bool:
        """Whether its time has come."""
        return not self.revoked and self.signs_from is not None and self.signs_from <= now

    def waits(self, now: float) -> bool:
        """Whether its time is still to come."""
        return not self.revoked and not self.signs(now)

    @property
    def is_next(self) -> bool:
        """Whether it waits for a rotation."""
        return not self.revoked and self.signs_from is None


Ring = tuple[SigningKey, ...]


@dataclass(frozen=True)
class Entry:
    """A key as ``isthmus keys list`` shows it: state is next, current, previous or revoked; since when."""

    kid: str
    alg: str
    state: str
    since: int


def signing(ring: Ring, now: float) -> SigningKey | None:
    """The key that signs at ``now``: of those whose time has come, the latest."""
    return max((k for k in ring if k.signs(now)), key=lambda k: k.signs_from or 0, default=None)


def signs_in(ring: Ring, now: float) -> int:
    """Seconds until a key signs, at least one; one if none is planned."""
    return max(1, int(min((k.signs_from or 0 for k in ring if k.waits(now) and not k.is_next), default=now) - now))


def begun(first: SigningKey, second: SigningKey, now: int, *, alone: bool) -> Ring:
    """A new ring. ``alone``: nobody can have a key set of ours yet, so ``first`` signs at once, by any node's clock;
    else it is published first, like every other."""
    return (replace(first, signs_from=0 if alone else now + PUBLISH_AHEAD), second)


def published(ring: Ring, now: float, longest: int, ended: int | None = None) -> Ring:
    """The keys in the JWKS at ``now``: all but revoked ones and those whose last token, which lived at most
    ``longest`` seconds, has ended. ``ended``: when the whole ring was switched off."""
    return tuple(k for k in ring if not k.revoked and now < retires_at(ring, k, longest, ended))


def retires_at(ring: Ring, one: SigningKey, longest: int, ended: int | None = None) -> float:
    """When ``one`` leaves the JWKS: after the last token signed before another key took over, or before the whole ring
    was switched off at ``ended``. Never, if neither has happened."""
    started = one.signs_from
    later = [k.signs_from for k in ring if started is not None and k.signs_from is not None and k.signs_from > started]
    ends = later if ended is None else [*later, ended]
    return min(ends) + longest + LEEWAY if ends else float("inf")


def due(ring: Ring, now: float, rotation: int) -> bool:
    """Whether the key that signs has done so for ``rotation`` seconds and no other is planned."""
    current = signing(ring, now)
    if current is None or _is_planned(ring, now):
        return False
    return now >= max(current.signs_from or 0, current.published_at) + rotation


def _is_planned(ring: Ring, now: float) -> bool:
    return any(k.waits(now) and not k.is_next for k in ring)


def rotated(ring: Ring, fresh: SigningKey, now: int, longest: int) -> Ring:
    """The next key is planned to sign, and ``fresh`` becomes the next. With a rotation still ahead: unchanged."""
    if _is_planned(ring, now):
        return ring
    kept = tuple(k for k in ring if k.revoked or now < retires_at(ring, k, longest))
    earliest = max(now, 1 + max(k.signs_from or 0 for k in kept))  # later than the one before, or none would follow
    return (
        *(replace(k, signs_from=max(earliest, k.published_at + PUBLISH_AHEAD)) if k.is_next else k for k in kept),
        fresh,
    )


def revoked(ring: Ring, kid: str, fresh: SigningKey, now: int) -> Ring:
    """``kid`` leaves the JWKS at once, and its private half the ring. If it signed, the key published next takes its
    place in time, so also at a node whose clock is behind; if it was to be the first to sign, that key is planned. If
    none is left waiting for a rotation, ``fresh`` becomes the next."""
    current = signing(ring, now)
    rest = tuple(_struck(k, now) if k.kid == kid else k for k in ring)
    heir = min((k for k in rest if k.waits(now)), key=lambda k: k.published_at, default=fresh)
    if current is not None and current.kid == kid:
        rest = _planned(rest, heir, current.signs_from or 0)
    elif current is None and not _is_planned(rest, now):
        rest = _planned(rest, heir, max(now, heir.published_at + PUBLISH_AHEAD))
    return rest if any(k.is_next for k in rest) else (*rest, fresh)


def _planned(ring: Ring, heir: SigningKey, signs_from: int) -> Ring:
    return tuple(replace(k, signs_from=signs_from) if k is heir else k for k in ring)


def _struck(one: SigningKey, now: float) -> SigningKey:
    """A key that never signed did not end the time of the one before it: its plan goes with it."""
    return replace(one, revoked=True, pem="", signs_from=one.signs_from if one.signs(now) else None)


def states(ring: Ring, now: float, *, switched_on: bool = True) -> tuple[Entry, ...]:
    """Every key with its state at ``now``. A ring that is not ``switched_on`` signs nothing any more."""
    current = signing(ring, now)
    return tuple(_entry(k, _state(k, now, k is current, switched_on), now) for k in ring)


def _state(one: SigningKey, now: float, is_current: bool, switched_on: bool) -> str:
    if one.revoked:
        return "revoked"
    if not switched_on:
        return "previous"
    return "next" if one.waits(now) else "current" if is_current else "previous"


def _entry(one: SigningKey, state: str, now: float) -> Entry:
    since = one.published_at if one.waits(now) else max(one.signs_from or 0, one.published_at)
    return Entry(one.kid, one.alg, state, since)
