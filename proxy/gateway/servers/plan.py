"""What a server in front of the apps must know: which hosts, which routes, whom to ask, which headers are ours.

Taken from the loaded configuration, so that a server and Isthmus mean the same by it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, urlsplit

from proxy.gateway.forward_auth import ASK
from proxy.gateway.names import FAMILIES, OF_OTHERS
from proxy.gateway.servers.header_names import ASKED, CHANGING, IDENTITY, ORIGIN, spellings
from proxy.http.cookies import OURS
from proxy.models.route import OWN_PATH, Route
from proxy.oidc.errors import Misconfigured, Problem
from proxy.settings.shape import Settings

Names = Callable[[Route], Iterable[str]]
_PLAIN: Final = re.compile(r"[A-Za-z0-9._~+,=:@/-]+")


@dataclass(frozen=True)
class Door:
    """A route as a server sees it. ``servers`` are ``host:port`` or ``unix:/path``, all of one ``scheme``; ``told`` are
    the headers in which its app hears who somebody is; ``removed`` those that nobody may send it."""

    number: int
    route: Route
    scheme: str
    servers: tuple[str, ...]
    told: tuple[str, ...]
    removed: tuple[str, ...]

    @property
    def label(self) -> str:
        """Its name, for comments."""
        return "".join(c if c.isprintable() else "?" for c in self.route.label)

    @property
    def query(self) -> str:
        """What a question says of it: the route that the server will take."""
        return f"route={quote(self.route.label, safe='')}"

    @property
    def path(self) -> str:
        """Its prefix without a slash at its end; empty for all paths."""
        return self.route.path_prefix.rstrip("/")

    @property
    def pattern(self) -> str:
        """The same as a regular expression."""
        return re.escape(self.path)

    @property
    def silence(self) -> int:
        """Seconds an answer may take to begin, and to go on."""
        return round(max(self.route.timeouts.first_byte, self.route.timeouts.idle, 1))

    @property
    def connect(self) -> int:
        """Seconds to connect."""
        return max(1, round(self.route.timeouts.connect))


@dataclass(frozen=True)
class Site:
    """A host, its doors with the longest path first. ``name`` is the host without its port."""

    number: int
    host: str
    name: str
    port: int
    doors: tuple[Door, ...]


@dataclass(frozen=True)
class Plan:
    """Everything a template says. ``isthmus`` is where questions go, ``host:port``; ``secure``: browsers come over
    https; ``cached``: answers are kept for some seconds."""

    isthmus: str
    issuer_host: str
    ask: str
    secure: bool
    sites: tuple[Site, ...]
    cached: bool = False
    cookies: str = OURS
    own: str = OWN_PATH

    @property
    def ports(self) -> Sequence[int]:
        """Where browsers come."""
        return sorted({site.port for site in self.sites})

    @property
    def told(self) -> Sequence[str]:
        """The headers in which any app here is told who somebody is."""
        return list(dict.fromkeys(name for door in self.doors for name in door.told))

    @property
    def asked(self) -> Sequence[str]:
        """What of a client's request may be part of a question where answers go to the person."""
        return ASKED

    @property
    def spelled(self) -> Sequence[str]:
        """Every spelling in which apps that fold names take one for a name that nobody may send."""
        names = dict.fromkeys(name for door in self.doors for name in (*door.told, *door.removed))
        return [spelled for name in names for spelled in spellings(name)]

    @property
    def families(self) -> Sequence[str]:
        """How names begin that no client may send, for servers that can remove them so."""
        return sorted(name.decode("ascii") for name in FAMILIES)

    @property
    def singles(self) -> Sequence[str]:
        """The other names that no client may send."""
        others = {name.decode("ascii") for name in OF_OTHERS}
        told = {name.lower() for door in self.doors for name in door.told}
        return sorted(name for name in others | told if not name.startswith(tuple(self.families)))

    @property
    def doors(self) -> Sequence[Door]:
        """Those of all sites."""
        return [door for site in self.sites for door in site.doors]


def plan(settings: Settings, names: Names, isthmus: str, route: str = "", cached: bool = False) -> Plan:
    """The plan for all routes, or for the ``route`` of that name alone. Raises Misconfigured."""
    routes = [each for each in settings.gateway.routes if route in ("", each.label)]
    if not routes:
        known = ", ".join(each.label for each in settings.gateway.routes) or "none"
        raise Misconfigured(Problem("gateway-config", "--route", f"there is no such route (there are: {known})"))
    issuer = urlsplit(settings.tenant.issuer)
    secure = issuer.scheme == "https"
    doors = [_door(number, each, names) for number, each in enumerate(routes, 1)]
    hosts = dict.fromkeys(each.host for each in routes)
    sites = tuple(_site(number, host, secure, doors) for number, host in enumerate(hosts, 1))
    return Plan(_address(isthmus, settings), issuer.netloc, f"{issuer.path}{ASK}", secure, sites, cached)


def _site(number: int, host: str, secure: bool, doors: Iterable[Door]) -> Site:
    url = urlsplit(f"//{host}")
    name = host.rpartition(":")[0] if url.port else host
    own = sorted((door for door in doors if door.route.host == host), key=lambda door: -len(door.path))
    return Site(number, host, name, url.port or (443 if secure else 80), tuple(own))


def _door(number: int, route: Route, names: Names) -> Door:
    told = tuple(names(route))
    if not _PLAIN.fullmatch(route.path_prefix):
        said = "has characters that other servers read in other ways"
        raise Misconfigured(Problem("gateway.routes", f"{route.label}.path_prefix", said))
    schemes = {urlsplit(url).scheme.replace("unix", "http") for url in route.upstream}
    if len(schemes) > 1:
        raise Misconfigured(Problem("gateway.routes", f"{route.label}.upstream", "must be all http or all https"))
    lower = {name.lower() for name in told}
    removed = tuple(name for name in (*IDENTITY, *ORIGIN, *CHANGING) if name.lower() not in lower)
    return Door(number, route, schemes.pop(), tuple(map(_server, route.upstream)), told, removed)


def _server(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme == "unix":
        return url
    return parts.netloc if parts.port else f"{parts.netloc}:{443 if parts.scheme == 'https' else 80}"


def _address(url: str, settings: Settings) -> str:
    """Where questions go: ``url``, else the gateway's own port on this machine."""
    url = url or f"http://127.0.0.1:{settings.gateway.port or settings.server.port}"
    parts = urlsplit(url)
    if parts.scheme != "http" or not parts.hostname or parts.path not in ("", "/") or parts.query or "@" in url:
        raise Misconfigured(Problem("gateway-config", "--isthmus", 'must be like "http://127.0.0.1:9003"'))
    return f"{parts.netloc}" if parts.port else f"{parts.netloc}:80"
