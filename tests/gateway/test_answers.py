"""An app's answer: what of its headers goes on to the browser."""

from __future__ import annotations

import pytest

from proxy.gateway.answers import PRIVATE, Answers
from proxy.gateway.names import Names
from proxy.gateway.request import Header
from proxy.gateway.sorting import MOST_NAMES
from tests.gateway.spellings import CONFIGURED

HOSTS = ("login.example.com", "app.example.com", "other.example.com:8443", "deep.app.example.com", "127.0.0.1", "[::1]")
ANSWERS = Answers(Names(CONFIGURED), HOSTS)
HOST = "app.example.com"


def through(*headers: Header, private: bool = False, host: str = HOST) -> list[Header]:
    """What goes on."""
    return ANSWERS.filter(headers, host, private=private)


def test_what_an_app_says_goes_on_as_it_came() -> None:
    """Order, spelling and number of the headers are the app's."""
    said = [
        (b"server", b"gunicorn"),
        (b"Content-Type", b"text/html"),
        (b"SET-COOKIE", b"a=b; Path=/; HttpOnly"),
        (b"Set-Cookie", b"c=d; Domain=app.example.com.evil; Path=/"),
        (b"ETag", b'"x"'),
        (b"Location", b"//evil.example/"),
        (b"Content-Length", b"12"),
        (b"WWW-Authenticate", b"Basic realm=x"),
        (b"X_Odd", b"1"),
    ]
    assert through(*said) == said


@pytest.mark.parametrize("location", [b"//evil.example/", b"http://127.0.0.1:6379/", b"/\\evil", b"javascript:x"])
def test_gw_22_gw_24_where_the_app_sends_people_is_passed_on(location: bytes) -> None:
    """GW-22, GW-24: untouched; nobody here follows it."""
    assert through((b"Location", location)) == [(b"Location", location)]


@pytest.mark.parametrize(
    "name",
    [b"X-Isthmus-Assertion", b"x-isthmus-claims-token", b"Remote-User", b"X-Auth-Request-User", b"X-Auth-User",
     b"X-Accel-Redirect", b"X_Accel_Redirect", b"X-Accel-Expires", b"X-Sendfile", b"X-Forwarded-User", b"X-Team",
     b"Cf-Access-Jwt-Assertion", b"Alt-Svc", b"Keep-Alive", b"Proxy-Authenticate", b"Transfer-Encoding", b"Upgrade",
     b"Connection", b"Proxy-Connection", b"TE"],
)  # fmt: skip
def test_gw_22_internal_and_hop_by_hop_headers_are_removed(name: bytes) -> None:
    """GW-22: nobody in front of us acts on them, no page reads them, and the message is framed anew."""
    assert through((name, b"x"), (name.lower(), b"y"), (b"ETag", b"z")) == [(b"ETag", b"z")]


@pytest.mark.parametrize("value", [b"X-Hop", b"close, x-hop", b"keep-alive , X-HOP"])
def test_gw_22_what_the_app_names_in_connection_is_removed(value: bytes) -> None:
    """RFC 9110 7.6.1."""
    assert through((b"X-Hop", b"1"), (b"Connection", value), (b"ETag", b"z")) == [(b"ETag", b"z")]


@pytest.mark.parametrize("name", [b"Set-Cookie", b"Cache-Control", b"Content-Type", b"Content-Length", b"Location"])
def test_gw_22_what_an_answer_is_cannot_be_named_away(name: bytes) -> None:
    """The control: only what is for one connection."""
    assert through((name, b"1"), (b"Connection", name)) == [(name, b"1")]


@pytest.mark.parametrize(
    "cookie",
    [
        b"__Host-isthmus-session-0a1b2c3d=EVIL; Path=/; Secure",
        b"__host-isthmus-session-0a1b2c3d=EVIL",
        b" __Host-isthmus-gateway-x=EVIL; Path=/; Secure; HttpOnly",
        b"\xe2\x80\x80__Host-isthmus-gateway-x=EVIL",
        b"\xc2\x85__Host-isthmus-gateway-x=EVIL; Domain=.example.com",
        b"__Host-isthmus-gateway-x =EVIL",
        b"=__Host-isthmus-gateway-x=EVIL",
        b"__Host-isthmus-gateway-x",
        b"__%48ost-isthmus-gateway-x=EVIL",
        b"..Host-isthmus-visit-x=EVIL",
    ],
)
def test_gw_22_no_app_sets_a_cookie_of_ours(cookie: bytes) -> None:
    """GW-22: nor one that a browser, or the app next door, could take for it."""
    assert through((b"Set-Cookie", cookie), (b"Set-Cookie", b"a=b")) == [(b"Set-Cookie", b"a=b")]


@pytest.mark.parametrize(
    ("cookie", "left"),
    [
        (b"a=b; Domain=.example.com; Path=/", b"a=b; Path=/"),
        (b"a=b; domain=example.com", b"a=b"),
        (b"a=b; Path=/;DOMAIN = EXAMPLE.com. ; Secure", b"a=b; Path=/; Secure"),
        (b"a=b; Domain=com", b"a=b"),
        (b"a=b; Domain=app.example.com; Path=/", b"a=b; Path=/"),
        (b"a=b; Domain=login.example.com", b"a=b"),
        (b"a=b; Domain=x.example; Domain=example.com", b"a=b"),
        (b"a=b; Domain=\xef\xbd\x85xample.com", b"a=b"),
        (b"a=b; Domain=", b"a=b; Domain="),
        (b"a=b; Domain=cdn.example.net; Secure", b"a=b; Domain=cdn.example.net; Secure"),
        (b"a=Domain=example.com; Path=/", b"a=Domain=example.com; Path=/"),
    ],
)
def test_gw_22_a_cookie_reaches_neither_the_login_host_nor_another_app(cookie: bytes, left: bytes) -> None:
    """GW-22: its Domain is taken away where it covers one; it stays a cookie of the app's own host."""
    assert through((b"Set-Cookie", cookie)) == [(b"Set-Cookie", left)]


def test_gw_22_an_app_keeps_the_hosts_below_its_own() -> None:
    """The control: what is nobody else's is the app's to use."""
    cookie = (b"Set-Cookie", b"a=b; Domain=deep.app.example.com")
    assert through(cookie, host="deep.app.example.com") == [cookie]


@pytest.mark.parametrize(
    ("value", "left"),
    [
        (b'"cookies"', None),
        (b'"cache", "cookies", "storage"', b'"cache", "storage"'),
        (b'"*"', b'"cache", "storage"'),
        (b'"*", "cache"', b'"cache", "storage"'),
        (b'"COOKIES"', None),
        (b"*", b'"cache", "storage"'),
        (b'"cache"', b'"cache"'),
        (b"", None),
    ],
)
def test_gw_22_an_app_does_not_log_people_out_of_everything(value: bytes, left: bytes | None) -> None:
    """GW-22: ``cookies`` clears those of the whole registrable domain, the login host's among them."""
    assert through((b"Clear-Site-Data", value)) == ([(b"Clear-Site-Data", left)] if left else [])


@pytest.mark.parametrize("name", [b"Cache-Control", b"cache-control", b"Expires"])
def test_gw_27_what_the_app_says_of_caches_counts(name: bytes) -> None:
    """GW-27: it knows what is private."""
    assert through((name, b"x"), private=True) == [(name, b"x")]


def test_gw_27_an_answer_behind_a_login_is_private() -> None:
    """GW-27: no cache gives one person's page to another, whatever the address ends in."""
    assert through((b"Content-Type", b"text/css"), private=True) == [(b"Content-Type", b"text/css"), *PRIVATE]
    assert PRIVATE == ((b"Cache-Control", b"private"), (b"Vary", b"Cookie, Authorization"))
    assert through((b"Vary", b"Accept"), private=True) == [(b"Vary", b"Accept"), *PRIVATE]


def test_gw_27_what_is_public_stays_so() -> None:
    """GW-27: on public paths the app is left alone."""
    assert through((b"Content-Type", b"text/css")) == [(b"Content-Type", b"text/css")]


def test_gw_34_trailers_say_nothing_that_belongs_into_a_head() -> None:
    """GW-34, RFC 9110 6.5.1: no identity, no cookie, no framing, nothing about caches."""
    trailers = [
        (b"Grpc-Status", b"0"),
        (b"X-Auth-User", b"admin"),
        (b"Set-Cookie", b"a=b"),
        (b"Content-Length", b"1"),
        (b"Transfer-Encoding", b"chunked"),
        (b"Cache-Control", b"public"),
        (b"Clear-Site-Data", b'"*"'),
        (b"Location", b"/"),
        (b"Server-Timing", b"db;dur=1"),
    ]
    assert ANSWERS.trailers(trailers) == [(b"Grpc-Status", b"0"), (b"Server-Timing", b"db;dur=1")]


def test_many_names_do_not_fill_the_memory() -> None:
    """The table is bounded."""
    answers = Answers(Names(), HOSTS)
    for number in range(MOST_NAMES + 100):
        answers.filter([(b"X-%d" % number, b"1")], HOST, private=False)
    assert len(answers._actions) <= MOST_NAMES
    assert answers.filter([(b"X-Isthmus-New", b"1")], HOST, private=False) == []
