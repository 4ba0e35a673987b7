"""Which route a request takes: by host, then by the longest path prefix. A host that no route names is not ours.

The public origin of a route's host is where browsers find it: the issuer's scheme; the port that the host names, else
the one we listen on where browsers reach us directly (http, or TLS of our own), else none.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

from proxy.gateway.paths import canonical, within
from proxy.gateway.request import Malformed
from proxy.models.route import OWN_PATH, Route
from proxy.settings import Settings

_HOST = re.compile(rb"(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:]+\])(?::([0-9]{1,5}))?")
PORTS = {"https": 443, "http": 80}


@dataclass(frozen=True, slots=True)
class Match:
    """Where a request goes: its ``route``, None for what lies below our own path; ``host`` as the routes name it;
    ``path`` is what rules look at, ``wire`` what the app is asked for."""

    host: str
    route: Route | None
    path: str
    wire: bytes


class Routes:
    """Every route, by host."""

    def __init__(self, settings: Settings) -> None:
        gateway, server, issuer = settings.gateway, settings.server, settings.tenant.issuer
        self.scheme = urlsplit(issuer).scheme
        seen_by_browsers = self.scheme == "http" or server.tls_cert is not None
        port = server.port if gateway.port is None else gateway.port
        self._port = port if seen_by_browsers else PORTS[self.scheme]
        self._of: dict[str, tuple[Route, ...]] = {}
        for route in gateway.routes:
            self._of[route.host] = (*self._of.get(route.host, ()), route)
        for host, routes in self._of.items():
            self._of[host] = tuple(sorted(routes, key=lambda route: -len(route.path_prefix)))
        self._spelled = {spelled: host for host in self._of for spelled in self._spellings(host)}

    @property
    def hosts(self) -> Iterable[str]:
        """The hosts of all routes, as they name them."""
        return self._of.keys()

    def of(self, host: str) -> tuple[Route, ...]:
        """The routes of a host, the longest prefix first."""
        return self._of.get(host, ())

    def host_of(self, sent: bytes) -> str | None:
        """The host that a Host header means, as the routes name it; None: it is no host of ours. Raises ``Malformed``
        for what is no host at all (RFC 9112 3.2)."""
        host = self._spelled.get(sent)
        if host is not None:
            return host
        match = _HOST.fullmatch(sent.strip(b" \t"))
        if match is None or (match[1] is not None and int(match[1]) > 65_535):
            raise Malformed("host")
        return self._spelled.get(sent.strip(b" \t").lower())

    def match(self, host: bytes, target: bytes) -> Match | None:
        """Where a request goes; None: its host is none of ours, or no route of the host takes its path. Raises
        ``Malformed``."""
        named = self.host_of(host)
        if named is None:
            return None
        asked = canonical(target)
        if is_own(asked.path):
            return Match(named, None, asked.path, asked.wire)
        for route in self._of[named]:
            if within(asked.path, route.path_prefix):
                if asked.ambiguous and not route.ambiguous_paths:
                    raise Malformed("ambiguous_target")
                return Match(named, route, asked.path, asked.wire)
        return None

    def origin(self, host: str) -> str:
        """Where browsers find a route's host: scheme, host, and the port unless it is the usual one."""
        if ":" in host.rpartition("]")[2] or self._port == PORTS[self.scheme]:
            return f"{self.scheme}://{host}".removesuffix(f":{PORTS[self.scheme]}")
        return f"{self.scheme}://{host}:{self._port}"

    def _spellings(self, host: str) -> Iterable[bytes]:
        """How a Host header may name it: as it is, with the port where browsers find it, with the scheme's own."""
        yield host.encode("ascii")
        if ":" not in host.rpartition("]")[2]:
            yield f"{host}:{self._port}".encode("ascii")
            yield f"{host}:{PORTS[self.scheme]}".encode("ascii")


def is_own(path: str) -> bool:
    """Whether a path is the gateway's own. Whatever an app might take for it is, too: no app has it (GW-33)."""
    return path[: len(OWN_PATH)].lower() == OWN_PATH and path[len(OWN_PATH) : len(OWN_PATH) + 1] in (
        "",
        "/",
        ";",
        "%",
        "\\",
    )
