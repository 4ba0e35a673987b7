"""Errors, told as the caller can use them (reliability: whose fault is it)."""

from __future__ import annotations

import pytest

from proxy.oidc.errors import Refused, Shown, Unavailable, UpstreamError
from proxy.web.errors import as_json, outcome


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (Shown("invalid_request", "x"), 400, "invalid_request"),
        (Shown("access_denied", "x", status=403), 403, "access_denied"),
        (Refused("invalid_client", "x", status=401), 401, "invalid_client"),
        (UpstreamError("invalid_response", "x", status=400), 400, "invalid_response"),
        (UpstreamError("invalid_response", "x", status=502), 502, "invalid_response"),
        (UpstreamError("temporarily_unavailable", "x", status=504), 504, "temporarily_unavailable"),
        (Unavailable("redis"), 503, "temporarily_unavailable"),
        (TimeoutError(), 503, "temporarily_unavailable"),
        (ZeroDivisionError("secret text"), 500, "server_error"),
    ],
)
def test_errors_are_told_apart_by_status(error: BaseException, status: int, code: str) -> None:
    """400 yours, 403 no, 502 and 504 the tenant, 503 us."""
    told = outcome(error)
    assert (told.status, told.code) == (status, code)


def test_what_is_unforeseen_tells_nothing() -> None:
    """MG-14: no text of an exception reaches the caller."""
    told = outcome(ZeroDivisionError("secret text"))
    assert "secret text" not in f"{told.message}{told.description}{told.detail}{as_json(told)}"


def test_unavailable_says_when_to_come_again() -> None:
    """DS-11: 503 carries Retry-After."""
    assert int(outcome(Unavailable("redis", retry_after=1)).headers["Retry-After"]) in (1, 2, 3)


def test_cb_11_the_tenants_text_is_made_harmless() -> None:
    """CB-11: cut to 200 characters, without control characters, quotes or backslashes."""
    told = outcome(UpstreamError("x", "a" * 1000 + '\r\n\x1b[31m"\\'))
    assert len(told.detail) == 200 and told.detail.isprintable()


def test_a_person_can_start_again() -> None:
    """The page after a failed trip leads back to the authorization endpoint."""
    error = UpstreamError("x", "y")
    error.again = "https://sso.example/authorize?client_id=webapp"
    assert outcome(error).again == "https://sso.example/authorize?client_id=webapp"


def test_an_error_may_bring_headers() -> None:
    """RFC 9449 8: what the client needs for its next try comes with the refusal; other errors bring none."""
    told = outcome(Refused("use_dpop_nonce", "x", headers={"DPoP-Nonce": "n"}))
    assert told.headers == {"DPoP-Nonce": "n"} and outcome(Refused("invalid_grant", "x")).headers == {}


def test_the_log_says_what_did_not_answer() -> None:
    """A client's keys that cannot be had are no failing store: whoever reads the log must look in the right place."""
    assert outcome(Unavailable("redis")).reason == "store_unavailable"
    assert outcome(Unavailable("keys", reason="client_keys_unavailable")).reason == "client_keys_unavailable"
