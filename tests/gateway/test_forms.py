"""Forms that are kept over a login: whose they are, and that they arrive as they were sent or not at all."""

from __future__ import annotations

from typing import Any

import pytest

from proxy.gateway.forms import MOST, MOST_FIELDS, fields_of, may_be_kept
from proxy.gateway.request import Asked
from proxy.models.route import Route

HERE = "https://app.example"
SEEN = {
    b"content-type": b"application/x-www-form-urlencoded",
    b"origin": HERE.encode(),
    b"sec-fetch-site": b"same-origin",
}


def route(**changes: Any) -> Route:
    """One that keeps forms."""
    return Route.model_validate(
        {"host": "app.example", "upstream": "http://127.0.0.1:9004", "keep_forms": True, **changes}
    )


def asked(method: bytes = b"POST", length: int | None = 3, **seen: bytes) -> Asked:
    """A form, with other headers."""
    more = {name.replace("_", "-").encode(): value for name, value in seen.items()}
    return Asked(method, b"/save", seen={**SEEN, **more}, length=length)


@pytest.mark.parametrize(
    "form",
    [
        asked(),
        asked(length=None),
        asked(length=0),
        asked(length=MOST),
        asked(content_type=b"Application/X-WWW-Form-Urlencoded; charset=UTF-8"),
    ],
)
def test_gw_26_a_form_of_the_apps_own_page(form: Asked) -> None:
    """GW-26: on a route that wants it."""
    assert may_be_kept(form, route(), HERE)
    assert not may_be_kept(form, route(keep_forms=False), HERE)


@pytest.mark.parametrize(
    "form",
    [
        asked(b"PUT"),
        asked(b"GET"),
        asked(length=MOST + 1),
        asked(content_type=b"multipart/form-data; boundary=x"),
        asked(content_type=b"text/plain"),
        asked(content_type=b"application/json"),
        asked(content_type=b""),
        asked(origin=b""),
        asked(origin=b"null"),
        asked(origin=b"http://app.example"),
        asked(origin=b"https://app.example:8443"),
        asked(origin=b"https://other.example"),
        asked(origin=b"https://app.example, https://evil.example"),
        asked(sec_fetch_site=b""),
        asked(sec_fetch_site=b"same-site"),
        asked(sec_fetch_site=b"cross-site"),
        asked(sec_fetch_site=b"none"),
    ],
)
def test_gw_26_nothing_else_is_kept(form: Asked) -> None:
    """GW-26: no other site's form, no other kind of body, nothing that is large."""
    assert not may_be_kept(form, route(), HERE)


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        (b"", ()),
        (b"a=b", (("a", "b"),)),
        (b"a=&a=&b=1", (("a", ""), ("a", ""), ("b", "1"))),
        (b"z=1&a=2&z=3", (("z", "1"), ("a", "2"), ("z", "3"))),
        (b"a=+b%2B%26%3D", (("a", " b+&="),)),
        (b"a=%7E*-._", (("a", "~*-._"),)),
        (b"%C3%A9=%E2%82%AC%F0%9F%98%80", (("\xe9", "\u20ac\U0001f600"),)),
        (b"t=%0D%0Aone%0D%0Atwo%0D%0A", (("t", "\r\none\r\ntwo\r\n"),)),
        (b"t=%3Cscript%3E%22%27%3C%2Ftextarea%3E", (("t", "<script>\"'</textarea>"),)),
        (b"_charset_=UTF-8", (("_charset_", "UTF-8"),)),
    ],
)
def test_gw_26_what_browsers_write(body: bytes, fields: tuple[tuple[str, str], ...]) -> None:
    """GW-26: order, doubles and empty values stay."""
    assert fields_of(body) == fields


@pytest.mark.parametrize(
    "body",
    [
        b"a",
        b"&a=b",
        b"a=b&",
        b"=b",
        b"a=%e9",
        b"a=%E9",  # another character set
        b"\xc3\xa9=1",
        b"a=%c3%a9",  # no browser writes small letters
        b"a=~",
        b"a=b%20c",
        b"a=%41",
        b"a=%",
        b"a=b;c=d",
        b"a=b#c",
        b"a=%00",
        b"a=one%0Atwo",
        b"a=one%0Dtwo",
        b"a=%0A%0D",
        b"a=%ED%A0%80",
        b"&".join([b"a=b"] * (MOST_FIELDS + 1)),
    ],
)
def test_gw_26_what_would_not_arrive_as_it_was_is_not_kept(body: bytes) -> None:
    """GW-26: a browser would make something else of it."""
    assert fields_of(body) is None
