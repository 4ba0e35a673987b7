"""The tables of the file and their limits."""

from __future__ import annotations

from typing import Any

import pytest

from tests.settings.conftest import Bench


@pytest.mark.parametrize("leeway", [301, 3600])
def test_jo_18_more_than_300_seconds_of_leeway_are_refused(bench: Bench, leeway: int) -> None:
    """JO-18: a large leeway would revive tokens that have ended."""
    assert "server.clock_leeway: must be at most 300" in bench.mistakes(at={"server.clock_leeway": leeway})[0]


def test_jo_18_300_seconds_are_taken(bench: Bench) -> None:
    """JO-18: the limit itself is fine."""
    assert bench.load(at={"server.clock_leeway": 300}).server.clock_leeway == 300


@pytest.mark.parametrize(
    "issuer",
    [
        "http://login.example.com/",
        "https://login.example.com",
        "https://login.example.com/?a=b",
        "https://login.example.com/#f",
        "https://user@login.example.com/",
        "ftp://login.example.com/",
        "login.example.com/",
        "",
        "https:///",
        "https://login.example.com:99999/",
        "http://127.0.0.1.evil.example/",
    ],
)
def test_cf_13_our_issuer_is_https_off_loopback(bench: Bench, issuer: str) -> None:
    """CF-13: an issuer that is not https, or not an issuer at all, stops the start."""
    assert any("tenant.issuer:" in line for line in bench.mistakes(at={"tenant.issuer": issuer}))


@pytest.mark.parametrize(
    "issuer", ["http://127.0.0.1:9000/", "http://localhost/", "http://[::1]:9/t/", "https://a.example/t/"]
)
def test_issuers_stay_as_they_are_written(bench: Bench, issuer: str) -> None:
    """Byte for byte: nothing normalises an issuer."""
    assert bench.load(at={"tenant.issuer": issuer}).tenant.issuer == issuer


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"session.idle": 100, "session.absolute": 99}, "session.idle"),
        ({"tokens.refresh_idle": 100, "tokens.refresh_absolute": 99}, "tokens.refresh_idle"),
        ({"tokens.code": 61}, "tokens.code"),
        ({"tokens.access_token": 90_000}, "tokens.access_token"),
        ({"server.internal_port": 9000}, "server.internal_port"),
        ({"server.trusted_proxies": ["0.0.0.0/0"]}, "server.trusted_proxies"),
        ({"server.trusted_proxies": ["10.0.0.1/8"]}, "server.trusted_proxies"),
        ({"server.trusted_proxies": [""]}, "server.trusted_proxies"),
        ({"redis.url": "mysql://x"}, "redis.url"),
        ({"plugins.enabled": [""]}, "plugins.enabled"),
        ({"plugins.time_limit": 0}, "plugins.time_limit"),
        ({"plugins.on_error": "ignore"}, "plugins.on_error"),
    ],
)
def test_limits_are_kept(bench: Bench, changes: dict[str, Any], key: str) -> None:
    """Lifetimes that contradict each other, networks that mean everybody, addresses of something else."""
    assert any(f": {key}: " in line for line in bench.mistakes(at=changes))


@pytest.mark.parametrize(
    "network",
    [
        "169.254.0.0/16",
        "169.254.169.254/32",
        "169.0.0.0/8",
        "fe80::/10",
        "0.0.0.0/0",
        "::/0",
        "::ffff:169.254.0.0/112",
        "x",
    ],
)
def test_cf_13_link_local_networks_cannot_be_allowed(bench: Bench, network: str) -> None:
    """CF-13: where cloud machines hand out credentials is never called, for the tenant or a connection."""
    for place in ("server.allow_private", "connections.0.options.allow_private"):
        assert any("allow_private" in line for line in bench.mistakes(at={place: [network]}))
