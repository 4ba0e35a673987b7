"""Alive, able to serve, and counted: ``healthz``, ``readyz``, ``metrics``. None of them says a detail.

``healthz`` asks nobody. ``readyz`` wants signing keys and a store that answers, and remembers for two seconds, so that
probes neither flap nor load the store; while the process drains it says no. Answered before admission: an overloaded
server still tells that it lives.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from aiohttp import web

from proxy.http.client_address import Proxies, is_loopback
from proxy.oidc.errors import Unavailable
from proxy.telemetry import logs, metrics
from proxy.web import client_address

MEMORY = 2.0
DRIFT = 5.0
"""Seconds our clock and the store's may differ before we say so."""
Door = Callable[[web.BaseRequest], Awaitable[web.Response]]


@dataclass
class Health:
    """What readiness depends on: ``ping`` asks the store (its clock, or ``Unavailable``), ``keys`` says whether we can
    sign."""

    ping: Callable[[], Awaitable[float]]
    keys: Callable[[], bool]
    clock: Callable[[], float] = time.time
    draining: bool = False
    _asked: float = field(default=float("-inf"))
    _answered: bool = False
    _asking: asyncio.Task[bool] | None = None

    async def ready(self) -> bool:
        """Whether this process can serve."""
        if self.draining:
            return False
        ready = self.keys() and await self._store()
        metrics.READY.set(ready)
        return ready

    async def _store(self) -> bool:
        if time.monotonic() - self._asked < MEMORY:
            return self._answered
        if self._asking is None:
            self._asking = asyncio.create_task(self._ask())
        return await asyncio.shield(self._asking)

    async def _ask(self) -> bool:
        try:
            drift = await self.ping() - self.clock()
            self._answered = True
            if abs(drift) > DRIFT:
                logs.seldom("clocks_differ", seconds=round(drift, 1))
        except Unavailable as error:
            self._answered = False
            logs.seldom("store_unavailable", what=error.what)
        finally:
            self._asked, self._asking = time.monotonic(), None
        return self._answered


def doors(health: Health, base: str, proxies: Proxies | None) -> Mapping[str, Door]:
    """What answers at which path below ``base``. With ``proxies``, metrics are for loopback and for them alone; without
    (on the internal listener), for everybody who reaches it."""

    async def healthz(_: web.BaseRequest) -> web.Response:
        return web.Response(text="ok")

    async def readyz(_: web.BaseRequest) -> web.Response:
        ready = await health.ready()
        return web.Response(text="ready" if ready else "not ready", status=200 if ready else 503)

    async def scrape(request: web.BaseRequest) -> web.Response:
        if proxies is not None and not near(request, proxies):
            return web.Response(text="Not from here.", status=403)
        metrics.LOG_DROPPED.set(logs.dropped())
        return web.Response(body=metrics.page(), headers={"Content-Type": metrics.CONTENT_TYPE})

    return {f"{base}healthz": healthz, f"{base}readyz": readyz, f"{base}metrics": scrape}


def near(request: web.BaseRequest, proxies: Proxies) -> bool:
    """Whether the request began on this machine or on a trusted proxy, and was not passed on from elsewhere."""
    peer, chain = client_address.peer_of(request), request.headers.getall("X-Forwarded-For", [])
    if not proxies.trusts(peer) and (chain or "Forwarded" in request.headers):
        return False
    client = proxies.client(peer, chain)
    return is_loopback(client) or proxies.trusts(client)
