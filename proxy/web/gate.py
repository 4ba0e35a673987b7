"""The gate in front of the site: every request passes here first, and its answer last.

    doors      health, before everything else
    inspect    method, form of the address, host, scheme, sizes, encoding: what no endpoint should have to think about
    admission  how many run and wait, and the deadline of the whole request
    account    one log line (never the query, a cookie or a Referer) and the metrics

The handler is not cancelled when a client goes away: what began is finished, so a write is done or not done. Only the
deadline ends it, and the store treats a call cut off as one whose outcome is not known.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from aiohttp import hdrs, web

from proxy.http.client_address import Proxies
from proxy.telemetry import logs, metrics
from proxy.web import client_address
from proxy.web.health import Door
from proxy.web.limits import Admission, Capacity
from proxy.web.refusals import refusal

Handle = Callable[[web.Request], Awaitable[web.StreamResponse]]
Tell = Callable[[int], web.Response]
TELL: web.AppKey[Tell] = web.AppKey("tell", Tell)  # type: ignore[arg-type]
"""How a site tells a person that there is nothing at an address (404), or nothing that answers so (405)."""
PORTS = {"https": 443, "http": 80}
UNKNOWN_METHODS = frozenset({"TRACE", "CONNECT"})
NO_PROTO = "The proxy in front of this server must send X-Forwarded-Proto."


class Refusal(Exception):
    """A request that goes no further; ``reason`` is a word from a fixed set."""

    def __init__(self, status: int, reason: str, text: str = "", location: str = "") -> None:
        super().__init__(reason)
        self.status, self.reason, self.text, self.location = status, reason, text, location


def hosts_of(issuer: str) -> frozenset[str]:
    """The Host values that mean us: the issuer's host, with its port or, where it is the scheme's, without."""
    parts = urlsplit(issuer.lower())
    host, default = parts.netloc.rpartition("@")[2], PORTS[parts.scheme]
    if parts.port is None:
        return frozenset({host, f"{host}:{default}"})
    return frozenset({host} | ({host.rpartition(":")[0]} if parts.port == default else set()))


@dataclass
class Gate:
    """Wraps the site's own handler. ``tls``: whether our listener speaks it; ``tell``: the site's own pages for people
    who lost their way, if it has any."""

    handle: Handle
    issuer: str
    doors: Mapping[str, Door]
    proxies: Proxies
    capacity: Capacity = field(default_factory=Capacity)
    tls: bool = False
    tell: Tell | None = None
    draining: bool = False

    def __post_init__(self) -> None:
        self._hosts = hosts_of(self.issuer)
        self._https = self.issuer.startswith("https:")
        self._admission = Admission(self.capacity)

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        """Answer one request. Raises only aiohttp's own answers."""
        if (door := self.doors.get(request.raw_path)) and request.method in ("GET", "HEAD"):
            return await door(request)
        started = time.perf_counter()
        logs.begin(secrets.token_hex(8))
        request[client_address.CLIENT] = self._client(request)
        response: web.StreamResponse
        try:
            self.inspect(request)
            response = await self._admitted(request)
        except Refusal as refused:
            response = self._refuse(request, refused)
        except web.HTTPException as answer:
            response = self._in_their_words(request, answer)
        except Exception as error:  # noqa: BLE001  # logged with its place; nobody hears more than 500
            response = self._failed(request, error)
        self._account(request, response, time.perf_counter() - started)
        if isinstance(response, web.HTTPException):
            raise response
        return response

    def _client(self, request: web.Request) -> str:
        peer = client_address.peer_of(request)
        if not self.proxies.trusts(peer):
            return self.proxies.client(peer)
        return self.proxies.client(peer, request.headers.getall("X-Forwarded-For", ()))

    async def _admitted(self, request: web.Request) -> web.StreamResponse:
        if not await self._admission.enter():
            raise Refusal(503, "busy")
        try:
            async with asyncio.timeout(self.capacity.deadline) as deadline:
                return await self.handle(request)
        except TimeoutError:
            if deadline.expired():
                raise Refusal(503, "deadline") from None
            raise
        finally:
            self._admission.leave()

    # --- what is wrong with a request before anybody reads it ---

    def inspect(self, request: web.Request) -> None:
        """Raises ``Refusal`` for what the site should never see."""
        target, headers = request.raw_path, request.headers
        if request.method in UNKNOWN_METHODS:
            raise Refusal(405, "method")
        if not target.startswith("/") or "#" in target:  # RFC 9112 3.2.1: origin form, and no fragment
            raise Refusal(400, "target")
        if headers.get(hdrs.HOST, "").lower() not in self._hosts:
            raise Refusal(421, "host")
        if self._https and not self.tls:
            self._secure(request)
        self._sizes(request)
        if headers.get(hdrs.CONTENT_ENCODING, "identity").lower() != "identity":
            raise Refusal(415, "encoding")

    def _sizes(self, request: web.Request) -> None:
        most = self.capacity.field
        for name, value in request.raw_headers:
            if len(name) + len(value) > most and name.lower() != b"cookie":
                raise Refusal(431, "header_size")
        if (request.content_length or 0) > self.capacity.body:
            raise Refusal(413, "body_size")

    def _secure(self, request: web.Request) -> None:
        """An https issuer behind a plain listener: only a trusted proxy can say that the client came by TLS."""
        trusted = self.proxies.trusts(client_address.peer_of(request))
        proto = ",".join(request.headers.getall("X-Forwarded-Proto", ())).rpartition(",")[2].strip().lower()
        if trusted and proto == "https":
            return
        if trusted and not proto:
            logs.seldom("proxy_without_proto")
            raise Refusal(400, "no_proto", NO_PROTO)
        if request.method not in ("GET", "HEAD") or not request.raw_path.isascii():
            raise Refusal(400, "plain_http", "This server is reached by https alone.")
        parts = urlsplit(self.issuer)
        raise Refusal(308, "plain_http", location=f"{parts.scheme}://{parts.netloc}{request.raw_path}")

    # --- answers of our own ---

    def _in_their_words(self, request: web.Request, answer: web.HTTPException) -> web.Response:
        """The router's own answer as it is for a program, and as a page for a person."""
        is_person = "text/html" in request.headers.get(hdrs.ACCEPT, "")
        if self.tell is None or answer.status not in (404, 405) or not is_person:
            return answer
        page = self.tell(answer.status)
        if hdrs.ALLOW in answer.headers:
            page.headers[hdrs.ALLOW] = answer.headers[hdrs.ALLOW]
        return page

    def _refuse(self, request: web.Request, refused: Refusal) -> web.Response:
        metrics.turned_away(refused.reason)
        if refused.location:
            return web.Response(status=refused.status, headers={"Location": refused.location})
        if refused.status == 503:
            logs.seldom("turned_away", reason=refused.reason)
        response = refusal(request, refused.status, self.issuer, refused.text)
        if request.body_exists or refused.status == 421:
            response.force_close()  # rather than read what nobody wants, or answer here what should come elsewhere
        return response

    def _failed(self, request: web.Request, error: Exception) -> web.Response:
        if request.transport is None:
            logs.event("client_gone", level="debug")
            return web.Response(status=499)
        logs.event("failed", reason=type(error).__name__, exc_info=error)
        return refusal(request, 500, self.issuer)

    def _account(self, request: web.Request, response: web.StreamResponse, seconds: float) -> None:
        if self.draining:
            response.force_close()
        route = route_of(request)
        metrics.request(route, request.method, response.status, seconds)
        logs.access(
            method=request.method,
            route=route,
            status=response.status,
            ms=seconds * 1000,
            size=response.content_length or 0,
            client=request[client_address.CLIENT],
        )


def route_of(request: web.Request) -> str:
    """The pattern that matched; never the path, which anybody can choose."""
    match = request._match_info
    resource = match.route.resource if match is not None else None
    return resource.canonical if resource is not None else metrics.UNMATCHED
