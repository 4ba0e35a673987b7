"""The request that a server in front asks about: read from the headers in which each kind of server tells it.

========================  ==========================================================================================
Traefik, Caddy, HAProxy   X-Forwarded-Method, X-Forwarded-Proto, X-Forwarded-Host, X-Forwarded-Uri
nginx                     X-Original-Method, and X-Original-URL (absolute), or X-Original-URI with X-Forwarded-Host
Envoy (ext_authz, HTTP)   the question's own method and Host; the target is appended to the path that is asked
========================  ==========================================================================================

Whoever asks must be trusted to overwrite all of them. What is missing, or told twice in two ways, is no request: the
answer is never a yes about something that the app may not have been asked for.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from proxy.gateway.request import Asked, Malformed

TOLD: Final = (b"x-original-url", b"x-original-uri", b"x-original-method", b"x-forwarded-uri", b"x-forwarded-method",
               b"x-forwarded-host", b"x-forwarded-proto")  # fmt: skip
"""The headers read here, in lower case. A public server must overwrite every one of them."""
_METHOD = re.compile(rb"[A-Z]{1,20}")
_TARGET = re.compile(rb'/[!"$-~]{0,16383}')
_HOST = re.compile(rb"[A-Za-z0-9.:\[\]-]{1,255}")
_SCHEME = re.compile(rb"https?")
_URL = re.compile(rb"(https?)://([^/?#]+)(/.*)")
_WITHOUT_BODY = (b"GET", b"HEAD", b"OPTIONS")


def original(asked: Asked, appended: bytes = b"") -> Asked:
    """The request that ``asked`` is a question about. ``appended`` is the target after the asked path (Envoy). The
    length of its body is told as unknown where it may have one. Raises ``Malformed``."""
    seen, own = asked.seen, bool(appended)
    by_itself = (asked.method, asked.host) if own else (b"", b"")
    method, host, scheme, target = _read(*map(seen.get, TOLD), *by_itself, appended)
    about = {name: value for name, value in seen.items() if name not in TOLD}
    about[b"x-forwarded-proto"], about[b"x-forwarded-host"] = scheme, host
    return Asked(
        method, target, asked.minor, host, [], about, asked.cookies, peer=asked.peer, secure=asked.secure,
        length=0 if method in _WITHOUT_BODY else None, started=asked.started, id=asked.id,
        upgrade=b"websocket" if b"sec-websocket-key" in seen else b"",  # Upgrade is hop-by-hop: it does not come so far
    )  # fmt: skip


@lru_cache(maxsize=1024)
def _read(
    url: bytes | None,
    original_uri: bytes | None,
    original_method: bytes | None,
    forwarded_uri: bytes | None,
    forwarded_method: bytes | None,
    forwarded_host: bytes | None,
    forwarded_proto: bytes | None,
    own_method: bytes,
    own_host: bytes,
    appended: bytes,
) -> tuple[bytes, bytes, bytes, bytes]:
    """Method, host, scheme and target, of what ``TOLD`` names in its order and what the question is itself. Raises
    ``Malformed``."""
    scheme, host, target = _absolute(url or b"")
    method = _agreed("method", _METHOD, original_method, forwarded_method, own_method)
    target = _agreed("uri", _TARGET, target, original_uri, forwarded_uri, appended)
    host = _agreed("host", _HOST, host, forwarded_host, own_host)
    return method, host, _agreed("proto", _SCHEME, scheme, forwarded_proto), target


def _absolute(url: bytes) -> tuple[bytes, bytes, bytes]:
    """Scheme, host and target of X-Original-URL; empty ones without it."""
    if not url:
        return b"", b"", b""
    parts = _URL.fullmatch(url)
    if parts is None:
        raise Malformed("original_url")
    return parts[1], parts[2], parts[3]


def _agreed(what: str, shape: re.Pattern[bytes], *told: bytes | None) -> bytes:
    """The one value that is told, however often."""
    values = {value for value in told if value}
    value = values.pop() if len(values) == 1 else b""
    if not shape.fullmatch(value):
        raise Malformed(f"original_{what}")
    return value
