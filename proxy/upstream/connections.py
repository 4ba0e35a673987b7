"""The tenants we know: their metadata and keys, fetched when needed, shared by all who wait, kept while they are down.

A refreshed document that moves an endpoint to another host, or names another issuer, is not believed: secrets would go
to whoever wrote it (RFC 9700 4.4). The event ``metadata_changed`` is logged and the last good copy serves on, for a day
at most. An operator who approves restarts the server, or names the endpoint in the configuration.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from proxy.cell import Cell
from proxy.models import Connection, ConnectionOptions
from proxy.oidc.errors import UpstreamError
from proxy.oidc.keys import KeySet, NoKeySet, parse_jwks
from proxy.oidc.messages import HttpRequest, HttpResponse, Send
from proxy.oidc.strict_json import NotStrict, load_object
from proxy.upstream.metadata import UNUSABLE, Metadata, check_metadata, configured, document_url, moves
from proxy.upstream.patience import Patience

log = logging.getLogger("isthmus.upstream")

FETCH_SECONDS = 3.0
JUST_NOW = 0.5
"""Seconds in which keys are new enough for any token."""


@dataclass
class _Tenant:
    options: ConnectionOptions
    metadata: Cell[Metadata]
    keys: dict[str, Cell[KeySet]] = field(default_factory=dict)


class Connections:
    """Metadata and keys of every connection. ``clock`` tells seconds since the epoch."""

    def __init__(self, connections: Mapping[str, Connection], send: Send, clock: Callable[[], float]) -> None:
        self._connections = connections
        self._clock = clock
        self._tenants: dict[str, _Tenant] = {}
        self.send: Send = Patience(send, clock).send
        """The way to a tenant, with regard for what it says about when to come again."""

    def get(self, name: str) -> Connection | None:
        """The connection of that name."""
        return self._connections.get(name)

    async def metadata(self, connection: Connection, *, since: float) -> Metadata:
        """The tenant's metadata. With a ``metadata_max_age`` of 0: fetched for this login, which began at ``since``.
        Raises ``UpstreamError``."""
        if not document_url(connection.options):
            return configured(connection)
        if connection.options.metadata_max_age:
            return await self._tenant(connection).metadata.get()
        return await self._tenant(connection).metadata.get(since=since)

    async def keys(self, connection: Connection, metadata: Metadata, kid: str | None, *, since: float) -> KeySet:
        """The tenant's keys, for a token that names ``kid``, in a login that began at ``since``.

        An unknown name is looked for once more at the tenant; for a token without one the set must be of this login's
        time, so that a key taken back is not used. Raises ``UpstreamError`` (503, ``keys_unavailable``) when the key
        may be there but could not be had.
        """
        cell = self._keys(connection, metadata)
        try:
            if not connection.options.jwks_max_age:
                return await cell.get(since=self._clock())
            if kid is None:
                # Whole seconds: a copy of the same second may be older. But anybody may ask, at any rate.
                return await cell.get(since=min(since + 1, self._clock() - JUST_NOW))
            keys = await cell.get()
        except UpstreamError as error:
            raise _keys_unavailable() from error
        return keys if keys.has(kid) else await self._look_again(cell, kid, keys)

    async def _look_again(self, cell: Cell[KeySet], kid: str, keys: KeySet) -> KeySet:
        newer = await cell.renew()
        if newer is not None and not newer.has(kid):
            cell.useless()
        if newer is None and cell.failed:
            raise _keys_unavailable()
        return newer or keys

    def believed(self, connection: Connection) -> Metadata | None:
        """The metadata that logins use at present; None before the first login."""
        known = self._tenants.get(connection.name)
        return known.metadata.value if known and known.options == connection.options else None

    async def ask(self, connection: Connection, url: str, *, tells_certificate: bool = False) -> HttpResponse:
        """A document of the tenant, whatever is cached. Raises ``UpstreamError``."""
        request = HttpRequest(
            "GET",
            url,
            headers={"Accept": "application/json"},
            seconds=FETCH_SECONDS,
            group=connection.name,
            tells_certificate=tells_certificate,
        )
        return await self.send(request)

    def _tenant(self, connection: Connection) -> _Tenant:
        known = self._tenants.get(connection.name)
        if known is None or known.options != connection.options:
            self._forget()
            known = self._tenants[connection.name] = self._new_tenant(connection)
        return known

    def _forget(self) -> None:
        """Connections come and go while we run: what was removed is kept no longer."""
        if len(self._tenants) > len(self._connections):
            self._tenants = {name: one for name, one in self._tenants.items() if name in self._connections}

    def _new_tenant(self, connection: Connection) -> _Tenant:
        async def fetch() -> Metadata:
            fresh = check_metadata(await self._document(connection), connection)
            _check_unmoved(connection, cell.value, fresh)
            return fresh

        cell = Cell(fetch, self._clock, max_age=connection.options.metadata_max_age)
        return _Tenant(connection.options, cell)

    def _keys(self, connection: Connection, metadata: Metadata) -> Cell[KeySet]:
        tenant, url = self._tenant(connection), metadata.jwks_uri
        if url not in tenant.keys:

            async def fetch() -> KeySet:
                return await self._key_set(connection, url)

            tenant.keys = {url: Cell(fetch, self._clock, max_age=connection.options.jwks_max_age)}
        return tenant.keys[url]

    async def _key_set(self, connection: Connection, url: str) -> KeySet:
        return read_keys(await self._json(connection, url))

    async def _document(self, connection: Connection) -> Mapping[str, Any]:
        return await self._json(connection, document_url(connection.options))

    async def _json(self, connection: Connection, url: str) -> Mapping[str, Any]:
        """The JSON object at ``url``. Raises ``UpstreamError``."""
        response = await self.ask(connection, url)
        if response.status != 200:
            extra = {"connection": connection.name, "status": response.status}
            log.warning("document_not_found", extra=extra)
        return read_object(response)


def read_object(response: HttpResponse) -> Mapping[str, Any]:
    """The JSON object of an answer. Raises ``UpstreamError``."""
    if response.status != 200:
        raise UpstreamError("server_error", "not found", reason="not_found", status=502)
    try:
        return load_object(response.body)
    except NotStrict:
        raise UpstreamError("server_error", UNUSABLE, reason="bad_json", status=502) from None


def read_keys(document: Mapping[str, Any]) -> KeySet:
    """The keys of a JWKS. Raises ``UpstreamError``."""
    try:
        return parse_jwks(document)
    except NoKeySet:
        raise UpstreamError("server_error", UNUSABLE, reason="bad_jwks", status=502) from None


def _check_unmoved(connection: Connection, approved: Metadata | None, fresh: Metadata) -> None:
    if approved is None:
        return
    if moved := moves(approved, fresh):
        log.error("metadata_changed", extra={"connection": connection.name, "changed": list(moved)})
        raise UpstreamError("server_error", UNUSABLE, reason="metadata_changed", status=502)


def _keys_unavailable() -> UpstreamError:
    return UpstreamError(
        "temporarily_unavailable", "the keys of the login service cannot be had", reason="keys_unavailable", status=503
    )
