"""Listening sockets on loopback, and an application on one of them for a while."""

from __future__ import annotations

import errno
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

LOOPBACK = "127.0.0.1"


def listen(wanted: int = 0) -> socket.socket:
    """A socket that listens on loopback at ``wanted``; at a free port if that is taken, or 0."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((LOOPBACK, wanted))
    except OSError as error:
        if error.errno not in (errno.EADDRINUSE, errno.EACCES) or not wanted:
            sock.close()
            raise
        sock.bind((LOOPBACK, 0))
    sock.listen(128)
    return sock


def port_of(sock: socket.socket) -> int:
    """The port it listens at."""
    return int(sock.getsockname()[1])


@asynccontextmanager
async def serving(app: web.Application, sock: socket.socket, tls: ssl.SSLContext | None = None) -> AsyncIterator[None]:
    """Serve ``app`` on ``sock`` while the block runs."""
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
    await runner.setup()
    try:
        await web.SockSite(runner, sock, ssl_context=tls).start()
        yield
    finally:
        await runner.cleanup()
        sock.close()
