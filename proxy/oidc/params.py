"""Request parameters: read once, each at most once (RFC 6749 3.1), of bounded size.

Past this module a parameter is a plain string; a missing and an empty one are the same (RFC 6749 3.1).
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from urllib.parse import parse_qsl

from proxy.oidc.errors import Shown

MOST_FIELDS = 100
FLAGS = ("federated",)
"""Parameters that say all by being there (Auth0's logout addresses)."""
Params = Mapping[str, str]


def parse(encoded: str, *, lists: Container[str] = ("resource",)) -> Params:
    """A query string or form body as a mapping, see ``once``. Raises ``Shown`` for doubles, bad UTF-8, or too many
    fields."""
    try:
        pairs = parse_qsl(encoded, keep_blank_values=True, errors="strict", max_num_fields=MOST_FIELDS)
    except (ValueError, UnicodeDecodeError):
        raise Shown("invalid_request", "the parameters are not a well formed form", reason="malformed") from None
    return once(pairs, lists=lists)


def once(pairs: Iterable[tuple[str, str]], *, lists: Container[str] = ("resource",)) -> Params:
    """Each parameter at most once (RFC 6749 3.1, 3.2); empty values are left out. Raises ``Shown``. The exception are
    ``lists``, like ``resource`` (RFC 8707 2): its values are addresses, so they become one list with blanks between.
    One of ``FLAGS`` needs no value."""
    found: dict[str, str] = {}
    seen: set[str] = set()
    for name, value in pairs:
        if name in seen and name in lists:
            value = f"{found.get(name, '')} {value}".strip()
        elif name in seen:
            raise Shown("invalid_request", f"parameter {printable(name)} is given twice", reason="duplicate_parameter")
        seen.add(name)
        if value or name in FLAGS:
            found[name] = value or "true"
    return found


def words(text: str) -> tuple[str, ...]:
    """A space-delimited list (RFC 6749 3.3), order kept, each word once."""
    return tuple(dict.fromkeys(filter(None, text.split(" "))))


def printable(text: str, most: int = 200) -> str:
    """``text`` fit for an error description: ASCII without control characters, quotes or backslashes, cut to ``most``
    characters (RFC 6749 appendix A.8)."""
    return "".join(c if " " <= c <= "~" and c not in '"\\' else "?" for c in text[:most])
