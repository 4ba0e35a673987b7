"""The keys that clients sign with: given by value (``jwks``), or found at an address of theirs (``jwks_uri``).

What is found there is kept for ``MAX_AGE`` seconds, and looked for anew when it cannot have signed: so a client may
change its keys at any time (OpenID Connect Core 10.1.1). A flood of bad signatures costs one fetch in ``cell.PAUSE``
seconds for each client.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Callable, Collection
from dataclasses import dataclass

from proxy.cell import Cell
from proxy.models import Client
from proxy.models.client import REGISTERED
from proxy.oidc import jose
from proxy.oidc.errors import Unavailable, UpstreamError
from proxy.oidc.jose import JoseError, NoSuchKey, Verified
from proxy.oidc.keys import KeySet, NoKeySet, parse_jwks
from proxy.oidc.messages import KILOBYTE, STRANGERS, HttpRequest, HttpResponse, Send
from proxy.oidc.strict_json import load_object

log = logging.getLogger("isthmus.client")

FETCH_SECONDS = 3.0
LIMIT = 64 * KILOBYTE
MAX_AGE = 600
MOST_KEPT = 500
"""Clients whose key sets are kept. Those who registered themselves make room first, the eldest before all."""


@dataclass(frozen=True)
class _Place:
    """One address of keys, and what was found there."""

    url: str
    cell: Cell[KeySet]


def wire_group(client: Client, purpose: str = "") -> str:
    """Under which name calls to a client are counted: no client takes another's places on the wire, and all that
    registered themselves together none of the operator's. Calls for a ``purpose`` have places of their own."""
    kind = STRANGERS if client.client_id.startswith(REGISTERED) else "client"
    return f"{kind}{purpose}:{client.client_id}"


class ClientKeys:
    """Verifies what clients sign. ``send`` fetches their keys, ``clock`` tells seconds since the epoch."""

    def __init__(self, send: Send, clock: Callable[[], float]) -> None:
        self._send = send
        self._clock = clock
        self._places: OrderedDict[str, _Place] = OrderedDict()

    async def verify(self, client: Client, token: str, algorithms: Collection[str], types: Collection[str]) -> Verified:
        """The claims of ``token``, if a key of ``client`` signed it; see ``jose.verify``.

        Raises ``JoseError``, and ``Unavailable`` when the key may be there but could not be had.
        """
        if not client.jwks_uri:
            return jose.verify(token, by_value(client), algorithms, types)
        kid, cell = jose.kid_of(token), self._cell(client)
        keys = await _kept(cell)
        try:
            return jose.verify(token, keys, algorithms, types)
        except JoseError as error:
            newer = await _newer(cell, error, kid)
            if newer is None:
                raise
        try:
            return jose.verify(token, newer, algorithms, types)
        except JoseError:
            cell.useless()
            raise

    def _cell(self, client: Client) -> Cell[KeySet]:
        place = self._places.get(client.client_id)
        if place is None or place.url != client.jwks_uri:

            async def fetch() -> KeySet:
                return await self._fetch(client)

            place = _Place(client.jwks_uri, Cell(fetch, self._clock, max_age=MAX_AGE))
        self._places[client.client_id] = place
        self._places.move_to_end(client.client_id)
        while len(self._places) > MOST_KEPT:
            del self._places[next((id for id in self._places if id.startswith(REGISTERED)), next(iter(self._places)))]
        return place.cell

    async def _fetch(self, client: Client) -> KeySet:
        """The keys at the client's address. Raises ``UpstreamError``."""
        headers = {"Accept": "application/jwk-set+json, application/json"}
        response = await self._send(
            HttpRequest("GET", client.jwks_uri, headers, seconds=FETCH_SECONDS, limit=LIMIT, group=wire_group(client))
        )
        try:
            return read_key_set(response)
        except ValueError as error:
            extra = {"client_id": client.client_id, "status": response.status, "detail": str(error)}
            log.warning("client_keys_unusable", extra=extra)
            raise UpstreamError("server_error", "no key set there", reason="bad_jwks", status=502) from None


def read_key_set(response: HttpResponse) -> KeySet:
    """The keys that an answer holds. Raises ``ValueError``."""
    if response.status != 200:
        raise ValueError("not found")
    return parse_jwks(load_object(response.body))


def by_value(client: Client) -> KeySet:
    """The keys in the client's metadata; without usable ones an empty set. To read them costs little: each key is
    prepared once (``oidc.keys``)."""
    try:
        return parse_jwks(client.jwks or {})
    except NoKeySet:
        return KeySet()


async def _kept(cell: Cell[KeySet]) -> KeySet:
    try:
        return await cell.get()
    except UpstreamError as error:
        raise _away() from error


async def _newer(cell: Cell[KeySet], error: JoseError, kid: str | None) -> KeySet | None:
    """A newer set, if the kept one may be too old to judge: it has no such key, or the key is not named."""
    no_such_key = isinstance(error, NoSuchKey)
    if not no_such_key and not (kid is None and error.reason in ("bad_signature", "ambiguous_key")):
        return None
    newer = await cell.renew()
    if newer is None and no_such_key and cell.failed:
        raise _away() from error
    return newer


def _away() -> Unavailable:
    return Unavailable("the keys of a client", reason="client_keys_unavailable")
