"""Whose address counts, when proxies stand in between."""

from __future__ import annotations

import pytest

from proxy.http.client_address import Proxies, is_loopback, parse

PROXIES = Proxies(["10.0.0.0/8", "fd00::/8"])


@pytest.mark.parametrize(
    ("peer", "chain", "client"),
    [
        ("192.0.2.1", ["127.0.0.1"], "192.0.2.1"),
        ("10.0.0.1", ["192.0.2.7"], "192.0.2.7"),
        ("10.0.0.1", ["127.0.0.1, 192.0.2.7"], "192.0.2.7"),
        ("10.0.0.1", ["127.0.0.1,192.0.2.7 ,  10.0.0.2"], "192.0.2.7"),
        ("10.0.0.1", ["127.0.0.1", "192.0.2.7"], "192.0.2.7"),
        ("::ffff:10.0.0.1", ["192.0.2.7"], "192.0.2.7"),
        ("10.0.0.1", ["::ffff:192.0.2.7"], "192.0.2.7"),
        ("10.0.0.1", ["192.0.2.7, garbage"], "10.0.0.1"),
        ("10.0.0.1", [""], "10.0.0.1"),
        ("10.0.0.1", ["10.0.0.2"], "10.0.0.2"),
        ("fd00::1", ["2001:db8::1"], "2001:db8::1"),
        ("", ["192.0.2.7"], ""),
    ],
)
def test_gw_30_the_right_most_address_that_is_no_proxy(peer: str, chain: list[str], client: str) -> None:
    """Only a trusted proxy is believed, and only about the one before it (GW-30)."""
    assert PROXIES.client(peer, chain) == client


def test_nobody_is_trusted_by_default() -> None:
    """Without configured proxies the peer is the client."""
    assert Proxies(()).client("127.0.0.1", ["192.0.2.7"]) == "127.0.0.1"


@pytest.mark.parametrize(("text", "loopback"), [("127.0.0.1", True), ("::ffff:127.0.0.2", True), ("::1", True),
                                                ("192.0.2.1", False), ("", False)])  # fmt: skip
def test_loopback_however_it_is_written(text: str, loopback: bool) -> None:
    """An IPv4 address in IPv6 clothes is what it is."""
    assert is_loopback(text) is loopback


def test_a_zone_is_no_address() -> None:
    """A scoped literal is refused: what stands after the percent sign is free text."""
    assert parse("fe80::1%x\ny") is None


@pytest.mark.parametrize(
    ("peer", "forwarded_for", "way"),
    [
        ("203.0.113.9", ("10.0.0.1",), ("203.0.113.9",)),
        ("10.0.0.1", (), ("10.0.0.1",)),
        ("10.0.0.1", ("192.0.2.1, 203.0.113.9", "10.0.0.2"), ("203.0.113.9", "10.0.0.2", "10.0.0.1")),
        ("10.0.0.1", ("203.0.113.9, junk, 10.0.0.2",), ("10.0.0.2", "10.0.0.1")),
        ("", ("203.0.113.9",), ("",)),
    ],
)
def test_gw_30_the_way_a_request_came_by(peer: str, forwarded_for: tuple[str, ...], way: tuple[str, ...]) -> None:
    """GW-30: as far as trusted proxies say so, and no further."""
    assert Proxies(("10.0.0.0/8",)).way(peer, forwarded_for) == way
