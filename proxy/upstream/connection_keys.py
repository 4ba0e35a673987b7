"""Our private keys towards tenants, each connection its own: they sign client assertions, request objects and proofs.

A ring for each algorithm holds the key that signs, the next one, which tenants know before it signs, and the previous
one, published until nothing it signed lives. Made when first needed, kept in the store, which seals them; every node
has a copy that is at most ``COPY`` seconds old. A key for proofs of possession (RFC 9449) is shown by its proofs alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from proxy.models import Connection, ConnectionOptions
from proxy.oidc import jose
from proxy.oidc.errors import Unavailable
from proxy.oidc.jose import Signer
from proxy.store import Get, Key, Record, Store, key

COPY = 60
"""Seconds that a node signs by its copy of a ring."""
RETIRED = 600
"""Seconds that a key is still published after its last signature could be made."""
BETWEEN = 2 * COPY
"""Seconds from one rotation to the next at least. Until then other nodes may sign, by their copy, with a key that the
second one would take back, and tenants may have a copy of our keys without the one that would sign."""
FOREVER = 10 * 365 * 86_400
SIGNING, PROVING = "signing", "proving"
_TRIES = 5


def _rsa() -> Any:
    return rsa.generate_private_key(65537, 2048)


_MAKERS: Mapping[str, Callable[[], Any]] = {
    **dict.fromkeys(("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"), _rsa),
    "ES256": partial(ec.generate_private_key, ec.SECP256R1()),
    "ES384": partial(ec.generate_private_key, ec.SECP384R1()),
    "ES512": partial(ec.generate_private_key, ec.SECP521R1()),
    "EdDSA": ed25519.Ed25519PrivateKey.generate,
}


def algorithms(options: ConnectionOptions) -> tuple[str, ...]:
    """The algorithms that a connection signs with, each once: those of its client assertions and request objects."""
    wanted = []
    if options.token_endpoint_auth_method == "private_key_jwt":
        wanted.append(assertion_algorithm(options))
    if options.request_object and options.request_object_signing_alg != "none":
        wanted.append(options.request_object_signing_alg)
    return tuple(dict.fromkeys(wanted))


def assertion_algorithm(options: ConnectionOptions) -> str:
    """What signs client assertions (OpenID Connect Core 9)."""
    return options.token_endpoint_auth_signing_alg or "RS256"


@dataclass(frozen=True)
class ConnectionKey:
    """One key as others may see it. ``state`` is previous, current or next; ``since``: when it came to be current."""

    alg: str
    state: str
    jwk: Mapping[str, Any]
    since: int


@dataclass(frozen=True)
class _Ring:
    """The PEM of each key of a ring by its state, prepared; ``since`` is the last change."""

    signers: Mapping[str, Signer]
    since: int
    read_at: float
    revision: bytes = b""


class ConnectionKeys:
    """The rings of all connections."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._known: dict[Key, _Ring] = {}

    async def signer(self, connection: Connection, alg: str, now: float, *, use: str = SIGNING) -> Signer:
        """What signs for the connection. Raises ``Unavailable``."""
        return (await self._ring(_place(connection, use, alg), alg, now)).signers["current"]

    async def entries(self, connection: Connection, now: float) -> tuple[ConnectionKey, ...]:
        """Every key that tenants may meet in a signature. Raises ``Unavailable``."""
        found: list[ConnectionKey] = []
        for alg in algorithms(connection.options):
            ring = await self._ring(_place(connection, SIGNING, alg), alg, now)
            for state, signer in ring.signers.items():
                if state != "previous" or now < ring.since + RETIRED:
                    found.append(ConnectionKey(alg, state, signer.public_jwk, ring.since))
        return tuple(found)

    async def jwks(self, connection: Connection, now: float) -> Mapping[str, Any]:
        """The public halves (RFC 7517 5), for the tenant to verify with. Raises ``Unavailable``."""
        return {"keys": [dict(entry.jwk) for entry in await self.entries(connection, now)]}

    async def rotate(self, connection: Connection, now: float) -> tuple[ConnectionKey, ...]:
        """The next keys sign from now on, and new ones wait; nothing changes while the last rotation is not ``BETWEEN``
        seconds old. Raises ``Unavailable``."""
        for alg in algorithms(connection.options):
            await self._turn(_place(connection, SIGNING, alg), alg, now)
        return await self.entries(connection, now)

    async def begun(self, connection: Connection) -> bool:
        """Whether it has its published keys already. Raises ``Unavailable``."""
        places = [_place(connection, SIGNING, alg) for alg in algorithms(connection.options)]
        return bool(places) and None not in await self._store.run(*map(Get, places))

    async def forget(self, connection: Connection) -> None:
        """Take all its keys away, with whatever algorithm: another connection of that name has its own. Raises
        ``Unavailable``."""
        places = [_place(connection, use, alg) for use in _KINDS for alg in _MAKERS]
        await self._store.drop(*places)
        for place in places:
            self._known.pop(place, None)

    async def _ring(self, place: Key, alg: str, now: float) -> _Ring:
        known = self._known.get(place)
        if known is not None and now - known.read_at < COPY:
            return known
        record = await self._store.get(place)
        if record is None:
            states = ("current", "next") if place.kind == _KINDS[SIGNING] else ("current",)
            value = {"keys": {state: await _new(alg) for state in states}, "since": int(now)}
            await self._store.add(place, value, FOREVER)
            record = await self._store.get(place)
        return self._take_in(place, alg, record, now)

    def _take_in(self, place: Key, alg: str, record: Record | None, now: float) -> _Ring:
        if record is None:
            raise Unavailable("the keys of a connection are gone")
        known = self._known.get(place)
        if known is not None and known.revision == record.revision:
            ring = _Ring(known.signers, known.since, now, known.revision)
        else:
            signers = {state: _prepared(pem, alg) for state, pem in record.value["keys"].items()}
            ring = _Ring(signers, record.value["since"], now, record.revision)
        self._known[place] = ring
        return ring

    async def _turn(self, place: Key, alg: str, now: float) -> None:
        await self._ring(place, alg, now)
        fresh = await _new(alg)
        for _ in range(_TRIES):
            record = await self._store.get(place)
            if record is None:
                break
            keys = record.value["keys"]
            if "previous" in keys and now < record.value["since"] + BETWEEN:
                self._take_in(place, alg, record, now)
                return
            turned = {"previous": keys["current"], "current": keys["next"], "next": fresh}
            if await self._store.swap(place, {"keys": turned, "since": int(now)}, FOREVER, record.revision):
                self._take_in(place, alg, await self._store.get(place), now)
                return
        raise Unavailable("the keys of a connection are being changed by somebody else")


_KINDS = {SIGNING: "connection_keys", PROVING: "connection_proof_key"}


def _place(connection: Connection, use: str, alg: str) -> Key:
    return key(_KINDS[use], alg, group=connection.name)


async def _new(alg: str) -> str:
    """A new private key, in a thread: an RSA key takes some 100 ms."""
    private = await asyncio.to_thread(_MAKERS[alg])
    pem: bytes = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return pem.decode("ascii")


def _prepared(pem: str, alg: str) -> Signer:
    private: Any = serialization.load_pem_private_key(pem.encode("ascii"), None, unsafe_skip_rsa_key_validation=True)
    return Signer(pem, jose.public_jwk(private.public_key(), alg)["kid"], alg)
