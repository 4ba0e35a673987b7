"""A key set is read tolerantly, a key is used strictly."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.oidc.keys import MOST_KEYS, NoKeySet, parse_jwks, public_jwk, thumbprint
from tests.kit.tenant import signer

ONE, TWO = dict(signer("one").public_jwk), dict(signer("two").public_jwk)
P256, P384 = dict(signer("p256", "ES256").public_jwk), dict(signer("p384", "ES384").public_jwk)
ED = dict(signer("ed", "EdDSA").public_jwk)


def kids(*jwks: Any, alg: str = "RS256", kid: str | None = None) -> list[str]:
    """The names of the candidates."""
    return [key.kid for key in parse_jwks({"keys": list(jwks)}).candidates(kid, alg)]


def without(jwk: dict[str, Any], *names: str, **changes: Any) -> dict[str, Any]:
    return {name: value for name, value in {**jwk, **changes}.items() if name not in names}


def test_the_thumbprint_of_the_rfc() -> None:
    """RFC 7638 3.1 has an example; ours comes out the same."""
    n = (
        "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3ok"
        "njhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu"
        "6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8a"
        "wapJzKnqDKgw"
    )
    assert (
        thumbprint({"kty": "RSA", "n": n, "e": "AQAB", "alg": "RS256"}) == "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"
    )


@pytest.mark.parametrize(
    ("alg", "members"), [("RS256", {"n", "e"}), ("ES256", {"crv", "x", "y"}), ("EdDSA", {"crv", "x"})]
)
def test_a_public_key_of_ours_holds_nothing_private(alg: str, members: set[str]) -> None:
    """A JWK of ours has the public members, its thumbprint as name, use and alg."""
    jwk = public_jwk(signer("ours", alg)._key, alg)
    assert set(jwk) == members | {"kty", "kid", "use", "alg"}
    assert jwk["kid"] == thumbprint(jwk)


@pytest.mark.parametrize(
    ("changes", "alg"),
    [
        ({"alg": "RS256"}, "PS256"),
        ({"alg": "RS256"}, "RS512"),
        ({"alg": "RS256"}, "ES256"),
        ({"alg": "none"}, "RS256"),
        ({"alg": ["RS256"]}, "RS256"),
        ({"use": "enc"}, "RS256"),
        ({"use": ["sig"]}, "RS256"),
        ({"key_ops": ["encrypt"]}, "RS256"),
        ({"key_ops": "verify"}, "RS256"),
        ({"kty": "EC"}, "RS256"),
        ({"kty": ["RSA"]}, "RS256"),
        ({"kid": 7}, "RS256"),
        ({"kid": "k" * 257}, "RS256"),
        ({"n": "AQAB"}, "RS256"),
        ({"n": "!!"}, "RS256"),
        ({"n": 5}, "RS256"),
        ({"e": ""}, "RS256"),
        ({"e": "AA"}, "RS256"),
        ({"n": "A" * 3000}, "RS256"),
    ],
    ids=lambda value: f"jo-03-{value}"[:40],
)
def test_jo_03_a_key_that_does_not_fit_is_not_used(changes: dict[str, Any], alg: str) -> None:
    """JO-03: type, curve, alg, use and key_ops must all fit; a key that is none is left out."""
    assert kids(without(ONE, **changes), alg=alg) == []


def test_jo_03_an_rsa_key_under_2048_bits_is_not_used() -> None:
    """JO-03: too weak is the same as absent."""
    assert kids(dict(signer("weak", bits=1024).public_jwk)) == []


def test_jo_14_each_curve_has_its_algorithm() -> None:
    """JO-14: a P-384 or P-521 key does not verify ES256, nor the other way round."""
    p521 = without(dict(signer("p521", "ES512").public_jwk), "alg")
    assert kids(without(P256, "alg"), without(P384, "alg"), p521, alg="ES256") == ["p256"]
    assert kids(without(P256, "alg"), without(P384, "alg"), p521, alg="ES384") == ["p384"]


def test_unknown_keys_do_not_disturb_the_others() -> None:
    """The certification suite publishes secp256k1, encryption keys and no ``alg``: the set is read all the same."""
    odd = [
        {"kty": "EC", "crv": "secp256k1", "x": "AA", "y": "AA", "kid": "k1"},
        {"kty": "oct", "k": "c2VjcmV0", "kid": "hmac"},
        {"kty": "AKP", "pub": "x", "kid": "pq"},
        {"kty": "OKP", "crv": "Ed448", "x": "AA", "kid": "448"},
        {"kty": "EC", "crv": "P-256", "x": P256["x"], "y": P256["x"], "kid": "off-curve"},
        without(TWO, use="enc", kid="enc"),
        None,
        "text",
        [],
        {},
    ]
    found = parse_jwks({"keys": [*odd, without(ONE, "alg", "use"), P256, ED]})
    assert sorted(key.kid for key in found.keys) == ["ed", "one", "p256"]
    assert kids(without(ED, alg="Ed25519"), alg="EdDSA") == ["ed"]


def test_private_members_are_not_used() -> None:
    """A tenant that publishes its private key by mistake: the public part alone is read."""
    assert kids({**ONE, "d": "AQAB", "p": "x", "oth": []}) == ["one"]


def test_jo_07_two_keys_of_one_name_are_neither_used() -> None:
    """JO-07: one may be an attacker's; the same key twice is no quarrel."""
    assert kids(ONE, without(TWO, kid="one")) == []
    assert kids(ONE, dict(ONE)) == ["one"]
    assert kids(ONE, without(TWO, kid="one", use="enc")) == ["one"]


def test_jo_07_at_most_fifty_keys_are_read() -> None:
    """JO-07: a set of a thousand keys is read to the fiftieth."""
    many = [without(ONE, kid=f"k{i}") for i in range(1000)]
    assert len(parse_jwks({"keys": many}).keys) == MOST_KEYS


@pytest.mark.parametrize(
    "kid", ["../../dev/null", "' OR 1=1", "\0", "*", "ONE", "one ", ""], ids=lambda k: f"jo-05-{k!r}"
)
def test_jo_05_a_name_is_compared_exactly(kid: str) -> None:
    """JO-05: no pattern, no case folding, no path."""
    assert kids(ONE, TWO, kid=kid) == []
    assert not parse_jwks({"keys": [ONE]}).has(kid)


@pytest.mark.parametrize("document", [{}, {"keys": {}}, {"keys": None}, {"key": []}])
def test_what_is_no_key_set_is_refused(document: dict[str, Any]) -> None:
    """A document without a list of keys is not an empty set: nothing is forgotten because of it."""
    with pytest.raises(NoKeySet):
        parse_jwks(document)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)
MEMBER = st.sampled_from(["kty", "crv", "x", "y", "n", "e", "alg", "use", "kid", "key_ops"])
VALUE = st.sampled_from(["RSA", "EC", "OKP", "P-256", "Ed25519", "AQAB", "sig", ONE["n"], ED["x"]]) | JSON


@given(st.lists(st.dictionaries(MEMBER, VALUE), max_size=4))
def test_any_key_set_is_read_without_another_exception(keys: list[dict[str, Any]]) -> None:
    """Whatever is in the list, reading it raises nothing."""
    assert len(parse_jwks({"keys": keys}).keys) <= 4
