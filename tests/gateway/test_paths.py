"""Canonical targets: rules and app get the same bytes, and what could be read in two ways is refused."""

from __future__ import annotations

import itertools
from urllib.parse import unquote_to_bytes

import pytest

from proxy.gateway.paths import LONGEST, REMEMBERED, canonical, within
from proxy.gateway.request import Malformed

PLAIN = [
    (b"/", "/", b"/"),
    (b"/a/b", "/a/b", b"/a/b"),
    (b"/a/b/", "/a/b/", b"/a/b/"),
    (b"/a?", "/a", b"/a?"),
    (b'/a?x=/../b&y=%zz;//\\|"', "/a", b'/a?x=/../b&y=%zz;//\\|"'),
    (b"/?a?b", "/", b"/?a?b"),
    (b"/.well-known/x", "/.well-known/x", b"/.well-known/x"),
    (b"/a/...", "/a/...", b"/a/..."),
    (b"/a/..b", "/a/..b", b"/a/..b"),
    (b"/!$&'()*+,=:@~_-", "/!$&'()*+,=:@~_-", b"/!$&'()*+,=:@~_-"),
    (b"/[slug]/^a|b", "/[slug]/^a|b", b"/[slug]/^a|b"),
    (b"/%61dmin", "/admin", b"/admin"),
    (b"/%41%7A%5f%7e%2D", "/Az_~-", b"/Az_~-"),
    (b"/%c3%a9", "/%C3%A9", b"/%C3%A9"),
    (b"/a%20b%40", "/a%20b%40", b"/a%20b%40"),
    (b"/%2561dmin", "/%2561dmin", b"/%2561dmin"),
    (b"/Admin", "/Admin", b"/Admin"),
]
REFUSED = [
    b"/a/../admin", b"/a/%2e%2e/admin", b"/./admin", b"/%2e/admin", b"/%2E", b"/.", b"/..", b"/a/.", b"/a/..",
    b"/a%2e", b"/a/..%2fadmin", b"/a%5c..%5cadmin", b"/a/..;/admin", b"/public/..;/admin", b"/..;x", b"/.;x/a",
    b"/admin%00", b"/a%1fb", b"/a%7F", b"/\\admin", b"/a\\..\\admin", b"/%2e%2E%2fadmin",
    b"/%c0%ae%c0%ae/admin", b"/a%c0%afb", b"/a%e0%80%afb", b"/%f0%80%80%ae/",
]  # fmt: skip
AMBIGUOUS = [b"//admin", b"/a//b", b"/a/b//", b"/admin%2f", b"/a%2Fb", b"/a%5Cb", b"/admin;x", b"/a;b=c/d", b"//"]
NO_TARGETS = [
    b"", b"*", b"admin", b"http://app.example/x", b"app.example:443", b"?x", b"/a b", b"/a\tb", b"/a\x00", b"/a\r\n",
    b"/\xc3\xa9", b"/a%", b"/a%2", b"/a%zz", b"/a%2 0", b"/a?\x7f", b"/a?b c", b"/a?\xe9", b"/\"", b"/<a>",
    b"/`", b"/{a}",
    b"/a\n",
]  # fmt: skip


def refused(target: bytes) -> str:
    """Why a target is refused."""
    with pytest.raises(Malformed) as caught:
        canonical(target)
    assert caught.value.status == 400
    return caught.value.reason


@pytest.mark.parametrize(("target", "path", "wire"), PLAIN)
def test_gw_08_one_canonical_form(target: bytes, path: str, wire: bytes) -> None:
    """GW-08: escapes of unreserved characters are decoded, others written in capitals, the rest stays as it came."""
    found = canonical(target)
    assert (found.path, found.wire, found.ambiguous) == (path, wire, False)


@pytest.mark.parametrize("target", REFUSED)
def test_gw_08_dot_segments_controls_and_long_utf_8_are_nobodys(target: bytes) -> None:
    """GW-08: in every spelling, on every route."""
    assert refused(target) == "target"


@pytest.mark.parametrize("target", AMBIGUOUS)
def test_gw_08_what_two_readers_read_differently_is_marked(target: bytes) -> None:
    """GW-08: only a route that opts in takes it (``test_routes``)."""
    assert canonical(target).ambiguous


@pytest.mark.parametrize("target", NO_TARGETS)
def test_gw_12_only_origin_form_of_visible_ascii(target: bytes) -> None:
    """GW-12, RFC 9112 3.2.1: no absolute form, no authority, no asterisk, no escape that is none."""
    assert refused(target) == "target"


@pytest.mark.parametrize(
    ("target", "path"), [(b"/admin?x=/public", "/admin"), (b"/admin?/health", "/admin"), (b"/admin?", "/admin")]
)
def test_gw_09_rules_see_no_query(target: bytes, path: str) -> None:
    """GW-09: the query is no part of the path, and goes on as it came."""
    assert (canonical(target).path, canonical(target).wire) == (path, target)


def test_gw_09_an_escaped_question_mark_begins_no_query() -> None:
    """GW-09: it stays escaped, for rules and app."""
    assert (canonical(b"/admin%3f/public").path, canonical(b"/admin%3f/public").wire) == (
        "/admin%3F/public",
        b"/admin%3F/public",
    )


@pytest.mark.parametrize("target", [b"/admin#/public", b"/public#/../admin", b"/#", b"/a?b#c", b"#"])
def test_gw_10_a_fragment_is_refused(target: bytes) -> None:
    """GW-10: browsers never send one."""
    assert refused(target) == "target"


def test_gw_10_an_escaped_fragment_is_part_of_the_path() -> None:
    """GW-10: and stays escaped."""
    assert canonical(b"/x%23/public").path == "/x%23/public"


def test_gw_08_the_canonical_form_is_its_own() -> None:
    """GW-08: whatever comes out says the same when it is read again, and decodes to what came in. All targets of up to
    four pieces out of those that matter."""
    pieces = (b"/", b"a", b".", b"%2e", b"%2F", b"%61", b"%3f", b";", b"\\", b"?", b"#", b"%c3%a9", b"%25", b"@")
    taken = 0
    for count in range(1, 5):
        for parts in itertools.product(pieces, repeat=count):
            target = b"".join(parts)
            try:
                found = canonical(target)
            except Malformed:
                continue
            taken += 1
            assert canonical(found.wire) == found
            assert found.path.encode() == found.wire.partition(b"?")[0]
            assert unquote_to_bytes(found.path) == unquote_to_bytes(target.partition(b"?")[0])
            decoded = unquote_to_bytes(found.path).replace(b"\\", b"/")
            assert not {b".", b".."} & {segment.partition(b";")[0] for segment in decoded.split(b"/")}
    assert taken > 1000


def test_a_target_has_a_longest() -> None:
    """A longer one is 414; the longest goes through, and one that is not remembered is the same as one that is."""
    assert canonical(b"/" + b"a" * (LONGEST - 1)).path == "/" + "a" * (LONGEST - 1)
    with pytest.raises(Malformed) as caught:
        canonical(b"/" + b"a" * LONGEST)
    assert (caught.value.status, caught.value.reason) == (414, "target_size")
    with pytest.raises(Malformed):
        canonical(b"/" + b"a" * REMEMBERED + b"/../b")


@pytest.mark.parametrize(
    ("path", "prefix", "said"),
    [
        ("/public", "/public", True),
        ("/public/", "/public", True),
        ("/public/a", "/public", True),
        ("/publicadmin", "/public", False),
        ("/public-admin", "/public", False),
        ("/healthzx", "/healthz", False),
        ("/Public", "/public", False),
        ("/", "/public", False),
        ("/public", "/public/", False),
        ("/public/a", "/public/", True),
        ("/anything", "/", True),
        ("/public%2Fa", "/public", False),
    ],
)
def test_gw_11_prefixes_end_with_a_segment(path: str, prefix: str, said: bool) -> None:
    """GW-11: ``/public`` is not ``/publicadmin``."""
    assert within(path, prefix) is said
