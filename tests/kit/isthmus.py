"""A whole Isthmus in this process: its configuration written as TOML, loaded, built and served on a free port."""

from __future__ import annotations

import asyncio
import json
import os
import ssl
import sys
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager, closing, suppress
from dataclasses import dataclass
from pathlib import Path
from socket import socket
from typing import Any

import aiohttp
from aiohttp import web

from proxy import app, settings
from proxy.downstream.key_record import FOREVER, PLACES
from proxy.lab.listen import listen, port_of
from proxy.settings import Settings
from proxy.store import Add, Get, Store
from proxy.web import runner
from tests.kit.authlib_app import AuthlibApp
from tests.kit.valkey import free_port

OWN_SECRET = "what the Isthmus of the tests encrypts with, 32 bytes or more"
CLIENT_SECRET = "what a tenant knows Isthmus by, made up for the tests"
Table = Mapping[str, Any]
KEPT: dict[str, Table] = {}


@dataclass
class Node:
    """A running Isthmus."""

    issuer: str
    port: int
    settings: Settings
    site: web.Application
    store: Store

    @property
    def callback(self) -> str:
        """Its redirect URI at every tenant."""
        return f"{self.issuer}login/callback"


@dataclass
class Process:
    """A node in a process of its own."""

    port: int
    process: asyncio.subprocess.Process

    async def die(self) -> None:
        """``kill -9``."""
        self.process.kill()
        await self.process.wait()


SERVE = """
import os, pathlib, sys
from proxy import app, settings
from proxy.web import serve
sys.exit(serve.main(settings.load(pathlib.Path(sys.argv[1]), os.environ), app.build))
"""


def toml(value: Any) -> str:
    """A value as TOML, tables inline."""
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{json.dumps(key)} = {toml(item)}" for key, item in value.items()) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(toml, value)) + "]"
    return json.dumps(str(value) if isinstance(value, Path) else value)


def connection(name: str, tenant: str, channel: str, clients: Sequence[str] = ("webapp",), **options: Any) -> Table:
    """A ``[[connections]]`` table for the tenant at ``tenant``. ``display_name`` goes beside the options."""
    beside = {"display_name": options.pop("display_name", f"{name} login")}
    secret = {"client_secret": CLIENT_SECRET} if channel == "back_channel" else {}
    asked = {"type": channel, "discovery_url": tenant, "client_id": "isthmus", **secret, **options}
    return {"name": name, **beside, "enabled_clients": list(clients), "options": asked}


def client(application: AuthlibApp, **changes: Any) -> Table:
    """The ``[[clients]]`` table of an application."""
    return {**application.registration, **changes}


def referring(value: Any, environ: dict[str, str]) -> Any:
    """``value`` with every client secret replaced by a reference to a variable that ``environ`` then has."""
    if isinstance(value, list | tuple):
        return [referring(item, environ) for item in value]
    if not isinstance(value, Mapping):
        return value
    found = {key: referring(item, environ) for key, item in value.items()}
    if "client_secret" in found:
        name = f"CLIENT_SECRET_{len(environ)}"
        environ[name], found["client_secret"] = str(found["client_secret"]), f"${name}"
    return found


async def lend_keys(store: Store, algorithms: Sequence[str]) -> None:
    """Give a new node the signing keys that an earlier test made: making RSA keys costs more than a login. All of
    ``algorithms`` or none: an algorithm that comes later does not sign at once."""
    if set(algorithms) <= KEPT.keys():
        await store.run(*(Add(PLACES[alg], KEPT[alg], FOREVER) for alg in algorithms))


async def borrow_keys(store: Store) -> None:
    """Keep the first keys made, by algorithm."""
    records = await store.run(*map(Get, PLACES.values()))
    for alg, record in zip(PLACES, records, strict=True):
        if record is not None:
            KEPT.setdefault(alg, record.value)


def configure(directory: Path, issuer: str, port: int, tables: Mapping[str, Any]) -> tuple[Path, dict[str, str]]:
    """Write a configuration; answers the file, and the environment that its references need."""
    tree: dict[str, Any] = {
        **tables,
        "tenant": {"issuer": issuer, "name": "Acme apps", "secrets": ["$OWN_SECRET"], **tables.get("tenant", {})},
        "server": {"port": port, "data_dir": directory / "var", **tables.get("server", {})},
    }
    environ = {"OWN_SECRET": OWN_SECRET}
    tree = referring(tree, environ)
    file = directory / f"isthmus-{port}.toml"
    file.write_text("".join(f"{name} = {toml(value)}\n" for name, value in tree.items()))
    return file, environ


def gateway_socket(tables: Mapping[str, Any], stack: ExitStack) -> socket | None:
    """A socket at ``gateway.port``, if there is one."""
    port = tables.get("gateway", {}).get("port")
    return None if port is None else stack.enter_context(closing(listen(port)))


@asynccontextmanager
async def isthmus(
    directory: Path,
    store: Store,
    *,
    issuer: str = "",
    port: int = 0,
    tls: ssl.SSLContext | None = None,
    **tables: Any,
) -> AsyncIterator[Node]:
    """Isthmus on loopback. ``tables`` are those of its file: connections, clients, plugins and others.

    ``issuer``: its address for others, if not this port's own; ``port``: one that was chosen before; ``tls``: that of
    its ports.
    """
    with closing(listen(port)) as sock, ExitStack() as stack:
        apart = gateway_socket(tables, stack)
        issuer = issuer or f"{'https' if tls else 'http'}://127.0.0.1:{port_of(sock)}/"
        file, environ = configure(directory, issuer, port_of(sock), tables)
        loaded = settings.load(file, environ)
        await lend_keys(store, loaded.keys.algorithms)
        site = await app.build(loaded, store, settings.own_secrets(loaded))
        async with runner.serve(site, runner.Serving(issuer, tls=tls), sock, apart):
            await site[app.KEYS].load(time.time())  # without keys it is not ready
            await borrow_keys(store)
            yield Node(issuer, port_of(sock), loaded, site, store)


@asynccontextmanager
async def isthmus_process(directory: Path, issuer: str, redis: str, **tables: Any) -> AsyncIterator[Process]:
    """Isthmus in a process of its own, as ``isthmus serve`` runs it, once it says that it is ready."""
    port = free_port()
    file, environ = configure(directory, issuer, port, {**tables, "redis": {"url": redis}})
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", SERVE, str(file), env={**os.environ, **environ}, stdout=asyncio.subprocess.DEVNULL
    )
    try:
        await ready(port)
        yield Process(port, process)
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def ready(port: int) -> None:
    """Wait until the node at ``port`` can serve."""
    async with asyncio.timeout(20), aiohttp.ClientSession() as http:
        while True:
            with suppress(aiohttp.ClientError):
                async with http.get(f"http://127.0.0.1:{port}/readyz") as answer:
                    if answer.status == 200:
                        return
            await asyncio.sleep(0.05)
