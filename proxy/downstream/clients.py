"""The clients we know: those the operator declared, and those that registered themselves (RFC 7591).

The declared ones are in memory. A registered one is a record, read again when the copy is older than ``FRESH`` seconds,
so a change is known everywhere within that time.
"""

from __future__ import annotations

import base64
import hashlib
import logging
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import SecretStr, ValidationError

from proxy.models import Client
from proxy.store import Key, Store, key

log = logging.getLogger("isthmus.client")

FRESH = 1.0
"""Seconds that a copy of a registered client is good."""
MOST_KEPT = 1000


def client_key(client_id: str) -> Key:
    """Where a registered client lies."""
    return key("client", client_id)


def clients_of_origin(origin: str) -> Key:
    """The index of the registered clients that have pages at an origin."""
    return key("origin_clients", origin)


def origins_of(client: Client) -> frozenset[str]:
    """The origins of a client's own pages."""
    return frozenset((*client.web_origins, *client.allowed_origins))


def listed_under(client: Client) -> tuple[Key, ...]:
    """The indexes that a registered client is in for its pages."""
    return tuple(map(clients_of_origin, sorted(origins_of(client))))


def secret_hash(secret: str) -> bytes:
    """How a client's secret is compared and kept: random secrets need no slow hash."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()


@dataclass(frozen=True)
class Known:
    """A client, and the hashes of the secrets that are good for it: two while it changes them."""

    client: Client
    hashes: tuple[bytes, ...] = ()


def known_as(client: Client) -> Known:
    """A client of the configuration."""
    secrets = (client.client_secret, client.client_secret_previous)
    return Known(client, tuple(secret_hash(s.get_secret_value()) for s in secrets if s is not None))


def from_record(value: Mapping[str, Any]) -> Known | None:
    """A registered client back from its record: its metadata, its secret's hash, and the secret itself only where
    signatures are made with it. None, and a line in the log, for a record that breaks a rule of today."""
    try:
        return _read(value)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        metadata = value.get("metadata")
        client_id = metadata.get("client_id") if isinstance(metadata, Mapping) else None
        log.warning("client_record_unusable", extra={"client_id": str(client_id), "detail": _at_fault(error)})
        return None


def _at_fault(error: Exception) -> str:
    """Which keys are at fault; never their values."""
    if not isinstance(error, ValidationError):
        return type(error).__name__
    places = (each["loc"] for each in error.errors(include_input=False, include_url=False, include_context=False))
    return ", ".join(sorted({str(place[0]) for place in places if place}))


def _read(value: Mapping[str, Any]) -> Known:
    places = {"client_secret": "secret", "client_secret_previous": "previous"}
    secret = {name: SecretStr(value[place]) for name, place in places.items() if value.get(place)}
    client = Client.model_validate({**value["metadata"], **secret, "is_first_party": value.get("first_party", False)})
    return Known(client, tuple(base64.b64decode(one) for one in value["hashes"]))


class Clients:
    """Finds clients by their id."""

    def __init__(self, declared_clients: Mapping[str, Client], store: Store) -> None:
        self.declared = declared_clients
        self._known = {name: known_as(client) for name, client in declared_clients.items()}
        self._store = store
        self._copies: OrderedDict[str, tuple[float, Known | None]] = OrderedDict()

    async def find(self, client_id: str, now: float) -> Client | None:
        """The client of that id, or None. Raises ``Unavailable``: "could not look" is not "unknown"."""
        known = await self.known(client_id, now)
        return known.client if known else None

    async def known(self, client_id: str, now: float) -> Known | None:
        """The same with the hashes of its secrets."""
        client = self.declared.get(client_id)
        if client is None:
            return await self._registered(client_id, now) if 0 < len(client_id) <= 255 else None
        there = self._known.get(client_id)
        if there is None or there.client is not client:
            there = self._known[client_id] = known_as(client)
        return there

    async def _registered(self, client_id: str, now: float) -> Known | None:
        read_at, known = self._copies.get(client_id, (float("-inf"), None))
        if now - read_at < FRESH:
            return known
        record = await self._store.get(client_key(client_id))
        known = from_record(record.value) if record else None
        self._copies[client_id] = (now, known)
        self._copies.move_to_end(client_id)
        while len(self._copies) > MOST_KEPT:
            self._copies.popitem(last=False)
        return known

    async def any_at(self, origin: str) -> bool:
        """Whether any client has, or had lately, pages at ``origin``. Raises ``Unavailable``."""
        if any(origin in origins_of(client) for client in self.declared.values()):
            return True
        return bool(await self._store.list(clients_of_origin(origin)))

    def forget(self, client_id: str) -> None:
        """The client was changed here: read it again."""
        self._copies.pop(client_id, None)
