"""One process that serves: store, site, health, listeners, signals.

A store that does not answer at the start is no reason to stop: the process stays up, not ready, and asks again. A store
that answers and is not fit (it evicts records, it belongs to another tenant) stops the start; found later, it keeps the
process not ready.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import secrets as entropy
import signal
import socket
import ssl
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from aiohttp import web

from proxy.http.client_address import Proxies
from proxy.oidc.errors import Misconfigured, Problem, Unavailable
from proxy.oidc.urls import is_loopback
from proxy.settings import Settings
from proxy.store.redis import RedisStore
from proxy.store.sealing import Seal
from proxy.telemetry import logs
from proxy.web.health import Door, Health, doors
from proxy.web.runner import Farewell, Runner, Serving, go_down, listen
from proxy.web.watchdog import watch

if TYPE_CHECKING:
    from proxy.web.serve import Build, Sockets

CAN_SIGN: web.AppKey[Callable[[], bool]] = web.AppKey("can_sign", Callable[[], bool])  # type: ignore[arg-type]
"""The site says here whether it has keys to sign with; a site without it needs none."""


async def work(
    settings: Settings, build: Build, secrets: Sequence[bytes], sockets: Sockets, tls: ssl.SSLContext | None, url: str
) -> int:
    """Serve until SIGTERM or SIGINT, then go down in order; a second signal cuts that short. Answers 0."""
    stop, hurry = signals()
    open_store = settings.redis.allow_open or settings.redis.url is None
    store = RedisStore(url, Seal(secrets), allow_open=open_store)
    fitness = Fitness(store, settings.tenant.issuer)
    await fitness.at_start()
    site = await build(settings, store, secrets)
    health = Health(store.ping, lambda: not fitness.problems and can_sign(site))
    runner, internal = await start(settings, site, health, sockets, tls)
    asking = asyncio.create_task(fitness.keep_asking())
    # What was loaded so far stays: the collector need not walk through all of it again and again.
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 20)  # a login makes some thousand objects, nearly all of them freed by counting
    with watch():
        await stop.wait()
    logs.event("stopping")
    asking.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await asking

    def unready() -> None:
        health.draining = True

    closers: list[Callable[[], Awaitable[None]]] = [store.close]
    if internal is not None:
        closers.insert(0, internal.cleanup)
    await go_down(runner, unready, hurry, *closers)
    logs.event("stopped")
    return 0


def can_sign(site: web.Application) -> bool:
    """Whether the site has what it signs with."""
    return CAN_SIGN not in site or site[CAN_SIGN]()


def farewell_of(issuer: str) -> Farewell:
    """How we leave. On loopback no balancer looks at our readiness: nobody waits for it after Ctrl-C."""
    return Farewell(drain=0, pause=0.1) if is_loopback(issuer) else Farewell()


async def start(
    settings: Settings, site: web.Application, health: Health, sockets: Sockets, tls: ssl.SSLContext | None
) -> tuple[Runner, web.ServerRunner | None]:
    """Listen: the site with the health doors, or those on a port of their own."""
    issuer, proxies = settings.tenant.issuer, Proxies(settings.server.trusted_proxies)
    base = urlsplit(issuer).path
    outside = {} if sockets.internal else doors(health, base, proxies)
    serving = Serving(issuer, outside, proxies, farewell=farewell_of(issuer), tls=tls)
    runner = Runner(site, serving)
    await runner.setup()
    internal = await start_internal(doors(health, base, None), sockets.internal) if sockets.internal else None
    await listen(runner, sockets.public, tls)
    port, apps = sockets.public.getsockname()[1], {}
    if sockets.gateway is not None:
        await listen(runner, sockets.gateway, tls, gateway=True)
        apps = {"gateway_port": sockets.gateway.getsockname()[1]}
    logs.event("listening", host=settings.server.host, port=port, issuer=issuer, **apps)
    for warning in settings.warnings:
        logs.event("warning", level="warning", text=warning)
    return runner, internal


async def start_internal(inside: Mapping[str, Door], sock: socket.socket) -> web.ServerRunner:
    """A listener for the health doors alone; it goes on answering until the very end."""

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        door = inside.get(request.raw_path)
        return await door(request) if door is not None else web.Response(status=404, text="There is nothing here.")

    runner = web.ServerRunner(web.Server(handle, access_log=None), shutdown_timeout=1)
    await runner.setup()
    await listen(runner, sock)
    return runner


def signals() -> tuple[asyncio.Event, asyncio.Event]:
    """Two events: the first SIGTERM or SIGINT, and the second."""
    stop, hurry = asyncio.Event(), asyncio.Event()

    def heard() -> None:
        (hurry if stop.is_set() else stop).set()

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, heard)
    return stop, hurry


@dataclass
class Fitness:
    """Whether the store is fit to hold our records, asked until it answers."""

    store: RedisStore
    issuer: str
    problems: tuple[Problem, ...] = ()
    known: bool = False

    async def at_start(self) -> None:
        """Ask once. Raises Misconfigured; a store that does not answer is for later."""
        with contextlib.suppress(Unavailable):
            await self._ask()
        if self.problems:
            raise Misconfigured(*self.problems)

    async def keep_asking(self) -> None:
        """Ask again, at uneven times, until there is an answer."""
        while not self.known:
            await asyncio.sleep(0.5 + entropy.randbelow(1000) / 1000)
            with contextlib.suppress(Unavailable):
                await self._ask()
                for problem in self.problems:
                    logs.event("store_unfit", level="error", problem=str(problem))

    async def _ask(self) -> None:
        checked = await self.store.check()
        foreign = await self.store.claim(self.issuer)
        forgiven = checked.problems if is_loopback(self.issuer) else ()  # nobody's secrets depend on a trial run
        unfit = () if forgiven else checked.problems
        self.problems = (*unfit, *([foreign] if foreign is not None else []))
        self.known = True
        for warning in (*checked.warnings, *map(str, forgiven)):
            logs.event("warning", level="warning", text=warning)
