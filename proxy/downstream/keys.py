"""Our signing keys, as the store holds them: the next one is published before it signs, the old one as long as its
tokens live. The rules are in ``ring``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from proxy.downstream.ring import Entry, Ring, SigningKey, published, revoked, rotated, signing, states
from proxy.oidc import jose
from proxy.oidc.errors import Unavailable
from proxy.store import Key, Record, Store, key

FOREVER = 10 * 365 * 86_400
RING: Key = key("signing_keys", "ring")


def generate(now: int) -> SigningKey:
    """A new RSA key of 2048 bits, not planned yet. Takes some 100 ms: call it in a thread."""
    private = rsa.generate_private_key(65537, 2048)
    pem = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode("ascii")
    return SigningKey(jose.public_jwk(private.public_key(), "RS256")["kid"], pem, published_at=now)


class KeyRing:
    """The ring as the store holds it, with a copy in memory that signs and publishes. ``longest`` is how long a token
    that it signs lives at most, in seconds."""

    def __init__(self, store: Store, longest: int = 86_400) -> None:
        self._store = store
        self._longest = longest
        self._ring: Ring = ()
        self._read_at = 0.0
        self._signers: dict[str, jose.Signer] = {}

    async def load(self, now: float) -> None:
        """Read the ring, or make the first one. Raises ``Unavailable``."""
        record = await self._store.get(RING)
        if record is None:
            first = replace(await asyncio.to_thread(generate, int(now)), signs_from=0)  # at once, by any node's clock
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
            known = self._signers  # to read a private key takes a tenth of a second
            self._signers = {k.kid: known.get(k.kid) or jose.Signer(k.pem, k.kid, k.alg) for k in ring if not k.revoked}

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
        return {"keys": [dict(self._signers[k.kid].public_jwk) for k in published(self._ring, now, self._longest)]}

    async def entries(self, now: float) -> tuple[Entry, ...]:
        """Every key with its state."""
        await self.load(now)
        return states(self._ring, now)

    async def rotate(self, now: float) -> tuple[Entry, ...]:
        """Plan the next key to sign and publish a new next one. Raises ``Unavailable``."""
        fresh = await asyncio.to_thread(generate, int(now))
        return await self._change(lambda ring: rotated(ring, fresh, int(now), self._longest), now)

    async def revoke(self, kid: str, now: float) -> tuple[Entry, ...]:
        """Take ``kid`` out at once. Raises ``KeyError`` for a key we do not have, ``Unavailable``."""
        await self.load(now)
        if not any(k.kid == kid and not k.revoked for k in self._ring):
            raise KeyError(kid)
        fresh = await asyncio.to_thread(generate, int(now))
        return await self._change(lambda ring: revoked(ring, kid, fresh, int(now)), now)

    async def _change(self, change: Callable[[Ring], Ring], now: float) -> tuple[Entry, ...]:
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
