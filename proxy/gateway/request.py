"""A request as the gateway looks at it: its line, the headers that go on to the app, and those that decisions read.

One pass over the headers sorts them, by a table that knows every name seen before. What may never reach an app is taken
out here, for every request, before anybody is asked anything (RFC 9110 7.6.1): hop-by-hop headers and those named in
Connection, every spelling of a header that tells an app who a person is, what proxies say of the client, and names of
characters that apps fold into others (``_``, ``.``): they are no names here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

Header = tuple[bytes, bytes]


@dataclass(slots=True)
class Asked:
    """One request. ``target`` is as it came; ``kept`` are the headers for the app, as they came and in their order, but
    for cookies; ``seen`` are those that decisions read, by lower-case name (several of a name joined by ", ");
    ``cookies`` the raw Cookie values. ``length`` is the body's, None for a chunked one. ``peer`` is the other end of
    the connection, empty for a Unix socket; ``secure`` whether our own listener speaks TLS; ``started`` is the loop's
    time, ``id`` names the request in log lines and for the app (X-Request-Id).
    """

    method: bytes
    target: bytes
    minor: int = 1
    host: bytes = b""
    kept: list[Header] = field(default_factory=list)
    seen: dict[bytes, bytes] = field(default_factory=dict)
    cookies: list[bytes] = field(default_factory=list)
    length: int | None = 0
    upgrade: bytes = b""
    peer: str = ""
    secure: bool = False
    started: float = 0.0
    id: str = ""

    @property
    def has_body(self) -> bool:
        """Whether bytes follow the headers."""
        return self.length != 0


class Malformed(Exception):
    """A request that is no request of HTTP/1.1, or one that two readers could read differently. ``status`` is 400 or
    what says more; ``reason`` a word of a fixed set."""

    def __init__(self, reason: str, status: int = 400) -> None:
        super().__init__(reason)
        self.reason, self.status = reason, status


Sort = Callable[[Asked, Iterable[Header]], None]
"""Fills ``asked`` from the headers of a request as they came. Raises ``Malformed``."""
