"""Heads and bodies of HTTP/1.1 messages (RFC 9112), read by llhttp and framed anew. Pure: bytes in, values out.

A head is given to the parser whole and alone, so that nothing after it is read before it is its turn. On top of what
llhttp refuses stand rules of our own: what an app could frame in another way than we do goes no further.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

import httptools

from proxy.gateway.request import Header, Malformed

HEAD_END: Final = b"\r\n\r\n"
MOST_HEAD: Final = 32 * 1024
MOST_TARGET: Final = 8 * 1024
MOST_FIELDS: Final = 100
CHUNKED_END: Final = b"0\r\n\r\n"
_FRAMING_LENGTHS = frozenset(map(len, (b"content-length", b"transfer-encoding", b"connection")))
_METHOD = re.compile(rb"[A-Z]{1,32} ")
_PHRASE = re.compile(rb"[\t -~\x80-\xff]*")
_HOST = re.compile(rb"\r\n[Hh][Oo][Ss][Tt]:[ \t]*([^\r\n]*?)[ \t]*(?=\r\n)")
_CONNECTION_CLOSE = re.compile(rb"(?:^|,)[ \t]*close[ \t]*(?:,|$)", re.IGNORECASE)
_UPGRADE = re.compile(rb"(?:^|,)[ \t]*upgrade[ \t]*(?:,|$)", re.IGNORECASE)
_KEEP_ALIVE = re.compile(rb"(?:^|,)[ \t]*keep-alive[ \t]*(?:,|$)", re.IGNORECASE)


@dataclass(slots=True)
class _Collected:
    """What llhttp tells of a message. What comes after the head is body, and then trailers."""

    url: bytes = b""
    reason: bytes = b""
    headers: list[Header] = field(default_factory=list)
    trailers: list[Header] = field(default_factory=list)
    body: list[bytes] = field(default_factory=list)
    in_body: bool = False
    done: bool = False
    overrun: bool = False

    def on_message_begin(self) -> None:
        """A second message is one too many."""
        if self.in_body:
            self.overrun = True

    def on_url(self, url: bytes) -> None:
        self.url += url

    def on_status(self, reason: bytes) -> None:
        self.reason += reason

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self.overrun:
            (self.trailers if self.in_body else self.headers).append((name, value))

    def on_headers_complete(self) -> None:
        self.in_body = True

    def on_body(self, data: bytes) -> None:
        if not self.overrun:
            self.body.append(data)

    def on_message_complete(self) -> None:
        self.done = True


class Chunks:
    """A chunked body, taken out of its chunks. ``done`` at its end; ``overrun``: there was more than that."""

    def __init__(self, parser: Any, collected: _Collected) -> None:
        self._parser, self._collected = parser, collected

    def feed(self, data: bytes) -> list[bytes]:
        """The pieces of the body in ``data``. Raises ``Malformed``."""
        collected = self._collected
        collected.body = []
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            collected.overrun = True
        except httptools.HttpParserError:
            if not collected.done:
                raise Malformed("chunk") from None
            collected.overrun = True
        return collected.body

    @property
    def done(self) -> bool:
        """Whether the body is complete."""
        return self._collected.done

    @property
    def overrun(self) -> bool:
        """Whether bytes came after its end."""
        return self._collected.overrun

    @property
    def trailers(self) -> list[Header]:
        """The headers after it."""
        return self._collected.trailers


class _Head:
    """What llhttp tells of a head that is fed to it whole and alone. A second message in it is one too many."""

    __slots__ = ("complete", "headers", "line")

    def __init__(self) -> None:
        self.line = b""
        self.headers: list[Header] = []
        self.complete = 0

    def on_url(self, url: bytes) -> None:
        self.line += url

    def on_status(self, reason: bytes) -> None:
        self.line += reason

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        self.complete += 1


def _chunks(kind: Any, head: bytes) -> Chunks:
    """What reads the body after a head that was read before: most messages have none in chunks, and do without."""
    collected = _Collected()
    parser = kind(collected)
    with suppress(httptools.HttpParserUpgrade):
        parser.feed_data(head)
    return Chunks(parser, collected)


class RequestHead:
    """The head of a request as it came."""

    __slots__ = ("_head", "headers", "method", "minor", "target")

    def __init__(self, method: bytes, target: bytes, minor: int, headers: list[Header], head: bytes) -> None:
        self.method, self.target, self.minor, self.headers, self._head = method, target, minor, headers, head

    @property
    def chunks(self) -> Chunks:
        """What reads its body, if that is chunked."""
        return _chunks(httptools.HttpRequestParser, self._head)


def read_request(head: bytes) -> RequestHead:
    """A request's head, whole, with the empty line. Raises ``Malformed``."""
    told = _Head()
    parser = httptools.HttpRequestParser(told)
    try:
        parser.feed_data(head)
    except httptools.HttpParserUpgrade:
        pass  # the request says that it wants another protocol; whether it gets one is decided elsewhere
    except httptools.HttpParserInvalidMethodError:
        if _METHOD.match(head):
            raise Malformed("method", 501) from None
        raise Malformed("head") from None
    except httptools.HttpParserError:
        raise Malformed("head") from None
    if told.complete != 1:
        raise Malformed("head")
    if len(told.line) > MOST_TARGET:
        raise Malformed("target_size", 414)
    if len(told.headers) > MOST_FIELDS:
        raise Malformed("many_headers", 431)
    version = parser.get_http_version()
    if version not in ("1.1", "1.0"):
        raise Malformed("version")
    return RequestHead(parser.get_method(), told.line, 1 if version == "1.1" else 0, told.headers, head)


class AnswerHead:
    """The head of an app's answer. ``length`` is the body's: None if ``chunks`` reads it or it ends with the
    connection; ``until_close`` says the latter. ``reusable``: the connection may carry another exchange."""

    __slots__ = ("chunks", "headers", "length", "reason", "reusable", "status", "until_close")

    def __init__(self, status: int, reason: bytes, headers: list[Header], length: int | None, reusable: bool) -> None:
        self.status, self.reason, self.headers, self.length, self.reusable = status, reason, headers, length, reusable
        self.until_close = False
        self.chunks: Chunks | None = None

    @property
    def switches(self) -> bool:
        """Whether the app goes on in another protocol (101)."""
        return self.status == 101


def read_answer(head: bytes, *, to_head: bool) -> AnswerHead:
    """An answer's head, whole. ``to_head``: HEAD was asked, so no body follows. Raises ``Malformed``."""
    told = _Head()
    parser = httptools.HttpResponseParser(told)
    try:
        parser.feed_data(head)
    except httptools.HttpParserUpgrade:
        pass
    except httptools.HttpParserError:
        raise Malformed("answer") from None
    status, version = parser.get_status_code(), parser.get_http_version()
    if told.complete != 1 or not 100 <= status <= 599 or version not in ("1.1", "1.0"):
        raise Malformed("answer")
    if not _PHRASE.fullmatch(told.line):
        raise Malformed("answer")
    length, coding, connection = _framing(told.headers)
    keeps = not (connection and _CONNECTION_CLOSE.search(connection))
    if version == "1.0":
        keeps = keeps and _KEEP_ALIVE.search(connection) is not None
    answer = AnswerHead(status, told.line, told.headers, length, keeps)
    if status < 200 or status in (204, 304) or to_head:
        answer.length = 0
    elif coding:
        if coding != b"chunked" or length is not None or version == "1.0":
            raise Malformed("answer")
        answer.length, answer.chunks = None, _chunks(httptools.HttpResponseParser, head)
    elif length is None:
        answer.until_close, answer.reusable = True, False
    return answer


def _framing(headers: list[Header]) -> tuple[int | None, bytes, bytes]:
    """Content-Length, Transfer-Encoding and Connection of an answer. Raises ``Malformed`` for two that disagree."""
    length: int | None = None
    coding = connection = b""
    for name, value in headers:
        if len(name) not in _FRAMING_LENGTHS:
            continue
        plain = name.lower()
        if plain == b"content-length":
            if length is not None or not value.isdigit() or len(value) > 18:
                raise Malformed("answer")
            length = int(value)
        elif plain == b"transfer-encoding":
            coding = coding + b"," + value.lower() if coding else value.lower()
        elif plain == b"connection":
            connection = connection + b"," + value
    return length, coding, connection


def chunk(data: bytes) -> bytes:
    """``data``, which is not empty, as a chunk (RFC 9112 7.1)."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def last_chunk(trailers: list[Header]) -> bytes:
    """The end of a chunked body, with its trailers."""
    if not trailers:
        return CHUNKED_END
    return b"0\r\n" + lines(trailers) + b"\r\n"


def lines(headers: list[Header]) -> bytes:
    """Header lines, each with its CRLF."""
    return b"\r\n".join([*map(b": ".join, headers), b""])


def keeps_alive(minor: int, connection: bytes) -> bool:
    """Whether a client's connection may carry another request (RFC 9112 9.3). Of HTTP/1.0 none does."""
    return minor == 1 and not (connection and _CONNECTION_CLOSE.search(connection))


def upgrades(connection: bytes) -> bool:
    """Whether a client's Upgrade is meant for this connection (RFC 9110 7.8)."""
    return _UPGRADE.search(connection) is not None


def sniff(head: bytes) -> tuple[bytes, bytes]:
    """Host and path of a head that nobody has read yet: whose it is. Who answers reads them again, strictly."""
    line, _, _ = head.partition(b"\r\n")
    target = line.split(b" ")[1:2]
    host = _HOST.search(head)
    return (host[1].lower() if host else b""), (target[0].partition(b"?")[0] if target else b"")


Ours = Callable[[bytes], bool]
"""Whether a head is for the gateway, and not for the site behind it."""
