"""JSON read strictly: what two parsers could read differently is refused (RFC 8725 2.6, 3.7; RFC 8259 4).

Doubled names, ``NaN`` and ``Infinity``, numbers too large to be a date or a count, lone surrogates, a byte order mark,
any encoding but UTF-8, nesting deeper than ``DEEPEST``, and, where an object is expected, whatever is not one.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable
from typing import Any

_LONE = re.compile(r"\\u[dD][89a-fA-F]")
_MOST_DIGITS = 32
DEEPEST = 64
"""Arrays and objects within each other. What is read is kept and read again with less room on the stack: it must not
depend on the caller whether it can be (a record that nobody can read stops all who list it)."""


class NotStrict(ValueError):
    """The text is not JSON that everybody reads the same way. Never carries the text itself."""


def load_object(data: bytes) -> dict[str, Any]:
    """The JSON object that ``data`` is. Raises ``NotStrict``."""
    found = load(data)
    if not isinstance(found, dict):
        raise NotStrict("not an object")
    return found


def load(data: bytes) -> Any:
    """The JSON value that ``data`` is. Raises ``NotStrict``."""
    try:
        text = data.decode("utf-8")
        found = _DECODER.decode(text)
        if _LONE.search(text):
            json.dumps(found, ensure_ascii=False).encode("utf-8")  # fails on a surrogate that stands alone
    except NotStrict:
        raise
    except (ValueError, RecursionError):
        raise NotStrict("not well formed") from None
    if text.count("[") + text.count("{") > DEEPEST and is_deep(found):
        raise NotStrict("nested too deeply")
    return found


def is_deep(value: Any) -> bool:
    """Whether arrays and objects lie within each other more than ``DEEPEST`` times."""
    level = [value]
    for _ in range(DEEPEST):
        level = [one for each in level for one in _inner(each) if isinstance(one, dict | list)]
        if not level:
            return False
    return True


def _inner(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise NotStrict("a name is given twice")
    return found


def _integer(digits: str) -> int:
    if len(digits) > _MOST_DIGITS:
        raise NotStrict("a number is too large")
    return int(digits)


def _real(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise NotStrict("a number is too large")
    return value


def _constant(name: str) -> Any:
    raise NotStrict(f"{name} is no JSON value")


_DECODER = json.JSONDecoder(
    object_pairs_hook=_unique, parse_int=_integer, parse_float=_real, parse_constant=_constant, strict=True
)
