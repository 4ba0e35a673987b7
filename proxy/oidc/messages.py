"""An HTTP exchange that we begin, as two values. ``wire.send`` stands between them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

KILOBYTE = 1024
DOCUMENT_LIMIT = 128 * KILOBYTE
"""Largest document we read from a tenant (Auth0's own limit for a discovery document)."""

STRANGERS = "registered"
"""How the kind of a party begins (``HttpRequest.group``) that the operator did not name: it registered itself."""


@dataclass(frozen=True, repr=False)
class HttpRequest:
    """What we send. ``seconds`` is the deadline of the whole exchange, ``limit`` the most bytes read of the answer.

    ``group`` names the party whose calls are counted together: a tenant by its connection's name, others as
    ``kind:name``. The representation leaves out headers and body: they hold secrets.
    """

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    seconds: float = 5.0
    limit: int = DOCUMENT_LIMIT
    group: str = ""
    tells_certificate: bool = False
    """Whether the answer says when the certificate of the other side ends."""

    def __repr__(self) -> str:
        return f"HttpRequest({self.method} {self.url.partition('?')[0]})"


@dataclass(frozen=True, repr=False)
class HttpResponse:
    """What came back: the status, header names in lower case, the whole body. Redirects are never followed.
    ``certificate_ends`` is in seconds since the epoch, if it was asked for and there is a certificate."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    certificate_ends: int | None = None

    def __repr__(self) -> str:
        return f"HttpResponse({self.status}, {len(self.body)} bytes)"


Send = Callable[[HttpRequest], Awaitable[HttpResponse]]
"""The one way out. Raises ``errors.UpstreamError`` (502 broken, 503 busy, 504 silent) when no answer came."""
