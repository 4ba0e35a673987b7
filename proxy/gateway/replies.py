"""Answers of our own as bytes, with what each of them says besides (RFC 9110, RFC 9111 5.2.2.5, RFC 6797)."""

from __future__ import annotations

from http import HTTPStatus
from typing import Final

from proxy.gateway.verdict import Reply

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
    named = {name.lower() for name, _ in reply.headers}
    headers = [*reply.headers, *(pair for pair in DEFAULTS if pair[0].lower() not in named)]
    if https:
        headers.append(HSTS)
    headers += [("X-Request-Id", request_id), ("Content-Length", str(len(reply.body)))]
    if close:
        headers.append(("Connection", "close"))
    head = f"HTTP/1.1 {reply.status} {phrase(reply.status)}\r\n"
    head += "".join(f"{name}: {value}\r\n" for name, value in headers)
    return head.encode("latin-1", "replace") + b"\r\n" + (b"" if to_head else reply.body)
