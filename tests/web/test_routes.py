"""Which methods an address answers; the wrapping of callers has its own tests, the assets too (``test_app``)."""

from __future__ import annotations

import pytest

from proxy.features import Answer, Caller, Endpoint, Request
from proxy.web.cors import PUBLIC
from proxy.web.routes import base_path, methods_of


async def nothing(request: Request) -> Answer:
    """Answers nothing."""
    return Answer()


@pytest.mark.parametrize(
    ("endpoint", "methods"),
    [
        (Endpoint("authorize", ("GET", "POST"), Caller.BROWSER, nothing), ("GET", "POST")),
        (Endpoint("keys", ("GET",), Caller.ANYONE, nothing, cors=PUBLIC), ("GET", "HEAD")),
        (Endpoint("oauth/token", ("POST",), Caller.CLIENT, nothing, cors="clients"), ("POST",)),
    ],
)
def test_head_is_answered_where_everything_is_public(endpoint: Endpoint, methods: tuple[str, ...]) -> None:
    """RFC 9110 9.3.2: a HEAD that took a code or ended a session would be a GET in disguise."""
    assert methods_of(endpoint) == methods


@pytest.mark.parametrize(("issuer", "path"), [("https://sso.example/", "/"), ("https://example.com/sso/", "/sso/")])
def test_addresses_lie_below_the_issuer(issuer: str, path: str) -> None:
    """The issuer's path is part of every address (RFC 8414 3)."""
    assert base_path(issuer) == path
