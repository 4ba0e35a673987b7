"""A tenant that says "later" is left alone until then (RFC 9110 10.2.3, RFC 6585 4)."""

from __future__ import annotations

from collections.abc import Callable

from proxy.oidc.errors import UpstreamError
from proxy.oidc.messages import HttpRequest, HttpResponse, Send

LONGEST = 60
"""Seconds we wait at most, whatever the tenant says."""
UNSAID = 5
"""Seconds we wait if it names no number (a date, say)."""


class Patience:
    """``send``, with regard for ``Retry-After`` of 429 and 503 answers, per group."""

    def __init__(self, send: Send, clock: Callable[[], float]) -> None:
        self._send = send
        self._clock = clock
        self._until: dict[str, float] = {}

    async def send(self, request: HttpRequest) -> HttpResponse:
        """See ``messages.Send``. Raises ``UpstreamError`` (503) while the tenant wants to be left alone."""
        if self._clock() < self._until.get(request.group, 0.0):
            raise later()
        self._until.pop(request.group, None)
        response = await self._send(request)
        if response.status in (429, 503) and "retry-after" in response.headers:
            self._until[request.group] = self._clock() + _seconds(response.headers["retry-after"])
        return response


def later() -> UpstreamError:
    """The tenant is busy, and said so."""
    return UpstreamError("temporarily_unavailable", "the login service is busy", reason="retry_after", status=503)


def _seconds(text: str) -> int:
    return min(int(text), LONGEST) if text.isascii() and text.isdigit() and len(text) <= 9 else UNSAID
