"""Signed tokens: what verifies a JWS (RFC 7515) with JSON claims (RFC 7519), and what signs ours.

Everything that costs nothing is checked before cryptography sees a byte (RFC 8725): size, form, header, algorithm, key.
Claims are the caller's rules. No caller gets a claim of a token whose signature was not proved, ``peek`` excepted.

Public keys and shared secrets never meet: ``verify`` knows no algorithm with a secret, ``verify_mac`` no other. A key
that a token brings itself is used by ``verify_with_jwk`` alone.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives.serialization import load_pem_private_key
from jwt.exceptions import PyJWTError

from proxy.oidc import keys as jwks
from proxy.oidc.jws import JoseError, Unproved, encode, encode_json, read
from proxy.oidc.keys import ALGORITHMS, KeySet, PublicKey, public_jwk

__all__ = [
    "MACS",
    "JoseError",
    "NoSuchKey",
    "Signer",
    "Verified",
    "half_hash",
    "kid_of",
    "peek",
    "public_jwk",
    "sign_mac",
    "verify",
    "verify_mac",
    "verify_own",
    "verify_with_jwk",
]

_HASHES: Mapping[str, Callable[..., Any]] = {"256": hashlib.sha256, "384": hashlib.sha384, "512": hashlib.sha512}
MACS: Mapping[str, str] = {"HS256": "sha256", "HS384": "sha384", "HS512": "sha512"}
"""Algorithms with a shared secret, each with its hash (RFC 7518 3.2)."""
SHORTEST_SECRET = 32
"""Bytes of a secret that signs: as strong as HS256 can be. A longer hash does not make guessing it easier."""


class NoSuchKey(JoseError):
    """No key of the set can have signed it: perhaps a newer set has one."""


@dataclass(frozen=True)
class Verified:
    """A token whose signature was proved."""

    header: Mapping[str, Any]
    claims: Mapping[str, Any]

    @property
    def alg(self) -> str:
        """The algorithm it was signed with."""
        return str(self.header["alg"])


def verify(token: str, keys: KeySet, algorithms: Collection[str], types: Collection[str]) -> Verified:
    """The claims of ``token``, if a key of ``keys`` signed it.

    ``algorithms`` are those this party signs with; ``types`` are the acceptable ``typ`` values in lower case, without
    ``application/``, where "" stands for none (RFC 8725 3.11). Raises ``NoSuchKey`` or ``JoseError``.
    """
    found = read(token)
    alg = found.algorithm(algorithms, ALGORITHMS)
    found.check_type(types)
    return _proved(found, alg, _choose(keys, found.kid, alg))


def verify_own(token: str, ours: KeySet, *, typ: str) -> Mapping[str, Any]:
    """The claims of a token that a key of ``ours`` signed, of exactly the type ``typ``. Raises ``JoseError``."""
    return verify(token, ours, ours.algorithms, (typ.lower(),)).claims


def verify_with_jwk(token: str, algorithms: Collection[str], types: Collection[str]) -> tuple[Verified, str]:
    """The claims of a token that brings its own public key in the header ``jwk``, and that key's thumbprint.

    It proves that the sender holds the key, and nothing about who that is: for proofs of possession (RFC 9449 4.2).
    Raises ``JoseError``.
    """
    found = read(token)
    alg = found.algorithm(algorithms, ALGORITHMS)
    found.check_type(types)
    try:
        key = jwks.check_key(found.header.get("jwk"))
    except ValueError:
        raise JoseError("bad_key") from None
    # One key has one thumbprint: its members are written in the one canonical way.
    if key is None or not key.fits(alg) or key.thumbprint != public_jwk(key.prepared, alg)["kid"]:
        raise JoseError("bad_key")
    return _proved(found, alg, key), key.thumbprint


def _proved(found: Unproved, alg: str, key: PublicKey) -> Verified:
    try:
        good = ALGORITHMS[alg].verify(found.signed, key.prepared, found.signature)
    except (PyJWTError, ValueError):
        good = False
    if not good:
        raise JoseError("bad_signature")
    return Verified(found.header, found.claims)


def _choose(keys: KeySet, kid: str | None, alg: str) -> PublicKey:
    """The one key that may have signed (RFC 7515 6); a token without ``kid`` must leave no choice."""
    fitting = keys.candidates(kid, alg)
    if not fitting:
        raise NoSuchKey("unknown_key")
    if len(fitting) > 1 and len({key.material for key in fitting}) > 1:
        raise JoseError("ambiguous_key")
    return fitting[0]


def verify_mac(token: str, secret: bytes | str, algorithms: Collection[str], types: Collection[str]) -> Verified:
    """The claims of ``token``, if it was signed with the shared ``secret``; the rest is as with ``verify``.

    A ``kid`` says nothing here. Raises ``JoseError``, for a secret that is too short to prove anything too.
    """
    found = read(token)
    alg = found.algorithm(algorithms, MACS)
    found.check_type(types)
    raw = _octets(secret)
    if len(raw) < SHORTEST_SECRET:
        raise JoseError("weak_secret")
    if not hmac.compare_digest(hmac.digest(raw, found.signed, MACS[alg]), found.signature):
        raise JoseError("bad_signature")
    return Verified(found.header, found.claims)


def sign_mac(claims: Mapping[str, Any], secret: bytes | str, alg: str, typ: str) -> str:
    """A token of type ``typ`` signed with a shared ``secret`` (OpenID Connect Core 10.1).

    Raises ``ValueError`` for another algorithm, claims that are not JSON, and a secret that is too short.
    """
    if alg not in MACS:
        raise ValueError(f"{alg} is no algorithm with a secret")
    raw = _octets(secret)
    if len(raw) < SHORTEST_SECRET:
        raise ValueError(f"a secret that signs needs {SHORTEST_SECRET} bytes")
    signed = f"{encode_json({'alg': alg, 'typ': typ})}.{encode_json(claims)}"
    return f"{signed}.{encode(hmac.digest(raw, signed.encode('ascii'), MACS[alg]))}"


def _octets(secret: bytes | str) -> bytes:
    return secret if isinstance(secret, bytes) else secret.encode("utf-8")


def kid_of(token: str) -> str | None:
    """The name of the key that is said to have signed: good for choosing a key set's age, for nothing else.

    Raises ``JoseError`` if the token is malformed.
    """
    return read(token).kid


def peek(token: str) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """Header and claims that nobody has proved: good for choosing a key, for nothing else.

    Raises ``JoseError`` if the token is malformed.
    """
    found = read(token)
    return found.header, found.claims


def half_hash(alg: str, value: str) -> str:
    """``at_hash`` or ``c_hash`` of ``value`` for a token signed with ``alg`` (OpenID Connect Core 3.1.3.6).

    Raises ``JoseError`` for an algorithm without a rule: an unknown hash is never a good one.
    """
    if alg not in ALGORITHMS and alg not in MACS:
        raise JoseError("wrong_algorithm")
    algorithm = hashlib.sha512 if alg == "EdDSA" else _HASHES[alg[2:]]
    digest = algorithm(value.encode("utf-8", "surrogatepass")).digest()
    return encode(digest[: len(digest) // 2])


class Signer:
    """A private key of ours, prepared once; signs tokens with ``alg`` under the name ``kid``."""

    def __init__(self, pem: str, kid: str, alg: str) -> None:
        self.kid = kid
        self.alg = alg
        self._algorithm = ALGORITHMS[alg]
        # It is ours, made by us and kept sealed. To look for its prime factors anew would stop the server for 40 ms.
        private = load_pem_private_key(pem.encode("ascii"), password=None, unsafe_skip_rsa_key_validation=True)
        self._key: Any = self._algorithm.prepare_key(private)
        self.public_jwk: Mapping[str, Any] = {**public_jwk(self._key.public_key(), alg), "kid": kid}
        self._heads: dict[str, str] = {}

    @property
    def public(self) -> PublicKey:
        """The public half, to verify with."""
        return PublicKey.of(self.public_jwk, self._key.public_key())

    def sign(self, claims: Mapping[str, Any], *, typ: str) -> str:
        """A signed token of type ``typ``. Raises ``ValueError`` for claims that are not JSON."""
        signed = f"{self._head(typ)}.{encode_json(claims)}"
        return f"{signed}.{encode(self._algorithm.sign(signed.encode('ascii'), self._key))}"

    def prove(self, claims: Mapping[str, Any], *, typ: str) -> str:
        """A token that brings its own public key, to show that we hold the private one (RFC 9449 4.2)."""
        jwk = {name: value for name, value in self.public_jwk.items() if name not in ("kid", "use", "alg")}
        signed = f"{encode_json({'alg': self.alg, 'jwk': jwk, 'typ': typ})}.{encode_json(claims)}"
        return f"{signed}.{encode(self._algorithm.sign(signed.encode('ascii'), self._key))}"

    def _head(self, typ: str) -> str:
        if typ not in self._heads:
            self._heads[typ] = encode_json({"alg": self.alg, "kid": self.kid, "typ": typ})
        return self._heads[typ]
