"""Where a request comes from, and what the app is told of it: only trusted proxies are believed."""

from __future__ import annotations

from typing import Any

import pytest

from proxy.gateway.forwarded import Client, Senders, lines
from proxy.gateway.request import Asked, Malformed
from proxy.http.client_address import Proxies

PROXIES = Proxies(("10.0.0.0/8", "fd00::/8"))


def asked(peer: str, *, method: bytes = b"GET", secure: bool = False, **headers: Any) -> Asked:
    """A request from ``peer``."""
    seen = {f"x-forwarded-{name}".encode(): value.encode("latin-1") for name, value in headers.items()}
    return Asked(method, b"/", seen=seen, peer=peer, secure=secure)


def sent(scheme: str, request: Asked) -> Client | tuple[int, str]:
    """Who sends it; or status and reason of the refusal."""
    try:
        return Senders(PROXIES, scheme).client(request)
    except Malformed as error:
        return error.status, error.reason


@pytest.mark.parametrize(
    ("peer", "claims", "client"),
    [
        ("203.0.113.9", {}, Client("203.0.113.9", "http", ("203.0.113.9",))),
        ("203.0.113.9", {"for": "127.0.0.1", "proto": "https"}, Client("203.0.113.9", "http", ("203.0.113.9",))),
        ("::ffff:203.0.113.9", {}, Client("203.0.113.9", "http", ("203.0.113.9",))),
        ("127.0.0.1", {"for": "10.0.0.1"}, Client("127.0.0.1", "http", ("127.0.0.1",))),
        ("", {"for": "10.0.0.1"}, Client("", "http")),
        ("10.0.0.1", {}, Client("10.0.0.1", "http", ("10.0.0.1",))),
        ("10.0.0.1", {"for": "203.0.113.9"}, Client("203.0.113.9", "http", ("203.0.113.9", "10.0.0.1"))),
        (
            "10.0.0.1",
            {"for": "127.0.0.1, 198.51.100.7 ,\t10.0.0.2"},
            Client("198.51.100.7", "http", ("198.51.100.7", "10.0.0.2", "10.0.0.1")),
        ),
        ("10.0.0.1", {"for": "::ffff:10.0.0.1"}, Client("10.0.0.1", "http", ("10.0.0.1", "10.0.0.1"))),
        ("10.0.0.1", {"for": "203.0.113.9, unknown"}, Client("10.0.0.1", "http", ("10.0.0.1",))),
        ("10.0.0.1", {"for": "203.0.113.9, 198.51.100.7:80"}, Client("10.0.0.1", "http", ("10.0.0.1",))),
        ("10.0.0.1", {"for": "fe80::1%eth0"}, Client("10.0.0.1", "http", ("10.0.0.1",))),
        ("10.0.0.1", {"for": ""}, Client("10.0.0.1", "http", ("10.0.0.1",))),
        ("fd00::1", {"for": "2001:DB8::9"}, Client("2001:db8::9", "http", ("2001:db8::9", "fd00::1"))),
    ],
)
def test_gw_30_the_right_most_address_that_is_no_proxy(peer: str, claims: dict[str, str], client: Client) -> None:
    """GW-30: what stands left of it is a claim of the client's own, and stays here."""
    assert sent("http", asked(peer, **claims)) == client


@pytest.mark.parametrize(
    ("request_", "answer"),
    [
        (asked("203.0.113.9"), (308, "plain_http")),
        (asked("203.0.113.9", proto="https"), (308, "plain_http")),
        (asked("203.0.113.9", proto="https", method=b"POST"), (400, "plain_http")),
        (asked("203.0.113.9", method=b"HEAD"), (308, "plain_http")),
        (asked("", proto="https"), (308, "plain_http")),
        (asked("10.0.0.1", proto="http"), (308, "plain_http")),
        (asked("10.0.0.1", proto="http", method=b"POST"), (400, "plain_http")),
        (asked("10.0.0.1", proto="https, http"), (308, "plain_http")),
        (asked("10.0.0.1", proto="http", secure=True), (308, "plain_http")),
        (asked("10.0.0.1"), (400, "no_proto")),
        (asked("10.0.0.1", proto="wss"), (400, "no_proto")),
        (asked("10.0.0.1", proto="wss", secure=True), (400, "no_proto")),
        (asked("10.0.0.1", proto="https"), Client("10.0.0.1", "https", ("10.0.0.1",))),
        (asked("10.0.0.1", proto="http,HTTPS"), Client("10.0.0.1", "https", ("10.0.0.1",))),
        (asked("10.0.0.1", secure=True), Client("10.0.0.1", "https", ("10.0.0.1",))),
        (asked("203.0.113.9", secure=True), Client("203.0.113.9", "https", ("203.0.113.9",))),
        (asked("203.0.113.9", secure=True, proto="http"), Client("203.0.113.9", "https", ("203.0.113.9",))),
    ],
)
def test_se_23_with_an_https_issuer_nobody_comes_by_plain_http(request_: Asked, answer: Any) -> None:
    """SE-23: by TLS of our own, or sent by a trusted proxy that says https; else to https, or 400 with a body lost."""
    assert sent("https", request_) == answer


def test_the_lines_for_the_app() -> None:
    """One of each, in words of today and of old (RFC 7239 4)."""
    client = Client("203.0.113.9", "https", ("203.0.113.9", "10.0.0.1"))
    assert lines(client, "app.example").decode() == (
        "X-Forwarded-Proto: https\r\n"
        "X-Forwarded-Host: app.example\r\n"
        "X-Forwarded-Port: 443\r\n"
        "X-Forwarded-For: 203.0.113.9, 10.0.0.1\r\n"
        "X-Real-IP: 203.0.113.9\r\n"
        'Forwarded: for=203.0.113.9;host="app.example";proto=https, for=10.0.0.1\r\n'
    )


@pytest.mark.parametrize(
    ("client", "host", "told"),
    [
        (Client("2001:db8::9", "http", ("2001:db8::9",)), "[::1]:9003",
         'for="[2001:db8::9]";host="[::1]:9003";proto=http'),
        (Client("", "http"), "app.localhost", 'for=unknown;host="app.localhost";proto=http'),
    ],
)  # fmt: skip
def test_ipv6_is_quoted_and_a_unix_socket_is_nobody(client: Client, host: str, told: str) -> None:
    """RFC 7239 6, 6.2; the port is that of the host, or the scheme's."""
    text = lines(client, host).decode()
    assert f"Forwarded: {told}\r\n" in text
    assert f"X-Forwarded-Port: {host.rpartition(':')[2] if ':' in host else '80'}\r\n" in text
    assert ("X-Real-IP" in text) is bool(client.address)


def test_what_the_client_claims_is_not_in_the_lines() -> None:
    """GW-30: nothing of its headers, in any of them."""
    client = Senders(PROXIES, "http").client(asked("203.0.113.9", **{"for": "192.0.2.66", "host": "evil.example"}))
    assert b"192.0.2.66" not in lines(client, "app.example") and b"evil" not in lines(client, "app.example")
