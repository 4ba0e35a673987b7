"""Rules that depend on more than one key: between tables, and between a table and the files it names."""

from __future__ import annotations

import ssl
import stat
from collections.abc import Iterator
from pathlib import Path

from proxy.models import Connection
from proxy.models.client import REGISTERED
from proxy.models.client_rules import inconsistencies
from proxy.models.connection_options import BACK
from proxy.models.connection_rules import inconsistencies as of_connection
from proxy.oidc.urls import is_loopback
from proxy.settings import gateway_rules
from proxy.settings.gateway_rules import GATEWAY
from proxy.settings.problems import Fault
from proxy.settings.shape import File

LEAST_BUDGET = 1200
ADDRESSES = (
    "discovery_url",
    "issuer",
    "authorization_endpoint",
    "token_endpoint",
    "jwks_uri",
    "userinfo_endpoint",
    "end_session_endpoint",
    "pushed_authorization_request_endpoint",
    "icon_url",
)


def broken(file: File) -> Iterator[Fault]:
    """Every rule that ``file`` breaks."""
    yield from _own_secrets(file)
    yield from _tls(file)
    yield from _anchors(("server", "trust"), file.server.trust)
    yield from _plugins(file)
    for name, connection in file.connections.items():
        for fault in _connection(file, connection):
            yield Fault(("connections", name, *fault.place), fault.remedy)
        for key, remedy in not_https(file.tenant.issuer, connection):
            yield Fault(("connections", name, "options", key), remedy)
    yield from _domains(file)
    for id, client in file.clients.items():
        known = client.client_secret is not None
        for name, remedy in inconsistencies(client, has_secret=known, algorithms=file.keys.algorithms):
            yield Fault(("clients", id, name), remedy)
    yield from gateway_rules.broken(file)
    for number, route in enumerate(file.gateway.routes):
        yield from _anchors(("gateway", "routes", number, "trust"), route.trust)


def _own_secrets(file: File) -> Iterator[Fault]:
    if not file.tenant.secrets and file.redis.url and not is_loopback(file.tenant.issuer):
        yield Fault(("tenant", "secrets"), 'is missing; every node needs the same, like ["$ISTHMUS_SECRET"]')


def _tls(file: File) -> Iterator[Fault]:
    cert, key = file.server.tls_cert, file.server.tls_key
    if cert is None or key is None:
        if cert is not key:
            yield Fault(
                ("server", "tls_key" if key is None else "tls_cert"), "is missing; certificate and key go together"
            )
        return
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(cert, key, password=lambda: "")
    except (OSError, ValueError):
        yield Fault(("server", "tls_cert"), "tls_cert and tls_key must be PEM files that belong together, unencrypted")


def _anchors(place: tuple[str | int, ...], paths: tuple[str, ...]) -> Iterator[Fault]:
    """Files in ``trust`` hold PEM certificates."""
    for number, path in enumerate(paths):
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cafile=path)
        except (OSError, ValueError):
            yield Fault((*place, number), f"{path} must be a file with PEM certificates")


def _plugins(file: File) -> Iterator[Fault]:
    folder = file.plugins.folder
    if folder is not None and not folder.is_dir():
        yield Fault(("plugins", "folder"), f"{folder} is not a folder; make it, or remove the key")


def _connection(file: File, connection: Connection) -> Iterator[Fault]:
    options = connection.options
    for number, id in enumerate(connection.enabled_clients):
        if id not in file.clients and id != GATEWAY and not id.startswith(REGISTERED):
            yield Fault(("enabled_clients", number), "names no client; add it under [[clients]], or remove it")
    if options.type == BACK and options.client_secret is None and options.token_endpoint_auth_method is None:
        remedy = 'is missing; back_channel needs it (or token_endpoint_auth_method = "none")'
        yield Fault(("options", "client_secret"), remedy)
    for name, remedy in of_connection(connection):
        yield Fault(("options", name), remedy)
    yield from _anchors(("options", "trust"), options.trust)


def not_https(issuer: str, connection: Connection) -> Iterator[tuple[str, str]]:
    """http only where both ends are on loopback: the options at fault, each with the remedy. ``issuer`` is ours."""
    if is_loopback(issuer):
        return
    for name in ADDRESSES:
        if getattr(connection.options, name).lower().startswith("http:"):
            yield name, "must begin with https:// (http only while the issuer is on loopback too)"


def _domains(file: File) -> Iterator[Fault]:
    """One owner for each email domain."""
    owners: dict[str, str] = {}
    for name, connection in file.connections.items():
        for domain in connection.options.domain_aliases:
            owner = owners.setdefault(domain, name)
            if owner != name:
                remedy = f"{domain} belongs to connection {owner} already; one owner for each domain"
                yield Fault(("connections", name, "options", "domain_aliases"), remedy)


def doubtful(file: File) -> Iterator[str]:
    """Choices that are allowed and weaken something: one place that lists them all."""
    if file.server.allow_private:
        yield f"server.allow_private: Isthmus may call private networks ({', '.join(file.server.allow_private)})"
    if file.redis.url and file.redis.allow_open:
        yield "redis.allow_open: whoever reaches the Redis server can log in as anybody"
    if file.plugins.on_error == "skip" and file.plugins.enabled:
        yield "plugins.on_error: skip means that a login goes on without what a faulty plugin would have set"
    yield from _registration(file)
    key = file.server.tls_key
    if key is not None and _readable_by_all(key):
        yield f"{key}: everybody may read this key; chmod 600 it"
    for name, connection in file.connections.items():
        yield from (f"connections[{name}].options.{said}" for said in _doubtful(connection))
    yield from gateway_rules.doubtful(file)
    yield from _identity(file)


def _identity(file: File) -> Iterator[str]:
    """What makes headers worth less than they look: an app that strangers may reach and that cannot check them."""
    for number, route in enumerate(file.gateway.routes):
        exposed = [url for url in route.upstream if not url.startswith("unix:") and not is_loopback(url)]
        if exposed and not route.assertion:
            yield (
                f"gateway.routes[{number}].assertion: without it the app at {exposed[0]} cannot tell the gateway from "
                "others that reach it there, and believes whatever they say of who they are"
            )
    budget = file.gateway.header_budget
    if budget < LEAST_BUDGET and any(route.assertion for route in file.gateway.routes):
        yield f"gateway.header_budget: a signed assertion alone needs some {LEAST_BUDGET} bytes; nobody may get through"


def _registration(file: File) -> Iterator[str]:
    mode = file.registration.mode
    if mode == "open":
        yield "registration.mode: open means that whoever reaches this server can register a client here"
    if mode == "open" and file.server.allow_private:
        yield (
            "server.allow_private: whoever registers a client can have us call these networks (registration.mode is "
            "open); list a tenant's network in allow_private of its connection"
        )
    if mode != "off" and not any(connection.is_domain_connection for connection in file.connections.values()):
        yield "registration.mode: no connection has is_domain_connection = true, so registered clients have no logins"


def _doubtful(connection: Connection) -> Iterator[str]:
    options = connection.options
    if options.allow_private:
        yield f"allow_private: Isthmus may call private networks ({', '.join(options.allow_private)})"
    if options.trust_prompt:
        yield "trust_prompt: a login counts as new although the tenant does not say when it was"
    if options.connection_settings.pkce == "disabled":
        yield "connection_settings.pkce: a stolen code can be used by who stole it"


def _readable_by_all(path: Path) -> bool:
    return path.exists() and bool(path.stat().st_mode & stat.S_IROTH)
