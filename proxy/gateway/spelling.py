"""Attributes of a person as the bytes of a header: one rule for all of them (GW-31).

    text        printable ASCII stands as it is. ``%``, all that is not ASCII, and a blank at either end are
                percent-encoded, as UTF-8 (RFC 3986 2.1): whoever percent-decodes has the very text
    list        its items, each encoded like that and ``,`` too, joined by ``,``
    number      as JSON writes it; so are true, false, and objects, as text

Nothing is cut, replaced or left out: what holds a control character, or half of a surrogate pair, cannot be said.
"""

from __future__ import annotations

import json
import re
import unicodedata
from typing import Any
from urllib.parse import quote

PLAIN = re.compile(r"[!-$&-~](?:[ -$&-~]*[!-$&-~])?")
"""What stands as it is: printable ASCII without ``%``, no blank at either end."""
PRINTABLE = "".join(map(chr, range(0x20, 0x7F)))
UNCHANGED = PRINTABLE.replace("%", "")
UNCHANGED_ITEM = UNCHANGED.replace(",", "")


DETAILS = {
    "unprintable": "Your login service says something of you that no app can be told. Its operator can change that.",
    "too_long": "Your login service says more of you than this app can be told. Its operator can change that.",
    "log_in_again": "This app needs your login service, which does not know you any more. Log out, then log in again.",
    "token_unprintable": "Your login service gave something for this app that it cannot be told.",
}
"""What the person is told of a reason that does not pass by itself."""


class CannotSay(Exception):
    """What the app of a route must be told about this person cannot be told, so they do not get there. ``reason`` is a
    word of a fixed set, ``attribute`` what it is about; ``status`` is 403, or 503 when it may be told later."""

    def __init__(self, reason: str, attribute: str = "", *, status: int = 403, retry_after: int = 1) -> None:
        super().__init__(f"{reason}: {attribute}" if attribute else reason)
        self.reason, self.attribute, self.status, self.retry_after = reason, attribute, status, retry_after

    @property
    def detail(self) -> str:
        """A sentence for the person, empty where trying again is all there is to do."""
        return DETAILS.get(self.reason, "")


def spelled(value: Any, attribute: str = "") -> str:
    """A header's value for an attribute; empty where there is nothing to say. Raises ``CannotSay``."""
    if value is None:
        return ""
    if isinstance(value, list | tuple):
        return ",".join(_text(_plain(item), UNCHANGED_ITEM, attribute) for item in value)
    return _text(_plain(value), UNCHANGED, attribute)


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _text(text: str, unchanged: str, attribute: str) -> str:
    if PLAIN.fullmatch(text) and ("," in unchanged or "," not in text):
        return text
    if any(unicodedata.category(letter) in ("Cc", "Cs") for letter in text):
        raise CannotSay("unprintable", attribute)
    inner = text.strip(" ")
    if not inner:
        return "%20" * len(text)
    start = len(text) - len(text.lstrip(" "))
    return "%20" * start + quote(inner, safe=unchanged) + "%20" * (len(text) - start - len(inner))
