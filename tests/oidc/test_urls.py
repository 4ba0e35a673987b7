"""URLs: parameters go on, origins come off, loopback is told from the world."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest

from proxy.oidc import urls


def test_parameters_join_an_existing_query() -> None:
    """A query that is there stays (RFC 6749 3.1.2)."""
    assert urls.with_params("https://a.example/x", {}) == "https://a.example/x"
    assert urls.with_params("https://a.example/x", {"b": "1"}) == "https://a.example/x?b=1"
    assert urls.with_params("https://a.example/x?p=q", {"b": "1"}) == "https://a.example/x?p=q&b=1"


def test_rp_35_a_value_cannot_become_a_parameter() -> None:
    """RP-35: what is in a value stays in that value."""
    made = urls.with_params("https://a.example/", {"login_hint": "a&redirect_uri=https://evil.example#x"})
    assert parse_qs(urlsplit(made).query) == {"login_hint": ["a&redirect_uri=https://evil.example#x"]}


def test_an_origin_is_scheme_host_and_port() -> None:
    """RFC 6454."""
    assert urls.origin("https://a.example:8443/x?y#z") == "https://a.example:8443"


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://127.0.0.1:9000/", True),
        ("http://127.9.9.9/", True),
        ("http://[::1]:1/", True),
        ("http://localhost/", True),
        ("https://localhost.evil.example/", False),
        ("https://127.0.0.1.evil.example/", False),
        ("https://10.0.0.1/", False),
        ("https://2130706433/", False),
        ("not a url", False),
    ],
)
def test_loopback_is_loopback_only(url: str, expected: bool) -> None:
    """``localhost`` and loopback literals, and nothing that only looks like them (RFC 8252 8.3)."""
    assert urls.is_loopback(url) is expected
