"""Where browsers find the hosts of the gateway's routes, and how they name them.

The scheme is the issuer's. A host that names a port is there; another one at the port we listen on where browsers reach
us directly (http, or TLS of our own), else at the scheme's usual one, where a proxy of the operator's listens for us.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final
from urllib.parse import urlsplit

from proxy.settings.shape import File

PORTS: Final = {"https": 443, "http": 80}


def scheme(file: File) -> str:
    """By which browsers come: https, or http on loopback."""
    return urlsplit(file.tenant.issuer).scheme


def port_in(host: str) -> int | None:
    """The port that a route's ``host`` names."""
    port = host.rpartition("]")[2].partition(":")[2]
    return int(port) if port else None


def listening_port(file: File) -> int:
    """Where the gateway listens."""
    return file.server.port if file.gateway.port is None else file.gateway.port


def public_port(file: File) -> int:
    """Where browsers find hosts that name no port."""
    direct = scheme(file) == "http" or file.server.tls_cert is not None
    return listening_port(file) if direct else PORTS[scheme(file)]


def origin_of(file: File, host: str) -> str:
    """The origin of a route's host, as browsers write it: without the port if it is the usual one."""
    port = port_in(host) or public_port(file)
    name = host if port_in(host) is None else host.rpartition(":")[0]
    return f"{scheme(file)}://{name}" if port == PORTS[scheme(file)] else f"{scheme(file)}://{name}:{port}"


def spellings(file: File, host: str) -> Iterator[str]:
    """How a Host header may name a route's host: with the port that it names, which may be left out if it is the usual
    one; else without a port, with that where browsers find us, or with that where we listen."""
    yield host
    port = port_in(host)
    if port is None:
        yield f"{host}:{public_port(file)}"
        yield f"{host}:{listening_port(file)}"
    elif port == PORTS[scheme(file)]:
        yield host.rpartition(":")[0]
