"""The only way out. Every address from configuration, API or metadata passes its guard.

An address is checked three times: as text, before anything is looked up (one spelling only, https, no user name); as
every answer of the resolver, since one inner address among twenty is enough; and as the address a socket is about to
connect to, which nothing can change afterwards. Redirects are not followed, cookies not kept, the environment not read,
compressed answers not opened, and every wait has its end.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from types import TracebackType
from typing import Any, Self

import aiohttp
import yarl
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.connector import Connection

from proxy.oidc.addresses import LOOPBACK, Blocked, Guard, Network, check_url, networks
from proxy.oidc.errors import Misconfigured, Problem, UpstreamError
from proxy.oidc.messages import STRANGERS, HttpRequest, HttpResponse
from proxy.oidc.urls import is_loopback

log = logging.getLogger("isthmus.wire")

CONNECT_SECONDS = 1.0
IDLE_SECONDS = 15.0
DNS_SECONDS = 10
FLOOR_SECONDS = CONNECT_SECONDS
"""An exchange that failed is told of no sooner: a closed, a filtered and a forbidden port look alike."""
PER_GROUP, PER_KIND, PER_NODE = 20, 50, 200
"""Calls at once: to one party, to all parties of a kind (``kind:name``: clients, of whom there may be thousands), to
everybody. The kinds together leave places to the tenants, whatever clients let us wait for."""
LOOKUPS = 4
"""Threads that look up the names of clients that registered themselves. Whose name server never answers holds one for
minutes: it shall be none that others need."""

AddrInfo = tuple[int | socket.AddressFamily, int | socket.SocketKind, int, str, tuple[Any, ...]]


def _socket_factory(guard: Guard) -> Callable[[AddrInfo], socket.socket]:
    """Sockets for exactly the address that was checked: nothing is looked up again before the connection."""

    def make(info: AddrInfo) -> socket.socket:
        family, kind, proto, _, address = info
        guard.check(str(address[0]), int(address[1]))
        return socket.socket(family=family, type=kind, proto=proto)

    return make


class _Aside(AbstractResolver):
    """Asks the system with threads of its own. A lookup outlives the call that began it, so what waits is bounded."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(LOOKUPS, "lookup")
        self._under_way = 0

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        ask = partial(
            socket.getaddrinfo, host, port, family=family, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG
        )
        if self._under_way >= PER_KIND:
            raise OSError("too many lookups under way")
        self._under_way += 1
        try:
            found = await asyncio.get_running_loop().run_in_executor(self._threads, ask)
        finally:
            self._under_way -= 1
        return [
            ResolveResult(
                hostname=host, host=str(address[0]), port=port, family=kind, proto=proto, flags=socket.AI_NUMERICHOST
            )
            for kind, _, proto, _, address in found
        ]

    async def close(self) -> None:
        """What runs is left to itself: nobody can stop it."""
        self._threads.shutdown(wait=False, cancel_futures=True)


class _Resolver(AbstractResolver):
    """Asks ``system``, and refuses the whole answer if any address in it is not allowed."""

    def __init__(self, guard: Guard, system: AbstractResolver) -> None:
        self._guard = guard
        self._system = system

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = await self._system.resolve(host, port, family)
        for one in found:
            self._guard.check(one["host"], port)
        return found

    async def close(self) -> None:
        await self._system.close()


@dataclass(frozen=True)
class _Way:
    """What sockets may be shared: the guard and the trust anchors they were opened under. ``aside``: names are looked
    up by threads that tenants do not need."""

    guard: Guard
    trust: tuple[str, ...]
    aside: bool


@dataclass(frozen=True)
class _Rights:
    """What a group may call over https beyond the public internet."""

    listed: tuple[Network, ...] = ()
    trust: tuple[str, ...] = ()


@dataclass
class _Open:
    sessions: dict[_Way, aiohttp.ClientSession] = field(default_factory=dict)
    contexts: dict[tuple[str, ...], ssl.SSLContext] = field(default_factory=dict)


class Wire:
    """Sends requests to tenants and clients. An async context manager: leaving it closes every socket."""

    def __init__(self, *, issuer: str, allow_private: Iterable[str] = (), trust: Iterable[str] = ()) -> None:
        """``issuer`` is ours: on loopback, loopback may be called. ``allow_private`` and ``trust`` hold for every
        group. Raises ``Misconfigured`` for a PEM file that cannot be read."""
        self._issuer = issuer
        loopback = LOOPBACK if is_loopback(issuer) else ()
        self._everyone = _Rights((*loopback, *networks(*allow_private)), tuple(trust))
        self._rights: dict[str, _Rights] = {}
        self._open = _Open()
        self._calls: Counter[str] = Counter()
        self._kinds: Counter[str] = Counter()
        self._aside = _Aside()
        self._context(self._everyone.trust)

    def admit(self, group: str, *, allow_private: Iterable[str] = (), trust: Iterable[str] = ()) -> None:
        """Let ``group`` alone call these networks and trust these PEM files too. Raises ``Misconfigured``."""
        rights = _Rights(
            (*self._everyone.listed, *networks(*allow_private)), tuple(dict.fromkeys((*self._everyone.trust, *trust)))
        )
        self._context(rights.trust)
        self._rights[group] = rights
        if rights != self._everyone:
            log.info("private_calls_allowed", extra={"group": group, "networks": [str(n) for n in rights.listed]})

    def _context(self, trust: tuple[str, ...]) -> ssl.SSLContext:
        if trust not in self._open.contexts:
            context = ssl.create_default_context()
            for path in trust:
                try:
                    context.load_verify_locations(cafile=path)
                except (OSError, ssl.SSLError):
                    remedy = "name a PEM file with certificates, readable by this user"
                    raise Misconfigured(Problem(path, "trust", remedy)) from None
            self._open.contexts[trust] = context
        return self._open.contexts[trust]

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        sessions, self._open.sessions = tuple(self._open.sessions.values()), {}
        await asyncio.gather(*(session.close() for session in sessions), self._aside.close())

    async def send(self, request: HttpRequest) -> HttpResponse:
        """The answer, whatever its status. Raises ``UpstreamError``: 502 no usable answer, 503 too many calls, 504 no
        answer in time. Its words are the same for all; why is for the log."""
        begun = time.monotonic()
        try:
            async with self._place(request.group):
                return await self._within_deadline(request)
        except (aiohttp.ClientError, OSError, ValueError, EOFError) as error:
            failure = _failure(error)
            extra = {"group": request.group, "url": request.url[:200].partition("?")[0], "reason": failure.reason}
            log.warning("call_failed", extra={**extra, "detail": _detail(error)})
        await asyncio.sleep(max(0.0, FLOOR_SECONDS - (time.monotonic() - begun)))
        raise failure

    @asynccontextmanager
    async def _place(self, group: str) -> AsyncIterator[None]:
        """One of the group's, its kind's and the node's places; the next caller hears "busy" at once, and nobody
        queues."""
        kind = _kind(group)
        crowded = bool(kind) and self._kinds[kind] >= PER_KIND
        if crowded or self._calls[group] >= PER_GROUP or self._calls.total() >= PER_NODE:
            log.warning("call_refused", extra={"group": group, "reason": "busy"})
            raise _told(503, "busy")
        self._calls[group] += 1
        self._kinds[kind] += 1
        try:
            yield
        finally:
            self._kinds[kind] -= 1
            self._calls[group] -= 1
            if not self._calls[group]:
                del self._calls[group]

    async def _within_deadline(self, request: HttpRequest) -> HttpResponse:
        check_url(request.url, self._issuer)
        session = self._session(request)
        headers = {"Accept-Encoding": "identity", "User-Agent": "Isthmus", **request.headers}
        async with asyncio.timeout(request.seconds):
            call = session.request(
                request.method,
                yarl.URL(request.url, encoded=True),
                headers=headers,
                data=request.body or None,
                allow_redirects=False,
            )
            async with call as response:
                answer = await _whole(response, request.limit)
        return _ending(answer, response) if request.tells_certificate else answer

    def _session(self, request: HttpRequest) -> aiohttp.ClientSession:
        rights = self._rights.get(request.group, self._everyone)
        # What is spoken without TLS stays on loopback, whatever a name resolves to.
        guard = Guard(LOOPBACK, public=False) if request.url.startswith("http://") else Guard(rights.listed)
        way = _Way(guard, rights.trust, _kind(request.group).startswith(STRANGERS))
        if way not in self._open.sessions:
            self._open.sessions[way] = self._new_session(way)
        return self._open.sessions[way]

    def _new_session(self, way: _Way) -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(
            ssl=self._context(way.trust),
            limit=PER_NODE,
            ttl_dns_cache=DNS_SECONDS,
            keepalive_timeout=IDLE_SECONDS,
            resolver=_Resolver(way.guard, self._aside if way.aside else aiohttp.ThreadedResolver()),
            socket_factory=_socket_factory(way.guard),
        )
        return aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS),
            auto_decompress=False,
            trust_env=False,
            response_class=_Answer,
        )


def _kind(group: str) -> str:
    """What the party is, or empty for a tenant: no name of a connection holds a colon."""
    kind, colon, _ = group.partition(":")
    return kind if colon else ""


async def _whole(response: aiohttp.ClientResponse, limit: int) -> HttpResponse:
    """The answer with its whole body. A compressed one is refused: we asked for none, and it may be a bomb."""
    if response.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise aiohttp.ClientPayloadError("compressed although we asked for none")
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > limit:
            raise _TooLarge(f"larger than {limit} bytes")
    headers = {name.lower(): value for name, value in response.headers.items()}
    return HttpResponse(response.status, headers, bytes(body))


class _Answer(aiohttp.ClientResponse):
    """An answer that remembers the other side's certificate: a short one has let go of its connection before it is
    read."""

    certificate: dict[str, Any] | None = None

    async def start(self, connection: Connection) -> aiohttp.ClientResponse:
        transport = connection.transport
        if transport is not None and not transport.is_closing():  # one that is closed cannot be asked
            self.certificate = transport.get_extra_info("peercert")
        return await super().start(connection)


class _TooLarge(aiohttp.ClientPayloadError):
    """More bytes than we read."""


def _ending(answer: HttpResponse, response: aiohttp.ClientResponse) -> HttpResponse:
    """The answer with the end of the certificate that it came under; without TLS there is none."""
    certificate = response.certificate if isinstance(response, _Answer) else None
    ends = ssl.cert_time_to_seconds(certificate["notAfter"]) if certificate else None
    return HttpResponse(answer.status, answer.headers, answer.body, ends)


def _detail(error: Exception) -> str:
    """What happened, for the log; errors about the URL or the answer quote them, and so may hold a secret."""
    quotes = isinstance(error, (aiohttp.ClientResponseError, aiohttp.InvalidURL))
    return type(error).__name__ if quotes else f"{type(error).__name__}: {error}"[:200]


def _failure(error: Exception) -> UpstreamError:
    inner = getattr(error, "os_error", error)
    if isinstance(inner, Blocked) or isinstance(error, aiohttp.InvalidURL):
        return _told(502, "blocked")
    if isinstance(error, TimeoutError):
        return _told(504, "timeout")
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return _told(502, "untrusted")
    if isinstance(error, _TooLarge):
        return _told(502, "too_large")
    return _told(502, "unreachable" if isinstance(error, aiohttp.ClientConnectorError) else "broken")


def _told(status: int, reason: str) -> UpstreamError:
    code = "server_error" if status == 502 else "temporarily_unavailable"
    return UpstreamError(code, "the login service gave no usable answer", reason=reason, status=status)
