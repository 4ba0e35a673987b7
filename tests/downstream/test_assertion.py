"""What an assertion must say: a table of claims, and why each wrong one is refused."""

from __future__ import annotations

from typing import Any

import pytest

from proxy.downstream import assertion
from proxy.downstream.assertion import LEEWAY, LONGEST_LIFE, Once
from proxy.models import Client
from proxy.oidc.jose import JoseError
from tests.downstream.world import ISSUER, NOW, SECRET
from tests.kit.signing_client import assertion_claims, mac, signed
from tests.kit.tenant import signer

TOKEN = f"{ISSUER}oauth/token"
OURS = (ISSUER, TOKEN, f"{ISSUER}oauth/par")


def check(**changes: Any) -> Once:
    return assertion.check(assertion_claims("webapp", TOKEN, NOW, **changes), "webapp", OURS, NOW)


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({}, id="as-the-suite-makes-it"),
        pytest.param({"aud": ISSUER}, id="oidcc-ensure-client-assertion-with-iss-aud-succeeds"),
        pytest.param({"aud": f"{ISSUER}oauth/par"}, id="the-endpoint-called"),
        pytest.param({"aud": [ISSUER, TOKEN]}, id="list"),
        pytest.param({"iat": None, "nbf": None}, id="exp-alone"),
        pytest.param({"exp": NOW + 0.5}, id="fraction"),
        pytest.param({"exp": NOW - LEEWAY + 1}, id="just-alive"),
        pytest.param({"exp": NOW + LONGEST_LIFE}, id="an-hour"),
        pytest.param({"iat": NOW + LEEWAY, "nbf": NOW + LEEWAY}, id="clock-ahead"),
    ],
)
def test_a_good_assertion_is_taken(changes: dict[str, Any]) -> None:
    """RFC 7523 3, OIDC Core 9: for the issuer, the token endpoint or the endpoint called, within the leeway; it is
    remembered for longer than it is good."""
    once = check(jti="j-1", **changes)
    assert once.jti == "j-1"
    assert once.seconds > changes.get("exp", NOW + 60) + LEEWAY - NOW


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "other-issuer": ({"iss": "other"}, "wrong_client"),
    "no-issuer": ({"iss": None}, "wrong_client"),
    "other-subject": ({"sub": "other"}, "wrong_client"),
    "no-subject": ({"sub": None}, "wrong_client"),
    "both-another": ({"iss": "other", "sub": "other"}, "wrong_client"),
    "subject-list": ({"sub": ["webapp"]}, "wrong_client"),
    "other-audience": ({"aud": "https://idp.example/"}, "wrong_audience"),
    "shared-audience": ({"aud": [ISSUER, "https://idp.example/"]}, "wrong_audience"),
    "prefix-audience": ({"aud": ISSUER[:-1]}, "wrong_audience"),
    "empty-audience": ({"aud": []}, "wrong_audience"),
    "no-audience": ({"aud": None}, "wrong_audience"),
    "object-audience": ({"aud": {ISSUER: 1}}, "wrong_audience"),
    "nested-audience": ({"aud": [[ISSUER]]}, "wrong_audience"),
    "no-exp": ({"exp": None}, "expired"),
    "expired": ({"exp": NOW - LEEWAY}, "expired"),
    "exp-text": ({"exp": str(int(NOW) + 60)}, "bad_time"),
    "exp-true": ({"exp": True}, "bad_time"),
    "lives-a-day": ({"exp": NOW + 86_400}, "lives_too_long"),
    "exp-huge": ({"exp": 1e300}, "lives_too_long"),
    "iat-ahead": ({"iat": NOW + LEEWAY + 1}, "not_yet_valid"),
    "nbf-ahead": ({"nbf": NOW + LEEWAY + 1}, "not_yet_valid"),
    "nbf-text": ({"nbf": "0"}, "bad_time"),
    "no-jti": ({"jti": None}, "no_jti"),
    "empty-jti": ({"jti": ""}, "no_jti"),
    "number-jti": ({"jti": 7}, "no_jti"),
    "long-jti": ({"jti": "j" * 256}, "no_jti"),
}


@pytest.mark.parametrize(("changes", "reason"), REFUSED.values(), ids=REFUSED)
def test_any_other_is_refused(changes: dict[str, Any], reason: str) -> None:
    """RFC 7523 3: each claim is needed, and means one client, us alone, and a time close to now."""
    with pytest.raises(JoseError) as caught:
        check(**changes)
    assert caught.value.reason == reason


def test_who_it_claims_to_be_is_read_before_anything_is_proved() -> None:
    """The subject and the family of the algorithm choose client and method; they prove nothing."""
    claims = assertion_claims("webapp", TOKEN, NOW)
    assert assertion.read(signed(signer("one"), claims)) == ("webapp", "private_key_jwt")
    assert assertion.read(mac(SECRET, claims)) == ("webapp", "client_secret_jwt")


@pytest.mark.parametrize("subject", [None, "", 7, ["webapp"]])
def test_an_assertion_of_nobody_is_refused(subject: Any) -> None:
    """Without a subject there is no client to ask."""
    with pytest.raises(JoseError, match="no_subject"):
        assertion.read(signed(signer("one"), assertion_claims("webapp", TOKEN, NOW, sub=subject)))


def test_jo_03_a_registered_algorithm_is_the_only_one() -> None:
    """JO-03: ``token_endpoint_auth_signing_alg`` alone; without it those of the method, and never of another."""
    free, bound = Client(client_id="a"), Client(client_id="a", token_endpoint_auth_signing_alg="PS256")
    assert assertion.algorithms(bound, "private_key_jwt") == ("PS256",)
    assert set(assertion.algorithms(free, "private_key_jwt")) == {"RS256", "PS256", "ES256"}
    assert set(assertion.algorithms(free, "client_secret_jwt")) == {"HS256", "HS384", "HS512"}
