"""Looks at the servers of routes with a ``health_path``: a GET every five seconds, over the way that exchanges take.

A server is well if the status is 2xx or 3xx and comes within two seconds. One that is not is put aside until it is;
if all are, they are asked all the same (``upstreams``). Servers of routes without such a path are put aside only when
they cannot be reached.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Sequence
from typing import Any, cast

from proxy.gateway.connecting import CannotConnect, Way
from proxy.gateway.upstreams import Server, Servers, Upstreams
from proxy.models.route import Route
from proxy.telemetry import metrics

log = logging.getLogger("isthmus.gateway")

EVERY_SECONDS = 5.0
WITHIN_SECONDS = 2.0
_WELL = re.compile(rb"HTTP/1\.[01] [23][0-9]{2}[ \r\n]")
_FIRST_LINE = 512


class Health:
    """The checks of all routes."""

    def __init__(self, upstreams: Upstreams[Any]) -> None:
        self._upstreams = upstreams

    async def run(self) -> None:
        """Check for ever."""
        while True:
            await self.look()
            await asyncio.sleep(EVERY_SECONDS)

    async def look(self) -> None:
        """Check every server once. Never raises."""
        await asyncio.gather(*(self._servers(servers, routes) for servers, routes in self._upstreams.checked()))

    async def _servers(self, servers: Servers[Any], routes: Sequence[Route]) -> None:
        await asyncio.gather(*(_check(server, routes[0]) for server in servers.all))
        for route in routes:
            metrics.servers_up(route.label, sum(server.healthy for server in servers.all))


async def _check(server: Server[Any], route: Route) -> None:
    host = route.host if route.preserve_host else server.netloc
    well = await is_well(server.way, host, route.health_path)
    if well != server.healthy:
        event = "server_well" if well else "server_unwell"
        log.warning(event, extra={"route": route.label, "server": server.netloc, "path": server.way.place.path})
    server.healthy = well


async def is_well(way: Way, host: str, path: str) -> bool:
    """Whether the server says 2xx or 3xx in time. Never raises."""
    loop = asyncio.get_running_loop()
    until = loop.time() + WITHIN_SECONDS
    reader = asyncio.StreamReader(limit=_FIRST_LINE)
    try:
        protocol = await way.open(lambda: _Asking(reader, f"GET {path} HTTP/1.1\r\nHost: {host}\r\n"), until)
        try:
            async with asyncio.timeout_at(until):
                return _WELL.match(await reader.readuntil(b"\n")) is not None
        finally:
            protocol.abort()
    except (CannotConnect, OSError, EOFError, asyncio.LimitOverrunError):  # a deadline is an OSError, too
        return False


class _Asking(asyncio.StreamReaderProtocol):
    """Sends the request as soon as there is a connection."""

    def __init__(self, reader: asyncio.StreamReader, head: str) -> None:
        super().__init__(reader)
        self._asked = f"{head}User-Agent: Isthmus\r\nAccept: */*\r\nConnection: close\r\n\r\n".encode()
        self._wire: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._wire = cast("asyncio.Transport", transport)  # uvloop's are no subclasses of it
        self._wire.write(self._asked)

    def abort(self) -> None:
        """Done with it."""
        if self._wire is not None:
            self._wire.abort()
