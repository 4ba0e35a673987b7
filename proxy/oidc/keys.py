"""Public keys as a JWKS gives them (RFC 7517), and which of them may have signed a token (RFC 7515 6).

A set is read tolerantly, since tenants publish keys we do not know; a key is used strictly: its type, curve, ``alg``,
``use`` and ``key_ops`` must all fit the algorithm.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, TypeGuard

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt.algorithms import Algorithm, get_default_algorithms
from jwt.exceptions import PyJWTError

MOST_KEYS = 50
"""Keys read of one set: a longer one is a mistake or an attack."""
MOST_KID = 256
RSA_BITS = range(2048, 8192 + 1)

KINDS: Mapping[str, tuple[str, str]] = {
    **dict.fromkeys(("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"), ("RSA", "")),
    "ES256": ("EC", "P-256"),
    "ES384": ("EC", "P-384"),
    "ES512": ("EC", "P-521"),
    "EdDSA": ("OKP", "Ed25519"),
}
"""Every algorithm we know, with the key type and curve it needs (RFC 7518 3.1, RFC 8037 3.1). All are asymmetric."""

MEMBERS: Mapping[str, tuple[str, ...]] = {"RSA": ("e", "n"), "EC": ("crv", "x", "y"), "OKP": ("crv", "x")}
"""What makes a public key of each type (RFC 7638 3.2); nothing else of a JWK reaches cryptography."""

ALGORITHMS: Mapping[str, Algorithm] = {name: one for name, one in get_default_algorithms().items() if name in KINDS}

_OTHER_NAMES = {"Ed25519": "EdDSA"}  # RFC 9864
_BASE64URL = re.compile(r"[A-Za-z0-9_-]+")


class NoKeySet(ValueError):
    """The document is no JWKS at all."""


@dataclass(frozen=True)
class PublicKey:
    """One key that may verify. ``material`` is what it is, ``prepared`` the same for cryptography."""

    kid: str
    kty: str
    crv: str
    alg: str
    material: tuple[str, ...]
    prepared: Any = field(compare=False, repr=False)

    def fits(self, alg: str) -> bool:
        """Whether it may have signed with ``alg``."""
        return (self.kty, self.crv) == KINDS.get(alg) and self.alg in ("", alg)


@dataclass(frozen=True)
class KeySet:
    """The usable signing keys of one party."""

    keys: tuple[PublicKey, ...] = ()

    def has(self, kid: str) -> bool:
        """Whether a key has that name."""
        return any(key.kid == kid for key in self.keys)

    def candidates(self, kid: str | None, alg: str) -> tuple[PublicKey, ...]:
        """The keys that may have signed: those named ``kid``, or, without a name, all that fit ``alg``."""
        return tuple(key for key in self.keys if key.fits(alg) and kid in (None, key.kid))


def parse_jwks(document: Mapping[str, Any]) -> KeySet:
    """The signing keys of a JWKS; what we cannot use is left out. Raises ``NoKeySet``.

    Two keys of one name and different material: neither is used, since nobody can say which one is meant.
    """
    listed = document.get("keys")
    if not isinstance(listed, list):
        raise NoKeySet("not a JSON Web Key Set")
    found = [key for key in map(_parse, listed[:MOST_KEYS]) if key]
    materials: dict[str, set[tuple[str, ...]]] = {}
    for key in found:
        materials.setdefault(key.kid, set()).add(key.material)
    return KeySet(tuple(key for key in dict.fromkeys(found) if not key.kid or len(materials[key.kid]) == 1))


def _parse(jwk: Any) -> PublicKey | None:
    if not isinstance(jwk, dict) or not _may_verify(jwk):
        return None
    kty, kid, alg = (jwk.get(name, "") for name in ("kty", "kid", "alg"))
    if not all(isinstance(value, str) for value in (kty, kid, alg)) or len(kid) > MOST_KID:
        return None
    members = tuple(filter(_is_member, map(jwk.get, MEMBERS.get(kty, ()))))
    if not members or len(members) < len(MEMBERS[kty]):
        return None
    prepared = _prepare(kty, members)
    crv = "" if kty == "RSA" else members[0]
    return PublicKey(kid, kty, crv, _OTHER_NAMES.get(alg, alg), (kty, *members), prepared) if prepared else None


def _is_member(value: Any) -> TypeGuard[str]:
    return isinstance(value, str) and 0 < len(value) <= 2048


def _may_verify(jwk: Mapping[str, Any]) -> bool:
    """``use`` and ``key_ops`` (RFC 7517 4.2, 4.3), where given, must allow verification."""
    operations = jwk.get("key_ops", ["verify"])
    return jwk.get("use", "sig") == "sig" and isinstance(operations, list) and "verify" in operations


@lru_cache(maxsize=512)
def _prepare(kty: str, members: tuple[str, ...]) -> Any:
    """The key for cryptography, or None if it is none, or too weak. Cached: our own set is read at every request."""
    jwk = {"kty": kty, **dict(zip(MEMBERS[kty], members, strict=True))}
    alg = next((alg for alg, kind in KINDS.items() if kind == (kty, jwk.get("crv", ""))), None)
    if alg is None or not all(_BASE64URL.fullmatch(jwk[name]) for name in MEMBERS[kty] if name != "crv"):
        return None
    try:
        key: Any = ALGORITHMS[alg].prepare_key(ALGORITHMS[alg].from_jwk(jwk))
    except (PyJWTError, ValueError, TypeError, UnsupportedAlgorithm, binascii.Error):
        return None
    return None if isinstance(key, RSAPublicKey) and key.key_size not in RSA_BITS else key


def thumbprint(jwk: Mapping[str, Any]) -> str:
    """The SHA-256 thumbprint of a JWK, base64url (RFC 7638 3)."""
    required = {name: jwk[name] for name in (*MEMBERS[jwk["kty"]], "kty")}
    digest = hashlib.sha256(json.dumps(required, separators=(",", ":"), sort_keys=True).encode("ascii")).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode("ascii")


def public_jwk(key: Any, alg: str) -> dict[str, Any]:
    """A public key of ours as a JWK for ``alg``, named by its thumbprint. Private members cannot get in."""
    whole: dict[str, Any] = ALGORITHMS[alg].to_jwk(key, as_dict=True)
    jwk = {name: whole[name] for name in ("kty", *MEMBERS[whole["kty"]])}
    return {**jwk, "kid": thumbprint(jwk), "use": "sig", "alg": alg}
