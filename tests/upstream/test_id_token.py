"""The whole check of an ID token, as tables: what is wrong, and the reason the log gets."""

from __future__ import annotations

from typing import Any

import pytest

from proxy.models import Wishes
from proxy.oidc.errors import UpstreamError
from proxy.oidc.jose import half_hash
from proxy.oidc.keys import parse_jwks
from proxy.upstream import id_token
from proxy.upstream.id_token import Expected, verify_id_token
from tests.kit.tenant import CLIENT_ID, good_claims, jws, signer
from tests.upstream.conftest import ISSUER, NOW, connection, trip

ONE = signer("one")
OTHERS = (signer("p256", "ES256"), signer("ed", "EdDSA"))
KEYS = parse_jwks({"keys": [dict(one.public_jwk) for one in (ONE, *OTHERS)]})
LEEWAY = 60


def verify(
    token: str, *, access_token: str = "", wishes: Wishes | None = None, now: float = NOW, **options: Any
) -> Any:
    expected = Expected(connection(**options), ISSUER, trip(wishes=wishes or Wishes()), LEEWAY, access_token)
    return verify_id_token(token, KEYS, expected, now)


def verify_front(token: str, *, access_token: str = "", code: str = "") -> Any:
    expected = Expected(connection(), ISSUER, trip(), LEEWAY, access_token, code, front=True)
    return verify_id_token(token, KEYS, expected, NOW)


def reason(token: str, **how: Any) -> str:
    """Why the token is refused; always the person's page, 400."""
    with pytest.raises(UpstreamError) as caught:
        verify(token, **how)
    assert caught.value.status == 400
    return caught.value.reason


def token(**changes: Any) -> str:
    return jws(ONE, good_claims(ISSUER, NOW, **changes))


def test_a_good_token_is_a_person() -> None:
    """Issuer, subject, claims, session and time of login arrive."""
    found = verify(token(email="ann@corp.example", sid="s1", auth_time=int(NOW) - 3))
    assert (found.connection, found.issuer, found.subject, found.sid) == ("corp", ISSUER, "1001", "s1")
    assert (found.auth_time, found.claims["email"]) == (int(NOW) - 3, "ann@corp.example")


def test_the_rules_stand_in_the_order_of_the_specification() -> None:
    """The list reads like Core 3.1.3.7; nothing is checked elsewhere."""
    assert [rule.__name__ for rule in id_token.RULES] == [
        "issuer_is_the_tenant",
        "audience_is_us_alone",
        "has_not_ended",
        "was_issued_for_this_trip",
        "has_begun",
        "subject_is_a_name",
        "nonce_is_ours",
        "access_token_belongs_to_it",
        "code_belongs_to_it",
        "state_belongs_to_it",
        "login_is_new_enough",
    ]


NOW_I = int(NOW)
REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("rp-02-slash", {"iss": f"{ISSUER}/"}, "iss_mismatch"),
    ("rp-02-case", {"iss": "https://IDP.example"}, "iss_mismatch"),
    ("rp-02-suffix", {"iss": f"{ISSUER}.evil.example"}, "iss_mismatch"),
    ("rp-02-prefix", {"iss": "https://idp"}, "iss_mismatch"),
    ("rp-02-list", {"iss": [ISSUER]}, "iss_mismatch"),
    ("rp-02-number", {"iss": 5}, "iss_mismatch"),
    ("rp-02-absent", {"iss": None}, "iss_mismatch"),
    ("rp-03-template", {"iss": "https://login.idp.example/{tenantid}/v2.0"}, "iss_mismatch"),
    ("rp-05-stranger", {"aud": [CLIENT_ID, "evil"]}, "aud_mismatch"),
    ("rp-05-stranger-azp-us", {"aud": [CLIENT_ID, "evil"], "azp": CLIENT_ID}, "aud_mismatch"),
    ("rp-05-stranger-azp-evil", {"aud": [CLIENT_ID, "evil"], "azp": "evil"}, "aud_mismatch"),
    ("rp-05-azp-evil", {"azp": "evil"}, "azp_mismatch"),
    ("rp-05-azp-list", {"azp": [CLIENT_ID]}, "azp_mismatch"),
    ("rp-05-empty", {"aud": []}, "aud_mismatch"),
    ("rp-05-object", {"aud": {"0": CLIENT_ID}}, "aud_mismatch"),
    ("rp-05-absent", {"aud": None}, "aud_mismatch"),
    ("rp-05-other", {"aud": f"{CLIENT_ID}1"}, "aud_mismatch"),
    ("rp-06-no-expiry", {"exp": None}, "bad_exp"),
    ("rp-06-string", {"exp": str(NOW_I + 300)}, "bad_exp"),
    ("rp-06-1e300", {"exp": 1e300}, "bad_exp"),
    ("rp-06-true", {"exp": True}, "bad_exp"),
    ("rp-06-list", {"exp": [NOW_I]}, "bad_exp"),
    ("rp-06-hour-past", {"exp": NOW_I - 3600}, "expired"),
    ("rp-06-year", {"exp": NOW_I + 366 * 86_400}, "bad_exp"),
    ("rp-07-no-iat", {"iat": None}, "bad_iat"),
    ("rp-07-iat-string", {"iat": str(NOW_I)}, "bad_iat"),
    ("rp-07-day-old", {"iat": NOW_I - 86_400}, "clock_behind"),
    ("rp-07-hour-ahead", {"iat": NOW_I + 3600}, "clock_ahead"),
    ("rp-07-nbf-ahead", {"nbf": NOW_I + 3600}, "clock_ahead"),
    ("rp-07-nbf-string", {"nbf": "now"}, "bad_nbf"),
    ("rp-09-other-nonce", {"nonce": "n-0S6_WzA2Mj1"}, "nonce_mismatch"),
    ("rp-09-no-nonce", {"nonce": None}, "nonce_mismatch"),
    ("rp-09-nonce-list", {"nonce": ["n-0S6_WzA2Mj"]}, "nonce_mismatch"),
    ("rp-09-nonce-non-ascii", {"nonce": "n\u00e9"}, "nonce_mismatch"),
    ("rp-11-absent", {"sub": None}, "bad_sub"),
    ("rp-11-empty", {"sub": ""}, "bad_sub"),
    ("rp-11-number", {"sub": 123}, "bad_sub"),
    ("rp-11-long", {"sub": "x" * 256}, "bad_sub"),
    ("rp-11-nul", {"sub": "a\0b"}, "bad_sub"),
    ("rp-11-newline", {"sub": "a\nb"}, "bad_sub"),
    ("rp-11-c1-control", {"sub": "a\x85b"}, "bad_sub"),
    ("auth-time-text", {"auth_time": "yesterday"}, "bad_auth_time"),
]


@pytest.mark.parametrize(("changes", "expected"), [r[1:] for r in REFUSED], ids=[r[0] for r in REFUSED])
def test_rp_rules_refuse_a_well_signed_token(changes: dict[str, Any], expected: str) -> None:
    """RP-02, RP-03, RP-05, RP-06, RP-07, RP-09, RP-11: one claim wrong is enough."""
    assert reason(token(**changes)) == expected


def test_rp_05_an_audience_list_of_us_alone_is_good() -> None:
    """RP-05: real tenants send ``["us"]``, with or without ``azp``."""
    assert verify(token(aud=[CLIENT_ID], azp=CLIENT_ID)).subject == "1001"


@pytest.mark.parametrize(
    ("claim", "inside", "outside"),
    [
        ("exp", NOW_I - LEEWAY + 1, NOW_I - LEEWAY),
        ("iat", NOW_I + LEEWAY - 1, NOW_I + LEEWAY + 1),
        ("iat", NOW_I - 10 - LEEWAY + 1, NOW_I - 10 - LEEWAY - 1),
        ("nbf", NOW_I + LEEWAY - 1, NOW_I + LEEWAY + 1),
    ],
    ids=["rp-07-exp", "rp-07-iat-ahead", "rp-07-iat-behind", "rp-07-nbf"],
)
def test_rp_07_times_are_good_within_the_leeway_only(claim: str, inside: int, outside: int) -> None:
    """RP-07: a second inside passes, a second outside does not; too old means before the trip began."""
    assert verify(token(**{claim: inside})).subject == "1001"
    assert reason(token(**{claim: outside})) in ("expired", "clock_ahead", "clock_behind")


@pytest.mark.parametrize(
    ("skew", "good", "why"),
    [(45, True, ""), (-45, True, ""), (90, False, "clock_ahead"), (-90, False, "clock_behind")],
    ids=["ft-47+45", "ft-47-45", "ft-47+90", "ft-47-90"],
)
def test_ft_47_skewed_clocks(skew: int, good: bool, why: str) -> None:
    """FT-47: a tenant whose clock is off by less than the leeway works; beyond it, the log says it is the clock."""
    made = jws(ONE, good_claims(ISSUER, NOW + skew))
    if good:
        assert verify(made).subject == "1001"
    else:
        assert reason(made) == why


def test_ft_49_dates_past_2038_are_numbers() -> None:
    """FT-49: in 2050 a token is good as today."""
    later = 2_540_000_000.0
    expected = Expected(connection(), ISSUER, trip(started_at=int(later) - 5), LEEWAY)
    assert verify_id_token(jws(ONE, good_claims(ISSUER, later)), KEYS, expected, later).subject == "1001"


def test_rp_09_a_trip_without_a_nonce_accepts_nothing() -> None:
    """RP-09: an empty nonce of ours never matches an empty one of theirs."""
    expected = Expected(connection(), ISSUER, trip(nonce=""), LEEWAY)
    with pytest.raises(UpstreamError) as caught:
        verify_id_token(token(nonce=""), KEYS, expected, NOW)
    assert caught.value.reason == "nonce_mismatch"


@pytest.mark.parametrize("sub", ["x" * 255, "a:b", "Ann", "ann", "\u00e9", "e\u0301"])
def test_rp_11_subjects_are_kept_as_they_are(sub: str) -> None:
    """RP-11: case and Unicode form are never changed: different strings stay different people."""
    assert verify(token(sub=sub)).subject == sub


@pytest.mark.parametrize(
    ("at_hash", "good"),
    [
        (half_hash("RS256", "at"), True),
        (None, True),
        (half_hash("RS256", "other"), False),
        ("", False),
        (5, False),
        ([], False),
    ],
    ids=["rp-10-right", "rp-10-absent", "rp-10-wrong", "rp-10-empty", "rp-10-number", "rp-10-list"],
)
def test_rp_10_at_hash_binds_the_access_token(at_hash: Any, good: bool) -> None:
    """RP-10: optional beside a code, but if present it must be right."""
    made = token(at_hash=at_hash)
    if good:
        assert verify(made, access_token="at").subject == "1001"
    else:
        assert reason(made, access_token="at") == "at_hash_mismatch"


def test_rp_10_at_hash_of_eddsa_is_checked_too() -> None:
    """RP-10: the algorithm for which PyJWT has no rule (SHA-512 for Ed25519)."""
    ed = OTHERS[1]
    algs = ("EdDSA",)
    good = jws(ed, good_claims(ISSUER, NOW, at_hash=half_hash("EdDSA", "at")))
    assert verify(good, access_token="at", id_token_signed_response_algs=algs).subject == "1001"
    assert reason(good, access_token="other", id_token_signed_response_algs=algs) == "at_hash_mismatch"


@pytest.mark.parametrize("value", ["false", "true", 0, 1, [], {}, "", False], ids=lambda v: f"rp-15-{v!r}")
def test_rp_15_verified_is_json_true_alone(value: Any) -> None:
    """RP-15: no other value says that an address was verified; absent stays absent."""
    found = verify(token(email_verified=value, phone_number_verified=value)).claims
    assert found["email_verified"] is False
    assert found["phone_number_verified"] is False
    assert verify(token(email_verified=True)).claims["email_verified"] is True
    assert "email_verified" not in verify(token()).claims


def test_rp_33_claims_that_lie_elsewhere_are_left_out() -> None:
    """RP-33: aggregated and distributed claims are neither fetched nor passed on."""
    sources = {"src1": {"endpoint": "http://169.254.169.254/", "access_token": "x"}}
    found = verify(token(_claim_names={"shoe": "src1"}, _claim_sources=sources)).claims
    assert not [name for name in found if name.startswith("_claim")]


@pytest.mark.parametrize(
    ("said", "found"),
    [
        ({"iat": NOW_I - 50, "auth_time": NOW_I - 55}, NOW_I - 5),
        ({"iat": NOW_I + 50, "auth_time": NOW_I + 30}, NOW_I - 20),
        ({"iat": NOW_I, "auth_time": NOW_I + 20}, NOW_I),
        ({"auth_time": None}, None),
    ],
    ids=["slow-clock", "fast-clock", "after-its-token", "absent"],
)
def test_rp_29_when_the_login_was_is_told_by_our_clock(said: dict[str, Any], found: int | None) -> None:
    """RP-29: the age of the login by the tenant's clock, counted back from now; never in the future."""
    assert verify(token(**said)).auth_time == found


FRESH, MAX_60 = Wishes(fresh=True), Wishes(max_age=60)
STEP_UP: list[tuple[str, Wishes, dict[str, Any], bool]] = [
    ("fresh-during-trip", FRESH, {"auth_time": NOW_I - 10}, True),
    ("fresh-now", FRESH, {"auth_time": NOW_I}, True),
    ("fresh-rounding", FRESH, {"auth_time": NOW_I - 11}, True),
    ("fresh-before-trip", FRESH, {"auth_time": NOW_I - 12}, False),
    ("fresh-absent", FRESH, {}, False),
    ("fresh-future", FRESH, {"auth_time": NOW_I + 61}, False),
    ("fresh-by-tenants-clock", FRESH, {"iat": NOW_I - 50, "auth_time": NOW_I - 55}, True),
    ("fresh-old-by-tenants-clock", FRESH, {"iat": NOW_I + 50, "auth_time": NOW_I + 30}, False),
    ("max-age-inside", MAX_60, {"auth_time": NOW_I - 60}, True),
    ("max-age-outside", MAX_60, {"auth_time": NOW_I - 61}, False),
    ("max-age-absent", MAX_60, {}, False),
    ("max-age-future", MAX_60, {"auth_time": NOW_I + 61}, False),
    ("max-age-1-login-in-trip", Wishes(max_age=1), {"auth_time": NOW_I - 9}, True),
    ("max-age-1-old", Wishes(max_age=1), {"auth_time": NOW_I - 20}, False),
    ("no-wish", Wishes(), {}, True),
    ("no-wish-old", Wishes(), {"auth_time": NOW_I - 86_400}, True),
]


@pytest.mark.parametrize(
    ("wishes", "changes", "good"), [s[1:] for s in STEP_UP], ids=[f"rp-29-{s[0]}" for s in STEP_UP]
)
def test_rp_29_an_old_login_is_never_taken_for_a_new_one(wishes: Wishes, changes: dict[str, Any], good: bool) -> None:
    """RP-29: ``fresh`` and ``max_age`` are held against ``auth_time`` by the tenant's own clock."""
    made = token(**changes)
    if good:
        assert verify(made, wishes=wishes).subject == "1001"
        return
    with pytest.raises(UpstreamError) as caught:
        verify(made, wishes=wishes)
    assert (caught.value.code, caught.value.reason) == ("login_required", "stale_login")


@pytest.mark.parametrize("wishes", [FRESH, MAX_60], ids=["rp-29-fresh", "rp-29-max-age"])
def test_rp_29_trust_prompt_excuses_a_missing_time_only(wishes: Wishes) -> None:
    """RP-29: an operator may trust a tenant that says no time; one that says an old time is refused all the same."""
    assert verify(token(), wishes=wishes, trust_prompt=True).subject == "1001"
    assert reason(token(auth_time=NOW_I - 3600), wishes=wishes, trust_prompt=True) == "stale_login"


CERTIFICATION: list[tuple[str, str, str]] = [
    ("invalid-iss", token(iss=f"{ISSUER}1"), "iss_mismatch"),
    ("missing-sub", token(sub=None), "bad_sub"),
    ("invalid-aud", token(aud=f"{CLIENT_ID}1"), "aud_mismatch"),
    ("missing-iat", token(iat=None), "bad_iat"),
    ("nonce-invalid", token(nonce="n-0S6_WzA2Mj1"), "nonce_mismatch"),
    ("invalid-sig-rs256", token()[:-6] + "AAAAAA"[:5] + "A", "bad_signature"),
    (
        "idtoken-sig-none",
        jws(ONE, good_claims(ISSUER, NOW), {"alg": "none"}).rpartition(".")[0] + ".",
        "wrong_algorithm",
    ),
    ("kid-absent-single-jwks", jws(ONE, good_claims(ISSUER, NOW), {"kid": None}), ""),
    ("idtoken-sig-rs256", token(), ""),
    ("access-token-as-id-token", jws(ONE, good_claims(ISSUER, NOW), {"typ": "at+jwt"}), "wrong_type"),
    ("logout-token-as-id-token", jws(ONE, good_claims(ISSUER, NOW), {"typ": "logout+jwt"}), "wrong_type"),
    ("no-typ", jws(ONE, good_claims(ISSUER, NOW), {"typ": None}), ""),
]


@pytest.mark.parametrize(("made", "expected"), [c[1:] for c in CERTIFICATION], ids=[c[0] for c in CERTIFICATION])
def test_certification_modules(made: str, expected: str) -> None:
    """The Relying Party modules of the certification suite that an ID token alone decides; JO-10 for other kinds."""
    if expected:
        assert reason(made) == expected
    else:
        assert verify(made).subject == "1001"


def test_certification_kid_absent_multiple_jwks() -> None:
    """kid-absent-multiple-jwks: two keys fit, the token names none: refused."""
    keys = parse_jwks({"keys": [dict(ONE.public_jwk), dict(signer("two").public_jwk)]})
    made = jws(ONE, good_claims(ISSUER, NOW), {"kid": None})
    with pytest.raises(UpstreamError) as caught:
        verify_id_token(made, keys, Expected(connection(), ISSUER, trip(), LEEWAY), NOW)
    assert caught.value.reason == "ambiguous_key"


def test_jo_02_an_algorithm_of_another_family_is_refused() -> None:
    """JO-02: the tenant's own EC key does not sign for a connection of RS256."""
    assert reason(jws(OTHERS[0], good_claims(ISSUER, NOW))) == "wrong_algorithm"


def test_an_unasked_nonce_is_refused_and_none_is_fine() -> None:
    """nonce-invalid, code flow without a nonce: a token that has one was made for somebody else."""
    expected = Expected(connection(), ISSUER, trip(nonce=""), LEEWAY)
    assert verify_id_token(token(nonce=None), KEYS, expected, NOW).subject == "1001"
    for nonce in ("n", "", ["n"], 5):
        with pytest.raises(UpstreamError) as caught:
            verify_id_token(token(nonce=nonce), KEYS, expected, NOW)
        assert caught.value.reason == "nonce_mismatch"


AT, C = half_hash("RS256", "at"), half_hash("RS256", "c")
BOUND: list[tuple[str, dict[str, Any], str]] = [
    ("missing-athash", {"c_hash": C}, "at_hash_mismatch"),
    ("invalid-athash", {"c_hash": C, "at_hash": half_hash("RS256", "other")}, "at_hash_mismatch"),
    ("empty-athash", {"c_hash": C, "at_hash": ""}, "at_hash_mismatch"),
    ("other-hash-athash", {"c_hash": C, "at_hash": half_hash("RS512", "at")}, "at_hash_mismatch"),
    ("missing-chash", {"at_hash": AT}, "c_hash_mismatch"),
    ("invalid-chash", {"at_hash": AT, "c_hash": AT}, "c_hash_mismatch"),
    ("empty-chash", {"at_hash": AT, "c_hash": ""}, "c_hash_mismatch"),
    ("list-chash", {"at_hash": AT, "c_hash": [C]}, "c_hash_mismatch"),
    ("shash", {"at_hash": AT, "c_hash": C, "s_hash": C}, "s_hash_mismatch"),
]


@pytest.mark.parametrize(("hashes", "expected"), [b[1:] for b in BOUND], ids=[b[0] for b in BOUND])
def test_rp_10_what_came_through_the_browser_is_bound_to_its_id_token(hashes: dict[str, Any], expected: str) -> None:
    """RP-10, invalid-athash, missing-athash, invalid-chash, missing-chash: beside a code or a token the hash is
    needed, and must be right."""
    with pytest.raises(UpstreamError) as caught:
        verify_front(token(**hashes), access_token="at", code="c")
    assert caught.value.reason == expected


def test_rp_10_the_right_hashes_pass() -> None:
    """RP-10: and what did not come along needs none."""
    good = token(at_hash=AT, c_hash=C, s_hash=half_hash("RS256", "state-1"))
    assert verify_front(good, access_token="at", code="c").subject == "1001"
    assert verify_front(token()).subject == "1001"
    assert verify(token(c_hash="odd")).subject == "1001"


FAMILY = {"issuer": "https://login.idp.example/{tenantid}/v2.0", "tenant_ids": ["acme", "umbrella"]}


def of_family(**changes: Any) -> Any:
    expected = Expected(connection(**FAMILY), str(FAMILY["issuer"]), trip(), LEEWAY)
    return verify_id_token(token(**changes), KEYS, expected, NOW)


def test_rp_03_a_listed_tenant_of_a_family() -> None:
    """RP-03, RP-19: the issuer is the filled one, and the subject names the tenant."""
    found = of_family(iss="https://login.idp.example/acme/v2.0", tid="acme")
    assert (found.issuer, found.subject) == ("https://login.idp.example/acme/v2.0", "acme.1001")
    assert of_family(iss="https://login.idp.example/umbrella/v2.0").subject == "umbrella.1001"


@pytest.mark.parametrize(
    ("iss", "tid", "expected"),
    [
        ("https://login.idp.example/evil/v2.0", "evil", "iss_mismatch"),
        ("https://login.idp.example/evil/v2.0", "acme", "iss_mismatch"),
        ("https://login.idp.example/{tenantid}/v2.0", "acme", "iss_mismatch"),
        ("https://login.idp.example//v2.0", "", "iss_mismatch"),
        ("https://login.idp.example/ACME/v2.0", "acme", "iss_mismatch"),
        ("https://login.idp.example/acme/v2.0/", "acme", "iss_mismatch"),
        ("https://login.idp.example/acme/v2.0", "umbrella", "tid_mismatch"),
        ("https://login.idp.example/acme/v2.0", ["acme"], "tid_mismatch"),
    ],
)
def test_rp_03_a_template_is_no_wildcard(iss: str, tid: Any, expected: str) -> None:
    """RP-03: another tenant of the same keys, the template itself, near misses, and a ``tid`` that disagrees."""
    with pytest.raises(UpstreamError) as caught:
        of_family(iss=iss, tid=tid)
    assert caught.value.reason == expected


@pytest.mark.parametrize("name", ["auth_time", "nbf"])
@pytest.mark.parametrize("value", [-1, -1e308, -(10**30)])
def test_rp_06_a_date_before_all_dates_is_none(name: str, value: float) -> None:
    """RP-06: a negative date is no time, and would be a number without end in a session."""
    assert reason(token(**{name: value})) == f"bad_{name}"
