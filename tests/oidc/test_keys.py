"""A key set is read tolerantly, a key is used strictly."""

from __future__ import annotations

from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import given
from hypothesis import strategies as st

from proxy.oidc.keys import (
    MOST_KEYS,
    KeySet,
    NoKeySet,
    PublicKey,
    check_client_jwks,
    parse_jwks,
    public_jwk,
    thumbprint,
)
from tests.kit.tenant import b64, signer

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
    weak = rsa.generate_private_key(65537, 1024).public_key()
    assert kids(public_jwk(weak, "RS256")) == []


def test_jo_14_each_curve_has_its_algorithm() -> None:
    """JO-14: a P-384 or P-521 key does not verify ES256, nor the other way round."""
    p521 = without(dict(signer("p521", "ES512").public_jwk), "alg")
    assert kids(without(P256, "alg"), without(P384, "alg"), p521, alg="ES256") == ["p256"]
    assert kids(without(P256, "alg"), without(P384, "alg"), p521, alg="ES384") == ["p384"]


def test_unknown_keys_do_not_disturb_the_others() -> None:
    """The certification suite publishes secp256k1, encryption keys and no ``alg``: the set is read all the same."""
    odd: list[Any] = [
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


def test_a_key_of_ours_is_the_one_that_its_jwk_gives() -> None:
    """A key made from its prepared form is equal to the one read from what we publish, its thumbprint is its name."""
    for alg in ("RS256", "PS256", "ES256", "EdDSA"):
        jwk = public_jwk(signer("ours", alg)._key.public_key(), alg)
        key = PublicKey.of(jwk, object())
        assert parse_jwks({"keys": [jwk]}).keys == (key,)
        assert key.thumbprint == jwk["kid"] == thumbprint(jwk)


def test_a_set_knows_the_algorithms_it_names() -> None:
    """What its keys are for; a key that names none adds none."""
    assert parse_jwks({"keys": [ONE, TWO, ED, without(P256, "alg")]}).algorithms == {"RS256", "EdDSA"}
    assert KeySet().algorithms == frozenset()


def test_a_clients_keys_are_read() -> None:
    """RFC 7591 2: signing keys with and without a name, with a certificate beside, encryption keys and kinds we do not
    know left out (RFC 7517 5)."""
    found = check_client_jwks(
        {
            "keys": [
                without(ONE, "kid", "use", "alg", x5c=["MIIB"]),
                without(TWO, use="enc", kid="enc", e="Aw"),
                without(TWO, "use", kid="oaep", alg="RSA-OAEP"),
                without(TWO, "use", kid="unwrap", key_ops=["wrapKey"]),
                {"kty": "EC", "crv": "secp256k1", "x": "AA", "y": "AA", "kid": "k1"},
                {"kty": "OKP", "crv": "X25519", "x": "AA", "kid": "x"},
                {"kty": "AKP", "pub": "x", "kid": "pq"},
                P256,
                ED,
            ]
        }
    )
    assert [key.kid for key in found.keys] == ["", "p256", "ed"]
    assert len(check_client_jwks({"keys": [without(ONE, "kid"), without(TWO, "kid")]}).keys) == 2


def rsa_jwk(modulus_bits: int, exponent: bytes) -> dict[str, Any]:
    """An RSA key of that size; nobody has its private half."""
    return {
        "kty": "RSA",
        "n": b64((1 << (modulus_bits - 1) | 1).to_bytes(modulus_bits // 8, "big")),
        "e": b64(exponent),
    }


EC_KEYS, SMALL, LARGE = b64(b"\x01" * 32), b"\x03", b"\x01\x00\x01"
HOSTILE: dict[str, tuple[Any, str]] = {
    "private-rsa": ({**ONE, "d": "AQAB"}, "private"),
    "private-crt": ({**ONE, "qi": "AQAB"}, "private"),
    "private-ec": ({**P256, "d": EC_KEYS}, "private"),
    "private-enc": ({**ONE, "use": "enc", "d": "AQAB"}, "private"),
    "oct": ({"kty": "oct", "k": "c2VjcmV0"}, "private or symmetric"),
    "oct-without-k": ({"kty": "oct"}, "private or symmetric"),
    "rsa-512": (rsa_jwk(512, LARGE), "2048 to 8192 bits"),
    "rsa-2040": (rsa_jwk(2040, LARGE), "2048 to 8192 bits"),
    "rsa-16384": (rsa_jwk(16384, LARGE), "2048 to 8192 bits"),
    "e-1": ({**ONE, "e": b64(b"\x01")}, "exponent"),
    "e-3": ({**ONE, "e": b64(SMALL)}, "exponent"),
    "e-even": ({**ONE, "e": b64(b"\x01\x00\x00")}, "exponent"),
    "e-as-long-as-n": (rsa_jwk(3072, b"\x01" * 384), "exponent"),
    "e-of-33-bits": (rsa_jwk(2048, b"\x01\x00\x00\x00\x01"), "exponent"),
    "off-the-curve": ({**P256, "y": P256["x"]}, "curve"),
    "short-point": ({**P256, "x": P256["x"][:-4]}, "curve"),
    "short-ed25519": ({**ED, "x": ED["x"][:-4]}, "Ed25519"),
    "n-is-no-base64url": ({**ONE, "n": "++//" + ONE["n"][4:]}, "2048"),
    "n-is-a-number": ({**ONE, "n": 5}, "2048"),
    "x5u": ({**ONE, "x5u": "https://app.example/cert"}, "x5u"),
    "x5u-alone": ({"kty": "RSA", "x5u": "https://app.example/cert"}, "x5u"),
    "x5c-alone": ({"kty": "RSA", "x5c": ["MIIB"]}, "x5c"),
    "no-e": (without(ONE, "e"), "lacks e"),
    "no-curve": (without(P256, "crv"), "lacks crv"),
    "alg-of-another-kind": ({**ONE, "alg": "ES256"}, "ES256"),
    "curve-of-another-alg": ({**P384, "alg": "ES256"}, "ES256"),
    "no-kty": (without(ONE, "kty"), "kty"),
    "kty-is-a-list": ({**ONE, "kty": ["RSA"]}, "texts"),
    "kid-is-a-number": ({**ONE, "kid": 7}, "kid"),
    "long-kid": ({**ONE, "kid": "k" * 257}, "256 characters"),
    "use-is-a-list": ({**ONE, "use": ["sig"]}, "texts"),
    "key-ops-is-text": ({**ONE, "key_ops": "verify"}, "key_ops"),
    "text": ("key", "JSON object"),
    "nothing": (None, "JSON object"),
}


@pytest.mark.parametrize(("jwk", "remedy"), HOSTILE.values(), ids=HOSTILE)
def test_rg_09_a_hostile_key_is_refused_with_the_remedy(jwk: Any, remedy: str) -> None:
    """RG-09: one bad key spoils the set: the client hears which and why, and never its private members again."""
    with pytest.raises(ValueError, match=remedy) as caught:
        check_client_jwks({"keys": [TWO, jwk]})
    assert str(caught.value).startswith("keys[1] ")
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize("other", [without(TWO, kid="one"), ONE, {**P256, "kid": "one"}], ids=["rsa", "same", "ec"])
def test_rg_09_two_keys_of_one_name_are_refused(other: dict[str, Any]) -> None:
    """RG-09: nobody could say which one is meant."""
    with pytest.raises(ValueError, match=r"keys\[1\] has the kid of another key"):
        check_client_jwks({"keys": [ONE, other]})


@pytest.mark.parametrize(
    "document",
    [{}, {"keys": []}, {"keys": {}}, {"keys": None}, {"keys": [without(ONE, kid=f"k{i}") for i in range(1000)]}],
    ids=["none", "empty", "object", "null", "thousand"],
)
def test_rg_09_a_set_has_one_to_fifty_keys(document: dict[str, Any]) -> None:
    """RG-09: no key, no list, or far too many."""
    with pytest.raises(ValueError, match="1 to 50 keys"):
        check_client_jwks(document)


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


@given(st.lists(st.dictionaries(MEMBER | st.sampled_from(["d", "x5u", "x5c"]), VALUE), max_size=4))
def test_rg_09_any_set_of_a_client_is_read_or_refused(keys: list[dict[str, Any]]) -> None:
    """RG-09: whatever is in the list ends as keys or as a ``ValueError``, and with no private member."""
    try:
        assert len(check_client_jwks({"keys": keys}).keys) <= len(keys)
        assert not any("d" in key for key in keys)
    except ValueError:
        pass
