"""Our signing keys: the next one is published before it signs, the old one as long as its tokens live.

A ring is a list of keys with times; which one signs and which are published are pure questions of ``now`` (seconds
since the epoch). So every node answers them alike, and a rotation never signs with a key that a client's cached key set
lacks: a key signs at the earliest ``PUBLISH_AHEAD`` after it was published (OpenID Connect Core 10.1.1).
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from proxy.oidc import jose
from proxy.oidc.errors import Unavailable
from proxy.store import Key, Record, Store, key

PUBLISH_AHEAD = 600
"""Seconds a key is published before it signs: as long as clients keep a key set."""
KEEP_FOR = 86_400 + 300
"""Seconds a key stays published after its last signature: the longest life of a token, and some leeway."""
FOREVER = 10 * 365 * 86_400
RING: Key = key("signing_keys", "ring")


@dataclass(frozen=True)
class SigningKey:
    """One key: since when it is published, from when it signs (None: not yet planned), whether it was revoked."""

    kid: str
    pem: str
    published_at: int
    signs_from: int | None = None
    revoked: bool = False
    alg: str = "RS256"


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
    ready = [k for k in ring if not k.revoked and k.signs_from is not None and k.signs_from <= now]
    return max(ready, key=lambda k: k.signs_from or 0, default=None)


def published(ring: Ring, now: float) -> Ring:
    """The keys in the JWKS at ``now``: all but revoked ones and those whose last token has ended."""
    return tuple(k for k in ring if not k.revoked and now < _retires_at(ring, k))


def _retires_at(ring: Ring, one: SigningKey) -> float:
    if one.signs_from is None:
        return float("inf")
    later = [k.signs_from for k in ring if k.signs_from is not None and k.signs_from > one.signs_from]
    return min(later) + KEEP_FOR if later else float("inf")


def rotated(ring: Ring, fresh: SigningKey, now: int) -> Ring:
    """The next key is planned to sign, and ``fresh`` becomes the next. With a rotation still ahead: unchanged."""
    if any(k.signs_from is not None and k.signs_from > now for k in ring):
        return ring
    return (*(_planned(k, max(now, k.published_at + PUBLISH_AHEAD)) for k in _kept(ring, now)), fresh)


def revoked(ring: Ring, kid: str, fresh: SigningKey, now: int) -> Ring:
    """``kid`` leaves the JWKS at once; if it signed, the next key takes over now, and ``fresh`` becomes the next."""
    marked = tuple(replace(k, revoked=True) if k.kid == kid else k for k in ring)
    if signing(marked, now) is None:
        marked = tuple(_planned(k, now) for k in marked)
    has_next = any(k.signs_from is None and not k.revoked for k in marked)
    return marked if has_next and signing(marked, now) else (*marked, fresh if signing(marked, now) else _planned(fresh, now))


def _planned(one: SigningKey, signs_from: int) -> SigningKey:
    waiting = one.signs_from is None or one.signs_from > signs_from
    return replace(one, signs_from=signs_from) if waiting and not one.revoked else one


def _kept(ring: Ring, now: float) -> Ring:
    return tuple(k for k in ring if k.revoked or now < _retires_at(ring, k))


def states(ring: Ring, now: float) -> tuple[Entry, ...]:
    """Every key with its state at ``now``."""
    current = signing(ring, now)

    def state(one: SigningKey) -> str:
        if one.revoked:
            return "revoked"
        if one is current:
            return "current"
        return "next" if one.signs_from is None or one.signs_from > now else "previous"

    return tuple(Entry(k.kid, k.alg, state(k), k.published_at if state(k) == "next" else k.signs_from or k.published_at) for k in ring)


def generate(now: int) -> SigningKey:
    """A new RSA key of 2048 bits, not planned yet. Takes some 100 ms: call it in a thread."""
    private = rsa.generate_private_key(65537, 2048)
    pem = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode("ascii")
    return SigningKey(jose.public_jwk(private.public_key(), "RS256")["kid"], pem, published_at=now)


class KeyRing:
    """The ring as the store holds it, with a copy in memory that signs and publishes."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._ring: Ring = ()
        self._read_at = 0.0
        self._signers: dict[str, jose.Signer] = {}

    async def load(self, now: float) -> None:
        """Read the ring, or make the first one. Raises ``Unavailable``."""
        record = await self._store.get(RING)
        if record is None:
            first = replace(await asyncio.to_thread(generate, int(now)), signs_from=int(now))
            ring = (first, await asyncio.to_thread(generate, int(now)))
            record = await self._store.add(RING, _to_value(ring), FOREVER) or Record(_to_value(ring), b"")
        self._take_in(_from_value(record.value), now)

    async def refresh(self, now: float, *, older_than: float) -> None:
        """Read the ring again if the copy is older than ``older_than`` seconds; keep the copy if nobody answers."""
        if now - self._read_at < older_than and self._ring:
            return
        try:
            await self.load(now)
        except Unavailable:
            if not self._ring:
                raise

    def _take_in(self, ring: Ring, now: float) -> None:
        self._read_at = now
        if ring != self._ring:
            self._ring = ring
            self._signers = {k.kid: jose.Signer(k.pem, k.kid, k.alg) for k in ring if not k.revoked}

    @property
    def loaded(self) -> bool:
        """Whether there is a key to sign with."""
        return bool(self._ring)

    def signer(self, now: float) -> jose.Signer:
        """What signs our tokens at ``now``. Raises ``Unavailable`` without a key."""
        current = signing(self._ring, now)
        if current is None:
            raise Unavailable("no signing key")
        return self._signers[current.kid]

    def jwks(self, now: float) -> Mapping[str, Any]:
        """The public key set at ``now`` (RFC 7517 5)."""
        return {"keys": [dict(self._signers[k.kid].public_jwk) for k in published(self._ring, now)]}

    async def entries(self, now: float) -> tuple[Entry, ...]:
        """Every key with its state."""
        await self.load(now)
        return states(self._ring, now)

    async def rotate(self, now: float) -> tuple[Entry, ...]:
        """Plan the next key to sign and publish a new next one. Raises ``Unavailable``."""
        fresh = await asyncio.to_thread(generate, int(now))
        return await self._change(lambda ring: rotated(ring, fresh, int(now)), now)

    async def revoke(self, kid: str, now: float) -> tuple[Entry, ...]:
        """Take ``kid`` out at once. Raises ``KeyError`` for a key we do not have, ``Unavailable``."""
        fresh = await asyncio.to_thread(generate, int(now))
        await self.load(now)
        if not any(k.kid == kid and not k.revoked for k in self._ring):
            raise KeyError(kid)
        return await self._change(lambda ring: revoked(ring, kid, fresh, int(now)), now)

    async def _change(self, change: Any, now: float) -> tuple[Entry, ...]:
        await self.load(now)
        for _ in range(5):
            record = await self._store.get(RING)
            if record is None:
                raise Unavailable("the signing keys are gone")
            ring = change(_from_value(record.value))
            if await self._store.swap(RING, _to_value(ring), FOREVER, record.revision):
                self._take_in(ring, now)
                return states(ring, now)
        raise Unavailable("the signing keys are being changed by somebody else")


def _to_value(ring: Ring) -> Mapping[str, Any]:
    return {"keys": [asdict(k) for k in ring]}


def _from_value(value: Mapping[str, Any]) -> Ring:
    return tuple(SigningKey(**k) for k in value["keys"])
