"""A refreshed ID token is checked as whole as the first."""

from __future__ import annotations

from typing import Any

import pytest

from proxy.oidc.errors import UpstreamError
from proxy.oidc.jose import half_hash
from proxy.oidc.keys import parse_jwks
from proxy.upstream.refreshed import Known, build_refresh, check_refreshed, expected_of
from tests.kit.tenant import good_claims, jws, signer
from tests.upstream.conftest import ISSUER, NOW, connection

ONE = signer("one")
KEYS = parse_jwks({"keys": [dict(ONE.public_jwk)]})
KNOWN = Known(ISSUER, "1001")


def check(token: str, known: Known = KNOWN) -> Any:
    return check_refreshed(token, known, KEYS, expected_of(connection(), ISSUER, 60, "at", NOW - 1), NOW)


def token(**changes: Any) -> str:
    return jws(ONE, good_claims(ISSUER, NOW, **changes))


def test_the_form() -> None:
    """Core 12.1: what authenticates it is added on the way."""
    assert build_refresh("rt") == {"grant_type": "refresh_token", "refresh_token": "rt"}


@pytest.mark.parametrize("nonce", [None, "n-0S6_WzA2Mj", "any"])
def test_refresh_token(nonce: str | None) -> None:
    """refresh-token: the same person; a nonce is not needed, and old logins do not count against it."""
    assert check(token(nonce=nonce, auth_time=int(NOW) - 86_400)).subject == "1001"


UNSIGNED = jws(ONE, good_claims(ISSUER, NOW), {"alg": "none"}).rpartition(".")[0] + "."
REFUSED: list[tuple[str, str, str]] = [
    ("rp-31-unsigned", UNSIGNED, "wrong_algorithm"),
    ("rp-31-other-key", jws(signer("two"), good_claims(ISSUER, NOW)), "unknown_key"),
    ("rp-31-invalid-issuer", token(iss=f"{ISSUER}1"), "iss_mismatch"),
    ("rp-31-invalid-sub", token(sub="1002"), "other_person"),
    ("rp-31-other-aud", token(aud="evil"), "aud_mismatch"),
    ("rp-31-expired", token(exp=int(NOW) - 3600), "expired"),
    ("rp-31-old", token(iat=int(NOW) - 3600), "clock_behind"),
    ("rp-31-at-hash", token(at_hash=half_hash("RS256", "other")), "at_hash_mismatch"),
    ("rp-31-no-sub", token(sub=None), "bad_sub"),
]


@pytest.mark.parametrize(("made", "expected"), [r[1:] for r in REFUSED], ids=[r[0] for r in REFUSED])
def test_rp_31_a_refreshed_token_is_not_taken_on_trust(made: str, expected: str) -> None:
    """RP-31, refresh-token-invalid-issuer, refresh-token-invalid-sub: fully verified, and of the same person."""
    with pytest.raises(UpstreamError) as caught:
        check(made)
    assert (caught.value.status, caught.value.reason) == (400, expected)


def test_rp_31_the_same_name_at_another_issuer_is_somebody_else() -> None:
    """RP-31: issuer and subject together are the person."""
    with pytest.raises(UpstreamError) as caught:
        check(token(), Known("https://b.example", "1001"))
    assert caught.value.reason == "other_person"
