"""When a signing key is published, when it signs and when it is gone: pure questions of a ring and a time.

A ring is a list of keys with times (seconds since the epoch), so every node answers alike. A rotation never signs with
a key that a client's cached key set lacks: a key signs at the earliest ``PUBLISH_AHEAD`` after it was published (OpenID
Connect Core 10.1.1). There is always exactly one key that waits for its rotation: the next.
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


def published(ring: Ring, now: float, longest: int) -> Ring:
    """The keys in the JWKS at ``now``: all but revoked ones and those whose last token, which lived at most
    ``longest`` seconds, has ended."""
    return tuple(k for k in ring if not k.revoked and now < _retires_at(ring, k, longest))


def _retires_at(ring: Ring, one: SigningKey, longest: int) -> float:
    started = one.signs_from
    later = [k.signs_from for k in ring if started is not None and k.signs_from is not None and k.signs_from > started]
    return min(later) + longest + LEEWAY if later else float("inf")


def rotated(ring: Ring, fresh: SigningKey, now: int, longest: int) -> Ring:
    """The next key is planned to sign, and ``fresh`` becomes the next. With a rotation still ahead: unchanged."""
    if any(k.waits(now) and not k.is_next for k in ring):
        return ring
    kept = tuple(k for k in ring if k.revoked or now < _retires_at(ring, k, longest))
    earliest = max(now, 1 + max(k.signs_from or 0 for k in kept))  # later than the one before, or none would follow
    return (
        *(replace(k, signs_from=max(earliest, k.published_at + PUBLISH_AHEAD)) if k.is_next else k for k in kept),
        fresh,
    )


def revoked(ring: Ring, kid: str, fresh: SigningKey, now: int) -> Ring:
    """``kid`` leaves the JWKS at once, and its private half the ring. If it signed, the key published next takes its
    place in time, so also at a node whose clock is behind; if none is left waiting for a rotation, ``fresh`` becomes
    the next."""
    current = signing(ring, now)
    rest = tuple(_struck(k, now) if k.kid == kid else k for k in ring)
    if current is not None and current.kid == kid:
        heir = min((k for k in rest if k.waits(now)), key=lambda k: k.published_at)
        rest = tuple(replace(k, signs_from=current.signs_from) if k is heir else k for k in rest)
    return rest if any(k.is_next for k in rest) else (*rest, fresh)


def _struck(one: SigningKey, now: float) -> SigningKey:
    """A key that never signed did not end the time of the one before it: its plan goes with it."""
    return replace(one, revoked=True, pem="", signs_from=one.signs_from if one.signs(now) else None)


def states(ring: Ring, now: float) -> tuple[Entry, ...]:
    """Every key with its state at ``now``."""
    current = signing(ring, now)
    return tuple(_entry(k, now, current=k is current) for k in ring)


def _entry(one: SigningKey, now: float, *, current: bool) -> Entry:
    if one.waits(now):
        return Entry(one.kid, one.alg, "next", one.published_at)
    state = "revoked" if one.revoked else "current" if current else "previous"
    return Entry(one.kid, one.alg, state, max(one.signs_from or 0, one.published_at))
