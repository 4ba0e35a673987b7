"""The headers of a request, sorted in one pass: what the app gets, what decisions read, what stays here.

A table knows what to do with every name seen before, in the spelling it came in. What frames the message (Host,
Content-Length, Transfer-Encoding, Expect, Upgrade) is read and not kept: it is written anew towards the app. What the
client's Connection header names is for us and goes no further (RFC 9110 7.6.1); it is applied before anything of ours
is added, so that it can take nothing of ours away (CVE-2024-45410, CVE-2022-31813).
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from urllib.parse import unquote_to_bytes

from proxy.gateway.names import Names
from proxy.gateway.request import Asked, Header, Malformed
from proxy.http.cookies import OURS as OURS_TEXT

LONGEST_COOKIES = 1024
"""Bytes of a Cookie header that are worth remembering."""
MOST_NAMES, LONGEST_NAME = 4096, 64
"""How many names the table holds, and how long a name is that it takes in."""
READ_AND_KEPT = frozenset(
    (b"accept", b"accept-language", b"origin", b"referer", b"x-requested-with", b"authorization", b"content-type")
    + (b"sec-fetch-site", b"sec-fetch-mode", b"sec-fetch-dest", b"sec-fetch-user", b"range", b"if-none-match")
    + (b"access-control-request-method", b"access-control-request-headers")
    + (b"sec-websocket-key", b"sec-websocket-version", b"sec-websocket-protocol", b"sec-websocket-extensions")
)
"""Decisions read them, and the app gets them."""
READ = frozenset(
    (b"connection", b"upgrade", b"expect", b"early-data", b"forwarded", b"x-real-ip", b"x-request-id")
    + (b"x-original-url", b"x-original-uri", b"x-original-method", b"x-original-host", b"x-rewrite-url")
    + (b"x-forwarded-method", b"x-forwarded-uri", b"x-forwarded-host", b"x-forwarded-proto", b"x-forwarded-for")
    + (b"x-forwarded-port", b"content-length", b"transfer-encoding", b"host", b"cookie")
)
"""Read here, and not kept."""
NEVER_NAMED = frozenset((b"host", b"cookie", b"authorization", b"content-type", b"content-encoding", b"content-length"))
"""What a Connection header cannot take out: without it the app would read another request than we did."""
USUAL = frozenset((b"", b"keep-alive", b"close", b"Keep-Alive", b"Close"))
"""Connection headers that name nothing to be taken out."""
COMMON = (
    "Host Connection Cache-Control Pragma DNT Upgrade-Insecure-Requests User-Agent Accept Sec-Fetch-Site "
    "Sec-Fetch-Mode Sec-Fetch-User Sec-Fetch-Dest Accept-Encoding Accept-Language Cookie Referer Origin Content-Type "
    "Content-Length If-None-Match If-Modified-Since Range Authorization Priority X-Requested-With Sec-GPC Sec-CH-UA "
    "Sec-CH-UA-Mobile Sec-CH-UA-Platform"
)
"""Names that browsers send, known from the start: nobody can crowd them out of the table."""
KEEP = None
Action = tuple[bytes, bool] | None
"""What is done with a header: kept, or, for one that is read, its name in lower case, and whether it is kept too. A
name that is empty is dropped."""
DROP: Action = (b"", False)
UNKNOWN: Action = (b"?", False)
OURS = OURS_TEXT.encode("ascii")
_LETTERS = b"abcdefghijklmnopqrstuvwxyz"
_NO_LETTERS = bytes(code for code in range(256) if code not in _LETTERS)
_OURS_LETTERS = OURS.lower().translate(None, _NO_LETTERS)


class Sorting:
    """Sorts the headers of requests; ``names`` says which never reach an app."""

    def __init__(self, names: Names) -> None:
        self._names = names
        self._actions: dict[bytes, Action] = {}
        for name in COMMON.split():
            for spelled in (name, name.lower()):
                self._learn(spelled.encode("ascii"))

    def sort(self, asked: Asked, headers: Iterable[Header]) -> None:
        """Fill ``asked`` from ``headers`` (``request.Sort``). Raises ``Malformed``."""
        known, kept, seen = self._actions.get, asked.kept, asked.seen
        for header in headers:
            action = known(header[0], UNKNOWN)
            if action is UNKNOWN:
                action = self._learn(header[0])
            if action is KEEP:
                kept.append(header)
            elif action is not DROP:
                name, goes_on = action
                if goes_on:
                    kept.append(header)
                if name == b"cookie":
                    asked.cookies.append(header[1])
                elif name in seen:
                    seen[name] = _again(name, seen[name], header[1])
                else:
                    seen[name] = header[1]
        _frame(asked, seen)

    def _learn(self, name: bytes) -> Action:
        action = self._action(name)
        if len(name) <= LONGEST_NAME and len(self._actions) < MOST_NAMES:
            self._actions[name] = action
        return action

    def _action(self, name: bytes) -> Action:
        plain = name.lower()
        if plain in READ:
            return plain, False
        if self._names.are_removed(name):
            return DROP
        return (plain, True) if plain in READ_AND_KEPT else KEEP


def _again(name: bytes, before: bytes, value: bytes) -> bytes:
    """The value of a header that came once more. Raises ``Malformed`` for those that frame the message or name the
    host: two readers would take one each (RFC 9112 3.2, 6.3)."""
    if name in (b"host", b"content-length", b"transfer-encoding"):
        raise Malformed(f"two_{name.decode().replace('-', '_')}s")
    return before + b", " + value


def _frame(asked: Asked, seen: dict[bytes, bytes]) -> None:
    """Host, the body's length, upgrade, and what Connection names. Raises ``Malformed``."""
    asked.host = seen.pop(b"host", b"")
    if not asked.host and asked.minor > 0:
        raise Malformed("no_host")
    if b"transfer-encoding" in seen:
        _check_chunked(asked, seen.pop(b"transfer-encoding"), seen)
        asked.length = None
    elif b"content-length" in seen:
        asked.length = _length(seen.pop(b"content-length"))
    if b"upgrade" in seen:
        asked.upgrade = seen[b"upgrade"]
    connection = seen.get(b"connection", b"")
    if connection not in USUAL:
        _take_out(asked, connection)


def _length(value: bytes) -> int:
    """RFC 9110 8.6: digits and nothing else."""
    if not (value.isascii() and value.isdigit() and len(value) <= 18):
        raise Malformed("content_length")
    return int(value)


def _check_chunked(asked: Asked, coding: bytes, seen: dict[bytes, bytes]) -> None:
    """RFC 9112 6.1: chunked alone, without a Content-Length, in HTTP/1.1."""
    if b"content-length" in seen or asked.minor < 1:
        raise Malformed("two_framings")
    if coding.lower() != b"chunked":
        raise Malformed("transfer_encoding", 501)


def _take_out(asked: Asked, connection: bytes) -> None:
    named = {token.strip(b" \t").lower() for token in connection.split(b",")} - NEVER_NAMED
    asked.kept[:] = [header for header in asked.kept if header[0].lower() not in named]


def without_ours(cookies: list[bytes]) -> bytes:
    """The Cookie header for the app, empty without any: the raw values without every cookie whose name a careless
    reader might take for one of ours (GW-21); the others byte for byte."""
    raw = cookies[0] if len(cookies) == 1 else b"; ".join(cookies)
    return _lately(raw) if len(raw) <= LONGEST_COOKIES else _without_ours(raw)


def _without_ours(raw: bytes) -> bytes:
    if b";" not in raw and raw.startswith(OURS):
        return b""
    if b"isthmus" not in raw and b"isthmus" not in raw.lower() and b"%" not in raw:
        return raw
    pairs = raw.split(b";")
    left = [pair for pair in pairs if not is_ours(pair)]
    return raw if len(left) == len(pairs) else b";".join(left).lstrip(b" \t")


_lately = lru_cache(maxsize=4096)(_without_ours)


def is_ours(pair: bytes) -> bool:
    """Whether a cookie's name, once blanks, escapes, case and punctuation are gone, begins like ours. Of one without a
    name its value counts: browsers send it as if it were the whole pair."""
    name, equals, value = pair.partition(b"=")
    if equals and not name.strip():
        name = value
    if b"%" in name:
        name = unquote_to_bytes(name)
    return name.lower().translate(None, _NO_LETTERS).startswith(_OURS_LETTERS)
