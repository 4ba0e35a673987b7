"""Rules for the gateway's routes: among each other, and with the connections their people come through.

What would let somebody in who should stay out, or could be read in two ways, is a fault. What lets nobody in, or more
than it looks, is a warning: it may be meant, and a connection may be added later over the API.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from urllib.parse import urlsplit

from proxy.models import Connection
from proxy.models.route import Route
from proxy.oidc.urls import is_loopback, origin
from proxy.settings.places import origin_of, scheme, spellings
from proxy.settings.problems import Fault
from proxy.settings.shape import File

GATEWAY = "gateway"
"""The client that Isthmus itself is in front of apps that speak no OpenID Connect. It may be enabled before it is used.
"""
PREFIX = "oidc|"
"""How every user id begins."""


def broken(file: File) -> Iterator[Fault]:
    """Every rule that the routes break."""
    if file.gateway.port and file.gateway.port in (file.server.port, file.server.internal_port):
        yield Fault(("gateway", "port"), "must be another port than the server's; without the key they share one")
    if GATEWAY in file.clients:
        yield Fault(("clients", GATEWAY, "client_id"), "is the gateway's own; give the application another id")
    yield from _places(file)
    by_host = _by_host(file)
    for number, route in enumerate(file.gateway.routes):
        for name, remedy in _route(file, route, by_host[route.host]):
            yield Fault(("gateway", "routes", number, *name.split(".")), remedy)


def _by_host(file: File) -> dict[str, list[Route]]:
    """The routes of each host."""
    found: dict[str, list[Route]] = {}
    for route in file.gateway.routes:
        found.setdefault(route.host, []).append(route)
    return found


def _places(file: File) -> Iterator[Fault]:
    """One route for each place, one spelling for each host, and none where the issuer is."""
    spelled: dict[str, str] = {}
    taken: set[tuple[str, str]] = set()
    labels: set[str] = set()
    for number, route in enumerate(file.gateway.routes):
        place = ("gateway", "routes", number)
        found = origin_of(file, route.host)
        first = spelled.setdefault(found, route.host)
        if first != route.host:
            yield Fault((*place, "host"), f"is {first} in another route: write one host in one way")
        if (found, route.path_prefix) in taken:
            yield Fault((*place, "path_prefix"), "is there twice for this host; each route needs a place of its own")
        elif route.label in labels:
            yield Fault((*place, "name"), "is there twice; each route needs its own")
        if _is_issuer(file, route):
            yield Fault((*place, "host"), "is the issuer's own; give the app another host, or the gateway a port")
        taken.add((found, route.path_prefix))
        labels.add(route.label)


def _is_issuer(file: File, route: Route) -> bool:
    issuer = file.tenant.issuer
    shared = file.gateway.port is None and urlsplit(issuer).netloc in spellings(file, route.host)
    return shared or origin_of(file, route.host) == _usual(issuer)


def _usual(issuer: str) -> str:
    """The issuer's origin without a port that is the usual one."""
    return origin(issuer).lower().removesuffix(":443" if issuer.startswith("https:") else ":80")


def _route(file: File, route: Route, of_host: Sequence[Route]) -> Iterator[tuple[str, str]]:
    if route.ambiguous_paths and len(of_host) > 1:
        yield "ambiguous_paths", "needs a host without other routes: the app may take such a path for one of theirs"
    if route.token == "ours" and not route.audience:
        yield "audience", 'is missing; token = "ours" needs the API that the token is for'
    for name in route.allow.connections:
        connection = file.connections.get(name)
        if connection is not None and GATEWAY not in connection.enabled_clients:
            remedy = f'names {name}, whose enabled_clients lacks "{GATEWAY}": nobody comes through it'
            yield "allow.connections", remedy


def doubtful(file: File) -> Iterator[str]:
    """What is allowed and hardly meant."""
    if not file.gateway.routes:
        return
    if not _open(file):
        yield f'gateway: no connection has "{GATEWAY}" in enabled_clients, so nobody can log in'
    if scheme(file) == "https" and file.server.tls_cert is None and not file.server.trusted_proxies:
        yield (
            "server.trusted_proxies: without it, and without tls_cert, every request to the gateway is plain http, and "
            "is sent on to https"
        )
    by_host, usable = _by_host(file), set(_open(file))
    for number, route in enumerate(file.gateway.routes):
        doubts = (*_doubtful(file, route), *_public(route, by_host[route.host]), *_allowed(file, route, usable))
        yield from (f"gateway.routes[{number}].{said}" for said in doubts)


def _open(file: File) -> dict[str, Connection]:
    """The connections that people may come through."""
    return {name: each for name, each in file.connections.items() if GATEWAY in each.enabled_clients}


def _doubtful(file: File, route: Route) -> Iterator[str]:
    host = f"http://{route.host}/"
    if scheme(file) == "http" and not is_loopback(host) and not (urlsplit(host).hostname or "").endswith(".localhost"):
        yield "host: by http browsers keep our cookies on loopback alone; nobody can log in here"
    if route.trust and not any(url.startswith("https:") for url in route.upstream):
        yield "trust: is for https, and no upstream has it"
    if route.audience and route.token != "ours":
        yield 'audience: is for token = "ours" alone'


def _public(route: Route, of_host: Sequence[Route]) -> Iterator[str]:
    """Public paths that never match, and those that match everything (MG-19)."""
    if route.public_paths and route.methods and not {"GET", "HEAD"} & set(route.methods):
        yield "public_paths: methods has no GET, so no browser can open them"
    deeper = [each for each in of_host if each is not route and _below(each.path_prefix, route.path_prefix)]
    for path in route.public_paths:
        if _below(route.path_prefix, path):
            yield f"public_paths: {path} is all of the route: everybody gets in, and allow is not looked at"
        elif not _below(path, route.path_prefix):
            yield f"public_paths: {path} never matches: it does not lie below path_prefix"
        elif other := next((each for each in deeper if _below(path, each.path_prefix)), None):
            yield f"public_paths: {path} never matches: it belongs to the route {other.label}"
        elif any(_below(path, other) and path != other for other in route.public_paths):
            yield f"public_paths: {path} says nothing new: it lies below another one"


def _below(path: str, prefix: str) -> bool:
    return path == prefix or path.startswith(prefix if prefix.endswith("/") else f"{prefix}/")


def _allowed(file: File, route: Route, usable: set[str]) -> Iterator[str]:
    """Rules that say less, or more, than they look."""
    allow = route.allow
    for name in sorted(allow.model_fields_set):
        if name != "plugin" and not getattr(allow, name):
            yield f"allow.{name}: is empty, which is no rule: it keeps nobody out"
    for name in allow.connections:
        if name not in file.connections:
            yield f"allow.connections: {name} is no connection of this file; nobody comes through it"
    usable = {name for name in usable if not allow.connections or name in allow.connections}
    for user in allow.users:
        connection = user.removeprefix(PREFIX).partition("|")[0]
        if not user.startswith(PREFIX):
            yield f"allow.users: {user} never matches: a user id is like oidc|corp|ada"
        elif connection not in usable and (connection in file.connections or allow.connections):
            yield f"allow.users: {user} never matches: nobody comes here through {connection}"
    yield from _domains(file, route, usable)
    for value in allow.acr:
        if value not in file.tenant.acr_values:
            yield f"allow.acr: {value} is not in tenant.acr_values: tenants take it for a wish"
    if allow.plugin and not file.plugins.enabled:
        yield "allow.plugin: no plugin is enabled, so nobody gets in"


def _domains(file: File, route: Route, usable: set[str]) -> Iterator[str]:
    """Email domains that belong to connections which nobody comes through here."""
    for domain in route.allow.email_domains:
        owner = next((name for name, each in file.connections.items() if domain in each.options.domain_aliases), None)
        if owner is not None and owner not in usable:
            yield f"allow.email_domains: {domain} belongs to {owner}, and nobody comes here through that"
