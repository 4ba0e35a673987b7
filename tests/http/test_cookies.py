"""Cookies are read as raw bytes, and deleted with what they were set with."""

from __future__ import annotations

import pytest

from proxy.http.cookies import TOSSED, cookie_name, read

NAME = "__Host-sid"
GOOD = b"__Host-sid=GOOD"


@pytest.mark.parametrize("blank", ["\u2000", "\u0085", "\u00a0", "\u3000", "\x0b", "\x0c"])
@pytest.mark.parametrize("first", [True, False])
def test_se_06_only_the_exact_name_counts(blank: str, first: bool) -> None:
    """A name with an exotic blank before it is another cookie, wherever it stands (SE-06)."""
    evil = f"{blank}__Host-sid=EVIL".encode()
    pairs = (GOOD, evil) if first else (evil, GOOD)
    assert read([b"; ".join(pairs)], NAME) == "GOOD"


@pytest.mark.parametrize("evil", [b"__Host-sid =EVIL", b"__host-sid=EVIL", b"x__Host-sid=EVIL", b"=__Host-sid=EVIL"])
def test_se_06_near_misses_of_the_name(evil: bytes) -> None:
    """A blank before the equals sign, another case, a prefix or an empty name is another cookie (SE-06)."""
    assert read([evil], NAME) is None
    assert read([evil + b"; " + GOOD], NAME) == "GOOD"


@pytest.mark.parametrize(
    "headers",
    [[b"__Host-sid=a; __Host-sid=b"], [b"__Host-sid=b; __Host-sid=a"], [b"__Host-sid=a", b"__Host-sid=b"]],
)
def test_se_07_two_values_are_none(headers: list[bytes]) -> None:
    """One name with two values is dropped, in one header or two, in either order (SE-07)."""
    assert read(headers, NAME) is TOSSED


def test_se_07_the_same_value_twice_is_one() -> None:
    """The same pair twice contradicts nothing (SE-07)."""
    assert read([GOOD, GOOD], NAME) == "GOOD"


@pytest.mark.parametrize(
    "broken",
    [b"=sid=EVIL", b"__Host-sid", b'__Host-sid="a\x00"', b'{"a":1}', b"\xff\xfe=\xff", b"__Host-sid=\xc3\xa9", b";;;"],
)
def test_se_09_broken_pairs_are_skipped(broken: bytes) -> None:
    """A broken pair neither breaks nor changes anything (SE-09)."""
    assert read([broken], NAME) is None
    assert read([broken + b"; " + GOOD], NAME) == "GOOD"


def test_se_09_three_hundred_cookies() -> None:
    """Ours is found among hundreds of others (SE-09)."""
    others = b"; ".join(b"c%d=v" % number for number in range(300))
    assert read([others + b"; " + GOOD], NAME) == "GOOD"


def test_names_tell_tenants_on_one_host_apart() -> None:
    """Ports do not separate cookies, so the issuer is in the name."""
    first, second = (cookie_name("session", f"http://127.0.0.1:{port}/") for port in (9000, 9001))
    assert first != second
    assert first.startswith("__Host-isthmus-session-")
