"""The keys of a tenant of the lab: what signs, what is published, and the odd keys that a set may hold beside them.

RFC 7517, RFC 7518. Signs with PyJWT, as a stranger would; what PyJWT refuses to make is made by hand.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
from collections.abc import Callable, Mapping
from functools import cache, cached_property
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

Jwk = dict[str, Any]


def new_rsa() -> rsa.RSAPrivateKey:
    """A new RSA key; that takes a tenth of a second."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


class Keys:
    """One RSA key that signs, made when it is first needed, and one for ES256. ``make`` gives RSA keys."""

    def __init__(self, make: Callable[[], rsa.RSAPrivateKey] = new_rsa) -> None:
        self._make = make
        self.kid = secrets.token_urlsafe(8)
        self.ec_kid = secrets.token_urlsafe(8)

    @cached_property
    def rsa(self) -> rsa.RSAPrivateKey:
        """The RSA key."""
        return self._make()

    @cached_property
    def ec(self) -> ec.EllipticCurvePrivateKey:
        """The key for ES256."""
        return ec.generate_private_key(ec.SECP256R1())

    def rotate(self) -> None:
        """Another RSA key, the old one gone."""
        self.rsa, self.kid = self._make(), secrets.token_urlsafe(8)

    def published(self) -> list[Jwk]:
        """The public keys."""
        return [
            {**public(self.rsa.public_key()), "kid": self.kid, "use": "sig", "alg": "RS256"},
            {**public(self.ec.public_key()), "kid": self.ec_kid, "use": "sig", "alg": "ES256"},
        ]

    def sign(self, header: Mapping[str, Any], claims: Mapping[str, Any]) -> str:
        """A token signed by the key that ``header`` asks for with ``alg``."""
        alg = header["alg"]
        if alg == "none":
            return f"{encoded(header)}.{encoded(claims)}."
        if alg.startswith("HS"):
            return self._confused(header, claims)
        key: Any = self.ec if alg == "ES256" else self.rsa
        named = {**header, "kid": self.ec_kid} if alg == "ES256" else header
        rest = {name: value for name, value in named.items() if name != "alg"}
        return jwt.encode(dict(claims), key, algorithm=alg, headers=rest)

    def _confused(self, header: Mapping[str, Any], claims: Mapping[str, Any]) -> str:
        """HMAC with our public key for a secret: what a careless verifier takes (RFC 8725 2.1)."""
        form = (serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        signed = f"{encoded(header)}.{encoded(claims)}"
        return f"{signed}.{b64(hmac.digest(self.rsa.public_key().public_bytes(*form), signed.encode(), 'sha256'))}"

    def signed(self, token: str) -> Mapping[str, Any]:
        """The claims of a token that the present key signed, however old; empty for any other."""
        options: Any = {"verify_exp": False, "verify_aud": False, "verify_iat": False}
        try:
            return dict(jwt.decode(token, self.rsa.public_key(), algorithms=["RS256"], options=options))
        except jwt.InvalidTokenError:
            return {}


def public(key: Any) -> Jwk:
    """A public key as a JWK, without a name."""
    kind: Any = {"RSAPublicKey": RSAAlgorithm, "Ed25519PublicKey": OKPAlgorithm}.get(type(key).__name__, ECAlgorithm)
    found: Jwk = kind.to_jwk(key, as_dict=True)
    return {name: value for name, value in found.items() if name != "key_ops"}


@cache
def odd_keys() -> tuple[Jwk, ...]:
    """Keys that a set may hold beside those that sign: other types, a curve and a type that few know, keys to encrypt
    with."""
    p256, k1 = (ec.generate_private_key(curve).public_key() for curve in (ec.SECP256R1(), ec.SECP256K1()))
    okp, big = ed25519.Ed25519PrivateKey.generate().public_key(), new_rsa().public_key()
    signing = [{**public(key), "use": "sig"} for key in (p256, k1, okp)]
    wrapping = [{**public(big), "use": "enc", "alg": "RSA-OAEP"}, {**public(p256), "use": "enc", "alg": "ECDH-ES"}]
    strange: list[Jwk] = [
        {"kty": "OKP", "crv": "X25519", "use": "enc", "x": b64(secrets.token_bytes(32))},
        {"kty": "AKP", "alg": "ML-DSA-44", "use": "sig", "pub": b64(secrets.token_bytes(64))},
    ]
    return tuple({**jwk, "kid": f"odd-{n}"} for n, jwk in enumerate([*signing, *wrapping, *strange]))


@cache
def spare_rsa() -> Jwk:
    """A second RSA key that could sign, and never does."""
    return {**public(new_rsa().public_key()), "use": "sig", "kid": "spare"}


def half_hash(value: str) -> str:
    """``at_hash`` and ``c_hash`` for algorithms with SHA-256 (OpenID Connect Core 3.1.3.6)."""
    return b64(hashlib.sha256(value.encode()).digest()[:16])


def encoded(value: Any) -> str:
    """JSON in base64url."""
    return b64(json.dumps(value).encode())


def b64(raw: bytes) -> str:
    """Base64url without padding."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")
