"""Which addresses may be called (RFC 6890), as text and as numbers. Pure: ``wire`` acts on it."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from proxy.oidc.urls import is_loopback, origin

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def networks(*cidrs: str) -> tuple[Network, ...]:
    """Networks like ``10.0.0.0/8``."""
    return tuple(map(ipaddress.ip_network, cidrs))


LOOPBACK = networks("127.0.0.0/8", "::1/128")
NEVER = networks(
    "0.0.0.0/8", "169.254.0.0/16", "100.100.100.200/32", "168.63.129.16/32", "192.0.0.0/24", "224.0.0.0/4",
    "255.255.255.255/32", "::/128", "::ffff:0:0/96", "64:ff9b::/96", "64:ff9b:1::/48", "2001::/32", "2002::/16",
    "fd00:ec2::/32", "fe80::/10", "fec0::/10", "ff00::/8",
)  # fmt: skip
"""What no setting opens: link-local and metadata services of clouds, multicast, and addresses that hold others."""
METADATA = frozenset(("metadata", "metadata.google.internal", "metadata.goog", "instance-data"))
"""Names of clouds' metadata services."""
INSIDE = networks("::/96")
"""Inner addresses that ``ipaddress`` calls global."""

_HOST = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?(\.[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?)*")
_URL = re.compile(r"(https?)://(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_.-]+)(?::([0-9]{1,5}))?((?:[/?][!-\"$-\[\]^-~]*)?)")
_NUMBER = re.compile(r"[0-9]+|0[xX][0-9A-Fa-f]*")


class Blocked(OSError):
    """The guard said no. For the log; users hear what they hear of any failure."""


@dataclass(frozen=True)
class Guard:
    """Which addresses may be connected to: listed ones on any port, public ones (if ``public``) on 443."""

    listed: tuple[Network, ...] = ()
    public: bool = True

    def check(self, address: str, port: int) -> None:
        """Raises ``Blocked`` for an address that is not allowed."""
        ip = ipaddress.ip_address(address)
        if _within(ip, NEVER):
            raise Blocked(f"{ip} is never called")
        if port and _within(ip, self.listed):
            return
        if not (self.public and ip.is_global and not ip.is_multicast) or _within(ip, INSIDE):
            raise Blocked(f"{ip} is not public and not listed in allow_private")
        if port != 443:
            raise Blocked(f"port {port} is not 443")


def _within(ip: ipaddress.IPv4Address | ipaddress.IPv6Address, among: Iterable[Network]) -> bool:
    return any(ip in network for network in among)


@lru_cache(maxsize=256)  # a tenant's few addresses, asked about at every login
def check_url(url: str, issuer: str) -> None:
    """One spelling of a URL that we may call, as text. Raises ``Blocked``."""
    found = _URL.fullmatch(url)
    if found is None:
        raise Blocked("not a plain http or https URL")
    _check_host(found[2])
    if found[1] == "http" and not (is_loopback(url) and is_loopback(issuer)):
        raise Blocked("http is allowed only between loopback addresses")
    if origin(url) == origin(issuer):
        raise Blocked("our own address")


def check_server(host: str) -> None:
    """A server of the operator's own, inside or outside, named as everybody names it: no metadata service of a cloud,
    no address that nobody listens on. ``host`` is as in a URL. Raises ``Blocked``."""
    _check_host(host)
    if host.lower() in METADATA:
        raise Blocked("a metadata service of a cloud is never called")
    try:
        address = ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return
    if _within(address, NEVER):
        raise Blocked("this address is never called: link-local, a metadata service, or one that holds another")


def _check_host(host: str) -> None:
    """A plain name, or an address as everybody writes it: what ends in a number is read as an address by somebody."""
    try:
        if host.startswith("[") and host.endswith("]"):
            ipaddress.IPv6Address(host[1:-1])
        elif not _HOST.fullmatch(host):
            raise Blocked("the host is not a plain name")
        elif _NUMBER.fullmatch(host.rpartition(".")[2]):
            ipaddress.IPv4Address(host)
    except ValueError:
        raise Blocked("a numeric host that is no plain address") from None
