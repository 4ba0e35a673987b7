"""How a record lies in Redis: a head that scripts can read, then what only the tenant's secrets open.

    byte 0     the version of this layout
    byte 1     ``L`` live, or ``U`` used: then the sealed part is what the use led to
    bytes 2-9  the revision, random at every write
    the rest   JSON, sealed to the record's key: moved under another key, it does not open

Scripts never look past the head.
"""

from __future__ import annotations

import json
import os
from typing import Any

from proxy.oidc.errors import Unavailable
from proxy.store import Key, Record, Taken, Used, Value
from proxy.store.sealing import CannotOpen, Seal

LIVE, USED = b"\x01L", b"\x01U"
REVISION = slice(2, 10)
SEALED = 10

# ASCII only, so that text which is not valid Unicode survives; NaN is not JSON.
_encode = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode


class Unreadable(Unavailable):
    """A record is there, but a newer version of Isthmus or another secret wrote it. It is left as it is."""


class Records:
    """Writes and reads records. Values come back as they went in; nothing else is ever seen as one."""

    def __init__(self, seal: Seal) -> None:
        self._seal = seal

    def live(self, key: Key, value: Value) -> bytes:
        """The stored form of ``value``. Raises ``TypeError`` or ``ValueError`` if it is not JSON."""
        return LIVE + os.urandom(8) + self._seal.seal(key.name, _encode(dict(value)).encode())

    def used(self, key: Key, led_to: str) -> bytes:
        """The stored form of a record that was taken."""
        return USED + bytes(8) + self._seal.seal(key.name, _encode(led_to).encode())

    def record(self, key: Key, raw: bytes | None) -> Record | None:
        """The live record in ``raw``; None if there is none, or it is used. Raises ``Unreadable``."""
        if raw is None or _is_used(raw):
            return None
        return Record(self._json(key, raw), raw[REVISION])

    def added(self, key: Key, raw: bytes | None) -> Record | None:
        """What an ``Add`` found there: an empty record if it is used. Raises ``Unreadable``."""
        return Record({}, b"") if raw is not None and _is_used(raw) else self.record(key, raw)

    def taken(self, key: Key, raw: bytes | None) -> Taken | Used | None:
        """What a ``Take`` found there. Raises ``Unreadable``."""
        if raw is None:
            return None
        return Used(self._json(key, raw)) if _is_used(raw) else Taken(self._json(key, raw))

    def _json(self, key: Key, raw: bytes) -> Any:
        try:
            return json.loads(self._seal.open(key.name, raw[SEALED:]).decode())
        except CannotOpen as error:
            raise Unreadable(f"store: {key.kind} record: {error}") from None


def _is_used(raw: bytes) -> bool:
    """Raises ``Unreadable`` for a layout we do not know."""
    if raw[:1] != LIVE[:1]:
        raise Unreadable("store: the record was written by another version of Isthmus")
    return raw[:2] == USED
