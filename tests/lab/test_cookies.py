"""The jar keeps and sends what a browser would (RFC 6265bis)."""

from __future__ import annotations

import pytest

from proxy.lab.cookies import Jar, origin, site

HERE = "http://127.0.0.1:9000/"
TLS = "https://login.corp.example/"
PLAIN = "http://login.corp.example/"


@pytest.mark.parametrize(
    ("url", "header", "reason"),
    [
        (HERE, "__Host-a=1; Path=/; Secure", ""),
        (TLS, "__Host-a=1; Path=/; Secure; HttpOnly; SameSite=Lax", ""),
        (HERE, "__Host-a=1; Path=/", "prefix without Secure"),
        (HERE, "__host-a=1; Path=/", "prefix without Secure"),
        (HERE, "__Host-a=1; Secure", "__Host- with Domain or without Path=/"),
        (HERE, "__Host-a=1; Path=/login; Secure", "__Host- with Domain or without Path=/"),
        (TLS, "__Host-a=1; Path=/; Secure; Domain=corp.example", "__Host- with Domain or without Path=/"),
        (TLS, "__Secure-a=1", "prefix without Secure"),
        (PLAIN, "a=1; Secure", "Secure from an insecure place"),
        (TLS, "a=1; SameSite=None", "SameSite=None without Secure"),
        (TLS, "a=1; Domain=other.example", "Domain of somebody else"),
        (TLS, "a=" + "x" * 4096, "too long"),
    ],
)
def test_what_a_browser_ignores(url: str, header: str, reason: str) -> None:
    """A Set-Cookie header is kept or refused for the reason a browser has."""
    jar = Jar()
    jar.store(url, header, 0)
    assert [why for _, why in jar.refused] == ([reason] if reason else [])
    assert bool(jar.cookies) is not bool(reason)


@pytest.mark.parametrize(
    ("attributes", "cross_site", "safe", "sent"),
    [
        ("SameSite=Lax", False, False, True),
        ("SameSite=Lax", True, True, True),
        ("SameSite=Lax", True, False, False),
        ("", True, False, False),
        ("SameSite=Strict", True, True, False),
        ("SameSite=Strict", False, False, True),
        ("SameSite=None; Secure", True, False, True),
    ],
)
def test_same_site_decides_what_goes_along(attributes: str, cross_site: bool, safe: bool, sent: bool) -> None:
    """Lax travels with cross-site GETs only, Strict never, None always."""
    jar = Jar()
    jar.store(HERE, f"a=1; {attributes}", 0)
    assert jar.header(HERE, 0, cross_site=cross_site, safe=safe) == ("a=1" if sent else "")


@pytest.mark.parametrize(
    ("header", "gone"),
    [
        ("__Host-a=; Path=/; Secure; Max-Age=0", True),
        ("__Host-a=; Path=/; Secure; Expires=Thu, 01 Jan 1970 00:00:00 GMT", True),
        ("__Host-a=; Path=/; Max-Age=0", False),
    ],
)
def test_a_host_cookie_is_only_deleted_with_secure(header: str, gone: bool) -> None:
    """Deleting a ``__Host-`` cookie without Secure leaves it where it was, as in Chromium."""
    jar = Jar()
    jar.store(HERE, "__Host-a=1; Path=/; Secure", 0)
    jar.store(HERE, header, 0)
    assert (jar.find("__Host-a") is None) is gone


def test_a_cookie_ends_in_time_and_stays_on_its_path() -> None:
    """Max-Age is counted from the answer, and a path covers what lies below it, not beside it."""
    jar = Jar()
    jar.store(TLS, "a=1; Max-Age=10; Path=/login", 100)
    assert jar.header(TLS + "login/callback", 109, cross_site=False, safe=True) == "a=1"
    assert jar.header(TLS + "loginx", 109, cross_site=False, safe=True) == ""
    assert jar.header(TLS + "login", 110, cross_site=False, safe=True) == ""


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("http://127.0.0.1:9000/", "http://127.0.0.1:9001/x", True),
        ("http://127.0.0.1:9000/", "http://localhost:9000/", False),
        ("https://login.corp.example/", "https://app.corp.example:444/", True),
        ("https://login.corp.example/", "http://login.corp.example/", False),
    ],
)
def test_ports_do_not_make_a_site(one: str, other: str, same: bool) -> None:
    """A site is scheme and registrable domain; localhost and 127.0.0.1 are two."""
    assert (site(one) == site(other)) is same
    assert origin("https://a.example:443/x") == "https://a.example"
