"""What the gatekeeper says to a request: forward it, or give it this answer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from proxy.gateway.request import Asked, Header
from proxy.models.route import Route

Headers = tuple[tuple[str, str], ...]
ReadBody = Callable[[int], Awaitable[bytes]]
"""Reads the whole body of the request, at most so many bytes. Raises ``BodyTooLarge``, ``ConnectionError``."""


class BodyTooLarge(Exception):
    """The body is longer than what the reader allowed."""


@dataclass(slots=True)
class Forward:
    """To the app of ``route``, asking for ``target``. ``told`` are our own header lines, ready to send (each ends in
    CRLF): who the person is, where the request came from. ``cookies`` is what is left of the Cookie header, without
    ours; ``drop_authorization``: the Authorization header stays here. ``sid`` is the session it goes in, empty for what
    is public: when that session ends, so does the exchange. ``reason`` is a word of a fixed set, for log and metrics.
    """

    route: Route
    target: bytes
    told: bytes = b""
    cookies: bytes = b""
    drop_authorization: bool = False
    sid: str = ""
    user_id: str = ""
    reason: str = ""


@dataclass(slots=True)
class Reply:
    """An answer of our own. ``headers`` come on top of those that every answer of ours has. ``route`` is the label of
    the route it is about, or empty."""

    status: int
    headers: Headers = ()
    body: bytes = b""
    reason: str = ""
    route: str = ""


Verdict = Forward | Reply


class Gatekeeper(Protocol):
    """Decides on every request."""

    def at_once(self, asked: Asked) -> Verdict | None:
        """The verdict, if nobody has to be asked for it; None if the store must be. Never raises."""

    def trouble(self, asked: Asked | None, status: int, reason: str) -> Reply:
        """The answer to a request that cannot be served: malformed, too large, its app away, ours too busy. ``asked``
        is what could be read of it. Never raises."""

    async def ask(self, asked: Asked, body: ReadBody) -> Verdict:
        """The verdict. Never raises but ``CancelledError`` and ``ConnectionError`` of ``body``: what cannot be decided
        is an answer, too (503)."""


__all__ = ["Asked", "BodyTooLarge", "Forward", "Gatekeeper", "Header", "Headers", "ReadBody", "Reply", "Verdict"]
