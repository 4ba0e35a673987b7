"""Our signing keys: a ring for each algorithm, since a key is used with one algorithm only (RFC 8725 3.1).

The next key is published before it signs, the old one as long as its tokens live; the rules are in ``ring``. An
algorithm that is switched off signs nothing more, and its keys go when their last token has ended.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from proxy.downstream import key_record, ring
from proxy.downstream.key_record import FOREVER, PLACES, RING, Held
from proxy.downstream.ring import Entry, Ring, SigningKey
from proxy.oidc import jose
from proxy.oidc.errors import Unavailable
from proxy.oidc.keys import KeySet
from proxy.store import Store

__all__ = ["FOREVER", "PLACES", "RING", "KeyRing", "generate"]

_MAKERS: Mapping[str, Callable[[], Any]] = {
    "RS256": lambda: rsa.generate_private_key(65537, 2048),
    "PS256": lambda: rsa.generate_private_key(65537, 2048),
    "ES256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "EdDSA": ed25519.Ed25519PrivateKey.generate,
}


def generate(now: int, alg: str = "RS256") -> SigningKey:
    """A new key for ``alg``, not planned yet. RSA takes some 100 ms: call it in a thread."""
    private = _MAKERS[alg]()
    pem = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode("ascii")
    return SigningKey(jose.public_jwk(private.public_key(), alg)["kid"], pem, published_at=now, alg=alg)


@dataclass(frozen=True)
class _Shown:
    """What is published from ``since`` until ``until``, if the rings stay as they are."""

    jwks: Mapping[str, Any]
    key_set: KeySet
    since: float
    until: float


class KeyRing:
    """The rings as the store holds them, with a copy in memory that signs and publishes. ``longest`` is how long a
    token that it signs lives at most, ``rotation`` how long a key signs until ``keep`` plans the next (0: never), in
    seconds. ``algorithms`` are switched on, RS256 always among them."""

    def __init__(
        self, store: Store, longest: int = 86_400, *, algorithms: tuple[str, ...] = ("RS256",), rotation: int = 0
    ) -> None:
        self.algorithms = algorithms
        self._store = store
        self._longest = longest
        self._rotation = rotation
        self._held: Mapping[str, Held] = {}
        self._read_at = 0.0
        self._signers: dict[str, jose.Signer] = {}
        self._shown: _Shown | None = None

    async def load(self, now: float) -> None:
        """Read the rings in one round trip; make those that are missing. Raises ``Unavailable``."""
        held = await key_record.read(self._store)
        missing = [alg for alg in self.algorithms if not held.get(alg, Held()).serves(now, self._longest)]
        if missing:
            await self._begin(missing, held, int(now))
            held = await key_record.read(self._store)
        self._take_in(held, now)

    async def _begin(self, missing: Iterable[str], held: Mapping[str, Held], now: int) -> None:
        """Make rings. RS256's is written last: whoever finds it finds the others that began with it."""
        alone, new = "RS256" not in held, {}
        for alg in sorted(missing, key=lambda alg: alg == "RS256"):
            first, second = await asyncio.gather(*(asyncio.to_thread(generate, now, alg) for _ in range(2)))
            new[alg] = Held(ring.begun(first, second, now, alone=alone))
        for alg in held.keys() & new.keys():  # left behind when the algorithm was switched off, and over
            await key_record.change(self._store, alg, partial(self._over, new.pop(alg), now))
        await key_record.add(self._store, new)

    def _over(self, begun: Held, now: float, old: Held) -> Held:
        return old if old.serves(now, self._longest) else begun

    async def refresh(self, now: float, *, older_than: float) -> None:
        """Read the rings again if the copy is older than ``older_than`` seconds; keep the copy if nobody answers."""
        if now - self._read_at < older_than and self._held:
            return
        try:
            await self.load(now)
        except Unavailable:
            if not self._held:
                raise

    async def keep(self, now: float) -> None:
        """Read the rings and do what is due: plan a rotation, see an algorithm off or on again. Raises ``Unavailable``.

        Every node does so; whoever writes first wins, and the others find it done.
        """
        await self.load(now)
        for alg, held in tuple(self._held.items()):
            if alg not in self.algorithms:
                await self._see_off(alg, held, now)
            elif held.ended is not None:
                await self._change(alg, lambda old: replace(old, ended=None), now)
            elif self._rotation and ring.due(held.ring, now, self._rotation):
                await self._rotate(alg, now, lambda keys: ring.due(keys, now, self._rotation))

    async def _see_off(self, alg: str, held: Held, now: float) -> None:
        if held.ring and held.ended is None:
            await self._change(alg, lambda old: replace(old, ended=int(now)), now)
        elif held.ring and not held.serves(now, self._longest):
            await self._change(alg, lambda old: old if old.serves(now, self._longest) else replace(old, ring=()), now)

    def _take_in(self, held: Mapping[str, Held], now: float) -> None:
        self._read_at = now
        if held != self._held:
            self._held, self._shown = held, None
            known, live = self._signers, [k for one in held.values() for k in one.ring if not k.revoked]
            self._signers = {k.kid: known.get(k.kid) or jose.Signer(k.pem, k.kid, k.alg) for k in live}

    @property
    def loaded(self) -> bool:
        """Whether there is a key to sign with."""
        return bool(self._held)

    def signer(self, now: float, alg: str = "RS256") -> jose.Signer:
        """What signs tokens with ``alg`` at ``now``. Raises ``Unavailable`` without a key that may: an algorithm that
        was added signs when every client can know its first key."""
        keys = self._held.get(alg, Held()).ring if alg in self.algorithms else ()
        current = ring.signing(keys, now)
        if current is None:
            seconds = ring.signs_in(keys, now)
            raise Unavailable(f"no {alg} key that may sign", retry_after=seconds, reason="no_signing_key")
        return self._signers[current.kid]

    def jwks(self, now: float) -> Mapping[str, Any]:
        """The public key set at ``now`` (RFC 7517 5). Not to be changed."""
        return self._published(now).jwks

    def key_set(self, now: float) -> KeySet:
        """The same, to verify our own tokens with."""
        return self._published(now).key_set

    def _published(self, now: float) -> _Shown:
        shown = self._shown
        if shown is None or not shown.since <= now < shown.until:
            self._shown = shown = self._show(now)
        return shown

    def _show(self, now: float) -> _Shown:
        alive, until = [], float("inf")
        for held in self._held.values():
            for k in ring.published(held.ring, now, self._longest, held.ended):
                alive.append(self._signers[k.kid])
                until = min(until, ring.retires_at(held.ring, k, self._longest, held.ended))
        jwks = {"keys": [dict(one.public_jwk) for one in alive]}
        return _Shown(jwks, KeySet(tuple(one.public for one in alive)), now, until)

    async def entries(self, now: float) -> tuple[Entry, ...]:
        """Every key with its state."""
        await self.load(now)
        return self._entries(now)

    def _entries(self, now: float) -> tuple[Entry, ...]:
        rings = ((held.ring, alg in self.algorithms) for alg, held in self._held.items())
        return tuple(entry for keys, on in rings for entry in ring.states(keys, now, switched_on=on))

    async def rotate(self, now: float, alg: str | None = None) -> tuple[Entry, ...]:
        """Plan the next key to sign and publish a new next one, for ``alg`` or for every algorithm that is switched on.
        Raises ``KeyError`` for one that is not, ``Unavailable``."""
        if alg is not None and alg not in self.algorithms:
            raise KeyError(alg)
        await self.load(now)
        for one in self.algorithms if alg is None else (alg,):
            await self._rotate(one, now, lambda keys: True)
        return self._entries(now)

    async def _rotate(self, alg: str, now: float, wanted: Callable[[Ring], bool]) -> None:
        fresh = await asyncio.to_thread(generate, int(now), alg)

        def turn(old: Held) -> Held:
            turned = ring.rotated(old.ring, fresh, int(now), self._longest)
            return replace(old, ring=turned) if wanted(old.ring) else old

        await self._change(alg, turn, now)

    async def revoke(self, kid: str, now: float) -> tuple[Entry, ...]:
        """Take ``kid`` out at once. Raises ``KeyError`` for a key we do not have, ``Unavailable``."""
        await self.load(now)
        alg = {k.kid: alg for alg, held in self._held.items() for k in held.ring if not k.revoked}[kid]
        fresh = await asyncio.to_thread(generate, int(now), alg)
        await self._change(alg, lambda old: replace(old, ring=ring.revoked(old.ring, kid, fresh, int(now))), now)
        return self._entries(now)

    async def _change(self, alg: str, work: Callable[[Held], Held], now: float) -> None:
        changed = await key_record.change(self._store, alg, work)
        self._take_in({**self._held, alg: changed}, now)
