"""The judgement about a connection: one table of evidence and findings."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.oidc.keys import KeySet, parse_jwks
from proxy.upstream.doctor import TOO_LARGE, examine
from proxy.upstream.health import DETAILS, Evidence, Health
from proxy.upstream.metadata import check_metadata
from tests.kit.tenant import signer
from tests.upstream.conftest import DOCUMENT, ISSUER, NOW, connection, front


def keys(alg: str = "RS256") -> KeySet:
    return parse_jwks({"keys": [dict(signer(f"of-{alg}", alg).public_jwk)]})


def seen(**more: Any) -> Evidence:
    """A good visit; ``more`` is otherwise."""
    return replace(Evidence(NOW, document=DOCUMENT, keys=keys()), **more)


def codes(health: Health) -> list[str]:
    return [one.code for one in health.findings]


def test_a_good_tenant_is_a_green_check() -> None:
    """Nothing to say: metadata, what it publishes, a digest."""
    health = examine(front(), seen())
    assert (health.state, health.findings, health.metadata and health.metadata.issuer) == ("green", (), ISSUER)
    assert (health.published["token_endpoint"], len(health.digest)) == (f"{ISSUER}/token", 64)


@pytest.mark.parametrize("reason", [*sorted(DETAILS.keys() - {"too_large"}), "something_new"])
def test_ss_09_whatever_kept_the_document_away_has_one_text(reason: str) -> None:
    """SS-09: refused, silent, forbidden, no document: one finding; what it was is the detail."""
    health = examine(connection(), Evidence(NOW, reason=reason))
    usual = examine(connection(), Evidence(NOW, reason="unreachable"))
    assert [one.as_json() for one in health.findings] == [one.as_json() for one in usual.findings]
    assert (health.state, health.published, health.digest) == ("red", {}, "")
    assert health.findings[0].detail == DETAILS.get(reason, reason)


@pytest.mark.parametrize("document", [{}, {"secret": "of-the-inside"}, {"issuer": 5}, {"issuer": None}])
def test_ss_09_another_json_is_no_document(document: dict[str, Any]) -> None:
    """SS-09: a JSON object that names no issuer is told of like an address without anything."""
    health = examine(connection(), seen(document=document))
    usual = examine(connection(), Evidence(NOW, reason="unreachable"))
    assert [one.as_json() for one in health.findings] == [one.as_json() for one in usual.findings]
    assert health.published == {}


def test_a_document_that_is_too_large() -> None:
    """Auth0's words."""
    health = examine(connection(), Evidence(NOW, reason="too_large"))
    assert (health.state, health.detail) == ("unusable", TOO_LARGE)
    assert TOO_LARGE == "Discovery document exceeds the maximum allowed size of 128 KB"


def test_rp_23_another_issuer_is_a_mismatch_and_nothing_of_it_is_shown() -> None:
    """RP-23: the issuer that was found is for the machine's operator; the rest is not looked at."""
    health = examine(connection(), seen(document={**DOCUMENT, "issuer": "https://evil.example"}))
    assert (codes(health), health.state, health.published) == (["issuer_mismatch"], "unusable", {})
    assert health.findings[0].detail == "https://evil.example"
    assert "evil" not in str(health.findings[0].as_json())


def test_what_is_missing_is_named_all_of_it() -> None:
    """Endpoints and lists in one go, each with a remedy."""
    document = {"issuer": ISSUER, "authorization_endpoint": f"{ISSUER}/a", "response_types_supported": ["token"]}
    health = examine(connection(), seen(document=document, keys=None))
    assert health.state == "incomplete"
    assert health.missing == ("jwks_uri", "token_endpoint", "response_types_supported: code")
    assert all(one.remedy for one in health.errors)
    assert health.metadata is None


def test_an_endpoint_that_may_not_be_used_is_named() -> None:
    """No bare http for what is not on loopback."""
    health = examine(connection(), seen(document={**DOCUMENT, "token_endpoint": "http://idp.example/t"}))
    assert (codes(health)[0], health.state) == ("bad_endpoint", "unusable")
    assert "token_endpoint" in health.detail


@pytest.mark.parametrize(
    ("algs", "found", "words"),
    [
        (["RS256"], KeySet(), "there is no key that can be used at all"),
        (["ES256"], keys("RS256"), "there are keys for RS256"),
        (["RS256"], keys("ES256"), "there are keys for ES256"),
    ],
)
def test_keys_that_fit_no_algorithm_are_unusable(algs: list[str], found: KeySet, words: str) -> None:
    """The remedy says what there is keys for."""
    health = examine(front(id_token_signed_response_algs=algs), seen(keys=found))
    assert (codes(health), health.state) == (["keys_unusable"], "unusable")
    assert words in health.findings[0].remedy


def test_ss_09_keys_that_cannot_be_had_have_one_text() -> None:
    """SS-09: as for the document."""
    told = {
        str(examine(front(), seen(keys=None, keys_reason=reason)).findings[0].as_json())
        for reason in ("blocked", "unreachable", "bad_jwks", "not_found", "bad_json", "timeout", "too_large")
    }
    assert len(told) == 1 and "keys_unreadable" in told.pop()


@pytest.mark.parametrize(
    ("skew", "words"),
    [
        (0, ""), (9, ""), (-9, ""), (10, "10 seconds ahead of ours"), (-95, "95 seconds behind ours")
    ],
)  # fmt: skip
def test_ft_47_a_clock_that_is_off_is_warned_of(skew: int, words: str) -> None:
    """FT-47: seconds and direction; logins may still work."""
    health = examine(front(), seen(skew=skew))
    assert health.state == "green"
    assert [one.words.removeprefix("the tenant's clock is ") for one in health.warnings] == ([words] if words else [])


@pytest.mark.parametrize(("days", "told"), [(400, []), (14, []), (13.9, [13]), (1, [1]), (0.2, [0])])
def test_a_certificate_soon_to_expire_is_warned_of(days: float, told: list[int]) -> None:
    """With the days that are left."""
    health = examine(front(), seen(certificate_ends=int(NOW + days * 86_400)))
    assert [one.words for one in health.warnings] == [f"the tenant's certificate ends in {left} days" for left in told]


def test_rp_23_metadata_that_moved_is_warned_of() -> None:
    """RP-23: as long as logins use the old one."""
    believed = check_metadata(DOCUMENT, front())
    moved = {**DOCUMENT, "jwks_uri": "https://evil.example/jwks"}
    health = examine(front(), seen(document=moved, believed=believed))
    assert codes(health) == ["metadata_moved"] and "jwks_uri" in health.findings[0].words
    assert examine(front(), seen(believed=believed)).findings == ()


@pytest.mark.parametrize(
    ("options", "document", "sharing", "told"),
    [
        ({}, {}, ("other",), True),
        ({}, {}, (), False),
        ({"own_callback": True}, {}, ("other",), False),
        ({}, {"authorization_response_iss_parameter_supported": True}, ("other",), False),
    ],
)
def test_rp_22_a_pair_that_cannot_be_told_apart_is_warned_of(
    options: dict[str, Any], document: dict[str, Any], sharing: tuple[str, ...], told: bool
) -> None:
    """RP-22: a shared callback, and no ``iss`` in the answer."""
    health = examine(connection(scope="openid", **options), seen(document={**DOCUMENT, **document}, sharing=sharing))
    assert codes(health) == (["mix_up"] if told else [])


def test_rp_22_of_many_others_a_few_are_named() -> None:
    """RP-22: thousands of names are no warning."""
    health = examine(connection(scope="openid"), seen(sharing=tuple(f"c{number}" for number in range(5000))))
    assert "c4 ..." in health.findings[0].words and "c5" not in health.findings[0].words


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"scope": "openid email"}, True),
        ({"scope": "openid"}, False),
        ({"scope": "openid email", "attribute_map": {"userinfo_scope": "email"}}, False),
    ],
)
def test_claims_that_may_be_at_userinfo_only_are_warned_of(options: dict[str, Any], told: bool) -> None:
    """With a code, unless userinfo is asked."""
    document = {**DOCUMENT, "userinfo_endpoint": f"{ISSUER}/u"}
    assert ("only_at_userinfo" in codes(examine(connection(**options), seen(document=document)))) is told


VALUES = st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=9), st.lists(st.text(max_size=9)))
NAMES = st.sampled_from([*DOCUMENT, "response_types_supported", "scopes_supported", "request_parameter_supported"])


@given(st.dictionaries(NAMES, VALUES))
def test_any_document_ends_as_a_judgement(changes: dict[str, Any]) -> None:
    """Whatever a tenant says: a state of the four, and plain JSON."""
    health = examine(connection(request_object="value"), seen(document={**DOCUMENT, **changes}))
    assert health.state in ("green", "red", "incomplete", "unusable")
    json.dumps([one.as_json() for one in health.findings])
