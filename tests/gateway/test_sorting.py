"""Sorting the headers of a request: what goes on, what is read, what stays here, and our cookies."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from proxy.gateway.names import Names
from proxy.gateway.request import Asked, Header, Malformed
from proxy.gateway.sorting import LONGEST_NAME, MOST_NAMES, Sorting, without_ours
from tests.gateway.spellings import CONFIGURED, FORBIDDEN, HOP_BY_HOP, spellings

HOST = (b"Host", b"app.example")
OURS = b"__Host-isthmus-gateway-0a1b2c3d"


def sorted_out(*headers: Header, minor: int = 1, host: Iterable[Header] = (HOST,)) -> Asked:
    """An honest request but for ``headers``."""
    asked = Asked(b"GET", b"/", minor)
    Sorting(Names(CONFIGURED)).sort(asked, [*host, *headers])
    return asked


def test_a_browsers_request_is_sorted() -> None:
    """Order and spelling are kept; decisions find what they read in lower case."""
    asked = sorted_out(
        (b"Connection", b"keep-alive"),
        (b"User-Agent", b"Mozilla/5.0"),
        (b"ACCEPT", b"text/html"),
        (b"Sec-Fetch-Dest", b"document"),
        (b"Cookie", b"a=b"),
        (b"cookie", b"c=d"),
        (b"Accept", b"*/*"),
        (b"Content-Length", b"12"),
        (b"Content-Type", b"text/plain"),
    )
    assert (asked.host, asked.length, asked.cookies) == (b"app.example", 12, [b"a=b", b"c=d"])
    assert asked.kept == [
        (b"User-Agent", b"Mozilla/5.0"),
        (b"ACCEPT", b"text/html"),
        (b"Sec-Fetch-Dest", b"document"),
        (b"Accept", b"*/*"),
        (b"Content-Type", b"text/plain"),
    ]
    assert asked.seen[b"accept"] == b"text/html, */*" and asked.seen[b"sec-fetch-dest"] == b"document"


@pytest.mark.parametrize("name", FORBIDDEN)
def test_gw_01_gw_02_no_spelling_of_an_identity_header_is_kept(name: str) -> None:
    """GW-01, GW-02, GW-06, GW-30: as the raw bytes of the name came."""
    asked = sorted_out(*((spelled, b"admin") for spelled in spellings(name)), (b"X-Harmless", b"1"))
    assert asked.kept == [(b"X-Harmless", b"1")]


@pytest.mark.parametrize("name", [*HOP_BY_HOP, "Connection", "Upgrade"])
def test_gw_05_hop_by_hop_headers_stay_here(name: str) -> None:
    """RFC 9110 7.6.1: with Connection or without."""
    assert sorted_out((name.encode(), b"x"), (name.lower().encode(), b"y")).kept == []


def test_gw_03_however_often_it_comes_nothing_is_kept() -> None:
    """GW-03: three times, empty, and around others."""
    asked = sorted_out(
        (b"X-Forwarded-User", b"admin"),
        (b"X-Harmless", b"1"),
        (b"x-forwarded-user", b""),
        (b"X_FORWARDED_USER", b"root"),
    )
    assert asked.kept == [(b"X-Harmless", b"1")]


@pytest.mark.parametrize("value", [b"close, X-Harmless", b"x-harmless", b"keep-alive,X-HARMLESS ,", b"\tX-Harmless"])
def test_gw_05_what_connection_names_goes_no_further(value: bytes) -> None:
    """GW-05: the client's own tokens, applied to the client's own headers."""
    asked = sorted_out((b"X-Harmless", b"1"), (b"Connection", value), (b"X-Other", b"2"))
    assert asked.kept == [(b"X-Other", b"2")]


@pytest.mark.parametrize("name", [b"host", b"cookie", b"content-length", b"content-type", b"Authorization"])
def test_gw_05_connection_cannot_take_out_what_the_decision_read(name: bytes) -> None:
    """GW-05: the app reads the request that we did."""
    asked = sorted_out(
        (b"Connection", b"close, " + name),
        (b"Cookie", b"a=b"),
        (b"Content-Length", b"3"),
        (b"Content-Type", b"text/plain"),
        (b"Authorization", b"Basic eA=="),
    )
    assert (asked.host, asked.length, asked.cookies) == (b"app.example", 3, [b"a=b"])
    assert [header for header, _ in asked.kept] == [b"Content-Type", b"Authorization"]


def test_gw_05_several_connection_headers_count_together() -> None:
    """GW-05: RFC 9110 5.3, a list may come in several lines."""
    asked = sorted_out((b"Connection", b"close"), (b"X-A", b"1"), (b"Connection", b"x-a"), (b"Keep-Alive", b"X-B"))
    assert asked.kept == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        (b"X-Forwarded-Uri", b"/admin"),
        (b"X-Original-URL", b"/admin"),
        (b"X-Forwarded-For", b"127.0.0.1"),
        (b"Forwarded", b"for=127.0.0.1"),
        (b"X-Real-IP", b"127.0.0.1"),
        (b"X-Forwarded-Port", b"1"),
    ],
)
def test_gw_06_gw_30_what_proxies_say_is_seen_and_not_kept(name: bytes, value: bytes) -> None:
    """GW-06, GW-30: those who know whether to trust the peer find it; the app does not. No other spelling is found."""
    asked = sorted_out((name, value))
    assert asked.kept == [] and asked.seen[name.lower()] == value
    assert sorted_out((name + b"_", value)).seen == {}


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        ([(b"Host", b"a.example"), (b"Host", b"b.example")], "two_hosts"),
        ([(b"Host", b"a.example"), (b"host", b"a.example")], "two_hosts"),
        ([], "no_host"),
        ([(b"Host", b"")], "no_host"),
    ],
)
def test_gw_12_one_host_and_no_more(headers: list[Header], reason: str) -> None:
    """GW-12: RFC 9112 3.2, even if both say the same."""
    with pytest.raises(Malformed) as caught:
        sorted_out(host=headers)
    assert (caught.value.reason, caught.value.status) == (reason, 400)


def test_an_old_client_may_come_without_a_host() -> None:
    """HTTP/1.0 knows none; what has no host is no route's."""
    assert sorted_out(minor=0, host=()).host == b""


@pytest.mark.parametrize("value", [b"", b"-1", b"+5", b"1_0", b"0x10", b"1, 1", b"12 ", b"\xd9\xa3", b"9" * 19, b"5 5"])
def test_gw_22_a_length_is_digits(value: bytes) -> None:
    """RFC 9110 8.6: nothing that two readers could count differently."""
    with pytest.raises(Malformed, match="content_length"):
        sorted_out((b"Content-Length", value))


@pytest.mark.parametrize(
    ("headers", "minor", "reason", "status"),
    [
        ([(b"Content-Length", b"1"), (b"Content-Length", b"1")], 1, "two_content_lengths", 400),
        ([(b"Transfer-Encoding", b"chunked"), (b"Content-Length", b"1")], 1, "two_framings", 400),
        ([(b"Content-Length", b"1"), (b"transfer-encoding", b"chunked")], 1, "two_framings", 400),
        ([(b"Transfer-Encoding", b"chunked")], 0, "two_framings", 400),
        ([(b"Transfer-Encoding", b"chunked"), (b"Transfer-Encoding", b"chunked")], 1, "two_transfer_encodings", 400),
        ([(b"Transfer-Encoding", b"gzip, chunked")], 1, "transfer_encoding", 501),
        ([(b"Transfer-Encoding", b"identity")], 1, "transfer_encoding", 501),
        ([(b"Transfer-Encoding", b"\x0bchunked")], 1, "transfer_encoding", 501),
        ([(b"Transfer-Encoding", b"")], 1, "transfer_encoding", 501),
    ],
)
def test_one_framing_and_no_more(headers: list[Header], minor: int, reason: str, status: int) -> None:
    """RFC 9112 6.1: what could be read in two ways is refused."""
    with pytest.raises(Malformed) as caught:
        sorted_out(*headers, minor=minor)
    assert (caught.value.reason, caught.value.status) == (reason, status)


def test_lengths_are_told_apart() -> None:
    """No body, one of so many bytes, a chunked one; none of the headers that frame it is kept."""
    assert sorted_out().length == 0 and not sorted_out().has_body
    chunked = sorted_out((b"Transfer-Encoding", b"Chunked"))
    assert chunked.length is None and chunked.has_body and chunked.kept == []
    assert sorted_out((b"Content-Length", b"0")).length == 0


def test_gw_34_no_trailer_is_announced() -> None:
    """GW-34: trailers are dropped, and so is what announces them or asks for them."""
    asked = sorted_out((b"Trailer", b"X-Auth-User"), (b"TE", b"trailers"), (b"Transfer-Encoding", b"chunked"))
    assert asked.kept == []


def test_gw_19_upgrade_is_read_and_not_kept() -> None:
    """GW-19: whoever may upgrade says so anew towards the app."""
    asked = sorted_out(
        (b"Upgrade", b"websocket"), (b"Connection", b"Upgrade, X-Auth-User"), (b"Sec-WebSocket-Key", b"x")
    )
    assert asked.upgrade == b"websocket" and asked.seen[b"connection"] == b"Upgrade, X-Auth-User"
    assert asked.kept == [(b"Sec-WebSocket-Key", b"x")]


def test_many_names_do_not_fill_the_memory() -> None:
    """Endless new names, and long ones: the table is bounded, and what it does not hold is sorted all the same."""
    sorting = Sorting(Names())
    for number in range(MOST_NAMES + 500):
        sorting.sort(Asked(b"GET", b"/"), [HOST, (b"X-%d" % number, b"1"), (b"X_%d" % number, b"1")])
    asked = Asked(b"GET", b"/")
    long = b"X-" + b"a" * LONGEST_NAME
    sorting.sort(asked, [HOST, (long, b"1"), (b"Remote_User", b"admin"), (b"remote-USER", b"x"), (b"Accept", b"*/*")])
    assert len(sorting._actions) <= MOST_NAMES and long not in sorting._actions
    assert asked.kept == [(long, b"1"), (b"Accept", b"*/*")]


@pytest.mark.parametrize(
    ("cookies", "left"),
    [
        ([], b""),
        ([OURS + b"=sid.secret"], b""),
        ([b"theme=dark"], b"theme=dark"),
        ([b"a=1; " + OURS + b"=x; b=2"], b"a=1; b=2"),
        ([OURS + b"=x; a=1;b=2 ;  c"], b"a=1;b=2 ;  c"),
        ([b"a=1", OURS + b"=x", b"b=2"], b"a=1; b=2"),
        ([b"a=1; a=2; =3; {}; \xff=\x80"], b"a=1; a=2; =3; {}; \xff=\x80"),
        ([b"__Host-app=1; __Host-isthmu=2; xisthmus=3"], b"__Host-app=1; __Host-isthmu=2; xisthmus=3"),
        ([b"note=host-isthmus-is-nice; a=50%25"], b"note=host-isthmus-is-nice; a=50%25"),
        ([b'p="x; ' + OURS + b'=S; q=y"'], b'p="x; q=y"'),
    ],
)
def test_gw_21_se_17_our_cookies_stay_here_and_others_pass_unchanged(cookies: list[bytes], left: bytes) -> None:
    """GW-21, SE-17: byte for byte."""
    assert without_ours(cookies) == left


@pytest.mark.parametrize("role", ["session", "browser", "gateway", "visit", "login", "csrf"])
@pytest.mark.parametrize(
    "name",
    [
        b" %s",
        b"\t%s",
        b"\xe2\x80\x80%s",
        b"\xc2\x85%s",
        b"\x85%s",
        b"\xa0%s",
        b"\xc2\xa0%s",
        b"\xe3\x80\x80%s",
        b"%s ",
        b"\x00%s",
        b'"%s"',
        b"$%s",
        b"=%s",
    ],
)
def test_gw_21_se_06_what_an_app_may_trim_to_ours_stays_here_too(name: bytes, role: str) -> None:
    """GW-21, SE-06: blanks of any kind before and after the name, quotes, and cookies without a name."""
    ours = name.replace(b"%s", f"__Host-isthmus-{role}-0a1b2c3d".encode())
    assert without_ours([b"a=1; " + ours + b"=sid.secret; b=2"]) == b"a=1; b=2"


@pytest.mark.parametrize(
    "name",
    [b"__host-isthmus-session", b"..Host-isthmus-session", b"__%48ost-isthmus-session", b"_[Host-isthmus-session"],
)
def test_gw_21_what_an_app_may_fold_to_ours_stays_here_too(name: bytes) -> None:
    """GW-21: PHP makes ``_`` of dots, blanks and brackets in a cookie's name, and old ones decode it (CVE-2022-31629,
    CVE-2020-7070)."""
    assert without_ours([name + b"=x; a=1"]) == b"a=1"
