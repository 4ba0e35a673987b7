"""Where a request comes from, and what its app is told of that (RFC 7239, and the X-Forwarded headers of old).

Only a trusted proxy is believed; everybody else is what the connection shows, and what they claim stays here.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from proxy.gateway.request import Asked, Malformed
from proxy.http.client_address import Proxies

LONGEST = 256
"""Bytes of what a proxy tells that are worth remembering."""


@dataclass(frozen=True, slots=True)
class Client:
    """Who asks: an ``address`` (empty for a Unix socket) and the ``scheme`` by which the browser came; ``chain`` is
    the way, as far as trusted proxies say so: the client first, the other end of the connection last."""

    address: str
    scheme: str
    chain: tuple[str, ...] = ()


class Senders:
    """Tells who sends. ``scheme`` is the issuer's: with https, who comes without TLS must be sent by a trusted proxy
    that says that the browser did not."""

    def __init__(self, proxies: Proxies, scheme: str) -> None:
        self._proxies = proxies
        self._scheme = scheme
        self._direct = lru_cache(maxsize=4096)(self._seen)
        self._lately = lru_cache(maxsize=4096)(self._told)

    def client(self, asked: Asked) -> Client:
        """Who sends ``asked``. Raises ``Malformed``: 400 for a trusted proxy that does not say how the browser came;
        for a browser that came by plain http 308 (to https), or 400 if its request is not one to send again."""
        if not self._proxies.trusts(asked.peer):
            if self._scheme == "https" and not asked.secure:
                raise _plain(asked)
            return self._direct(asked.peer, asked.secure)
        proto, chain = asked.seen.get(b"x-forwarded-proto", b""), asked.seen.get(b"x-forwarded-for", b"")
        read = self._lately if len(proto) + len(chain) <= LONGEST else self._told
        client = read(asked.peer, asked.secure, proto, chain)
        if self._scheme == "https" and client.scheme != "https":
            raise _plain(asked)
        return client

    def _told(self, peer: str, secure: bool, proto: bytes, chain: bytes) -> Client:
        """Who sends, as a trusted proxy says. Raises ``Malformed``."""
        said = proto.rpartition(b",")[2].strip().lower().decode("latin-1")
        if said not in ("http", "https") and (said or self._scheme == "https" and not secure):
            raise Malformed("no_proto")
        way = self._proxies.way(peer, (chain.decode("latin-1"),))
        return Client(way[0], said or ("https" if secure else "http"), way)

    def _seen(self, peer: str, secure: bool) -> Client:
        address = self._proxies.client(peer)
        return Client(address, "https" if secure else "http", (address,) if address else ())


def _plain(asked: Asked) -> Malformed:
    """By plain http whatever a person sends has been read by others already: only what says nothing is sent on."""
    return Malformed("plain_http", 308 if asked.method in (b"GET", b"HEAD") else 400)


@lru_cache(maxsize=4096)
def lines(client: Client, host: str) -> bytes:
    """The header lines that tell an app, each with its CRLF. ``host`` is what the browser asked for, with its port."""
    port = host.rpartition(":")[2] if ":" in host.rpartition("]")[2] else {"https": "443", "http": "80"}[client.scheme]
    told = [f"X-Forwarded-Proto: {client.scheme}", f"X-Forwarded-Host: {host}", f"X-Forwarded-Port: {port}"]
    if client.chain:
        told += [f"X-Forwarded-For: {', '.join(client.chain)}", f"X-Real-IP: {client.address}"]
    hops = [f"for={_node(address)}" for address in client.chain] or ["for=unknown"]
    told.append(f'Forwarded: {hops[0]};host="{host}";proto={client.scheme}{"".join(f", {hop}" for hop in hops[1:])}')
    return "".join(f"{line}\r\n" for line in told).encode("ascii", "replace")


def _node(address: str) -> str:
    """RFC 7239 6: IPv6 in brackets and quotes."""
    return f'"[{address}]"' if ":" in address else address
