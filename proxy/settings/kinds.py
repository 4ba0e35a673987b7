"""Which keys a place in the configuration has, and what kind of value: read off the models, never written twice."""

from __future__ import annotations

import json
import types
from collections.abc import Mapping
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel

Place = tuple[str | int, ...]


def at(kind: Any, place: Place) -> Any:
    """The kind of value at ``place`` below ``kind``; ``Any`` where everything goes, None where nothing can be."""
    for step in place:
        kind = _below(_plain(kind), step)
    return _plain(kind)


def _below(kind: Any, step: str | int) -> Any:
    if kind is Any:
        return Any
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        fields = kind.model_fields
        return fields[str(step)].annotation if step in fields else None
    if get_origin(kind) in (Mapping, tuple):
        return get_args(kind)[1 if get_origin(kind) is Mapping else 0]
    return None


def _plain(kind: Any) -> Any:
    """``kind`` without its ``| None``."""
    if get_origin(kind) in (Union, types.UnionType):
        return next(each for each in get_args(kind) if each is not type(None))
    return kind


def keys(kind: Any) -> list[str] | None:
    """The keys a table of ``kind`` may have: None for a table with free names."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return list(kind.model_fields)
    return None if kind is Any or get_origin(kind) is Mapping else []


def from_text(kind: Any, text: str) -> Any:
    """The text of a variable as a value of ``kind``. What does not fit stays text: it is refused later, by name.

    Lists are JSON or separated by commas; tables are JSON. Raises ValueError when JSON is needed and it is not.
    """
    if kind in (int, float):
        return _number(text)
    if kind is bool:
        return {"true": True, "false": False}.get(text.lower(), text)
    if get_origin(kind) is tuple and not text.lstrip().startswith("["):
        return [part.strip() for part in text.split(",")] if text.strip() else []
    if kind is Any:
        return _maybe_json(text)
    if get_origin(kind) in (tuple, Mapping) or (isinstance(kind, type) and issubclass(kind, BaseModel)):
        return json.loads(text)
    return text


def _number(text: str) -> Any:
    try:
        return int(text)
    except ValueError:
        return _maybe_json(text)


def _maybe_json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text
