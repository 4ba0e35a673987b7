"""Which request a question is about: every server's way of telling it, and what is no request."""

from __future__ import annotations

import pytest

from proxy.gateway.original import TOLD, original
from proxy.gateway.request import Asked, Malformed

TRAEFIK = {
    b"x-forwarded-method": b"POST",
    b"x-forwarded-proto": b"https",
    b"x-forwarded-host": b"app.example",
    b"x-forwarded-uri": b"/a?b=c",
}
NGINX_URL = {b"x-original-method": b"POST", b"x-original-url": b"https://app.example/a?b=c"}
NGINX_URI = {
    b"x-original-method": b"POST",
    b"x-original-uri": b"/a?b=c",
    b"x-forwarded-host": b"app.example",
    b"x-forwarded-proto": b"https",
}
ENVOY = {b"x-forwarded-proto": b"https"}


def question(seen: dict[bytes, bytes], **changes: object) -> Asked:
    """What a server asks."""
    asked = Asked(b"GET", b"/forward-auth", host=b"127.0.0.1:9003", seen=dict(seen), peer="127.0.0.1", cookies=[b"a=b"])
    for name, value in changes.items():
        setattr(asked, name, value)
    return asked


@pytest.mark.parametrize("seen", [TRAEFIK, NGINX_URL, NGINX_URI, {**TRAEFIK, **NGINX_URL}, {**TRAEFIK, **NGINX_URI}])
def test_each_servers_way_is_the_same_request(seen: dict[bytes, bytes]) -> None:
    """Method, scheme, host and target; cookies and peer stay; the question's own line is forgotten."""
    about = original(question({**seen, b"accept": b"*/*"}))
    assert (about.method, about.host, about.target) == (b"POST", b"app.example", b"/a?b=c")
    assert about.seen == {b"accept": b"*/*", b"x-forwarded-proto": b"https", b"x-forwarded-host": b"app.example"}
    assert (about.cookies, about.peer, about.kept) == ([b"a=b"], "127.0.0.1", [])


def test_envoys_question_is_the_request_itself() -> None:
    """The target comes after the asked path, method and Host are those of the question."""
    about = original(question(ENVOY, method=b"DELETE", host=b"app.example"), b"/a?b=c")
    assert (about.method, about.host, about.target) == (b"DELETE", b"app.example", b"/a?b=c")


@pytest.mark.parametrize(("method", "length"), [(b"GET", 0), (b"HEAD", 0), (b"OPTIONS", 0), (b"POST", None)])
def test_a_body_that_is_not_here_is_not_taken_for_none(method: bytes, length: int | None) -> None:
    """Else an empty form would be kept in place of the one that was sent."""
    assert original(question({**TRAEFIK, b"x-forwarded-method": method})).length == length


def test_gw_18_a_handshake_is_known_by_its_key() -> None:
    """GW-18: Upgrade is hop-by-hop and does not reach us; the key does."""
    assert original(question({**TRAEFIK, b"sec-websocket-key": b"x"})).upgrade == b"websocket"
    assert original(question(TRAEFIK)).upgrade == b""


@pytest.mark.parametrize("name", list(TRAEFIK))
def test_gw_06_what_is_missing_is_no_request(name: bytes) -> None:
    """GW-06: a question without method, scheme, host or target is 400, whatever its own line says."""
    told = {other: value for other, value in TRAEFIK.items() if other != name}
    with pytest.raises(Malformed, match="original_"):
        original(question(told))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        (b"x-original-url", b"https://app.example/public"),
        (b"x-original-url", b"https://other.example/a?b=c"),
        (b"x-original-url", b"http://app.example/a?b=c"),
        (b"x-original-uri", b"/public"),
        (b"x-original-method", b"OPTIONS"),
    ],
)
def test_gw_06_what_is_told_in_two_ways_is_no_request(name: bytes, value: bytes) -> None:
    """GW-06: one of them is the client's."""
    with pytest.raises(Malformed, match="original_"):
        original(question({**TRAEFIK, name: value}))


@pytest.mark.parametrize(
    ("name", "value"),
    [(b"x-forwarded-uri", b"/public"), (b"x-forwarded-method", b"GET"), (b"x-forwarded-host", b"other.example")],
)
def test_gw_06_envoys_question_does_not_believe_a_clients_header(name: bytes, value: bytes) -> None:
    """GW-06: what contradicts the line itself."""
    with pytest.raises(Malformed):
        original(question({**ENVOY, name: value}, method=b"DELETE", host=b"app.example"), b"/a")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        (b"x-forwarded-uri", b"admin"),
        (b"x-forwarded-uri", b"http://app.example/"),
        (b"x-forwarded-uri", b"/public, /admin"),  # two headers of the name, as they are joined
        (b"x-forwarded-uri", b"/a b"),
        (b"x-forwarded-uri", b"/a#b"),
        (b"x-forwarded-uri", b"/a\x00"),
        (b"x-forwarded-uri", b"/a\x1f"),
        (b"x-forwarded-uri", b"/\xff\xfe"),
        (b"x-forwarded-uri", "/é".encode()),
        (b"x-forwarded-uri", b"/" + b"a" * 20_000),
        (b"x-forwarded-uri", b"*"),
        (b"x-forwarded-method", b"get"),
        (b"x-forwarded-method", b"GET, POST"),
        (b"x-forwarded-method", b"G T"),
        (b"x-forwarded-host", b"a@b"),
        (b"x-forwarded-host", b'x"/><script>'),
        (b"x-forwarded-host", b"app.example, other.example"),
        (b"x-forwarded-proto", b"https, http"),
        (b"x-forwarded-proto", b"HTTPS"),
        (b"x-forwarded-proto", b"wss"),
        (b"x-original-url", b"/a?b=c"),
        (b"x-original-url", b"https://app.example"),
        (b"x-original-url", b"ftp://app.example/a?b=c"),
        (b"x-original-url", b"https://app.example/a?b=c\xff"),
    ],
)
def test_gw_35_malformed_values_are_no_request(name: bytes, value: bytes) -> None:
    """GW-35: control bytes, blanks, invalid UTF-8, another form of target, lists."""
    with pytest.raises(Malformed):
        original(question({**TRAEFIK, name: value}))


def test_every_header_that_is_read_is_known_to_be() -> None:
    """``TOLD`` is what docs and configurations overwrite."""
    assert set(TRAEFIK) | set(NGINX_URL) | set(NGINX_URI) == set(TOLD)
