"""The way to one server of an app: ``http://``, ``https://`` or ``unix:``, as the operator named it.

Names are looked up for every connection, so that a server that moves is found (one look-up at a time for each server:
whose name server is silent holds up no others). What a name leads to may be anything but the link-local addresses where
clouds keep their metadata. TLS is 1.2 or later; the certificate must be for the host named, by an authority of the
system's or of the route's ``trust``. No client certificate is sent, and the environment has no say (no proxy, no log of
TLS keys). All of it, look-up and handshake too, has one deadline.
"""

from __future__ import annotations

import asyncio
import ipaddress
import ssl
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import urlsplit

from proxy.oidc.errors import Misconfigured, Problem

METADATA = tuple(map(ipaddress.ip_network, ("169.254.0.0/16", "fe80::/10", "fd00:ec2::254/128", "64:ff9b::a9fe:0/112")))
"""Link-local addresses, and a cloud's metadata service outside of them. No app lives there."""
_TCP = 6
B = TypeVar("B", bound=asyncio.BaseProtocol)


class CannotConnect(Exception):
    """There is no connection to the app. ``reason``: unreachable, timeout, untrusted, no_tls, blocked, busy; ``status``
    is for the answer: 502 or 504 when it is the app's, 503 when it is ours."""

    def __init__(self, reason: str, status: int = 502) -> None:
        super().__init__(reason)
        self.reason, self.status = reason, status


@dataclass(frozen=True, slots=True)
class Place:
    """Where a server listens: host and port, or the path of a Unix socket. ``netloc`` is what a Host header says when
    the app is not told the public name."""

    netloc: str
    host: str = ""
    port: int = 0
    tls: bool = False
    path: str = ""


def place(url: str) -> Place:
    """What ``Route.upstream`` names."""
    if url.startswith("unix:"):
        return Place("localhost", path=url.removeprefix("unix:"))
    parts = urlsplit(url)
    tls = parts.scheme == "https"
    return Place(parts.netloc, parts.hostname or "", parts.port or (443 if tls else 80), tls)


def trusting(files: Iterable[str]) -> ssl.SSLContext:
    """The system's authorities and those of the PEM ``files``. Raises ``Misconfigured``."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    context.load_default_certs()
    for path in files:
        try:
            context.load_verify_locations(cafile=path)
        except (OSError, ssl.SSLError):
            remedy = "name a PEM file with certificates, readable by this user"
            raise Misconfigured(Problem(path, "gateway.routes.trust", remedy)) from None
    return context


def share(now: float, until: float, left: int) -> float:
    """Until when the first of ``left`` attempts may last, so that each gets its part of the time."""
    return now + (until - now) / left


def refuse_metadata(addresses: Iterable[str]) -> None:
    """Raises ``CannotConnect`` if one of the numeric addresses is where clouds keep their metadata, in either way of
    writing an IPv4 address."""
    for text in addresses:
        address = ipaddress.ip_address(text)
        address = getattr(address, "ipv4_mapped", None) or address
        if any(address in network for network in METADATA):
            raise CannotConnect("blocked")


@dataclass
class Way:
    """How to reach the server at ``place``; ``context`` for https."""

    place: Place
    context: ssl.SSLContext | None = None
    _asking: asyncio.Future[list[str]] | None = field(default=None, repr=False)

    async def open(self, make: Callable[[], B], until: float) -> B:
        """A connection, by ``until`` (loop time), with the protocol that ``make`` makes. Raises ``CannotConnect``."""
        try:
            if self.place.path:
                return await self._unix(make, until)
            return await self._first(make, await self._addresses(until), until)
        except TimeoutError:
            raise CannotConnect("timeout", 504) from None
        except ssl.SSLCertVerificationError:
            raise CannotConnect("untrusted") from None
        except ssl.SSLError:
            raise CannotConnect("no_tls") from None
        except (OSError, UnicodeError):  # the latter: a name that is none
            raise CannotConnect("unreachable") from None

    async def _unix(self, make: Callable[[], B], until: float) -> B:
        async with asyncio.timeout_at(until):
            _, made = await asyncio.get_running_loop().create_unix_connection(make, self.place.path)
        return made

    async def _first(self, make: Callable[[], B], addresses: list[str], until: float) -> B:
        """A connection to the first address that takes one."""
        loop = asyncio.get_running_loop()
        failed: OSError = OSError("no address")
        for tried, address in enumerate(addresses):
            try:
                async with asyncio.timeout_at(share(loop.time(), until, len(addresses) - tried)):
                    return await self._connect(make, address)
            except OSError as error:  # a deadline is one, too
                failed = error
        raise failed

    async def _connect(self, make: Callable[[], B], address: str) -> B:
        """``address`` is numeric: nothing is looked up between the check and the connection."""
        tls: dict[str, Any] = {}
        if self.context is not None:
            tls = {"ssl": self.context, "server_hostname": self.place.host}
        _, made = await asyncio.get_running_loop().create_connection(make, address, self.place.port, **tls)
        return made

    async def _addresses(self, until: float) -> list[str]:
        try:
            found = [str(ipaddress.ip_address(self.place.host))]
        except ValueError:
            found = await self._looked_up(until)
        refuse_metadata(found)
        return found

    async def _looked_up(self, until: float) -> list[str]:
        if self._asking is None or self._asking.done():
            self._asking = asyncio.ensure_future(self._look_up())
            self._asking.add_done_callback(_heard)
        async with asyncio.timeout_at(until):
            return await asyncio.shield(self._asking)

    async def _look_up(self) -> list[str]:
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(self.place.host, self.place.port, proto=_TCP)
        return list(dict.fromkeys(str(sockaddr[0]) for *_, sockaddr in found))


def _heard(done: asyncio.Future[list[str]]) -> None:
    """Whoever asked may have left: an error is nobody's then."""
    if not done.cancelled():
        done.exception()
