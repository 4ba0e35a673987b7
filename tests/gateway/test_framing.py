"""Heads and bodies: what llhttp takes and we do not, and how bodies are framed."""

from __future__ import annotations

import pytest

from proxy.gateway.framing import chunk, keeps_alive, last_chunk, read_answer, read_request
from proxy.gateway.request import Malformed


@pytest.mark.parametrize(
    ("minor", "connection", "keeps"),
    [
        (1, b"", True),
        (1, b"close", False),
        (1, b"keep-alive, Close", False),
        (1, b"closely", True),
        (0, b"keep-alive", False),
    ],
)
def test_which_connections_stay(minor: int, connection: bytes, keeps: bool) -> None:
    """RFC 9112 9.3."""
    assert keeps_alive(minor, connection) is keeps


def test_a_head_alone_is_read() -> None:
    """Method, target, version and headers, as they came."""
    read = read_request(b"PUT /a%2Fb?c HTTP/1.1\r\nHost: a\r\nX-A:  b \r\n\r\n")
    assert (read.method, read.target, read.minor) == (b"PUT", b"/a%2Fb?c", 1)
    assert read.headers == [(b"Host", b"a"), (b"X-A", b"b ")]


@pytest.mark.parametrize("pieces", [1, 3, 1000])
def test_a_chunked_body_comes_in_any_pieces(pieces: int) -> None:
    """RFC 9112 7.1: extensions and trailers are read over."""
    chunks = read_request(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n").chunks
    raw = b"5;ext=1\r\nhello\r\n6\r\n world\r\n0\r\nX-T: 1\r\n\r\n"
    body = b"".join(b"".join(chunks.feed(raw[at : at + pieces])) for at in range(0, len(raw), pieces))
    assert (body, chunks.done, chunks.overrun) == (b"hello world", True, False)
    assert chunks.trailers == [(b"X-T", b"1")]


@pytest.mark.parametrize("more", [b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b"\x00\x01", b"x"])
def test_what_follows_a_chunked_body_is_noticed(more: bytes) -> None:
    """The parser reads on: nothing of that is body, or another request."""
    chunks = read_request(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n").chunks
    assert b"".join(chunks.feed(b"2\r\nhi\r\n0\r\n\r\n" + more)) == b"hi"
    assert (chunks.done, chunks.overrun) == (True, True)


@pytest.mark.parametrize("bad", [b"0x5\r\nhello\r\n", b"5 \r\nhello\r\n", b"5\nhello\r\n", b"-1\r\n", b"5\r\nhelloX"])
def test_a_bad_chunk_is_no_body(bad: bytes) -> None:
    """RFC 9112 7.1."""
    chunks = read_request(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n").chunks
    with pytest.raises(Malformed):
        chunks.feed(bad)


@pytest.mark.parametrize(
    ("head", "reusable"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", True),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", False),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", False),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\nConnection: Keep-Alive\r\n\r\n", True),
        (b"HTTP/1.1 200 OK\r\n\r\n", False),
    ],
)
def test_which_apps_connections_carry_another_exchange(head: bytes, reusable: bool) -> None:
    """RFC 9112 9.3."""
    assert read_answer(head, to_head=False).reusable is reusable


def test_chunks_are_written() -> None:
    """RFC 9112 7.1."""
    assert chunk(b"a" * 17) == b"11\r\n" + b"a" * 17 + b"\r\n"
    assert last_chunk([]) == b"0\r\n\r\n"
    assert last_chunk([(b"A", b"b")]) == b"0\r\nA: b\r\n\r\n"
