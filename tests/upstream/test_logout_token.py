"""A tenant's word that a session ended: what counts, and what does not."""

from __future__ import annotations

import json
from typing import Any

import pytest

from proxy.models import Connection
from proxy.oidc.errors import Refused
from proxy.oidc.keys import KeySet, parse_jwks
from proxy.upstream.logout_token import EVENT, Claimed, Expected, Notice, claimed, remembered, verify_logout_token
from tests.kit.tenant import CLIENT_ID, b64, jws, signer
from tests.upstream.conftest import ISSUER, NOW, connection

KEY = signer("one")
GOOD: dict[str, Any] = {
    "iss": ISSUER,
    "aud": CLIENT_ID,
    "iat": int(NOW),
    "exp": int(NOW) + 120,
    "jti": "j-1",
    "events": {EVENT: {}},
    "sub": "ada",
    "sid": "s-1",
}


def keys(*more: Any) -> KeySet:
    return parse_jwks({"keys": [dict(KEY.public_jwk), *(dict(one.public_jwk) for one in more)]})


def claims(**changes: Any) -> dict[str, Any]:
    """A good token's claims; a change to None removes one."""
    return {name: value for name, value in {**GOOD, **changes}.items() if value is not None}


def check(token: str, corp: Connection | None = None, more: tuple[Any, ...] = ()) -> Notice:
    return verify_logout_token(token, keys(*more), Expected(corp or connection(), ISSUER, 60), NOW)


@pytest.mark.parametrize(
    ("changes", "subject", "sid"),
    [
        ({}, "ada", "s-1"),
        ({"sid": None}, "ada", ""),
        ({"sub": None}, "", "s-1"),
        ({"aud": [CLIENT_ID]}, "ada", "s-1"),
        ({"exp": None}, "ada", "s-1"),
        ({"extra": {"a": 1}, "trace_id": "t"}, "ada", "s-1"),
        ({"events": {EVENT: {"why": "idle"}}}, "ada", "s-1"),
        ({"events": {EVENT: {}, "revoke_offline_access": True}}, "ada", "s-1"),
        ({"iat": int(NOW) - 300}, "ada", "s-1"),
        ({"iat": int(NOW) + 59}, "ada", "s-1"),
    ],
)
def test_a_good_token_names_whose_session_ended(changes: dict[str, Any], subject: str, sid: str) -> None:
    """Back-Channel Logout 2.4: ``sub``, ``sid`` or both; what we do not know is ignored."""
    assert check(jws(KEY, claims(**changes))) == Notice(ISSUER, "j-1", subject, sid)


@pytest.mark.parametrize("typ", [None, "JWT", "jwt", "logout+jwt", "application/logout+jwt"])
def test_lo_09_a_token_may_have_no_type_unless_the_connection_is_strict(typ: str | None) -> None:
    """LO-09: many tenants send no type; ``strict_logout_token`` takes its own alone (RFC 8725 3.11)."""
    token = jws(KEY, claims(), {"typ": typ})
    assert check(token).sid == "s-1"
    strict = connection(strict_logout_token=True)
    if typ and "logout" in typ:
        assert check(token, strict).sid == "s-1"
    else:
        with pytest.raises(Refused):
            check(token, strict)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"iss": f"{ISSUER}1"}, "iss_mismatch"),
        ({"iss": None}, "iss_mismatch"),
        ({"iss": [ISSUER]}, "iss_mismatch"),
        ({"aud": f"{CLIENT_ID}1"}, "aud_mismatch"),
        ({"aud": [CLIENT_ID, "other"]}, "aud_mismatch"),
        ({"aud": []}, "aud_mismatch"),
        ({"iat": None}, "bad_iat"),
        ({"iat": str(int(NOW))}, "bad_iat"),
        ({"iat": True}, "bad_iat"),
        ({"iat": int(NOW) - 86_400}, "too_old"),
        ({"iat": int(NOW) - 361}, "too_old"),
        ({"iat": int(NOW) + 61}, "clock_ahead"),
        ({"exp": int(NOW) - 60}, "expired"),
        ({"exp": "soon"}, "bad_exp"),
        ({"jti": None}, "bad_jti"),
        ({"jti": ""}, "bad_jti"),
        ({"jti": "j" * 256}, "bad_jti"),
        ({"jti": 7}, "bad_jti"),
        ({"events": None}, "bad_events"),
        ({"events": {}}, "bad_events"),
        ({"events": [EVENT]}, "bad_events"),
        ({"events": EVENT}, "bad_events"),
        ({"events": {EVENT: True}}, "bad_events"),
        ({"events": {"https://idp.example/other": {}}}, "bad_events"),
        ({"events": {EVENT: "x", "https://idp.example/other": {}}}, "bad_events"),
        ({"nonce": "n"}, "nonce_present"),
        ({"nonce": ""}, "nonce_present"),
        ({"sub": None, "sid": None}, "nobody_named"),
        ({"sub": "", "sid": None}, "nobody_named"),
        ({"sub": 7}, "nobody_named"),
        ({"sid": ["s-1"]}, "nobody_named"),
        ({"sid": "s\n1"}, "nobody_named"),
    ],
)
def test_lo_09_a_token_that_breaks_a_rule_does_not_count(changes: dict[str, Any], reason: str) -> None:
    """LO-09: 400, whatever rule of Back-Channel Logout 2.6 it is."""
    with pytest.raises(Refused) as refused:
        check(jws(KEY, claims(**changes)))
    assert (refused.value.reason, refused.value.status) == (reason, 400)


def unsigned(alg: str) -> str:
    """A token that claims an algorithm, with nothing of a signature behind it."""
    return f"{b64(json.dumps({'alg': alg, 'kid': KEY.kid}).encode())}.{b64(json.dumps(claims()).encode())}."


@pytest.mark.parametrize(
    "token",
    [
        unsigned("none"),
        unsigned("RS256"),
        unsigned("HS256"),
        jws(signer("stranger"), claims()),
        jws(signer("stranger"), claims(), {"kid": KEY.kid}),
        jws(KEY, claims(), {"alg": "HS256"}),
        jws(KEY, claims(), {"typ": "at+jwt"}),
        jws(KEY, claims(), {"typ": "secevent+jwt"}),
        jws(KEY, claims(), {"crit": ["b64"]}),
    ],
    ids=["none", "RS256", "HS256", "stranger", "named", "mac", "at+jwt", "secevent", "crit"],
)
def test_lo_09_a_forged_token_does_not_count(token: str) -> None:
    """LO-09: alg none and HS256, no signature, another's key, another kind of token."""
    with pytest.raises(Refused) as refused:
        check(token)
    assert refused.value.status == 400


@pytest.mark.parametrize("alg", ["ES256", "PS256"])
def test_lo_09_another_algorithm_than_the_registered_does_not_count(alg: str) -> None:
    """LO-09: ES256 of a key that the tenant publishes, or PS256 of the very key, where RS256 was agreed; with the
    algorithm registered the same token counts."""
    key = signer("ec", "ES256") if alg == "ES256" else KEY
    if alg == "PS256":
        bare = {name: value for name, value in KEY.public_jwk.items() if name != "alg"}
        known = parse_jwks({"keys": [bare]})
    else:
        known = keys(key)
    token = jws(key, claims(), alg=alg)
    with pytest.raises(Refused):
        verify_logout_token(token, known, Expected(connection(), ISSUER, 60), NOW)
    agreed = connection(id_token_signed_response_algs=[alg])
    assert verify_logout_token(token, known, Expected(agreed, ISSUER, 60), NOW).sid == "s-1"


def test_a_tenant_of_a_family_speaks_for_its_own_people() -> None:
    """The issuer is one of the listed; the subject is named with its tenant, as at the login."""
    family = connection(issuer="https://idp.example/{tenantid}/v2", tenant_ids=["t1"])
    expected = Expected(family, "https://idp.example/{tenantid}/v2", 60)
    token = jws(KEY, claims(iss="https://idp.example/t1/v2"))
    assert verify_logout_token(token, keys(), expected, NOW).subject == "t1.ada"
    for other in ("t2", "{tenantid}"):
        with pytest.raises(Refused):
            verify_logout_token(jws(KEY, claims(iss=f"https://idp.example/{other}/v2")), keys(), expected, NOW)


def test_what_a_token_says_of_itself_chooses_a_connection() -> None:
    """Issuer, audience and key name, unproved."""
    assert claimed(jws(KEY, claims(aud=["x"]))) == Claimed(ISSUER, "x", KEY.kid)


@pytest.mark.parametrize(
    "token",
    ["", "a.b", "a.b.c", jws(KEY, claims(iss=None)), jws(KEY, claims(aud=None)), jws(KEY, claims(aud=["x", "y"]))],
)
def test_a_text_that_names_no_issuer_and_audience_is_refused(token: str) -> None:
    """400 before anybody is asked for keys."""
    with pytest.raises(Refused):
        claimed(token)


def test_lo_10_a_token_is_remembered_as_long_as_it_could_come_again() -> None:
    """LO-10: heard as early as the rules allow, by a clock that is ahead, it is known until it is too old."""
    ahead = jws(KEY, claims(iat=int(NOW) + 60, exp=None))
    assert check(ahead).jti == "j-1"
    with pytest.raises(Refused) as refused:
        verify_logout_token(ahead, keys(), Expected(connection(), ISSUER, 60), NOW + remembered(60))
    assert refused.value.reason == "too_old"
