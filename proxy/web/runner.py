"""Runs one site in one process: gate, guard, listeners, and the way down without losing a request.

Down (each step visible from outside): not ready and ``Connection: close`` on every answer, while still serving, and in
the middle of that WebSockets hear that we go; then no new connections; a pause, in which what the kernel had already
accepted is read; then running requests finish; then all is closed. A hard stop bounds the whole: who takes servers down
commonly waits for half a minute.
"""

from __future__ import annotations

import asyncio
import functools
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, cast

from aiohttp import web
from aiohttp.web_runner import BaseRunner

from proxy.http.client_address import Proxies
from proxy.http.crowd import Limits
from proxy.telemetry import logs
from proxy.web import headers
from proxy.web.gate import TELL, Gate
from proxy.web.guard import Guard
from proxy.web.health import Door
from proxy.web.limits import Capacity
from proxy.web.porch import PORCH, SiteProtocol

HANDSHAKE = 10.0
CLOSING = 0.5
"""Seconds for what is left to close after the last request."""
BACKLOG = 1024


@dataclass(frozen=True)
class Farewell:
    """Seconds: still serving while not ready; a pause after the last accept; running requests; all of it, from the
    first moment on."""

    drain: float = 5.0
    pause: float = 0.5
    finish: float = 22.0
    hard: float = 28.0


@dataclass(frozen=True)
class Serving:
    """How a site is served. ``doors`` are answered before the gate, at paths of their own."""

    issuer: str
    doors: Mapping[str, Door] = field(default_factory=dict)
    proxies: Proxies = field(default_factory=lambda: Proxies(()))
    limits: Limits = field(default_factory=Limits)
    capacity: Capacity = field(default_factory=Capacity)
    farewell: Farewell = Farewell()
    tls: ssl.SSLContext | None = None


class Runner(web.AppRunner):
    """aiohttp's runner with our gate in front of the site and our guard below it.

    Bodies stay as they were sent (``auto_decompress=False``), aiohttp's own access log is off: it writes the query.
    """

    __slots__ = ("gate", "porch", "serving")

    def __init__(self, site: web.Application, serving: Serving) -> None:
        super().__init__(site, access_log=None, shutdown_timeout=serving.farewell.finish)
        self.serving = serving
        self.porch = site.get(PORCH)
        self.gate = Gate(
            handle=site._handle,
            issuer=serving.issuer,
            doors=serving.doors,
            proxies=serving.proxies,
            capacity=serving.capacity,
            tls=serving.tls is not None,
            tell=site.get(TELL),
        )

    async def _make_server(self) -> web.Server:
        site, serving = self.app, self.serving
        site._set_loop(asyncio.get_running_loop())
        site.on_startup.freeze()
        await site.startup()
        site.freeze()
        request_class = headers.request_class(serving.issuer.startswith("https:"))
        guard = Guard(
            self.gate,
            limits=serving.limits,
            proxies=serving.proxies,
            issuer=serving.issuer,
            porch=self.porch,
            request_factory=functools.partial(site._make_request, _cls=request_class),
            access_log=None,
            auto_decompress=False,
        )
        if self.porch is not None:
            self.porch.serve(serving.limits, serving.proxies, guard)
        return guard

    def protocol(self, *, gateway: bool) -> SiteProtocol:
        """What makes the protocol of a connection to the site's port, or to the gateway's own."""
        shared, secure = not gateway, self.serving.tls is not None
        if self.porch is not None:
            return self.porch.protocol(shared=shared, secure=secure)
        return cast(SiteProtocol, self.server)


class Listener(web.SockSite):
    """A socket that is served. A TLS handshake has a deadline too, since the guard does not see the connection yet."""

    __slots__ = ("_protocol",)

    def __init__(self, runner: BaseRunner, sock: socket.socket, tls: ssl.SSLContext | None, protocol: Any) -> None:
        super().__init__(runner, sock, ssl_context=tls, backlog=BACKLOG)
        self._protocol = protocol

    async def start(self) -> None:
        """Listen."""
        await super(web.SockSite, self).start()
        tls = self._ssl_context
        self._server = await asyncio.get_running_loop().create_server(
            self._protocol,
            sock=self._sock,
            ssl=tls,
            backlog=self._backlog,
            ssl_handshake_timeout=HANDSHAKE if tls else None,
        )


async def listen(
    runner: BaseRunner, sock: socket.socket, tls: ssl.SSLContext | None = None, *, gateway: bool = False
) -> Listener:
    """Serve ``runner`` on ``sock``; ``gateway``: what stands before the site, on a port of its own."""
    protocol = runner.protocol(gateway=gateway) if isinstance(runner, Runner) else runner.server
    listener = Listener(runner, sock, tls, protocol)
    await listener.start()
    return listener


@asynccontextmanager
async def serve(
    site: web.Application, serving: Serving, sock: socket.socket, gateway: socket.socket | None = None
) -> AsyncIterator[Runner]:
    """Serve ``site`` on ``sock`` while the block runs, and what stands before it on ``gateway`` if that has a port of
    its own; then stop at once."""
    runner = Runner(site, serving)
    await runner.setup()
    try:
        await listen(runner, sock, serving.tls)
        if gateway is not None:
            await listen(runner, gateway, serving.tls, gateway=True)
        yield runner
    finally:
        if runner.porch is not None:
            runner.porch.cut_all()
        await runner.cleanup()


async def go_down(
    runner: Runner, unready: Callable[[], None], hurry: asyncio.Event, *others: Callable[[], Awaitable[None]]
) -> None:
    """Stop serving without losing a request. ``hurry`` ends the waiting; ``others`` are closed last."""
    unready()
    runner.gate.draining = True
    if runner.porch is not None:
        runner.porch.drain()
    try:
        async with asyncio.timeout(runner.serving.farewell.hard):
            await _leave(runner, hurry)
    except TimeoutError:
        logs.event("hard_stop", level="warning")
    finally:
        if runner.porch is not None:
            runner.porch.cut_all()
    if runner.server is not None:
        await _briefly(runner.cleanup)
    for close in others:
        await _briefly(close)


async def _leave(runner: Runner, hurry: asyncio.Event) -> None:
    """From the first moment until nothing is under way any more. The site goes last: its visitors' exchanges with apps
    need what it has open."""
    farewell, porch = runner.serving.farewell, runner.porch
    await _either(hurry, farewell.drain / 2)
    if porch is not None:
        porch.end_tunnels()  # who comes again goes elsewhere: balancers have looked by now
    await _either(hurry, farewell.drain / 2)
    for listener in list(runner.sites):
        await listener.stop()
    await _either(hurry, farewell.pause)
    if porch is not None:
        porch.end_tunnels()
        await _unless(hurry, porch.closed())
    await _unless(hurry, runner.cleanup())


async def _briefly(close: Callable[[], Awaitable[None]]) -> None:
    try:
        async with asyncio.timeout(CLOSING):
            await close()
    except TimeoutError:
        logs.event("not_closed", level="warning")


async def _unless(hurry: asyncio.Event, work: Coroutine[Any, Any, None]) -> None:
    finishing = asyncio.create_task(work)
    waiting = asyncio.create_task(hurry.wait())
    try:
        await asyncio.wait({finishing, waiting}, return_when=asyncio.FIRST_COMPLETED)
        if finishing.done():
            await finishing
    finally:
        waiting.cancel()
        finishing.cancel()
        await asyncio.gather(finishing, waiting, return_exceptions=True)


async def _either(hurry: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await hurry.wait()
    except TimeoutError:
        return
