"""Federate with a tenant in one step: find it, register there, and remember how to take that back.

    issuer_of   a person's address or a URL, by WebFinger if need be      webfinger
    register    ask the tenant to know us                                registration
    take_back   the same undone, when the connection goes

The registration access token lies in the store, which seals it, under the connection's name.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pydantic import ValidationError

from proxy.models import Connection
from proxy.models.checks import address
from proxy.models.connection_options import BACK, FRONT
from proxy.oidc.errors import UpstreamError
from proxy.oidc.messages import HttpRequest, Send
from proxy.oidc.strict_json import NotStrict, load_object
from proxy.store import Key, Put, Store, key
from proxy.upstream import ourselves, registration, webfinger
from proxy.upstream.metadata import UNUSABLE, Metadata, check_metadata, document_url
from proxy.upstream.ourselves import Document, Ourselves, bad
from proxy.upstream.registration import Registered

log = logging.getLogger("isthmus.upstream")

FOREVER = 10 * 365 * 86_400
SECONDS = 5.0
SOON = "registering"
"""Our client id until there is one."""


def registration_key(connection: str) -> Key:
    """Where it is kept how our registration for a connection is managed."""
    return key("tenant_registration", connection)


class Federation:
    """Speaks to tenants that do not know us yet."""

    def __init__(self, send: Send, store: Store) -> None:
        self._send = send
        self._store = store

    async def issuer_of(self, identifier: str, group: str) -> str:
        """The issuer that answers for ``identifier``: itself, if it is the address of a place that describes itself;
        else what WebFinger says. ``group`` is the connection it is for. Raises ``ValueError`` with the remedy,
        ``UpstreamError``."""
        if not webfinger.is_account(identifier):
            try:
                await self._document(_connection(group, identifier, BACK))
                return identifier
            except (UpstreamError, ValidationError):
                pass  # perhaps a person's page: WebFinger knows
        asked = webfinger.normalise(identifier)
        return webfinger.check_response(await self._send(webfinger.build_request(asked, group)))

    async def register(self, issuer: str, us: Ourselves, token: str = "") -> Registered:
        """Become known at ``issuer``, with an initial access ``token`` if it wants one. Answers the options of the
        connection. Raises ``UpstreamError`` with the reason in words."""
        document = await self._document(_connection(us.connection, issuer, BACK))
        asked = ourselves.build_metadata(document, us)
        channel = BACK if "code" in asked["response_types"] else FRONT
        found = check_metadata(document, _connection(us.connection, issuer, channel))
        endpoint = _endpoint(document)
        request = registration.build_request(endpoint, asked, token, us.connection)
        answer = await self._send(request)
        try:
            made = registration.check_response(answer, asked, endpoint)
        except UpstreamError:  # what is of no use here does not stay there
            uri, token = registration.management(answer, endpoint)
            if uri:
                await self.undo(us.connection, uri, token)
            raise
        place = {"discovery_url": issuer, "issuer": found.issuer, "own_callback": us.own_callback}
        return replace(made, options={**place, **made.options, **_profile(found, made.options)})

    async def remember(self, connection: str, made: Registered) -> None:
        """Keep what ``take_back`` needs. Raises ``Unavailable``."""
        if made.client_uri:
            value = {"uri": made.client_uri, "token": made.access_token}
            await self._store.run(Put(registration_key(connection), value, FOREVER))

    async def take_back(self, connection: str) -> bool | None:
        """Undo what was registered for a connection; None if nothing is remembered, else whether the tenant did it.
        It is forgotten either way, for a tenant that is gone keeps nobody. Raises ``Unavailable``."""
        place = registration_key(connection)
        record = await self._store.get(place)
        if record is None:
            return None
        done = await self.undo(connection, record.value["uri"], record.value["token"])
        if not done:
            log.warning("registration_left_at_tenant", extra={"connection": connection})
        await self._store.drop(place)
        return done

    async def undo(self, connection: str, client_uri: str, token: str) -> bool:
        """Take a registration back; answers whether the tenant did it."""
        try:
            answer = await self._send(registration.build_removal(client_uri, token, connection))
        except UpstreamError:
            return False
        return answer.status in (200, 204, 404)

    async def _document(self, connection: Connection) -> Document:
        url, headers = document_url(connection.options), {"Accept": "application/json"}
        answer = await self._send(HttpRequest("GET", url, headers=headers, seconds=SECONDS, group=connection.name))
        if answer.status != 200:
            raise bad("there is no discovery document", "not_found")
        try:
            return load_object(answer.body)
        except NotStrict:
            raise UpstreamError("server_error", UNUSABLE, reason="bad_json", status=502) from None


def _profile(metadata: Metadata, options: Mapping[str, Any]) -> Mapping[str, Any]:
    """Where a code is asked for, what the scopes stand for is at userinfo, and need not be in the ID token (OpenID
    Connect Core 5.4)."""
    if options["type"] != BACK or not metadata.userinfo_endpoint:
        return {}
    return {"attribute_map": {"mapping_mode": "bind_all", "userinfo_scope": options["scope"]}}


def _connection(name: str, issuer: str, channel: str) -> Connection:
    """The connection that is to be. Raises ``ValueError`` for an address that can be none."""
    options: Mapping[str, Any] = {"type": channel, "client_id": SOON, "discovery_url": issuer}
    return Connection.model_validate({"name": name, "options": options})


def _endpoint(document: Document) -> str:
    url = document.get("registration_endpoint")
    try:
        if not isinstance(url, str):
            raise ValueError
        return address(url)
    except ValueError:
        raise bad("the tenant takes no registrations: its document names no registration_endpoint", "closed") from None
