"""Signed tokens: the one function that verifies a JWS (RFC 7515) with JSON claims (RFC 7519), and what signs ours.

Everything that costs nothing is checked before cryptography sees a byte (RFC 8725): size, form, header, algorithm, key.
Claims are the caller's rules. No caller gets a claim of a token whose signature was not proved.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives.serialization import load_pem_private_key
from jwt.exceptions import PyJWTError

from proxy.oidc import keys as jwks
from proxy.oidc.keys import ALGORITHMS, MOST_KID, KeySet, public_jwk
from proxy.oidc.strict_json import NotStrict, load_object

__all__ = ["JoseError", "NoSuchKey", "Signer", "Verified", "half_hash", "kid_of", "public_jwk", "verify", "verify_own"]

MOST_CHARACTERS = 16 * 1024
_encode_json = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode
_HASHES = {"256": hashlib.sha256, "384": hashlib.sha384, "512": hashlib.sha512}


class JoseError(Exception):
    """The token is not one that this party signed for this use. ``reason`` is a short word for the log."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


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


@dataclass(frozen=True)
class _Unproved:
    header: Mapping[str, Any]
    payload: bytes
    signed: bytes
    signature: bytes

    @property
    def kid(self) -> str | None:
        return self.header.get("kid")


def verify(token: str, keys: KeySet, algorithms: Collection[str], types: Collection[str]) -> Verified:
    """The claims of ``token``, if a key of ``keys`` signed it.

    ``algorithms`` are those this party signs with; ``types`` are the acceptable ``typ`` values in lower case, without
    ``application/``, where "" stands for none (RFC 8725 3.11). Raises ``NoSuchKey`` or ``JoseError``.
    """
    found = _read(token)
    alg = _algorithm(found, algorithms)
    if _type(found) not in types:
        raise JoseError("wrong_type")
    key = _choose(keys, found.kid, alg)
    try:
        good = ALGORITHMS[alg].verify(found.signed, key.prepared, found.signature)
    except (PyJWTError, ValueError):
        good = False
    if not good:
        raise JoseError("bad_signature")
    return Verified(found.header, _object(found.payload))


def verify_own(token: str, published: Mapping[str, Any], *, typ: str) -> Mapping[str, Any]:
    """The claims of a token of ours, of exactly the type ``typ``; ``published`` is our JWKS. Raises ``JoseError``."""
    algorithms = {key["alg"] for key in published["keys"]}
    return verify(token, jwks.parse_jwks(published), algorithms, (typ.lower(),)).claims


def kid_of(token: str) -> str | None:
    """The name of the key that is said to have signed: good for choosing a key set's age, for nothing else.

    Raises ``JoseError`` if the token is malformed.
    """
    return _read(token).kid


def _read(token: str) -> _Unproved:
    if len(token) > MOST_CHARACTERS or token.count(".") != 2:
        raise JoseError("malformed")
    head, body, signature = token.split(".")
    header = _object(_decode(head))
    if "crit" in header or "b64" in header:  # RFC 7515 4.1.11: we understand no extension
        raise JoseError("critical_header")
    kid = header.get("kid", "")
    if not isinstance(kid, str) or len(kid) > MOST_KID or ("kid" in header and not kid):
        raise JoseError("bad_kid")
    return _Unproved(header, _decode(body), f"{head}.{body}".encode("ascii"), _decode(signature))


def _decode(part: str) -> bytes:
    """Base64url in its one canonical form: no padding, no blanks, unused bits zero (RFC 7515 2)."""
    try:
        raw = base64.b64decode(part + "=" * (-len(part) % 4), altchars=b"-_", validate=True)
    except (ValueError, binascii.Error):
        raise JoseError("malformed") from None
    if _encode(raw) != part:
        raise JoseError("malformed")
    return raw


def _encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")


def _object(raw: bytes) -> dict[str, Any]:
    try:
        return load_object(raw)
    except NotStrict:
        raise JoseError("malformed") from None


def _algorithm(found: _Unproved, algorithms: Collection[str]) -> str:
    alg = found.header.get("alg")
    if not isinstance(alg, str) or alg not in algorithms or alg not in ALGORITHMS:
        raise JoseError("wrong_algorithm")
    return alg


def _type(found: _Unproved) -> str:
    typ = found.header.get("typ", "")
    if not isinstance(typ, str):
        raise JoseError("wrong_type")
    return typ.lower().removeprefix("application/")


def _choose(keys: KeySet, kid: str | None, alg: str) -> jwks.PublicKey:
    """The one key that may have signed (RFC 7515 6); a token without ``kid`` must leave no choice."""
    fitting = keys.candidates(kid, alg)
    if not fitting:
        raise NoSuchKey("unknown_key")
    if len({key.material for key in fitting}) > 1:
        raise JoseError("ambiguous_key")
    return fitting[0]


def half_hash(alg: str, value: str) -> str:
    """``at_hash`` or ``c_hash`` of ``value`` for a token signed with ``alg`` (OpenID Connect Core 3.1.3.6).

    Raises ``JoseError`` for an algorithm without a rule: an unknown hash is never a good one.
    """
    if alg not in ALGORITHMS:
        raise JoseError("wrong_algorithm")
    algorithm = hashlib.sha512 if alg == "EdDSA" else _HASHES[alg[2:]]
    digest = algorithm(value.encode("utf-8", "surrogatepass")).digest()
    return _encode(digest[: len(digest) // 2])


class Signer:
    """A private key of ours, prepared once; signs tokens with ``alg`` under the name ``kid``."""

    def __init__(self, pem: str, kid: str, alg: str) -> None:
        self.kid = kid
        self.alg = alg
        self._algorithm = ALGORITHMS[alg]
        self._key: Any = self._algorithm.prepare_key(load_pem_private_key(pem.encode("ascii"), password=None))
        self.public_jwk: Mapping[str, Any] = {**public_jwk(self._key.public_key(), alg), "kid": kid}
        self._heads: dict[str, str] = {}

    def sign(self, claims: Mapping[str, Any], *, typ: str) -> str:
        """A signed token of type ``typ``. Raises ``ValueError`` for claims that are not JSON."""
        signed = f"{self._head(typ)}.{_encode(_dump(claims))}"
        return f"{signed}.{_encode(self._algorithm.sign(signed.encode('ascii'), self._key))}"

    def _head(self, typ: str) -> str:
        if typ not in self._heads:
            self._heads[typ] = _encode(_dump({"alg": self.alg, "kid": self.kid, "typ": typ}))
        return self._heads[typ]


def _dump(value: Mapping[str, Any]) -> bytes:
    return _encode_json(value).encode("utf-8")
