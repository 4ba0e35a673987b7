"""A visit to a tenant: its document and its keys, asked for now, whatever is cached, and what can be seen on the way.

Nothing found here is used for logins.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from email.utils import parsedate_to_datetime
from typing import Any

from proxy.models import Connection
from proxy.oidc.errors import UpstreamError
from proxy.upstream.connections import Connections, read_keys, read_object
from proxy.upstream.doctor import examine, shares_callback
from proxy.upstream.health import Evidence, Health
from proxy.upstream.metadata import check_metadata, configured_document, document_url

FLOOR_SECONDS = 1.0
"""A visit that brought nothing is told of no sooner, as the wire does it: an open port that answers with something else
looks like a closed one."""
LONGEST_SKEW = 10**9


@dataclass(frozen=True)
class Doctor:
    """Visits tenants. ``connections`` are all there are, ``pause`` waits for some seconds."""

    tenants: Connections
    connections: Mapping[str, Connection]
    clock: Callable[[], float]
    pause: Callable[[float], Awaitable[Any]] = asyncio.sleep

    async def see(self, connection: Connection) -> Health:
        """How the connection fares at this moment."""
        begun = self.clock()
        evidence = await self._visit(connection)
        health = examine(connection, evidence)
        if not health.published or evidence.keys_reason:
            await self.pause(min(FLOOR_SECONDS, max(0.0, begun + FLOOR_SECONDS - self.clock())))
        return health

    async def _visit(self, connection: Connection) -> Evidence:
        seen = Evidence(self.clock(), believed=self.tenants.believed(connection), sharing=self._sharing(connection))
        url = document_url(connection.options)
        try:
            if url:
                seen = await self._look(seen, connection, url, "document")
            else:
                seen = replace(seen, document=configured_document(connection.options))
        except UpstreamError as error:
            return replace(seen, reason=error.reason)
        try:
            jwks_uri = check_metadata(seen.document or {}, connection).jwks_uri
        except UpstreamError:
            return seen  # the judgement is about the document
        try:
            return await self._look(seen, connection, jwks_uri, "keys")
        except UpstreamError as error:
            return replace(seen, keys_reason=error.reason)

    async def _look(self, seen: Evidence, connection: Connection, url: str, what: str) -> Evidence:
        """One document more. Raises ``UpstreamError``."""
        begun = self.clock()
        response = await self.tenants.ask(connection, url, tells_certificate=True)
        skew = clock_skew(response.headers, (begun + self.clock()) / 2)
        found = read_object(response)
        ends = [one for one in (seen.certificate_ends, response.certificate_ends) if one is not None]
        seen = replace(seen, certificate_ends=min(ends, default=None), skew=max(seen.skew, skew, key=abs))
        return replace(seen, document=found) if what == "document" else replace(seen, keys=read_keys(found))

    def _sharing(self, connection: Connection) -> tuple[str, ...]:
        if not shares_callback(connection):
            return ()
        return tuple(
            one.name for one in self.connections.values() if one.name != connection.name and shares_callback(one)
        )


def clock_skew(headers: Mapping[str, str], now: float) -> int:
    """Seconds that the clock of an answer is ahead of ours (RFC 9110 6.6.1); 0 if it does not say. A copy from a cache
    is as much older as its ``Age`` says (RFC 9111 5.1)."""
    age = headers.get("age", "0")
    try:
        theirs = parsedate_to_datetime(headers["date"]).timestamp() + (int(age) if len(age) < 10 else 0)
    except (KeyError, ValueError, OverflowError):
        return 0
    # A date is cut down to whole seconds: what is less than one second apart is no difference.
    ahead = theirs + 0.5 - now
    return round(ahead) if 1 <= abs(ahead) < LONGEST_SKEW else 0
