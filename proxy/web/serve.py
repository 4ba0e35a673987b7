"""``isthmus serve``: one process, or a supervisor with workers that share one listening socket.

One worker needs no supervisor. With more, the supervisor opens the socket, owns the embedded store server, starts the
workers, starts them again (with back-off) when they fall, and hands on SIGTERM. It forks before it imports what a
worker needs, runs no loop while it waits, and has no thread of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import importlib.metadata
import os
import shutil
import socket
import ssl
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from proxy.oidc.errors import Misconfigured, Problem
from proxy.settings import Settings, own_secrets
from proxy.store import Store
from proxy.telemetry import logs
from proxy.web.supervise import Supervisor

if TYPE_CHECKING:
    from aiohttp import web

FAULT = 2
BACKLOG = 1024
Build = Callable[[Settings, Store, Sequence[bytes]], Awaitable["web.Application"]]


@dataclass(frozen=True)
class Sockets:
    """What we listen on: the site, and the health doors and the gateway if they have a port of their own."""

    public: socket.socket
    internal: socket.socket | None
    gateway: socket.socket | None = None

    def close(self) -> None:
        """Let go of them; what another process inherited stays open there."""
        for sock in filter(None, (self.public, self.internal, self.gateway)):
            sock.close()


def main(settings: Settings, build: Build, workers: int | None = None) -> int:
    """Serve until told to stop; answers the exit status: 0, or 2 with one line for each fault.

    ``build`` makes the site. It should import what it needs when it is called: with several workers that is after the
    fork, and after the metrics were told to count for all of them.
    """
    count = settings.server.workers if workers is None else workers
    try:
        check_environment()
        tls = tls_context(settings)
        secrets = own_secrets(settings)
        with opened(settings) as sockets:
            if count == 1:
                return run(one_process(settings, build, secrets, sockets, tls), settings)
            return _many(settings, build, secrets, sockets, tls, count)
    except Misconfigured as fault:
        return at_fault(fault)


def run(work: Coroutine[None, None, int], settings: Settings) -> int:
    """Run ``work`` on a fresh loop, uvloop where there is one, with the logs on standard output."""
    logs.configure(settings.server.log_level, sys.stdout)
    try:
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            return runner.run(work)
    except Misconfigured as fault:
        return at_fault(fault)
    finally:
        logs.close()


def at_fault(fault: Misconfigured) -> int:
    """Tell the operator on standard error, a line for each problem; answers the exit status."""
    sys.stderr.write(f"{fault}\n")
    return FAULT


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


async def one_process(
    settings: Settings, build: Build, secrets: Sequence[bytes], sockets: Sockets, tls: ssl.SSLContext | None
) -> int:
    """The whole server in this process, with the embedded store server below it if there is no other."""
    from proxy.web.worker import work

    async with store_url(settings) as url:
        return await work(settings, build, secrets, sockets, tls, url)


@contextlib.asynccontextmanager
async def store_url(settings: Settings) -> AsyncIterator[str]:
    """The store's URL; without one in the settings, that of an embedded server which runs as long as the block."""
    if settings.redis.url:
        yield settings.redis.url
        return
    from proxy.store.embedded import EmbeddedServer

    async with EmbeddedServer(settings.server.data_dir) as server:
        yield f"unix://{server.socket_path}"


def _many(
    settings: Settings,
    build: Build,
    secrets: Sequence[bytes],
    sockets: Sockets,
    tls: ssl.SSLContext | None,
    count: int,
) -> int:
    # Only run between forks, never while one happens: a child must not inherit a running loop.
    loop = asyncio.new_event_loop()
    counts = tempfile.mkdtemp(prefix="isthmus-metrics-")
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = counts
    url = store_url(settings)
    address = loop.run_until_complete(url.__aenter__())

    def child() -> int:
        from proxy.web.worker import work

        asyncio.set_event_loop(None)
        return run(work(settings, build, secrets, sockets, tls, address), settings)

    try:
        return Supervisor(child, count, sockets.close).run()
    finally:
        loop.run_until_complete(url.__aexit__(None, None, None))
        loop.close()
        shutil.rmtree(counts, ignore_errors=True)


# --- what must be right before anything starts ---


def check_environment() -> None:
    """The HTTP parser is the compiled one, and no other distribution has our package's name. Raises Misconfigured."""
    from aiohttp import http_parser

    if http_parser.HttpRequestParser is http_parser.HttpRequestParserPy:
        remedy = "the compiled HTTP parser is missing, and the other reads requests differently; unset "
        remedy += "AIOHTTP_NO_EXTENSIONS and install aiohttp from a wheel"
        raise Misconfigured(Problem("environment", "aiohttp", remedy))
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):
        importlib.metadata.distribution("proxy.py")
        remedy = "it installs a package with our name, 'proxy'; give Isthmus an environment of its own"
        raise Misconfigured(Problem("environment", "proxy.py", remedy))


def tls_context(settings: Settings) -> ssl.SSLContext | None:
    """TLS 1.2 or newer with the configured certificate, or None. Raises Misconfigured."""
    cert, key = settings.server.tls_cert, settings.server.tls_key
    if cert is None or key is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(cert, key)
    except (OSError, ssl.SSLError) as error:
        reason = getattr(error, "strerror", None) or "no PEM certificate with its key"
        raise Misconfigured(Problem(str(cert), "server.tls_cert", f"cannot be used ({reason})")) from None
    return context


@contextlib.contextmanager
def opened(settings: Settings) -> Iterator[Sockets]:
    """The sockets of the configuration, closed at the end. Raises Misconfigured when an address is taken."""
    server = settings.server
    asked = {"server.port": server.port, "server.internal_port": server.internal_port}
    if settings.gateway.routes:
        asked["gateway.port"] = settings.gateway.port
    with contextlib.ExitStack() as stack:
        bound = {
            key: stack.enter_context(contextlib.closing(bind(server.host, port, key)))
            for key, port in asked.items()
            if port is not None
        }
        yield Sockets(bound["server.port"], bound.get("server.internal_port"), bound.get("gateway.port"))


def bind(host: str, port: int, key: str) -> socket.socket:
    """A socket bound to ``host`` and ``port``; it listens when it is served. Raises Misconfigured."""
    try:
        family, kind, proto, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        sock = socket.socket(family, kind, proto)
    except OSError as error:
        remedy = f"{host} is no address ({error.strerror})"
        raise Misconfigured(Problem("configuration", "server.host", remedy)) from None
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(address)
        sock.listen(BACKLOG)
    except OSError as error:
        sock.close()
        taken = error.errno == errno.EADDRINUSE
        remedy = f"{host}:{port} is in use; stop what listens there or choose another port" if taken else str(error)
        raise Misconfigured(Problem("configuration", key, remedy)) from None
    return sock
