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
from functools import cached_property, lru_cache
from typing import Any, TypeGuard

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt.algorithms import Algorithm, get_default_algorithms
from jwt.exceptions import PyJWTError

MOST_KEYS = 50
"""Keys read of one set: a longer one is a mistake or an attack."""
MOST_KID = 256
RSA_BITS = range(2048, 8192 + 1)
SMALLEST_EXPONENT = 65537
"""Of an RSA key that is given to us by hand; tenants' older ones may have 3."""
LARGEST_EXPONENT = (1 << 32) - 1
"""Of any RSA key: to verify with one as long as the modulus costs a hundred times as much, and anybody can send one."""

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

PRIVATE = frozenset(("d", "p", "q", "dp", "dq", "qi", "oth", "k"))
"""Members of a JWK that nobody publishes (RFC 7518 6)."""

ALGORITHMS: Mapping[str, Algorithm] = {name: one for name, one in get_default_algorithms().items() if name in KINDS}

_REMEDIES = {
    "RSA": (
        f"must be an RSA key of {RSA_BITS[0]} to {RSA_BITS[-1]} bits "
        f"with an exponent from {SMALLEST_EXPONENT} to {LARGEST_EXPONENT}"
    ),
    "EC": "must be a point on its curve, each coordinate in base64url and full length",
    "OKP": "must be an Ed25519 key, its x in base64url",
}
_TEXTS = ("kty", "kid", "use", "alg")
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

    @classmethod
    def of(cls, jwk: Mapping[str, Any], prepared: Any) -> PublicKey:
        """A key that was checked: ``jwk`` says what it is, ``prepared`` is it."""
        kty, alg = jwk["kty"], jwk.get("alg", "")
        material = (kty, *(jwk[name] for name in MEMBERS[kty]))
        return cls(jwk.get("kid", ""), kty, jwk.get("crv", ""), _OTHER_NAMES.get(alg, alg), material, prepared)

    def fits(self, alg: str) -> bool:
        """Whether it may have signed with ``alg``."""
        return (self.kty, self.crv) == KINDS.get(alg) and self.alg in ("", alg)

    @property
    def thumbprint(self) -> str:
        """Its thumbprint (RFC 7638)."""
        return thumbprint(dict(zip(("kty", *MEMBERS[self.kty]), self.material, strict=True)))


@dataclass(frozen=True)
class KeySet:
    """The usable signing keys of one party."""

    keys: tuple[PublicKey, ...] = ()

    @cached_property
    def algorithms(self) -> frozenset[str]:
        """The algorithms that the keys are named for."""
        return frozenset(key.alg for key in self.keys if key.alg)

    def has(self, kid: str) -> bool:
        """Whether a key has that name."""
        return any(key.kid == kid for key in self.keys)

    def candidates(self, kid: str | None, alg: str) -> tuple[PublicKey, ...]:
        """The keys that may have signed: those named ``kid``, or, without a name, all that fit ``alg``."""
        return tuple(key for key in self.keys if kid in (None, key.kid) and key.fits(alg))


def parse_jwks(document: Mapping[str, Any]) -> KeySet:
    """The signing keys of a JWKS; what we cannot use is left out. Raises ``NoKeySet``.

    Two keys of one name and different material: neither is used, since nobody can say which one is meant.
    """
    listed = document.get("keys")
    if not isinstance(listed, list):
        raise NoKeySet("not a JSON Web Key Set")
    found = [key for key in map(parse_key, listed[:MOST_KEYS]) if key]
    materials: dict[str, set[tuple[str, ...]]] = {}
    for key in found:
        materials.setdefault(key.kid, set()).add(key.material)
    return KeySet(tuple(key for key in dict.fromkeys(found) if not key.kid or len(materials[key.kid]) == 1))


def parse_key(jwk: Any) -> PublicKey | None:
    """One key of a JWKS, or None for one that we cannot use."""
    if not isinstance(jwk, dict) or not _may_verify(jwk):
        return None
    kty, kid, alg = (jwk.get(name, "") for name in ("kty", "kid", "alg"))
    if not all(isinstance(value, str) for value in (kty, kid, alg)) or len(kid) > MOST_KID:
        return None
    members = tuple(filter(_is_member, map(jwk.get, MEMBERS.get(kty, ()))))
    if not members or len(members) < len(MEMBERS[kty]):
        return None
    prepared = _prepare(kty, members)
    return PublicKey.of(jwk, prepared) if prepared else None


def check_client_jwks(document: Mapping[str, Any]) -> KeySet:
    """The keys a client gives by value (RFC 7591 2): read strictly, since it can correct them. Keys for encryption or
    of kinds we do not know are left out; a key need not have a name. Raises ``ValueError`` with the remedy."""
    listed = document.get("keys")
    if not isinstance(listed, list) or not 0 < len(listed) <= MOST_KEYS:
        raise ValueError(f"must be a JSON Web Key Set of 1 to {MOST_KEYS} keys")
    found: list[PublicKey] = []
    for place, jwk in enumerate(listed):
        try:
            key = check_key(jwk)
        except ValueError as error:
            raise ValueError(f"keys[{place}] {error}") from None
        if key and key.kid and any(key.kid == other.kid for other in found):
            raise ValueError(f"keys[{place}] has the kid of another key; give each its own, or none")
        found += [key] if key else []
    return KeySet(tuple(dict.fromkeys(found)))


def check_key(jwk: Any) -> PublicKey | None:
    """A public key that somebody gives us by hand; None for one that verifies nothing we know. Raises ``ValueError``
    with the remedy for what is wrong with it."""
    if not isinstance(jwk, dict):
        raise ValueError("must be a JSON object")
    if PRIVATE & jwk.keys() or jwk.get("kty") == "oct":
        raise ValueError("is a private or symmetric key: give the public half of a new pair, this one is known now")
    if "x5u" in jwk:
        raise ValueError("names a certificate by its address (x5u), which is not fetched; give the key alone")
    if any(not isinstance(jwk.get(name, ""), str) for name in _TEXTS) or len(jwk.get("kid", "")) > MOST_KID:
        raise ValueError(f"must have texts as {', '.join(_TEXTS)}, and a kid of at most {MOST_KID} characters")
    if not isinstance(jwk.get("key_ops", []), list):
        raise ValueError("must have a list as key_ops")
    return _check_kind(jwk) if _may_verify(jwk) else None


def _check_kind(jwk: dict[str, Any]) -> PublicKey | None:
    kty = jwk.get("kty", "")
    if not kty:
        raise ValueError("must have a kty")
    if kty not in MEMBERS or (jwk.get("crv") and kty != "RSA" and (kty, jwk["crv"]) not in KINDS.values()):
        return None  # RFC 7517 5: what is not understood is ignored
    if missing := [name for name in MEMBERS[kty] if not jwk.get(name)]:
        raise ValueError(f"lacks {', '.join(missing)}; a certificate (x5c) does not replace the key")
    key = parse_key(jwk)
    if key is None or (isinstance(key.prepared, RSAPublicKey) and _exponent(key.prepared) < SMALLEST_EXPONENT):
        raise ValueError(_REMEDIES[kty])
    if key.alg in KINDS and not key.fits(key.alg):
        raise ValueError(f"cannot verify the alg it names, {key.alg}")
    return key if key.alg in ("", *KINDS) else None


def _exponent(key: RSAPublicKey) -> int:
    return key.public_numbers().e


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
    return None if isinstance(key, RSAPublicKey) and not _is_sound(key) else key


def _is_sound(key: RSAPublicKey) -> bool:
    return key.key_size in RSA_BITS and _exponent(key) <= LARGEST_EXPONENT


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
