"""What commands share: the configuration, the store, the line that a change leaves, and how a line is marked."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TextIO, TypeVar

from cyclopts import Parameter

if TYPE_CHECKING:
    from proxy.bridge.logout import Logout
    from proxy.downstream.clients import Clients
    from proxy.settings import Settings
    from proxy.store import Store

DEFAULT = "config/isthmus.toml"
Config = Annotated[Path | None, Parameter(name="--config", negative="", help="The configuration file.")]
Json = Annotated[bool, Parameter(name="--json", negative="", help="Print JSON.")]

GREEN, YELLOW, RED = "32", "33", "31"
AT_ONCE = 50
"""Tenants asked at the same time: far fewer than there are places for calls."""
T = TypeVar("T")
U = TypeVar("U")


def configuration(path: Path | None) -> Settings:
    """The settings of the file at ``path``, else of ISTHMUS_CONFIG, else of the usual one. Raises Misconfigured."""
    from proxy.settings import load

    return load(source_of(path), os.environ)


def source_of(path: Path | None) -> Path:
    """The configuration file: the one at ``path``, else ISTHMUS_CONFIG, else the usual one."""
    return path or Path(os.environ.get("ISTHMUS_CONFIG") or DEFAULT)


@contextlib.asynccontextmanager
async def open_store(settings: Settings) -> AsyncIterator[Store]:
    """The store: that of ``redis.url``, else the embedded one: as it runs, or started for this command alone."""
    from proxy.settings import own_secrets
    from proxy.store.embedded import EmbeddedServer, running_socket
    from proxy.store.redis import RedisStore
    from proxy.store.sealing import Seal

    seal = Seal(own_secrets(settings))
    async with contextlib.AsyncExitStack() as stack:
        url = settings.redis.url or running_socket(settings.server.data_dir)
        if url is None:
            url = (await stack.enter_async_context(EmbeddedServer(settings.server.data_dir))).socket_path
        store = RedisStore(url, seal, allow_open=settings.redis.allow_open)
        stack.push_async_callback(store.close)
        yield store


def with_store(settings: Settings, work: Callable[[Store], Awaitable[T]]) -> T:
    """What ``work`` makes of the store, open for as long as that takes. Raises ``Unavailable``."""

    async def go() -> T:
        async with open_store(settings) as store:
            return await work(store)

    return asyncio.run(go())


def logout_of(store: Store, clients: Clients) -> Logout:
    """What ends sessions for a command: the notices to applications are written, and a running server delivers them."""
    from proxy.bridge.logout import Logout
    from proxy.downstream.backchannel_logout import BackChannelLogout
    from proxy.features import Doors

    return Logout(store, clients, Doors(lambda: (BackChannelLogout(),)), lambda: None)


async def some_at_a_time(work: Callable[[T], Awaitable[U]], items: Iterable[T]) -> list[U]:
    """What ``work`` makes of each item, in their order: at most ``AT_ONCE`` under way."""
    places = asyncio.Semaphore(AT_ONCE)

    async def one(item: T) -> U:
        async with places:
            return await work(item)

    return await asyncio.gather(*map(one, items))


def noted(event: str, **about: object) -> None:
    """One line of JSON on standard error, as a server logs what is changed over HTTP: what this command changed, and
    which user of the machine it was. No value of what was changed."""
    line = {"time": round(time.time(), 3), "level": "info", "event": event, "uid": os.getuid(), **about}
    print(json.dumps(line), file=sys.stderr)


class _Noted(logging.Handler):
    """What the layer under API and command line logs."""

    def emit(self, record: logging.LogRecord) -> None:
        names = ("operator", "connection", "id", "changed")
        noted(record.getMessage(), **{name: record.__dict__[name] for name in names if name in record.__dict__})


@contextlib.contextmanager
def audited() -> Iterator[None]:
    """Changes of connections made within are ``noted``."""
    log, handler = logging.getLogger("isthmus.management"), _Noted()
    before = log.level
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    try:
        yield
    finally:
        log.setLevel(before)
        log.removeHandler(handler)


def painted(text: str, colour: str, stream: TextIO, environ: Mapping[str, str]) -> str:
    """``text`` in a colour, on a terminal whose owner wants colours (NO_COLOR)."""
    if not stream.isatty() or environ.get("NO_COLOR"):
        return text
    return f"\x1b[{colour}m{text}\x1b[0m"


def marked(text: str, colour: str) -> str:
    """``text`` as a mark on standard output."""
    return painted(text, colour, sys.stdout, os.environ)


def plain(text: str) -> str:
    """``text`` on one line, with whatever a terminal might obey shown as its escape: tenants and clients wrote it."""
    line = " ".join(text.split())
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in line)


def table(rows: Iterable[Iterable[str]]) -> str:
    """``rows`` in columns."""
    cells = [[plain(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in cells)
    return "\n".join(line.rstrip() for line in lines)


def instant(seconds: int) -> str:
    """A moment, as people read it."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
