"""A tenant of the lab behind a line, with bad days: it can be away, refuse its keys, answer slowly, change its key."""

from __future__ import annotations

import asyncio
import ssl
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache
from typing import Any

from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import rsa

from proxy.lab.listen import listen, port_of, serving
from proxy.lab.rooms import LabClient
from proxy.lab.tenant import Tenant
from tests.kit.isthmus import CLIENT_SECRET
from tests.kit.line import Line, line


@cache
def key(name: str) -> rsa.RSAPrivateKey:
    """A key by name; made once, since that takes long."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


class Moody(Tenant):
    """``keys_down``: its key set answers 500. ``slow``: its discovery waits for ``go``. ``hits`` counts documents."""

    def __init__(self, issuer: str, way: Line, **options: Any) -> None:
        super().__init__(issuer, key=key("one"), **options)
        self.line = way
        self.keys_down = False
        self.slow = False
        self.go = asyncio.Event()
        self.hits: Counter[str] = Counter()

    async def jwks(self, request: web.Request) -> web.Response:
        """The public key, on a good day."""
        self.hits["jwks"] += 1
        return web.Response(status=500) if self.keys_down else await super().jwks(request)

    async def discovery(self, request: web.Request) -> web.Response:
        """The discovery document, perhaps later."""
        self.hits["discovery"] += 1
        if self.slow:
            await self.go.wait()
        return await super().discovery(request)

    def rotate(self) -> None:
        """A new key at once, the old one gone."""
        self.key, self.kid = key("two"), "two"

    def know(self, issuer: str) -> None:
        """Register the Isthmus at ``issuer``."""
        self.clients["isthmus"] = LabClient("isthmus", (f"{issuer}login/callback",), CLIENT_SECRET, (issuer,))


@asynccontextmanager
async def moody(tls: ssl.SSLContext | None = None) -> AsyncIterator[Moody]:
    """One on ``localhost``, reached through its ``line`` alone."""
    async with line() as way:
        sock = listen()
        way.target = port_of(sock)
        tenant = Moody(f"{'https' if tls else 'http'}://localhost:{way.port}/", way)
        async with serving(tenant.app, sock, tls):
            yield tenant
            tenant.go.set()
