"""The token request we send, and what may come back."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.models import TenantTokens
from proxy.oidc.errors import UpstreamError
from proxy.oidc.messages import HttpResponse
from proxy.upstream.token import DPOP, build_exchange, check_exchange
from tests.upstream.conftest import as_json

GOOD = {"id_token": "a.b.c", "access_token": "at", "token_type": "Bearer"}


def test_the_form_repeats_what_the_trip_knows() -> None:
    """Code, redirect URI and verifier; without PKCE no verifier."""
    usual = {"grant_type": "authorization_code", "code": "c/+ d", "redirect_uri": "https://sso.example/cb"}
    assert build_exchange(code="c/+ d", verifier="v", redirect_uri="https://sso.example/cb") == {
        **usual,
        "code_verifier": "v",
    }
    assert build_exchange(code="c/+ d", verifier="", redirect_uri="https://sso.example/cb") == usual


def test_good_tokens_pass() -> None:
    """The type's case does not count (RFC 6749 5.1)."""
    for name in ("Bearer", "bearer", "BEARER"):
        assert check_exchange(as_json({**GOOD, "token_type": name, "extra": [1]})).id_token == "a.b.c"
    assert "at" not in repr(check_exchange(as_json(GOOD))).replace("object at", "")


def drop(name: str) -> dict[str, Any]:
    return {key: value for key, value in GOOD.items() if key != name}


BAD: list[tuple[str, HttpResponse, int, str]] = [
    *(
        (f"rp-26-redirect-{code}", HttpResponse(code, {"location": "https://evil.example/"}, b""), 502, "token_status")
        for code in (301, 302, 303, 307, 308)
    ),
    ("rp-25-invalid-grant", as_json({"error": "invalid_grant"}, 400), 400, "upstream_invalid_grant"),
    ("invalid-client", as_json({"error": "invalid_client"}, 401), 502, "token_refused"),
    ("invalid-client-400", as_json({"error": "invalid_client"}, 400), 502, "token_refused"),
    ("error-without-json", HttpResponse(400, {}, b"<html>"), 502, "token_json"),
    ("server-error", HttpResponse(500, {}, b"oops"), 502, "token_status"),
    ("created", as_json(GOOD, 201), 502, "token_status"),
    ("ft-39-429", as_json({}, 429), 503, "retry_after"),
    ("ft-39-503", as_json({}, 503), 503, "retry_after"),
    ("ft-38-half-json", HttpResponse(200, {}, json.dumps(GOOD).encode()[:20]), 502, "token_json"),
    ("html", HttpResponse(200, {}, b"<html>"), 502, "token_json"),
    ("empty", HttpResponse(200, {}, b""), 502, "token_json"),
    ("list", as_json([GOOD]), 502, "token_json"),
    (
        "doubled",
        HttpResponse(200, {}, b'{"id_token":"a","id_token":"b","access_token":"c","token_type":"Bearer"}'),
        502,
        "token_json",
    ),
    ("no-id-token", as_json(drop("id_token")), 502, "token_missing"),
    ("no-access-token", as_json(drop("access_token")), 502, "token_missing"),
    ("no-type", as_json(drop("token_type")), 502, "token_type"),
    ("dpop", as_json({**GOOD, "token_type": "DPoP"}), 502, "token_type"),
    ("type-list", as_json({**GOOD, "token_type": ["Bearer"]}), 502, "token_type"),
    ("id-token-number", as_json({**GOOD, "id_token": 5}), 502, "token_missing"),
    ("id-token-empty", as_json({**GOOD, "id_token": ""}), 502, "token_missing"),
    ("error-with-200", as_json({"error": "invalid_grant"}), 502, "token_type"),
]


@pytest.mark.parametrize(("response", "status", "expected"), [b[1:] for b in BAD], ids=[b[0] for b in BAD])
def test_an_answer_that_holds_no_tokens_is_an_upstream_error(
    response: HttpResponse, status: int, expected: str
) -> None:
    """RP-25, RP-26, FT-38, FT-39: redirects, errors and broken answers, each with whose fault it is."""
    with pytest.raises(UpstreamError) as caught:
        check_exchange(response)
    assert (caught.value.status, caught.value.reason) == (status, expected)


def test_a_bound_token_only_where_it_was_asked_for() -> None:
    """RFC 9449 5: neither a bound token unasked nor a bearer token instead of a bound one."""
    bound = as_json({**GOOD, "token_type": "DPoP"})
    assert check_exchange(bound, DPOP).access_token == "at"
    with pytest.raises(UpstreamError) as caught:
        check_exchange(as_json(GOOD), DPOP)
    assert caught.value.reason == "token_type"


@pytest.mark.parametrize(
    ("more", "kept"),
    [
        pytest.param({}, TenantTokens("at", "", "openid calendar", None), id="nothing"),
        pytest.param(
            {"refresh_token": "rt", "scope": "openid", "expires_in": 60},
            TenantTokens("at", "rt", "openid", 1060),
            id="all",
        ),
        pytest.param({"expires_in": "60"}, TenantTokens("at", "", "openid calendar", 1060), id="seconds-as-text"),
        pytest.param({"expires_in": 0}, TenantTokens("at", "", "openid calendar", 1000), id="ended"),
        pytest.param(
            {"refresh_token": 7, "scope": ["openid"], "expires_in": True},
            TenantTokens("at", "", "openid calendar", None),
            id="other-kinds",
        ),
        pytest.param({"expires_in": -1}, TenantTokens("at", "", "openid calendar", None), id="negative"),
        pytest.param({"expires_in": 10**12}, TenantTokens("at", "", "openid calendar", None), id="for-ever"),
        pytest.param({"expires_in": 1.5}, TenantTokens("at", "", "openid calendar", None), id="fraction"),
        pytest.param({"expires_in": "\u0663"}, TenantTokens("at", "", "openid calendar", None), id="arabic"),
    ],
)
def test_what_is_kept_for_clients(more: dict[str, Any], kept: TenantTokens) -> None:
    """RFC 6749 5.1: life and scope as the tenant says them; what it asked for if it says no scope; what is of another
    kind was not said, and fails no login."""
    assert check_exchange(as_json({**GOOD, **more})).kept(("openid", "calendar"), 1000.5) == kept


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda i: st.lists(i) | st.dictionaries(st.text(), i),
    max_leaves=4,
)
BODIES = st.binary(max_size=80) | st.dictionaries(st.sampled_from([*GOOD, "error"]), JSON | st.just("Bearer")).map(
    lambda d: json.dumps(d).encode()
)


@given(st.sampled_from([200, 204, 302, 400, 401, 403, 404, 429, 500, 503]), BODIES)
def test_any_answer_ends_as_tokens_or_as_an_upstream_error(status: int, body: bytes) -> None:
    """Whatever a hostile tenant answers, nothing else is raised."""
    try:
        tokens = check_exchange(HttpResponse(status, {}, body))
        assert tokens.id_token
        assert status == 200
    except UpstreamError:
        pass
