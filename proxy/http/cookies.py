"""Cookies, read as raw bytes and written strictly (RFC 6265).

Reading is RFC 6265 5.4 backwards: pairs are split at ``;``, trimmed of blank and tab alone, and only the exact name
counts. A Unicode blank before ``__Host-`` is part of another name, and one name with two values is nobody's.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Final, Literal

SameSite = Literal["Lax", "Strict", "None"]
VISIBLE: Final = re.compile(rb"[!-~]*")
OURS: Final = "__Host-isthmus-"
"""How the name of every cookie of ours begins, whatever it is for."""


class Tossed:
    """The answer for a name that came twice with different values (RFC 6265bis 8.6): none of them is to be trusted."""


TOSSED: Final = Tossed()


@lru_cache(maxsize=64)
def cookie_name(role: str, issuer: str) -> str:
    """The name of the cookie for ``role``. Ports do not separate cookies, so the issuer is part of the name."""
    tenant = hashlib.sha256(issuer.encode()).hexdigest()[:8]
    return f"{OURS}{role}-{tenant}"


def read(headers: Iterable[bytes], name: str) -> str | Tossed | None:
    """The value of cookie ``name`` in raw Cookie header values; ``TOSSED`` if it has several, None without one.

    A pair without ``=``, and a value that is not printable ASCII, is skipped. Linear in the length of the headers.
    """
    wanted, found = name.encode("ascii"), None
    for header in headers:
        if wanted not in header:
            continue
        for pair in header.split(b";"):
            before, equals, value = pair.strip(b" \t").partition(b"=")
            if before != wanted or not equals or not _printable(value):
                continue
            if found is not None and found != value:
                return TOSSED
            found = value
    return None if found is None else found.decode("ascii")


def family(headers: Iterable[bytes], prefix: str) -> Mapping[str, str]:
    """The cookies in raw Cookie header values whose names begin with ``prefix``, tossed ones left out, by what follows
    in the name."""
    start, found = prefix.encode("ascii"), dict[bytes, bytes | None]()
    for raw in headers:
        if start not in raw:
            continue
        for pair in raw.split(b";"):
            name, equals, value = pair.strip(b" \t").partition(b"=")
            if equals and name.isascii() and name.startswith(start) and _printable(value):
                found[name] = value if found.get(name, value) == value else None
    return {name[len(start) :].decode("ascii"): value.decode("ascii") for name, value in found.items() if value}


def _printable(value: bytes) -> bool:
    return VISIBLE.fullmatch(value) is not None


def line(name: str, value: str, *, max_age: int | None, same_site: SameSite, for_scripts: bool = False) -> str:
    """A Set-Cookie header's value for a ``__Host-`` cookie: Secure, HttpOnly but for one that is there ``for_scripts``,
    for this host alone. Without ``max_age`` it ends with the browser; with 0, and an empty value, at once.

    ``value`` is one of ours, made of characters that need no quoting.
    """
    life = "" if max_age is None else f"; Max-Age={max_age}"
    hidden = "" if for_scripts else " HttpOnly;"
    return f"{name}={value}{life}; Path=/; Secure;{hidden} SameSite={same_site}"
