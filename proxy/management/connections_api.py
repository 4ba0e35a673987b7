"""``api/v2/connections``: connections over HTTP, as Auth0's Management API has them.

``ROUTES`` is the one table of what can be asked, with which scope; what is not in it does not exist. Options are shown
only to those who may read them (``read:connections_options``), as at Auth0: without, they are left out. To change them,
``update:connections`` is enough, as Auth0's description of its API says: scripts were given what that asks for.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from proxy.features import Answer, Caller, Endpoint, Feature, Request
from proxy.management import keys as public_keys
from proxy.management import refusals
from proxy.management.connections import ManagedConnections
from proxy.management.keys import ConnectionKeys
from proxy.management.paging import PAGING, check_known, picker, portion, shaped
from proxy.management.view import FIELDS, as_json, etag
from proxy.models import Connection
from proxy.roster import Entry

READ_OPTIONS = "read:connections_options"
MOST_AT_ONCE, MOST_CLIENTS = 50, 1000
ROUTES: Final[Sequence[tuple[str, str, str, str]]] = (
    ("GET", "connections", "read:connections", "list_all"),
    ("POST", "connections", "create:connections", "create"),
    ("GET", "connections/{id}", "read:connections", "show"),
    ("PATCH", "connections/{id}", "update:connections", "change"),
    ("DELETE", "connections/{id}", "delete:connections", "remove"),
    ("GET", "connections/{id}/status", "read:connections", "show_status"),
    ("GET", "connections/{id}/clients", "read:connections", "list_clients"),
    ("PATCH", "connections/{id}/clients", "update:connections", "enable"),
    ("GET", "connections/{id}/keys", "read:connections_keys", "list_keys"),
    ("POST", "connections/{id}/keys", "create:connections_keys", "begin_keys"),
    ("POST", "connections/{id}/keys/rotate", "create:connections_keys update:connections_keys", "rotate_keys"),
)
"""Method, address below ``api/v2/``, scopes needed together, and what answers."""
API = "api/v2/"
Status = Callable[[Connection], Awaitable[Mapping[str, Any]]]
log = logging.getLogger("isthmus.management")


@dataclass(frozen=True)
class ConnectionsApi(Feature):
    """The routes. ``status`` says how a connection fares, in whatever words."""

    managed: ManagedConnections
    keys: ConnectionKeys
    status: Status

    def endpoints(self) -> Sequence[Endpoint]:
        return tuple(
            Endpoint(API + path, (method,), Caller.OPERATOR, getattr(self, name), scopes=(scope,))
            for method, path, scope, name in ROUTES
        )

    # --- connections ---

    async def list_all(self, request: Request) -> Answer:
        """Those that fit the filters, without their ``enabled_clients``. Raises ``Refused``, ``Unavailable``."""
        params = request.params
        check_known(params, (*PAGING, "strategy", "name", "fields", "include_fields"))
        fields, may = picker(params, FIELDS), _may(request, READ_OPTIONS)
        strategies = params.get("strategy", "oidc").split(" ")
        found = [
            entry
            for entry in await self.managed.all()
            if entry.connection.strategy in strategies and params.get("name") in (None, entry.connection.name)
        ]

        def show(entry: Entry) -> Mapping[str, Any]:
            whole = as_json(entry, options=may)
            del whole["enabled_clients"]
            return fields(whole)

        return Answer(json=shaped(found, lambda entry: entry.id, show, params, "connections"))

    async def create(self, request: Request) -> Answer:
        """A new connection. Raises ``Refused``, ``Unavailable``."""
        _no_params(request)
        entry, warnings = await self.managed.create(_object(request), _by(request), request.now)
        return _told(entry, 201, as_json(entry), warnings)

    async def show(self, request: Request) -> Answer:
        """One connection. Raises ``Refused``, ``Unavailable``."""
        check_known(request.params, ("fields", "include_fields"))
        fields = picker(request.params, FIELDS)
        entry = await self._entry(request)
        return _told(entry, 200, fields(as_json(entry, options=_may(request, READ_OPTIONS))))

    async def change(self, request: Request) -> Answer:
        """What was sent in place of what was there. Raises ``Refused``, ``Unavailable``."""
        _no_params(request)
        body = _object(request)
        condition = request.headers.get("If-Match", "")
        entry, warnings = await self.managed.change(_id(request), body, _by(request), request.now, condition)
        may = isinstance(body.get("options"), Mapping) or _may(request, READ_OPTIONS)
        return _told(entry, 200, as_json(entry, options=may), warnings)

    async def remove(self, request: Request) -> Answer:
        """Gone when it is answered. Raises ``Refused``, ``Unavailable``."""
        _no_params(request)
        await self.managed.remove(_id(request), _by(request))
        return Answer(204)

    async def show_status(self, request: Request) -> Answer:
        """How the connection fares. Raises ``Refused``, ``Unavailable``."""
        _no_params(request)
        return Answer(json=await self.status((await self._entry(request)).connection))

    # --- the applications that may use one ---

    async def list_clients(self, request: Request) -> Answer:
        """The ids of the applications. Raises ``Refused``, ``Unavailable``."""
        check_known(request.params, ("take", "from"))
        ids = (await self._entry(request)).connection.enabled_clients
        chosen, _, _, following = portion(ids, str, request.params, most=MOST_CLIENTS)
        rest = {"next": following} if following else {}
        return Answer(json={"clients": [{"client_id": one} for one in chosen], **rest})

    async def enable(self, request: Request) -> Answer:
        """Switch applications on or off. Raises ``Refused``, ``Unavailable``."""
        _no_params(request)
        wanted = dict(map(_wish, enumerate(request.items or ())))
        if not 1 <= len(request.items or ()) <= MOST_AT_ONCE:
            raise refusals.invalid_body(f"'the body must be a list of 1 to {MOST_AT_ONCE} items'")
        await self.managed.enable(_id(request), wanted, _by(request), request.now)
        return Answer(204)

    # --- its keys ---

    async def list_keys(self, request: Request) -> Answer:
        """The public halves of its keys. Raises ``Refused``, ``Unavailable``."""
        _no_params(request)
        found = await self.keys.entries((await self._entry(request)).connection, request.now)
        return Answer(json=[public_keys.as_json(one) for one in found])

    async def begin_keys(self, request: Request) -> Answer:
        """The first keys, made before they are needed. Raises ``Refused``, ``Unavailable``."""
        _no_params(request)
        entry = await self._entry(request)
        if await self.keys.begun(entry.connection):
            raise refusals.conflict("This connection has its keys already")
        found = await self.keys.entries(entry.connection, request.now)
        if not found:
            raise _signs_nothing()
        self._note("connection_keys_created", request, entry)
        return Answer(201, json=[public_keys.as_json(one) for one in found])

    async def rotate_keys(self, request: Request) -> Answer:
        """The next key takes over; answers the one that waits from now on. Raises ``Refused``, ``Unavailable``."""
        _no_params(request)
        entry = await self._entry(request)
        before = {one.jwk["kid"] for one in await self.keys.entries(entry.connection, request.now)}
        found = await self.keys.rotate(entry.connection, request.now)
        waiting = next((one for one in found if one.state == "next"), None)
        if waiting is None:
            raise _signs_nothing()
        if waiting.jwk["kid"] in before:
            raise refusals.conflict("The keys were rotated a moment ago; wait until the tenant can know the next one")
        self._note("connection_keys_rotated", request, entry)
        return Answer(201, json=public_keys.as_json(waiting))

    def _note(self, event: str, request: Request, entry: Entry) -> None:
        about = {"operator": _by(request), "connection": entry.connection.name, "id": entry.id}
        log.info(event, extra=about)

    async def _entry(self, request: Request) -> Entry:
        return await self.managed.find(_id(request))


def _id(request: Request) -> str:
    return request.variables["id"]


def _by(request: Request) -> str:
    return request.bearer.client_id if request.bearer else ""


def _may(request: Request, scope: str) -> bool:
    return request.bearer is not None and scope in request.bearer.scopes


def _no_params(request: Request) -> None:
    check_known(request.params, ())


def _object(request: Request) -> Mapping[str, Any]:
    if request.items is not None:
        raise refusals.invalid_body("'the body must be an object'")
    return request.body


def _wish(numbered: tuple[int, Any]) -> tuple[str, bool]:
    number, item = numbered
    if not isinstance(item, dict) or set(item) != {"client_id", "status"}:
        raise refusals.invalid_body(f"'[{number}] must be an object of client_id and status'")
    if not isinstance(item["client_id"], str) or not isinstance(item["status"], bool):
        raise refusals.invalid_body(f"'[{number}] must have a client_id that is a string, and a status true or false'")
    return item["client_id"], item["status"]


def _signs_nothing() -> Exception:
    return refusals.invalid_body(
        "'the connection signs nothing; set options.token_endpoint_auth_method private_key_jwt'"
    )


def _told(entry: Entry, status: int, body: Mapping[str, Any], warnings: Sequence[str] = ()) -> Answer:
    """A connection with its version, and what the operator should hear as warnings (RFC 9111 5.5, code 299)."""
    headers = {"ETag": etag(entry)}
    if warnings:
        headers["Warning"] = ", ".join(f'299 - "{_plain(text)}"' for text in warnings[:10])
    return Answer(status, json=body, headers=headers)


def _plain(text: str) -> str:
    return "".join(c if " " <= c <= "~" and c not in '"\\' else "?" for c in text[:150])
