"""A whole Isthmus in this process: its configuration written as TOML, loaded, built and served on a free port."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiohttp import web

from proxy import app, settings
from proxy.lab.listen import listen, port_of, serving
from proxy.settings import Settings
from proxy.store import Store
from tests.kit.authlib_app import AuthlibApp

OWN_SECRET = "what the Isthmus of the tests encrypts with, 32 bytes or more"
CLIENT_SECRET = "what a tenant knows Isthmus by, made up for the tests"
Table = Mapping[str, Any]


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


@asynccontextmanager
async def isthmus(
    directory: Path,
    store: Store,
    *,
    connections: Sequence[Table],
    clients: Sequence[Table],
    issuer: str = "",
    port: int = 0,
    **tables: Table,
) -> AsyncIterator[Node]:
    """Isthmus on loopback with this configuration. ``issuer``: its address for others, if not this port's own.

    ``port``: a port that must be had, reserved by the caller. Other tables of the file go by their name.
    """
    with closing(listen(port)) as sock:
        issuer = issuer or f"http://127.0.0.1:{port_of(sock)}/"
        file = directory / f"isthmus-{port_of(sock)}.toml"
        tree: dict[str, Any] = {
            "tenant": {"issuer": issuer, "name": "Acme apps", "secrets": ["$OWN_SECRET"], **tables.pop("tenant", {})},
            "server": {"port": port_of(sock), "data_dir": directory / "var", **tables.pop("server", {})},
            "connections": connections,
            "clients": clients,
            **tables,
        }
        environ = {"OWN_SECRET": OWN_SECRET}
        tree = referring(tree, environ)
        file.write_text("".join(f"{name} = {toml(value)}\n" for name, value in tree.items()))
        loaded = settings.load(file, environ)
        site = await app.build(loaded, store, settings.own_secrets(loaded))
        async with serving(site, sock):
            await site[app.KEYS].load(time.time())  # without keys it is not ready
            yield Node(issuer, port_of(sock), loaded, site, store)
