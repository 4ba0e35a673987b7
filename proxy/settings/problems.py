"""What pydantic found, in the operator's words: the place, and what to do. A value is never repeated."""

from __future__ import annotations

import copy
import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from proxy.settings import kinds
from proxy.settings.shape import File

NAMED = ("connections", "clients")
MISSING = {
    "tenant": {"issuer": "https://missing.invalid/"},
    "issuer": "https://missing.invalid/",
    "audience": "https://missing.invalid/",
    "discovery_url": "https://missing.invalid/",
    "host": "missing.invalid",
    "upstream": ["http://missing.invalid"],
    "options": {"client_id": "missing", "issuer": "https://missing.invalid/"},
}
"""What stands in for a key that is missing, or wrong and needed, while the rules look at the rest."""
REMEDIES = {
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "bool_type": "must be true or false, without quotes",
    "string_type": "must be text in quotes",
    "bytes_type": "must be text in quotes",
    "path_type": "must be a path in quotes",
    "tuple_type": "must be a list in [ ]",
    "model_type": "must be a table",
    "model_attributes_type": "must be a table",
    "dict_type": "must be a table",
    "mapping_type": "must be a table",
    "missing": "is missing; add it",
    "finite_number": "must be a finite number",
    "string_too_short": "must not be empty",
    "string_too_long": "must have at most {max_length} characters",
    "too_long": "must have at most {max_length} entries",
    "literal_error": "must be {expected}",
    "greater_than": "must be more than {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than_equal": "must be at most {le}",
    "value_error": "{error}",
}


@dataclass(frozen=True)
class Fault:
    """A mistake at a place of the tree, before it is known which source must be corrected."""

    place: tuple[str | int, ...]
    remedy: str


def dotted(place: Sequence[str | int]) -> str:
    """A place as operators read it: ``connections[corp].options.trust[0]``."""
    text = ""
    for number, step in enumerate(place):
        bracket = isinstance(step, int) or (number == 1 and place[0] in NAMED)
        text += f"[{step}]" if bracket else f".{step}" if text else str(step)
    return text


def tell(error: Mapping[str, Any]) -> Fault:
    """One of pydantic's errors, as a mistake with its remedy."""
    place = error["loc"]
    if error["type"] == "extra_forbidden":
        return Fault(place, _unknown(place))
    remedy = REMEDIES.get(error["type"], "has a value of the wrong kind")
    return Fault(place, remedy.format(**error.get("ctx", {})))


def _unknown(place: tuple[str | int, ...]) -> str:
    known = kinds.keys(kinds.at(File, place[:-1])) or []
    near = difflib.get_close_matches(str(place[-1]), known, n=1, cutoff=0.5)
    return f"is not a key; did you mean {near[0]}?" if near else f"is not a key; remove it (known: {', '.join(known)})"


def healed(values: dict[str, Any], errors: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """A copy of ``values`` without what is wrong, and with something in place of what is missing."""
    values = copy.deepcopy(values)
    for error in sorted(errors, key=lambda each: [str(step).zfill(9) for step in each["loc"]], reverse=True):
        table: Any = values
        for step in error["loc"][:-1]:
            table = _step(table, step)
        last = error["loc"][-1]
        if isinstance(table, dict) and (error["type"] == "missing" or last in MISSING):
            table[last] = MISSING.get(last, "missing")
        elif isinstance(table, dict):
            table.pop(last, None)
        elif isinstance(table, list) and isinstance(last, int) and last < len(table):
            del table[last]
    return values


def _step(table: Any, step: str | int) -> Any:
    try:
        return table[step]
    except (KeyError, IndexError, TypeError):
        return None
