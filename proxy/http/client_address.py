"""Whose address a request comes from, when proxies of ours stand in between.

``X-Forwarded-For`` is read from the right: each address was written by the machine that it names next, so the first one
that is not a proxy of ours is the client, and whatever stands left of it is the client's own claim.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from functools import lru_cache

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


@lru_cache(maxsize=4096)
def parse(text: str) -> Address | None:
    """An address literal, IPv4-mapped ones as IPv4, zone ids refused; None if it is none."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address):
        if address.scope_id is not None:
            return None
        return address.ipv4_mapped or address
    return address


class Proxies:
    """The proxies that may speak for others: networks in CIDR notation."""

    def __init__(self, networks: Iterable[str]) -> None:
        self._networks = tuple(ipaddress.ip_network(network) for network in networks)
        self._known: dict[str, bool] = {}

    def trusts(self, text: str) -> bool:
        """Whether ``text`` is the address of a trusted proxy. A Unix socket has no address and is not."""
        if not self._networks:
            return False
        known = self._known.get(text)
        if known is None:
            address = parse(text)
            known = address is not None and any(address in network for network in self._networks)
            if len(self._known) < 4096:
                self._known[text] = known
        return known

    def client(self, peer: str, forwarded_for: Iterable[str] = ()) -> str:
        """The client's address: the peer's own, or the right-most one in ``forwarded_for`` that is not a proxy."""
        return self.way(peer, forwarded_for)[0]

    def way(self, peer: str, forwarded_for: Iterable[str] = ()) -> tuple[str, ...]:
        """The addresses a request came by, as far as proxies of ours say so: the client's first, the peer's last."""
        found = [_clean(peer)]
        if not self.trusts(peer):
            return tuple(found)
        for text in reversed(",".join(forwarded_for).split(",")):
            address = parse(text.strip(" \t"))
            if address is None:
                break  # what a proxy could not write ends the chain that can be believed
            found.append(str(address))
            if not self.trusts(found[-1]):
                break
        return tuple(reversed(found))


def _clean(peer: str) -> str:
    address = parse(peer)
    return peer if address is None else str(address)


def is_loopback(text: str) -> bool:
    """Whether ``text`` is a loopback address."""
    address = parse(text)
    return address is not None and address.is_loopback
