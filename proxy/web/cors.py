"""Which pages of other sites may read our answers (Fetch, section 3.2: CORS).

    public   anybody: what is the same for everybody, and secret to nobody
    clients  pages of the client that an answer is about, by its ``web_origins`` and ``allowed_origins``

No answer is for requests with cookies: ``Access-Control-Allow-Credentials`` is never sent. Who the client is shows
only after the request was read; so the question before it (preflight) is answered for the pages of any client, and the
answer itself for those of the one. A request without ``Origin`` costs nothing.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from aiohttp import web

from proxy.downstream.clients import Clients, origins_of
from proxy.features import Endpoint
from proxy.oidc.errors import Unavailable

PUBLIC: Final = "public"
ABOUT: Final = web.RequestKey("cors_client_id", str)
"""The client that a request is from, or whose token it brings, once that is known."""
ASKED: Final = "Authorization, Content-Type, Auth0-Client, DPoP"
TOLD: Final = "WWW-Authenticate, DPoP-Nonce, Retry-After"
SECONDS: Final = "3600"
"""How long a browser need not ask again: it keeps no answer longer than two hours."""
LONGEST: Final = 300
"""Most characters of an origin: a host name has 253."""
ALLOW_ORIGIN: Final = "Access-Control-Allow-Origin"


@dataclass(frozen=True)
class Cors:
    """Opens answers to pages of other sites."""

    clients: Clients

    def preflight(self, endpoint: Endpoint) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        """Answers OPTIONS for an endpoint."""

        async def handle(request: web.Request) -> web.StreamResponse:
            methods = ", ".join(endpoint.methods)
            origin = request.headers.get("Origin", "")
            response = web.Response(status=204, headers={"Allow": f"{methods}, OPTIONS"})
            if endpoint.cors != PUBLIC and not await self._knows(origin):
                return response
            self._open_to("*" if endpoint.cors == PUBLIC else origin, response)
            response.headers["Access-Control-Allow-Methods"] = methods
            response.headers["Access-Control-Allow-Headers"] = ASKED
            response.headers["Access-Control-Max-Age"] = SECONDS
            return response

        return handle

    async def dress(self, kind: str, request: web.Request, response: web.StreamResponse, now: float) -> None:
        """Say on an answer who may read it. A public one says so always, since it is cached."""
        if kind == PUBLIC:
            self._open_to("*", response)
            return
        origin = request.headers.get("Origin")
        if origin is not None and await self._may_read(origin, request, now):
            self._open_to(origin, response)
            response.headers["Access-Control-Expose-Headers"] = TOLD

    async def _may_read(self, origin: str, request: web.Request, now: float) -> bool:
        """An answer about nobody (the request could not be read, the token is no token) is for the pages of all."""
        if ABOUT not in request:
            return await self._knows(origin)
        try:
            client = await self.clients.find(request[ABOUT], now)
        except Unavailable:
            return False
        return client is not None and origin in origins_of(client)

    async def _knows(self, origin: str) -> bool:
        if not 0 < len(origin) <= LONGEST:
            return False
        try:
            return await self.clients.any_at(origin)
        except Unavailable:
            return False

    @staticmethod
    def _open_to(origin: str, response: web.StreamResponse) -> None:
        response.headers[ALLOW_ORIGIN] = origin
        if origin != "*":
            response.headers["Vary"] = "Origin"
