"""An application's ears: what it hears of logouts, by a call (back channel) or a page in a frame (front channel)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web

from proxy.lab.listen import listen, port_of, serving


@dataclass
class Ears:
    """Listens at ``base``. ``answers`` are the statuses of the next calls; then it is 200. A page comes when ``ready``
    is set, as it is at first."""

    base: str
    calls: list[Mapping[str, str]] = field(default_factory=list)
    pages: list[Mapping[str, str]] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)
    ready: asyncio.Event = field(default_factory=asyncio.Event)

    async def call(self, request: web.Request) -> web.Response:
        """A logout token."""
        assert request.content_type == "application/x-www-form-urlencoded"
        self.calls.append({name: str(value) for name, value in (await request.post()).items()})
        status = self.answers.pop(0) if self.answers else 200
        return web.Response(status=status, headers={"Location": f"{self.base}elsewhere"} if status == 302 else {})

    async def page(self, request: web.Request) -> web.Response:
        """A page in a frame."""
        self.pages.append(dict(request.query))
        await self.ready.wait()
        return web.Response(text="<title>out</title>", content_type="text/html")


@asynccontextmanager
async def ears() -> AsyncIterator[Ears]:
    """On loopback, while the block runs."""
    sock = listen()
    made = Ears(f"http://127.0.0.1:{port_of(sock)}/")
    made.ready.set()
    app = web.Application()
    app.add_routes([web.post("/call", made.call), web.get("/page", made.page), web.get("/elsewhere", made.page)])
    async with serving(app, sock):
        yield made
