"""Which route a request takes: by host, then by the longest path prefix. A host that no route names is not ours."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from proxy.gateway.paths import REMEMBERED, canonical
from proxy.gateway.request import Malformed
from proxy.models.route import OWN_PATH, Route
from proxy.settings import Settings
from proxy.settings.places import origin_of, scheme, spellings

_HOST: Final = re.compile(rb"(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])(?::([0-9]{1,5}))?")
_OWN: Final = re.compile(rf"(?:/|%2F|%5C|;)+{re.escape(OWN_PATH[1:])}(?![A-Za-z0-9._~-])", re.IGNORECASE)
"""Our own path as an app might read it: whatever case it is written in, and whatever is doubled or follows it."""


@dataclass(frozen=True, slots=True)
class Match:
    """Where a request goes: its ``route``, None for what lies below our own path; ``host`` as the routes name it;
    ``path`` is what rules look at, ``wire`` what the app is asked for."""

    host: str
    route: Route | None
    path: str
    wire: bytes


class Prefixes:
    """The routes of one host. Finding one takes two look-ups for each segment, as deep as the deepest prefix."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self._of = {route.path_prefix: route for route in routes}
        self.shortest = min(self._of, key=len)
        self._depth = max(prefix.rstrip("/").count("/") for prefix in self._of)

    def find(self, path: str) -> Route | None:
        """The route with the longest prefix that ``path`` is, or lies below."""
        found, end = self._of.get("/"), 0
        for _ in range(self._depth):
            end = path.find("/", end + 1)
            if end < 0:
                return self._of.get(path, found)
            found = self._of.get(path[:end], found)
            found = self._of.get(path[: end + 1], found)
        return found


class Routes:
    """Every route, by host."""

    def __init__(self, settings: Settings) -> None:
        self.scheme = scheme(settings)
        self._settings = settings
        by_host: dict[str, list[Route]] = {}
        for route in settings.gateway.routes:
            by_host.setdefault(route.host, []).append(route)
        self._of = {host: Prefixes(routes) for host, routes in by_host.items()}
        spelled = {name: host for host in self._of for name in spellings(settings, host)}
        self._lately = lru_cache(maxsize=4096)(self._match)
        self._spelled = {name.encode("ascii"): host for name, host in {**spelled, **{h: h for h in self._of}}.items()}

    @property
    def hosts(self) -> Iterable[str]:
        """The hosts of all routes, as they name them."""
        return self._of.keys()

    @property
    def spelled(self) -> Iterable[str]:
        """The same, in every way that a Host header may name them."""
        return (name.decode("ascii") for name in self._spelled)

    def host_of(self, sent: bytes) -> str | None:
        """The host that a Host header means, as the routes name it; None: it is no host of ours. Raises ``Malformed``
        for what is no host at all (RFC 9112 3.2)."""
        host = self._spelled.get(sent)
        if host is not None:
            return host
        match = _HOST.fullmatch(sent)
        if match is None or (match[1] is not None and int(match[1]) > 65_535):
            raise Malformed("host")
        return self._spelled.get(sent.lower())

    def names(self, sent: bytes) -> bool:
        """Whether a Host header, whoever sniffed it, names a host of ours."""
        try:
            return self.host_of(sent) is not None
        except Malformed:
            return False

    def match(self, host: bytes, target: bytes) -> Match | None:
        """Where a request goes; None: its host is none of ours, or no route of the host takes its path. Raises
        ``Malformed``."""
        look = self._lately if len(host) + len(target) <= REMEMBERED else self._match
        return look(host, target)

    def _match(self, host: bytes, target: bytes) -> Match | None:
        named = self.host_of(host)
        if named is None:
            return None
        asked = canonical(target)
        if is_own(asked.path):
            return Match(named, None, asked.path, asked.wire)
        route = self._of[named].find(asked.path)
        if route is None:
            return None
        if asked.ambiguous and not route.ambiguous_paths:
            raise Malformed("ambiguous_target")
        return Match(named, route, asked.path, asked.wire)

    def home(self, host: str) -> str:
        """The address of a host's first page: where its route with the shortest prefix begins."""
        return f"{self.origin(host)}{self._of[host].shortest}"

    def origin(self, host: str) -> str:
        """Where browsers find a route's host: scheme, host, and the port unless it is the usual one."""
        return origin_of(self._settings, host)


def is_own(path: str) -> bool:
    """Whether a path is the gateway's own. Whatever an app might take for it is, too: no app has it (GW-33)."""
    return _OWN.match(path) is not None
