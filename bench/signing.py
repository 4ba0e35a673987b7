"""RS256 with nothing around it: what a signature and its check cost at the least."""

from __future__ import annotations

import base64
import json
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

PADDING, HASH = padding.PKCS1v15(), hashes.SHA256()


def encode(raw: bytes) -> str:
    """base64url without padding."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def decode(text: str) -> bytes:
    """The bytes of base64url."""
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _number(value: int) -> str:
    return encode(value.to_bytes((value.bit_length() + 7) // 8, "big"))


class Signer:
    """A key made now."""

    def __init__(self, kid: str) -> None:
        self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        numbers = self.key.public_key().public_numbers()
        self.jwk = {"kty": "RSA", "kid": kid, "use": "sig", "alg": "RS256", "n": _number(numbers.n), "e": "AQAB"}
        self._head = encode(json.dumps({"alg": "RS256", "kid": kid, "typ": "JWT"}).encode())

    def jwt(self, claims: dict[str, Any]) -> str:
        """The claims, signed."""
        text = f"{self._head}.{encode(json.dumps(claims, separators=(',', ':')).encode())}"
        return f"{text}.{encode(self.key.sign(text.encode(), PADDING, HASH))}"


class Verifier:
    """The first key of a tenant's set."""

    def __init__(self, jwks: dict[str, Any]) -> None:
        jwk = jwks["keys"][0]
        exponent, modulus = (int.from_bytes(decode(jwk[part]), "big") for part in "en")
        self.key = rsa.RSAPublicNumbers(exponent, modulus).public_key()

    def claims(self, token: str) -> dict[str, Any]:
        """The claims of a token whose signature is right; raises if it is not."""
        text, _, signature = token.rpartition(".")
        self.key.verify(decode(signature), text.encode(), PADDING, HASH)
        claims: dict[str, Any] = json.loads(decode(text.partition(".")[2]))
        return claims
