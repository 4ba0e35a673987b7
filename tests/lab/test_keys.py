"""Keys of a tenant: what is published verifies what is signed, and the odd ones beside it harm nobody."""

from __future__ import annotations

import jwt
import pytest

from proxy.lab.keys import Keys, half_hash, odd_keys, public, spare_rsa
from proxy.oidc import jose
from proxy.oidc.keys import parse_jwks
from tests.kit.lab_keys import in_turn, lab_key


@pytest.fixture
def keys() -> Keys:
    """Keys, their RSA key made before."""
    return Keys(in_turn())


@pytest.mark.parametrize("alg", ["RS256", "ES256"])
def test_what_is_signed_can_be_verified_by_what_is_published(keys: Keys, alg: str) -> None:
    """Isthmus itself reads the published set and believes the token."""
    token = keys.sign({"alg": alg, "kid": keys.kid, "typ": "JWT"}, {"sub": "mira"})
    assert jose.verify(token, parse_jwks({"keys": keys.published()}), (alg,), ("jwt",)).claims == {"sub": "mira"}


@pytest.mark.parametrize("alg", ["none", "HS256"])
def test_forged_tokens_are_whole_but_for_their_proof(keys: Keys, alg: str) -> None:
    """A token with alg none or HMAC by the public key says what it should, and PyJWT refuses it too."""
    token = keys.sign({"alg": alg, "kid": keys.kid}, {"sub": "mira"})
    assert jose.peek(token)[1] == {"sub": "mira"}
    with pytest.raises(jwt.PyJWTError):
        jwt.decode(token, lab_key().public_key(), algorithms=["RS256"])


def test_rotation_leaves_nothing_of_the_old_key(keys: Keys) -> None:
    """After a rotation neither name nor material is published any more."""
    before = keys.published()[0]
    keys.rotate()
    after = keys.published()[0]
    assert (before["kid"], before["n"]) != (after["kid"], after["n"])
    assert before["n"] not in {jwk.get("n") for jwk in keys.published()}


def test_only_own_tokens_count(keys: Keys) -> None:
    """A token of the key is read however old it is; any other is empty."""
    token = keys.sign({"alg": "RS256", "kid": keys.kid}, {"aud": "rp", "exp": 1})
    assert keys.signed(token)["aud"] == "rp"
    assert keys.signed(token[:-6] + "AAAAAA") == {}


def test_odd_keys_are_odd() -> None:
    """They hold curves and types that few know and keys for encryption, no private member, each its own name."""
    odd = odd_keys()
    assert {"P-256", "secp256k1", "Ed25519", "X25519"} <= {jwk.get("crv") for jwk in odd}
    assert {jwk.get("use") for jwk in odd} == {"sig", "enc"}
    assert len({jwk["kid"] for jwk in odd}) == len(odd)
    assert not any({"d", "p", "q", "k"} & set(jwk) for jwk in (*odd, spare_rsa(), public(lab_key().public_key())))


def test_half_hash_is_that_of_the_specification() -> None:
    """The example of OpenID Connect Core A.3."""
    assert half_hash("jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y") == "77QmUPtjPfzWtF2AnpK9RQ"
