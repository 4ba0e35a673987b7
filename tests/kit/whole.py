"""The whole of it: a real store server behind a line, a moody tenant, a node with its health doors, browsers, an app.

``whole`` runs the node in this process; ``command`` and ``served`` run the real ``isthmus`` command.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

from proxy import app, settings
from proxy.http.client_address import Proxies
from proxy.lab.browser import Browser, Tab
from proxy.lab.listen import listen, port_of
from proxy.lab.people import PEOPLE
from proxy.store.redis import Limits, RedisStore
from proxy.store.sealing import Seal
from proxy.telemetry import logs
from proxy.web import runner
from proxy.web.health import Health, doors
from proxy.web.worker import can_sign
from tests.kit.isthmus import OWN_SECRET, borrow_keys, configure, connection, lend_keys
from tests.kit.line import Line, line
from tests.kit.moody import Moody, moody
from tests.kit.plain_app import CLIENT, PlainApp, Trip, arrived, stop_at_the_app
from tests.kit.valkey import Valkey, free_port
from tests.kit.waiting import eventually

MIRA = PEOPLE[0]
CHANNELS = ("front_channel", "back_channel")
SOON = 20.0


@dataclass
class Whole:
    """Everything a fault case needs. ``line`` leads from the node to the store."""

    server: Valkey
    line: Line
    tenant: Moody
    app: PlainApp
    browser: Browser
    store: RedisStore
    site: web.Application
    runner: runner.Runner
    port: int
    log: Path

    @property
    def issuer(self) -> str:
        """Isthmus."""
        return self.app.issuer

    def open_ends(self) -> tuple[int, int, int]:
        """Tasks, files and store connections in use, but for what kept connections to store and tenant need: both ends
        and the line between them are in this process."""
        near, far = self.line.connections, self.tenant.line.connections
        tasks = len(asyncio.all_tasks()) - 2 * near - 3 * far
        return tasks, len(os.listdir("/proc/self/fd")) - 3 * near - 4 * far, self.store.pool.in_use

    async def at_rest(self, before: tuple[int, int, int]) -> None:
        """Wait until no more is open than there was ``before``."""

        async def is_so() -> bool:
            return all(now <= then for now, then in zip(self.open_ends(), before, strict=True))

        await eventually(is_so)

    async def log_in(self, browser: Browser | None = None, **wishes: str) -> Login:
        """A whole login, up to the tokens."""
        trip, tab = await self.depart(browser, **wishes)
        if not arrived(tab):
            await tab.click(MIRA.name)
        told = await self.app.redeem(trip, arrived(tab).get("code", ""))
        if told.status != 200:
            raise AssertionError(f"no login: {tab.page.status} {tab.page.text[:300]} {told.status} {told.text}")
        return Login(trip, arrived(tab)["code"], told.json)

    async def depart(self, browser: Browser | None = None, **wishes: str) -> tuple[Trip, Tab]:
        """A trip begun: the tab shows the tenant's form, or the way back if the person is known."""
        trip = self.app.begin(**wishes)
        return trip, await (browser or self.browser).open(trip.url)

    async def at_the_door(self, browser: Browser | None = None) -> tuple[Trip, Tab]:
        """A trip whose answer of the tenant is about to be brought to ``login/callback``."""
        used = browser or self.browser
        used.stop = lambda navigation: navigation.url.startswith(f"{self.issuer}login/callback")
        trip, tab = await self.depart(used, prompt="login")
        if tab.pending is None:
            await tab.click(MIRA.name)
        stop_at_the_app(used)
        return trip, tab


@dataclass(frozen=True)
class Login:
    """What a login brought."""

    trip: Trip
    code: str
    tokens: Mapping[str, Any]


USUAL = Limits()


@asynccontextmanager
async def whole(
    directory: Path, server: Valkey, channel: str = "back_channel", *, patience: Limits = USUAL, **serving: Any
) -> AsyncIterator[Whole]:
    """A node in this process. ``patience``: the deadlines of its store; ``serving``: fields of ``runner.Serving``."""
    async with line(server.socket_path) as way, moody() as tenant, Browser() as browser:
        with closing(listen()) as sock:
            issuer = f"http://127.0.0.1:{port_of(sock)}/"
            tenant.know(issuer)
            tables = {"connections": [connection("corp", tenant.issuer, channel)], "clients": [CLIENT]}
            file, environ = configure(directory, issuer, port_of(sock), tables)
            loaded, log = settings.load(file, environ), directory / "node.log"
            store = RedisStore(f"redis://127.0.0.1:{way.port}/0", Seal([OWN_SECRET.encode()]), limits=patience)
            await lend_keys(store, loaded.keys.algorithms)
            site = await app.build(loaded, store, settings.own_secrets(loaded))
            outside = doors(Health(store.ping, lambda: can_sign(site)), "/", Proxies(()))
            with log.open("w") as stream:
                logs.configure("info", stream)
                plan = runner.Serving(issuer, outside, **serving)
                async with runner.serve(site, plan, sock) as running, PlainApp(issuer) as plain:
                    await site[app.KEYS].load(time.time())
                    await borrow_keys(store)
                    made = (server, way, tenant, plain, stop_at_the_app(browser), store, site, running)
                    yield Whole(*made, port_of(sock), log)
                logs.close()
            await store.close()


# --- the real command ---


@dataclass
class Command:
    """A running ``isthmus`` command. What it writes goes to files; ``config`` and ``environ`` are what it was given."""

    process: asyncio.subprocess.Process
    out: Path
    err: Path
    port: int = 0
    scheme: str = "http"
    headers: Mapping[str, str] = field(default_factory=dict)
    config: str = ""
    environ: Mapping[str, str] = field(default_factory=dict)

    @property
    def said(self) -> str:
        """All it wrote."""
        return self.out.read_text() + self.err.read_text()

    async def status(self, path: str, http: aiohttp.ClientSession | None = None) -> int:
        """The status at a path; 0 if nobody answers."""
        own = http or aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=False, force_close=True))
        try:
            async with own.get(f"{self.scheme}://127.0.0.1:{self.port}{path}", headers=self.headers) as answer:
                return answer.status
        except (aiohttp.ClientError, TimeoutError):
            return 0
        finally:
            if http is None:
                await own.close()

    async def becomes(self, status: int, path: str = "/readyz") -> None:
        """Wait for a status."""

        async def is_so() -> bool:
            if self.process.returncode is not None:
                raise AssertionError(f"it ended with {self.process.returncode}: {self.said[-2000:]}")
            return await self.status(path) == status

        await eventually(is_so, within=SOON)

    def tell(self, number: int = signal.SIGTERM) -> None:
        """Send a signal."""
        self.process.send_signal(number)

    async def ended(self, within: float = SOON) -> int:
        """Its exit status, once it has one."""
        async with asyncio.timeout(within):
            return await self.process.wait()

    async def die(self) -> None:
        """``kill -9``."""
        self.process.kill()
        await self.process.wait()


@asynccontextmanager
async def command(directory: Path, *words: str, environ: Mapping[str, str] | None = None) -> AsyncIterator[Command]:
    """``isthmus WORDS``; killed at the end if it still runs."""
    name = f"{words[0]}-{time.monotonic_ns()}"
    out, err = directory / f"{name}.out", directory / f"{name}.err"
    with out.open("w") as stdout, err.open("w") as stderr:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "proxy", *words, env={**os.environ, **(environ or {})}, stdout=stdout, stderr=stderr
        )
    try:
        yield Command(process, out, err)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


@asynccontextmanager
async def served(
    directory: Path, issuer: str = "", redis: str = "", *, port: int = 0, workers: int = 1, **tables: Any
) -> AsyncIterator[Command]:
    """``isthmus serve`` with this configuration, started, perhaps not ready yet."""
    port = port or free_port()
    issuer = issuer or f"http://127.0.0.1:{port}/"
    if redis:
        tables["redis"] = {"url": redis}
    file, environ = configure(directory, issuer, port, tables)
    words = ("serve", "--config", str(file), "--workers", str(workers))
    async with command(directory, *words, environ=environ) as running:
        running.port, running.config, running.environ = port, str(file), environ
        yield running
