"""What may stand at the door before the site: it answers for other hosts and hands everybody else on.

The site that ``app`` builds brings it, if there is one; this room knows only what it can do.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

from aiohttp import web

from proxy.http.client_address import Proxies
from proxy.http.crowd import Limits

SiteProtocol = Callable[[], asyncio.BaseProtocol]


class Porch(Protocol):
    """What the server and the connections of the site ask of it."""

    def serve(self, limits: Limits, proxies: Proxies, site: SiteProtocol | None) -> None:
        """Begin; ``site`` makes the protocol of a connection that is the site's, if a port is shared."""

    def protocol(self, *, shared: bool, secure: bool) -> SiteProtocol:
        """What makes the protocol of a new connection."""

    def wants(self, data: bytes) -> bool:
        """Whether a connection of the site's, idle so far, should come over with these bytes."""

    def take_over(self, transport: asyncio.Transport, data: bytes, *, full: bool) -> None:
        """The connection comes over, with these bytes next; ``full``: it is not to be written to for now."""

    def drain(self) -> None:
        """Every answer is the last of its connection from now on."""

    def end_tunnels(self) -> None:
        """What has no end of its own is asked to end."""

    async def closed(self) -> None:
        """Return when nothing is under way any more."""

    def cut_all(self) -> None:
        """End everything now."""


PORCH: web.AppKey[Porch] = web.AppKey("porch", Porch)
