"""The target of a request in its one canonical form (RFC 9112 3.2.1, RFC 3986 6.2.2).

What rules look at and what the app is asked for are the same bytes. Escapes of unreserved characters are decoded,
others written in capitals; whatever two readers could read differently is refused: dot segments, doubled slashes,
backslashes, escaped slashes and path parameters. A route may take all of these but dot segments as they are; then no
rule looks at its paths.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from proxy.gateway.request import Malformed

LONGEST = 8 * 1024
_PLAIN = re.compile(rb"(?:/[A-Za-z0-9\-_~!$&'()*+,=:@][A-Za-z0-9\-._~!$&'()*+,=:@]*)*/?(?:\?[!-~]*)?")
"""Targets that are canonical as they are: no segment is empty, escaped, or begins with a dot."""
_PATH = re.compile(rb"(?:[A-Za-z0-9\-._~!$&'()*+,=:@/;\\]|%[0-9A-Fa-f]{2})*")
_QUERY = re.compile(rb"[!-~]*")
_ESCAPE = re.compile(rb"%[0-9A-Fa-f]{2}")
_UNRESERVED = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_~")
"""Without the dot: an escaped dot is ambiguous wherever it stands."""
_AMBIGUOUS = re.compile(rb"//|;|\\|%2F|%5C")
_NEVER = re.compile(rb"%2E|%[01]|%7F")
_DOTS = frozenset((b".", b".."))


@dataclass(frozen=True, slots=True)
class Target:
    """A canonical target: the ``path`` that rules look at, and what the app is asked for, path and query.
    ``ambiguous``: only a route that takes such paths may have it."""

    path: str
    wire: bytes
    ambiguous: bool = False


@lru_cache(maxsize=4096)
def canonical(target: bytes) -> Target:
    """The canonical form of a request's target. Raises ``Malformed`` (400, or 414)."""
    if len(target) > LONGEST:
        raise Malformed("target_size", 414)
    if _PLAIN.fullmatch(target) and target[:1] == b"/" and b"#" not in target:
        return Target(target.partition(b"?")[0].decode("ascii"), target)
    path, mark, query = target.partition(b"?")
    if path[:1] != b"/" or not _PATH.fullmatch(path) or not _QUERY.fullmatch(query) or b"#" in query:
        raise Malformed("target")
    path = _ESCAPE.sub(_normal, path)
    segments = set(re.split(rb"[/\\]|%2F|%5C", path))
    named = {segment.partition(b";")[0] for segment in segments}
    if named & _DOTS or _NEVER.search(path):
        raise Malformed("target")
    return Target(path.decode("ascii"), path + mark + query, _AMBIGUOUS.search(path) is not None)


def _normal(escape: re.Match[bytes]) -> bytes:
    """One escape in its canonical form (RFC 3986 6.2.2.1, 6.2.2.2)."""
    code = int(escape[0][1:], 16)
    return bytes((code,)) if code in _UNRESERVED else escape[0].upper()


def within(path: str, prefix: str) -> bool:
    """Whether ``path`` is ``prefix`` or lies below it: whole segments, so that ``/public`` is not ``/publicadmin``."""
    if prefix.endswith("/"):
        return path.startswith(prefix)
    return path == prefix or path.startswith(f"{prefix}/")
