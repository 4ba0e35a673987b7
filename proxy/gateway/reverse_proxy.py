"""The reverse proxy: what its connections share, where they come from, and the way down.

On the gateway's own port every connection is ours. On a port shared with the site, a connection whose next request is
for the site is handed over to it, and comes back when a request on it is for us.
"""

from __future__ import annotations

import asyncio
import itertools
import os
from collections.abc import Callable, Iterable
from typing import Final, cast

from proxy.gateway.answers import Answers
from proxy.gateway.back import Back
from proxy.gateway.forwarded import Senders
from proxy.gateway.framing import HEAD_END, sniff
from proxy.gateway.front import Front
from proxy.gateway.request import Asked, Header, Malformed
from proxy.gateway.sorting import Sorting
from proxy.gateway.streams import Streams
from proxy.gateway.tunnel import Tunnel
from proxy.gateway.upstreams import Upstreams
from proxy.gateway.verdict import Gatekeeper
from proxy.http.client_address import Proxies
from proxy.http.crowd import Crowd, Limits
from proxy.telemetry import logs, metrics

LOOK: Final = 0.05
"""Seconds between two looks at whether what was under way has ended."""
SiteProtocol = Callable[[], asyncio.BaseProtocol]


class ReverseProxy:
    """Makes the protocols of connections. ``ours`` says whether a request with this host and path is for us, where the
    port is shared; ``https``: browsers reach us by https alone."""

    def __init__(
        self,
        keeper: Gatekeeper,
        sorting: Sorting,
        answers: Answers,
        senders: Senders,
        streams: Streams,
        upstreams: Upstreams[Back],
        ours: Callable[[bytes, bytes], bool],
        *,
        https: bool,
    ) -> None:
        self.keeper, self.streams, self.upstreams, self.https = keeper, streams, upstreams, https
        self.sort = sorting.sort
        self.trailers: Callable[[Iterable[Header]], list[Header]] = answers.trailers
        self.draining = False
        self.tunnels: set[Tunnel] = set()
        self._answers, self._senders, self._ours = answers, senders, ours
        self._crowd: Crowd[Front] | None = None
        self._site: SiteProtocol | None = None
        self._prefix, self._count = os.urandom(4).hex(), itertools.count(int.from_bytes(os.urandom(3)))

    @property
    def crowd(self) -> Crowd[Front]:
        """Everybody who is connected."""
        return cast("Crowd[Front]", self._crowd)

    def serve(self, limits: Limits, proxies: Proxies, site: SiteProtocol | None) -> None:
        """Begin. ``site`` makes the protocol of a connection that is the site's, where a port is shared."""
        self._crowd, self._site = Crowd(limits, proxies), site

    def protocol(self, *, shared: bool, secure: bool) -> Callable[[], Front]:
        """What makes the protocol of a new connection: on a port ``shared`` with the site, with TLS of our own."""
        return lambda: Front(self, shared=shared, secure=secure)

    def new_id(self) -> str:
        """The next request's name: 16 hexadecimal digits, of no meaning."""
        return f"{self._prefix}{next(self._count) & 0xFFFFFFFF:08x}"

    # --- a port shared with the site ---

    def is_ours(self, head: bytes) -> bool:
        """Whether a complete head is for us."""
        return self._ours(*sniff(head))

    def wants(self, data: bytes) -> bool:
        """Whether a connection of the site's that has these bytes next should come to us: a request for us, or the
        beginning of one of which that cannot be told yet."""
        return HEAD_END not in data or self.is_ours(data)

    def to_site(self, transport: asyncio.Transport, data: bytes, *, full: bool) -> None:
        """The connection is the site's from now on, with these bytes next; ``full``: it is not to write for now."""
        protocol = cast(asyncio.Protocol, cast(SiteProtocol, self._site)())
        transport.set_protocol(protocol)
        protocol.connection_made(transport)
        if full:
            protocol.pause_writing()
        if not transport.is_closing():
            protocol.data_received(data)

    def take_over(self, transport: asyncio.Transport, data: bytes, *, full: bool) -> None:
        """The connection is ours again, with these bytes next; ``full``: it is not to be written to for now."""
        front = Front(self, shared=True, secure=transport.get_extra_info("ssl_object") is not None)
        transport.set_protocol(front)
        front.connection_made(transport)
        if full:
            front.pause_writing()
        if not transport.is_closing():
            front.data_received(data)

    # --- an answer's headers, and what is told of an exchange ---

    def answer_headers(self, headers: Iterable[Header], asked: Asked, *, private: bool) -> list[Header]:
        """What the client gets of an app's answer."""
        return self._answers.filter(headers, asked.host.decode("latin-1").lower(), private=private)

    def account(self, asked: Asked, route: str, status: int, reason: str, size: int) -> None:
        """One request is over: a line in the log, and the metrics."""
        seconds = asyncio.get_running_loop().time() - asked.started
        method = asked.method.decode("latin-1")
        metrics.gateway(route, method, status, reason, seconds)
        logs.access(
            method=method,
            route=route or metrics.UNMATCHED,
            status=status,
            ms=seconds * 1000,
            size=size,
            client=self._client(asked),
            decision=reason,
            request_id=asked.id,
        )

    def _client(self, asked: Asked) -> str:
        try:
            return self._senders.client(asked).address
        except Malformed:
            return asked.peer

    # --- the way down ---

    def drain(self) -> None:
        """Every answer is the last of its connection from now on. Who is idle may be about to ask: nobody is cut."""
        self.draining = True

    def end_tunnels(self) -> None:
        """WebSockets hear that we go away (RFC 6455 7.4.1: 1001)."""
        for tunnel in tuple(self.tunnels):
            tunnel.end("stopping")

    async def closed(self) -> None:
        """Return when nothing is under way any more."""
        while self.crowd.guests:
            for front in tuple(self.crowd.guests):
                if front.idle:
                    front.transport.close()
            await asyncio.sleep(LOOK)

    def cut_all(self) -> None:
        """End everything now."""
        for tunnel in tuple(self.tunnels):
            tunnel.abort()
        for front in tuple(self.crowd.guests):
            front.cut()
        self.upstreams.close()
