"""Lists in Auth0's three shapes, told apart by the query.

    none, page, per_page             a bare array
    include_totals=true              {start, limit, total, connections}
    take, from                       {connections, next}
    both, as Auth0's SDKs ask        {start, limit, total, connections, next}

Where a list goes on is said by the id of its next item, which is checked like any other input.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeVar

from proxy.management.refusals import invalid_query

T = TypeVar("T")
Params = Mapping[str, str]
USUAL, MOST = 50, 100
PAGING: Final = ("page", "per_page", "include_totals", "take", "from")
BOOLEANS: Final = {"true": True, "false": False}


def check_known(params: Params, known: Sequence[str]) -> None:
    """Raises ``Refused`` (400) for a parameter that nobody reads here: it would be thought to work."""
    for name in params:
        if name not in known:
            raise invalid_query(f"'Additional properties not allowed: {name[:100]}'")


def number(params: Params, name: str, usual: int, least: int, most: int) -> int:
    """A whole number within its limits. Raises ``Refused`` (400)."""
    text = params.get(name, str(usual))
    if not re.fullmatch(r"[0-9]{1,9}", text) or not least <= int(text) <= most:
        raise invalid_query(f"'{name} must be a whole number from {least} to {most}'")
    return int(text)


def boolean(params: Params, name: str, usual: bool) -> bool:
    """A truth value. Raises ``Refused`` (400)."""
    text = params.get(name)
    if text is None:
        return usual
    if text not in BOOLEANS:
        raise invalid_query(f"'{name} must be true or false'")
    return BOOLEANS[text]


def portion(
    items: Sequence[T], name: Callable[[T], str], params: Params, *, most: int = MOST
) -> tuple[Sequence[T], int, int, str]:
    """What ``take`` and ``from`` ask for: the items, where they start, how many at most, and where to go on (empty at
    the end). Raises ``Refused`` (400) for a place that is not, or not any more, in the list."""
    take, begin = number(params, "take", USUAL, 1, most), 0
    if "from" in params:
        places = [name(item) for item in items]
        if params["from"] not in places:
            raise invalid_query("'from must be what next said; begin again without it'")
        begin = places.index(params["from"])
    rest = items[begin + take :]
    return items[begin : begin + take], begin, take, name(rest[0]) if rest else ""


def shaped(
    items: Sequence[T], name: Callable[[T], str], show: Callable[[T], Any], params: Params, key: str
) -> Mapping[str, Any] | Sequence[Any]:
    """A list in the shape that ``params`` ask for; ``key`` is what the items are called. Raises ``Refused`` (400)."""
    totals = boolean(params, "include_totals", False)
    by_id = "take" in params or "from" in params
    if by_id:
        chosen, start, limit, following = portion(items, name, params)
    else:
        limit = number(params, "per_page", USUAL, 1, MOST)
        start, following = number(params, "page", 0, 0, 1_000_000) * limit, ""
        chosen = items[start : start + limit]
    shown = [show(item) for item in chosen]
    if not totals and not by_id:
        return shown
    counted = {"start": start, "limit": limit, "total": len(items)} if totals else {}
    return {**counted, key: shown, **({"next": following} if following else {})}


def picker(params: Params, known: Sequence[str]) -> Callable[[Mapping[str, Any]], dict[str, Any]]:
    """What ``fields`` and ``include_fields`` leave of an item. Raises ``Refused`` (400) for a field there is not."""
    named = params.get("fields", "").split(",") if params.get("fields") else []
    include = boolean(params, "include_fields", True)
    for field in named:
        if field not in known:
            raise invalid_query(f"'fields must be from {', '.join(known)}'")
    if not named:
        return dict
    return lambda item: {name: value for name, value in item.items() if (name in named) is include}
