"""What an implementation gets: JSON values that cannot be changed, a connection and a client without secrets."""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, TypeVar

from pydantic import BaseModel, SecretStr

from proxy.models import Client, Connection

MAX_DEPTH = 8
_MAX_INTEGER = 2**63
_PLAIN = frozenset((str, bool, int, float, type(None)))  # exactly these: a subclass could carry more than JSON
_Model = TypeVar("_Model", bound=BaseModel)


class Refusal(ValueError):
    """A value may not be what it is. The text names types and sizes, never the value: it goes to the log."""


class TooLarge(Refusal):
    """A value takes more room than there is."""


def freeze(value: Any) -> Any:
    """``value`` (JSON) as an unchangeable copy: objects as read-only mappings, lists as tuples."""
    if type(value) in _PLAIN:
        return value
    if isinstance(value, Mapping):
        return MappingProxyType({name: freeze(item) for name, item in value.items()})
    return tuple(map(freeze, value))


def thaw(value: Any) -> Any:
    """A frozen value as plain JSON again, for the store: dicts and lists of its own."""
    if type(value) in _PLAIN:
        return value
    if isinstance(value, Mapping):
        return {name: thaw(item) for name, item in value.items()}
    return list(map(thaw, value))


def measure(value: Any, room: int, depth: int = 0) -> int:
    """About how many bytes ``value`` takes as JSON. Walks no further than ``room`` allows.

    Raises Refusal when it is not JSON or too deep, ``TooLarge`` when it is larger than ``room``.
    """
    kind = type(value)
    if kind is str:
        size = (len(value) if value.isascii() else _encoded(value)) + 3
    elif kind in _PLAIN:
        size = _size_of_number(value)
    else:
        size = _size_of_many(value, room, depth)
    if size > room:
        raise TooLarge("is too large")
    return size


def _size_of_number(value: Any) -> int:
    if isinstance(value, float) and not math.isfinite(value):
        raise Refusal("holds a number that JSON does not have")
    if isinstance(value, int) and abs(value) > _MAX_INTEGER:
        raise Refusal("holds a number beyond 64 bits")
    return 8


def _encoded(text: str) -> int:
    try:
        return len(text.encode())
    except UnicodeEncodeError:
        raise Refusal("holds half a surrogate pair, which is no text") from None


def _size_of_many(value: Any, room: int, depth: int) -> int:
    if not isinstance(value, (Mapping, list, tuple)):
        raise Refusal(f"holds a value of type {type(value).__name__}, which JSON does not have")
    if depth >= MAX_DEPTH:
        raise Refusal(f"is nested deeper than {MAX_DEPTH} levels")
    size = 2
    if isinstance(value, Mapping):
        for name in value:
            if type(name) is not str:
                raise Refusal("has a name that is not text")
            size += measure(name, room - size)
        value = value.values()
    for item in value:
        size += measure(item, room - size, depth + 1)
    return size


def public_connection(connection: Connection) -> Connection:
    """``connection`` without its secret."""
    return connection.model_copy(update={"options": _bare(connection.options)})


def public_client(client: Client) -> Client:
    """``client`` without its secret. How it authenticates stays known: without a secret it would look public."""
    return _bare(client).model_copy(update={"token_endpoint_auth_method": client.auth_method})


def _bare(model: _Model) -> _Model:
    return model.model_copy(update={name: None for name, value in model if isinstance(value, SecretStr)})
