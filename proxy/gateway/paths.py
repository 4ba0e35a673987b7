"""The target of a request in its one canonical form (RFC 9112 3.2.1, RFC 3986 6.2.2).

What rules look at and what the app is asked for are the same bytes. Escapes of unreserved characters are decoded, what
stays escaped is written in capitals; whatever two readers could read differently is refused: dot segments and escaped
dots, doubled slashes, escaped slashes and backslashes, path parameters (``;``), controls, UTF-8 that is longer than it
need be. A route may take doubled and escaped slashes and parameters as they are; then no rule looks at its paths.

Characters outside the unreserved ones have two spellings that most apps take for one (``@`` and ``%40``), and both go
on as they came. The paths in rules hold none of them (``models.route``), so that no rule can miss one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from proxy.gateway.request import Malformed

LONGEST: Final = 8 * 1024
"""Bytes of a target. Only far shorter ones are remembered, so that nobody can fill the memory with them."""
REMEMBERED: Final = 512
_PLAIN = re.compile(rb"/[A-Za-z0-9\-._~!$&'()*+,=:@/]*")
"""Paths that are canonical as they are, if no segment is empty or begins with a dot."""
_PATH = re.compile(rb"/(?:[A-Za-z0-9\-._~!$&'()*+,=:@/;\[\]^|]|%[0-9A-Fa-f]{2})*")
"""RFC 3986 3.3, and the four characters beyond it that browsers do not escape."""
_QUERY = re.compile(rb"[!\"$-~]*")
_ESCAPE = re.compile(rb"%[0-9A-Fa-f]{2}")
_UNRESERVED = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_~")
"""Without the dot: an escaped dot is ambiguous wherever it stands."""
_AMBIGUOUS = re.compile(rb"//|;|%2F|%5C")
_NEVER = re.compile(rb"%2E|%[01]|%7F|%C[01]|%E0%[89]|%F0%8")
_SEPARATOR = re.compile(rb"/|%2F|%5C")
_DOTS = frozenset((b".", b".."))


@dataclass(frozen=True, slots=True)
class Target:
    """A canonical target: the ``path`` that rules look at, and what the app is asked for, path and query.
    ``ambiguous``: only a route that takes such paths may have it."""

    path: str
    wire: bytes
    ambiguous: bool = False


def canonical(target: bytes) -> Target:
    """The canonical form of a request's target. Raises ``Malformed`` (400, or 414)."""
    return _remembered(target) if len(target) <= REMEMBERED else _made(target)


def _made(target: bytes) -> Target:
    if len(target) > LONGEST:
        raise Malformed("target_size", 414)
    path, mark, query = target.partition(b"?")
    if not _QUERY.fullmatch(query):
        raise Malformed("target")
    if _PLAIN.fullmatch(path) and b"//" not in path and b"/." not in path:
        return Target(path.decode("ascii"), target)
    if not _PATH.fullmatch(path):
        raise Malformed("target")
    path = _ESCAPE.sub(_normal, path)
    if _NEVER.search(path) or _has_dots(path):
        raise Malformed("target")
    return Target(path.decode("ascii"), path + mark + query, _AMBIGUOUS.search(path) is not None)


_remembered = lru_cache(maxsize=4096)(_made)


def _normal(escape: re.Match[bytes]) -> bytes:
    """One escape in its canonical form (RFC 3986 6.2.2.1, 6.2.2.2)."""
    code = int(escape[0][1:], 16)
    return bytes((code,)) if code in _UNRESERVED else escape[0].upper()


def _has_dots(path: bytes) -> bool:
    """Whether a segment is a dot segment, for a reader who drops path parameters and decodes slashes too."""
    return any(segment.partition(b";")[0] in _DOTS for segment in _SEPARATOR.split(path))


def within(path: str, prefix: str) -> bool:
    """Whether ``path`` is ``prefix`` or lies below it: whole segments, so that ``/public`` is not ``/publicadmin``."""
    if prefix.endswith("/"):
        return path.startswith(prefix)
    return path == prefix or path.startswith(f"{prefix}/")
