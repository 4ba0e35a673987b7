"""DPoP proofs: each rule of RFC 9449 4.3, and that one proof fits one request."""

from __future__ import annotations

from typing import Any

import pytest
from joserfc.jwk import JWKRegistry

from proxy.oidc import jose
from proxy.oidc.dpop import ALGORITHMS, LEEWAY, LONGEST_LIFE, check_proof
from proxy.oidc.jose import JoseError
from proxy.oidc.keys import KeySet
from tests.kit.dpop import Holder
from tests.kit.tenant import b64, jws

NOW = 1_800_000_000.0
URL = "https://sso.example/oauth/token"
ADA = Holder()


def reason(proof: str, **asked: Any) -> str:
    """Why a proof is refused; empty for a good one."""
    try:
        check_proof(proof, **{"method": "POST", "url": URL, "now": NOW, **asked})
    except JoseError as error:
        return error.reason
    return ""


@pytest.mark.parametrize("alg", ALGORITHMS)
def test_a_proof_names_the_key_it_was_made_with(alg: str) -> None:
    """RFC 9449 4.3, RFC 7638: every algorithm we offer; the thumbprint is the one another library computes."""
    holder = Holder("any", alg)
    proof = check_proof(holder.proof("POST", URL, NOW, nonce="n", jti="j"), "POST", URL, NOW)
    assert proof.jkt == JWKRegistry.import_key(dict(holder.jwk)).thumbprint()
    assert (proof.jti, proof.nonce) == ("j", "n")


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"htm": "GET"}, "wrong_method"),
        ({"htm": "post"}, "wrong_method"),
        ({"htm": None}, "wrong_method"),
        ({"htm": ["POST"]}, "wrong_method"),
        ({"htu": "https://sso.example/userinfo"}, "wrong_address"),
        ({"htu": "http://sso.example/oauth/token"}, "wrong_address"),
        ({"htu": "https://evil.example/oauth/token"}, "wrong_address"),
        ({"htu": "https://sso.example@evil.example/oauth/token"}, "wrong_address"),
        ({"htu": "https://sso.example/oauth/token/"}, "wrong_address"),
        ({"htu": "https://sso.example/OAuth/token"}, "wrong_address"),
        ({"htu": "https://sso.example/oauth/\ttoken"}, "wrong_address"),
        ({"htu": " https://sso.example/oauth/token"}, "wrong_address"),
        ({"htu": "https://[::1/oauth/token"}, "wrong_address"),
        ({"htu": "https://ｓso.example/oauth/token"}, "wrong_address"),
        ({"htu": None}, "wrong_address"),
        ({"htu": 7}, "wrong_address"),
        ({"jti": None}, "no_jti"),
        ({"jti": ""}, "no_jti"),
        ({"jti": 7}, "no_jti"),
        ({"jti": "j" * 129}, "no_jti"),
        ({"nonce": 7}, "bad_nonce"),
        ({"iat": None}, "bad_time"),
        ({"iat": "1800000000"}, "bad_time"),
        ({"iat": True}, "bad_time"),
        ({"iat": NOW - LONGEST_LIFE - 1}, "wrong_time"),
        ({"iat": NOW + LEEWAY + 1}, "wrong_time"),
        ({"iat": -1e300}, "wrong_time"),
    ],
)
def test_each_claim_of_a_proof_counts(changes: dict[str, Any], why: str) -> None:
    """RFC 9449 4.3: method, address, time and name, each by itself."""
    assert reason(ADA.proof("POST", URL, NOW, **changes)) == why


@pytest.mark.parametrize(
    "changes",
    [
        {"htu": f"{URL}?a=b#c"},
        {"htu": "HTTPS://SSO.example:443/oauth/token"},
        {"jti": "j" * 128},
        {"iat": NOW - LONGEST_LIFE},
        {"iat": NOW + LEEWAY},
        {"iat": NOW - 0.5},
        {"ath": "anything"},
        {"exp": 1, "extra": {"a": 1}},
    ],
)
def test_what_may_differ(changes: dict[str, Any]) -> None:
    """RFC 9449 4.3: query and fragment, the spelling of scheme and host, clocks a little apart, further claims."""
    assert reason(ADA.proof("POST", URL, NOW, **changes)) == ""


@pytest.mark.parametrize(
    ("header", "why"),
    [
        ({"typ": "JWT"}, "wrong_type"),
        ({"typ": None}, "wrong_type"),
        ({"typ": "at+jwt"}, "wrong_type"),
        ({"alg": "none"}, "wrong_algorithm"),
        ({"alg": "HS256"}, "wrong_algorithm"),
        ({"alg": "ES384"}, "wrong_algorithm"),
        ({"jwk": None}, "bad_key"),
        ({"jwk": "x"}, "bad_key"),
        ({"jwk": {"kty": "oct", "k": b64(b"k" * 32)}}, "bad_key"),
        ({"jwk": {**ADA.jwk, "d": b64(b"d" * 32)}}, "bad_key"),
        ({"jwk": Holder("bob").jwk}, "bad_signature"),
        ({"jwk": Holder("any", "RS256").jwk}, "bad_key"),
        ({"crit": ["x"]}, "critical_header"),
    ],
)
def test_jo_01_jo_09_the_header_of_a_proof_counts(header: dict[str, Any], why: str) -> None:
    """RFC 9449 4.3, JO-01, JO-09: the type, an asymmetric algorithm, a public key that fits and that signed it."""
    assert reason(ADA.proof("POST", URL, NOW, header=header)) == why


def test_a_proof_is_for_one_access_token() -> None:
    """RFC 9449 4.3, step 12: ``ath`` is the hash of the token it came with; without one, or with another, no."""
    assert reason(ADA.proof("POST", URL, NOW, access_token="t"), access_token="t") == ""
    assert reason(ADA.proof("POST", URL, NOW, access_token="other"), access_token="t") == "wrong_access_token"
    assert reason(ADA.proof("POST", URL, NOW), access_token="t") == "wrong_access_token"
    known = "fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEo"  # RFC 9449 7.1
    token = "Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU"
    assert reason(ADA.proof("POST", URL, NOW, ath=known), access_token=token) == ""


@pytest.mark.parametrize("age", [-LEEWAY, 0, 0.5, LONGEST_LIFE])
def test_a_name_is_remembered_as_long_as_the_proof_is_good(age: float) -> None:
    """RFC 9449 11.1: when the name is forgotten the proof has become too old."""
    proof = ADA.proof("POST", URL, NOW, iat=NOW - age)
    seconds = check_proof(proof, "POST", URL, NOW).seconds
    assert seconds >= 1
    assert reason(proof, now=NOW + seconds) == "wrong_time"


@pytest.mark.parametrize("text", ["", ".", "..", "a.b.c", "é.é.é", "a" * 20_000 + ".b.c"])
def test_a_text_that_is_no_token_is_no_proof(text: str) -> None:
    """JO-13: refused by its form."""
    assert reason(text) == "malformed"


def test_the_key_of_a_proof_is_never_asked_for_anything_else() -> None:
    """JO-02: a token with a key in its header proves nothing where the keys are known."""
    forged = jws(ADA.key, {"iss": "x"}, {"jwk": ADA.jwk, "typ": "at+jwt"})
    with pytest.raises(JoseError):
        jose.verify_own(forged, KeySet(), typ="at+jwt")
