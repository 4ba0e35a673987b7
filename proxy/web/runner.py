"""Runs one site in one process: gate, guard, listeners, and the way down without losing a request.

Down (each step visible from outside): not ready and ``Connection: close`` on every answer, while still serving; then no
new connections; a pause, in which what the kernel had already accepted is read; then running requests finish; then
all is closed. A hard stop bounds the whole.
"""

from __future__ import annotations

import asyncio
import functools
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

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

HANDSHAKE = 10.0
BACKLOG = 1024


@dataclass(frozen=True)
class Farewell:
    """Seconds: still serving while not ready; a pause after the last accept; running requests; all of it."""

    drain: float = 5.0
    pause: float = 0.5
    finish: float = 25.0
    hard: float = 30.0


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

    __slots__ = ("gate", "serving")

    def __init__(self, site: web.Application, serving: Serving) -> None:
        super().__init__(site, access_log=None, shutdown_timeout=serving.farewell.finish)
        self.serving = serving
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
        return Guard(
            self.gate,
            limits=serving.limits,
            proxies=serving.proxies,
            issuer=serving.issuer,
            request_factory=functools.partial(site._make_request, _cls=request_class),
            access_log=None,
            auto_decompress=False,
        )


class Listener(web.SockSite):
    """A socket that is served. A TLS handshake has a deadline too, since the guard does not see the connection yet."""

    __slots__ = ()

    async def start(self) -> None:
        """Listen."""
        await super(web.SockSite, self).start()
        tls = self._ssl_context
        self._server = await asyncio.get_running_loop().create_server(
            self._runner.server,  # type: ignore[arg-type]  # aiohttp's server is a protocol factory
            sock=self._sock,
            ssl=tls,
            backlog=self._backlog,
            ssl_handshake_timeout=HANDSHAKE if tls else None,
        )


async def listen(runner: BaseRunner, sock: socket.socket, tls: ssl.SSLContext | None = None) -> Listener:
    """Serve ``runner`` on ``sock``."""
    listener = Listener(runner, sock, ssl_context=tls, backlog=BACKLOG)
    await listener.start()
    return listener


@asynccontextmanager
async def serve(site: web.Application, serving: Serving, sock: socket.socket) -> AsyncIterator[Runner]:
    """Serve ``site`` on ``sock`` while the block runs, then stop at once."""
    runner = Runner(site, serving)
    await runner.setup()
    try:
        await listen(runner, sock, serving.tls)
        yield runner
    finally:
        await runner.cleanup()


async def go_down(
    runner: Runner, unready: Callable[[], None], hurry: asyncio.Event, *others: Callable[[], Awaitable[None]]
) -> None:
    """Stop serving without losing a request. ``hurry`` ends the waiting; ``others`` are closed last."""
    farewell = runner.serving.farewell
    unready()
    runner.gate.draining = True
    await _either(hurry, farewell.drain)
    try:
        async with asyncio.timeout(farewell.hard):
            for listener in list(runner.sites):
                await listener.stop()
            await _either(hurry, farewell.pause)
            await _cleanup(runner, hurry)
            for close in others:
                await close()
    except TimeoutError:
        logs.event("hard_stop", level="warning")


async def _cleanup(runner: Runner, hurry: asyncio.Event) -> None:
    finishing = asyncio.create_task(runner.cleanup())
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
