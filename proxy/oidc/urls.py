"""URLs: put parameters on, take origins off, tell loopback from the world.

Addresses are compared as the strings they are, byte for byte (RFC 9700 2.1): nothing here normalises before a
comparison.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from urllib.parse import quote, urlencode, urlsplit


def with_params(url: str, params: Mapping[str, str]) -> str:
    """``url`` with ``params`` appended to its query; an existing query is kept (RFC 6749 3.1.2)."""
    if not params:
        return url
    joint = "&" if "?" in url else "?"
    return url + joint + urlencode(params, quote_via=quote)


def origin(url: str) -> str:
    """Scheme, host and port of ``url`` (RFC 6454), for a content security policy."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def is_loopback(url: str) -> bool:
    """Whether the host of ``url`` is ``localhost`` or a loopback literal (RFC 8252 7.3, 8.3)."""
    host = (urlsplit(url).hostname or "").rstrip(".")
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
