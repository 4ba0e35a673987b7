"""Keys of a connection in Auth0's shape."""

from __future__ import annotations

import hashlib

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

from proxy.management import keys
from proxy.upstream.connection_keys import ConnectionKey
from tests.kit.tenant import signer


@pytest.mark.parametrize("alg", ["RS256", "ES256", "EdDSA"])
def test_a_key_is_told_by_its_public_half(alg: str) -> None:
    """PEM, fingerprint, name, state and algorithm; for the current one since when."""
    jwk = signer(f"of-{alg}", alg).public_jwk
    told = keys.as_json(ConnectionKey(alg, "current", jwk, 1_700_000_000))
    key = load_pem_public_key(told["cert"].encode())
    der = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    assert told["fingerprint"] == told["thumbprint"] == hashlib.sha256(der).hexdigest()
    assert (told["kid"], told["algorithm"], told["current"]) == (jwk["kid"], alg, True)
    assert told["current_since"] == "2023-11-14T22:13:20.000Z" and "d" not in told["jwk"]
    waiting = keys.as_json(ConnectionKey(alg, "next", jwk, 1_700_000_000))
    assert waiting["next"] is True and "current_since" not in waiting and "current" not in waiting


def test_a_key_that_cannot_be_written_down_still_has_its_name() -> None:
    """Nothing breaks a list."""
    told = keys.as_json(ConnectionKey("XX", "next", {"kid": "odd", "kty": "odd"}, 0))
    assert (told["kid"], told["cert"]) == ("odd", "")
