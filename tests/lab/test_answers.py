"""What a tenant of the lab reads."""

from __future__ import annotations

import base64

import pytest

from proxy.lab.answers import basic, found


def header(text: str, scheme: str = "Basic") -> str:
    """An Authorization header."""
    return f"{scheme} {base64.b64encode(text.encode()).decode()}"


@pytest.mark.parametrize(
    ("given", "name", "secret"),
    [
        (header("rp:secret"), "rp", "secret"),
        (header("rp:a%3Ab+c%25", "basic"), "rp", "a:b c%"),
        (header("rp"), "rp", ""),
        (header("rp:secret", "Bearer"), "", ""),
        ("Basic !!!", "", ""),
        ("", "", ""),
    ],
)
def test_basic_is_form_encoded_first(given: str, name: str, secret: str) -> None:
    """Name and secret are form-encoded before they are joined (RFC 6749 2.3.1)."""
    assert basic(given) == (name, secret)


def test_a_redirect_is_a_get() -> None:
    """303, so that no form is sent on."""
    assert (found("http://127.0.0.1/").status, found("http://127.0.0.1/").headers["Location"]) == (
        303,
        "http://127.0.0.1/",
    )
