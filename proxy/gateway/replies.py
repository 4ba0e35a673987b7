"""Answers of our own as bytes, with what each of them says besides (RFC 9110, RFC 9111 5.2.2.5, RFC 6797)."""

from __future__ import annotations

from functools import lru_cache
from http import HTTPStatus
from typing import Final

from proxy.gateway.verdict import Headers, Reply

DEFAULTS: Final = (
    ("Cache-Control", "no-store"),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
    ("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"),
    ("X-Frame-Options", "DENY"),
)
HSTS: Final = ("Strict-Transport-Security", "max-age=31536000")
CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"


def phrase(status: int) -> str:
    """What a status is called."""
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Status"


def render(reply: Reply, request_id: str, *, https: bool, close: bool, to_head: bool) -> bytes:
    """The whole answer. ``close``: the connection ends after it; ``to_head``: HEAD was asked, so the body stays."""
    yes = reply.status == HTTPStatus.OK and not reply.body  # to a server that asks (forward-auth), again and again
    head = (_lately if yes else _fixed)(reply.status, reply.headers, https)
    more = f"X-Request-Id: {request_id}\r\nContent-Length: {len(reply.body)}\r\n"
    end = "Connection: close\r\n\r\n" if close else "\r\n"
    return head + (more + end).encode("latin-1", "replace") + (b"" if to_head else reply.body)


def _fixed(status: int, headers: Headers, https: bool) -> bytes:
    """What is the same in all answers of a kind."""
    named = {name.lower() for name, _ in headers}
    all_of_them = [*headers, *(pair for pair in DEFAULTS if pair[0].lower() not in named), *((HSTS,) if https else ())]
    head = f"HTTP/1.1 {status} {phrase(status)}\r\n" + "".join(f"{name}: {value}\r\n" for name, value in all_of_them)
    return head.encode("latin-1", "replace")


_lately = lru_cache(maxsize=1024)(_fixed)
