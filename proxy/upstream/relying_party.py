"""The shore's front door: begin a trip to a tenant, and finish it.

Issuer, client id, keys and endpoints come from the connection of the stored trip, never from what comes back.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace

from proxy.models import Connection, Identity, Transaction, Wishes
from proxy.models.connection_options import BACK
from proxy.oidc import jose, pkce
from proxy.upstream import logout
from proxy.upstream.authorize import build_request, check_response
from proxy.upstream.connections import Connections
from proxy.upstream.id_token import Expected, bad, verify_id_token
from proxy.upstream.metadata import Metadata
from proxy.upstream.token import Tokens, build_exchange, check_exchange


@dataclass(frozen=True, repr=False)
class Departure:
    """Where to send the browser, and what the trip must remember: both are secrets."""

    url: str
    nonce: str
    verifier: str


class RelyingParty:
    """We, as the tenants see us. ``issuer`` is ours; ``leeway`` is how many seconds clocks may differ."""

    def __init__(self, connections: Connections, *, issuer: str, leeway: int) -> None:
        self._connections = connections
        self._issuer = issuer
        self._leeway = leeway

    def callback_url(self, connection: Connection) -> str:
        """Where the tenant sends answers: one address for all, or one of the connection's own (RFC 9700 4.4.2)."""
        own = f"/{connection.name}" if connection.options.own_callback else ""
        return f"{self._issuer}login/callback{own}"

    async def begin(self, connection: Connection, wishes: Wishes, *, state: str, now: float) -> Departure:
        """The way out, for a trip whose id is ``state``. Raises ``UpstreamError`` when the tenant cannot be asked where
        to go."""
        metadata = await self._connections.metadata(connection, since=now)
        nonce, verifier = secrets.token_urlsafe(32), _new_verifier(connection)
        url = build_request(
            connection,
            metadata,
            wishes,
            redirect_uri=self.callback_url(connection),
            state=state,
            nonce=nonce,
            verifier=verifier,
        )
        return Departure(url, nonce, verifier)

    async def finish(
        self, connection: Connection, trip: Transaction, params: Mapping[str, str], *, method: str, now: float
    ) -> Identity:
        """Who came back. Raises ``UpstreamError``; its ``reason`` is for the audit log. ``keys_unavailable`` (503): the
        same answer may succeed later; ``stale_login``: the person must log in anew."""
        if trip.connection != connection.name:
            raise bad("this login belongs to another connection", "wrong_connection")
        metadata = await self._connections.metadata(connection, since=trip.started_at)
        answer = check_response(params, method, connection, metadata)
        tokens = Tokens(answer, "")
        if connection.options.type == BACK:
            tokens = await self._exchange(connection, metadata, trip, code=answer)
        keys = await self._connections.keys(connection, metadata, _kid(tokens.id_token), since=trip.started_at)
        expected = Expected(connection, metadata.issuer, trip, self._leeway, tokens.access_token)
        identity = verify_id_token(tokens.id_token, keys, expected, now)
        if not connection.options.keeps_tokens:
            return identity
        return replace(identity, tokens=tokens.kept(trip.wishes.scopes, now))

    async def end_session_url(self, connection: Connection, back: str, now: float) -> str:
        """Where the browser is logged out at the tenant and sent ``back``, or empty. Raises ``UpstreamError``."""
        return logout.build_request(connection, await self._connections.metadata(connection, since=now), back=back)

    async def _exchange(self, connection: Connection, metadata: Metadata, trip: Transaction, *, code: str) -> Tokens:
        """The code for tokens: asked once, whatever happens; a code is good once."""
        request = build_exchange(
            connection, metadata, code=code, verifier=trip.verifier, redirect_uri=self.callback_url(connection)
        )
        return check_exchange(await self._connections.send(request))


def _new_verifier(connection: Connection) -> str:
    options = connection.options
    return pkce.new_verifier() if options.type == BACK and options.connection_settings.pkce != "disabled" else ""


def _kid(token: str) -> str | None:
    try:
        return jose.kid_of(token)
    except jose.JoseError as error:
        raise bad("the ID token is malformed", error.reason) from None
