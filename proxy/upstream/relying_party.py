"""The shore's front door: begin a trip to a tenant, and finish it.

Issuer, client id, keys and endpoints come from the connection of the stored trip, never from what comes back.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from proxy.models import Connection, Identity, Transaction, Wishes
from proxy.oidc import jose, pkce
from proxy.store import Store
from proxy.upstream import logout, userinfo
from proxy.upstream.authorize import Response, build_params, check_response
from proxy.upstream.back_channel import BackChannel
from proxy.upstream.connection_keys import ConnectionKeys
from proxy.upstream.connections import Connections
from proxy.upstream.envelope import Envelope
from proxy.upstream.id_token import Expected, bad, verify_id_token
from proxy.upstream.issuer import speaks_for
from proxy.upstream.metadata import Metadata
from proxy.upstream.refreshed import Known, build_refresh, check_refreshed, expected_of
from proxy.upstream.token import BEARER, DPOP, Tokens, build_exchange, check_answer, check_exchange, tokens


@dataclass(frozen=True, repr=False)
class Departure:
    """Where to send the browser, and what the trip must remember: nonce and verifier, which are secrets, and the issuer
    that the browser is sent to."""

    url: str
    nonce: str
    verifier: str
    issuer: str


class RelyingParty:
    """We, as the tenants see us. ``issuer`` is ours; ``leeway`` is how many seconds clocks may differ."""

    def __init__(
        self, connections: Connections, keys: ConnectionKeys, store: Store, *, issuer: str, leeway: int
    ) -> None:
        self._connections = connections
        self._issuer = issuer
        self._leeway = leeway
        self._back = BackChannel(connections.send, keys)
        self._envelope = Envelope(issuer, store, keys, self._back)

    def callback_url(self, connection: Connection) -> str:
        """Where the tenant sends answers: one address for all, or one of the connection's own (RFC 9700 4.4.2)."""
        own = f"/{connection.name}" if connection.options.own_callback else ""
        return f"{self._issuer}login/callback{own}"

    async def begin(self, connection: Connection, wishes: Wishes, *, state: str, now: float) -> Departure:
        """The way out, for a trip whose id is ``state``. Raises ``UpstreamError`` when the tenant cannot be asked where
        to go, or does not take the request; ``Unavailable``."""
        metadata = await self._connections.metadata(connection, since=now)
        nonce, verifier = _new_nonce(connection), _new_verifier(connection)
        params = build_params(
            connection,
            metadata,
            wishes,
            redirect_uri=self.callback_url(connection),
            state=state,
            nonce=nonce,
            verifier=verifier,
        )
        url = await self._envelope.address(connection, metadata, params, now)
        return Departure(url, nonce, verifier, metadata.issuer)

    async def finish(
        self, connection: Connection, trip: Transaction, params: Mapping[str, str], *, mode: str, now: float
    ) -> Identity:
        """Who came back, by ``mode`` (query, fragment or form_post). Raises ``UpstreamError``; its ``reason`` is for
        the audit log. ``keys_unavailable`` (503): the same answer may succeed later, if it holds no code;
        ``stale_login``: the person must log in anew. Raises ``Unavailable``."""
        if trip.connection != connection.name:
            raise bad("this login belongs to another connection", "wrong_connection")
        metadata = await self._connections.metadata(connection, since=trip.started_at)
        if trip.issuer not in ("", metadata.issuer):  # nor does it get the code
            raise bad("the connection has another login service by now", "issuer_changed")
        answer = check_response(params, mode, connection, metadata)
        first = await self._front(connection, metadata, trip, answer, now) if answer.id_token else None
        if answer.code:
            given = await self._exchange(connection, metadata, trip, answer.code, now)
            expected = Expected(connection, metadata.issuer, trip, self._leeway, given.access_token, answer.code)
            person = await self._verified(given.id_token, metadata, expected, now)
            if first is not None:
                _check_same(first, person)
        elif first is not None:
            given, person = _from_the_front(params, answer), first
        else:
            raise bad("the answer holds nobody", "empty_response")
        whole = await self._completed(connection, metadata, trip, person, given, now)
        return logout.with_keepsakes(whole, metadata, given.id_token, params)

    async def refresh(self, connection: Connection, refresh_token: str, known: Known, now: float) -> Tokens:
        """New tokens for the person that is ``known``; without an ID token or a refresh token if none came. Raises
        ``UpstreamError``: ``upstream_invalid_grant`` for a token that is not good any more, ``other_person`` for tokens
        of somebody else, ``issuer_changed`` where the connection has another tenant by now; ``Unavailable``."""
        metadata = await self._connections.metadata(connection, since=now)
        if not speaks_for(known.issuer, connection.options, metadata.issuer):
            raise bad("the connection has another login service by now", "issuer_changed")
        form = build_refresh(refresh_token)
        response = await self._back.post(connection, metadata, metadata.token_endpoint, form, now)
        found = check_answer(response, _scheme(connection))
        given = tokens(found, str(found.get("id_token") or ""))
        if given.id_token:
            keys = await self._connections.keys(connection, metadata, _kid(given.id_token), since=now)
            expected = expected_of(connection, metadata.issuer, self._leeway, given.access_token, now)
            check_refreshed(given.id_token, known, keys, expected, now)
        return given

    async def end_session_url(self, connection: Connection, *, back: str, hint: str, state: str, now: float) -> str:
        """Where the browser is logged out at the tenant and sent ``back``, or empty. Raises ``UpstreamError``."""
        metadata = await self._connections.metadata(connection, since=now)
        return logout.build_request(connection, metadata, back=back, hint=hint, state=state)

    async def _front(
        self, connection: Connection, metadata: Metadata, trip: Transaction, answer: Response, now: float
    ) -> Identity:
        """The person of an ID token that came through the browser, before anybody is asked anything about them."""
        expected = Expected(
            connection, metadata.issuer, trip, self._leeway, answer.access_token, answer.code, front=True
        )
        return await self._verified(answer.id_token, metadata, expected, now)

    async def _verified(self, token: str, metadata: Metadata, expected: Expected, now: float) -> Identity:
        since = expected.trip.started_at
        keys = await self._connections.keys(expected.connection, metadata, _kid(token), since=since)
        return verify_id_token(token, keys, expected, now)

    async def _exchange(
        self, connection: Connection, metadata: Metadata, trip: Transaction, code: str, now: float
    ) -> Tokens:
        """The code for tokens: asked once, whatever happens; a code is good once."""
        form = build_exchange(code=code, verifier=trip.verifier, redirect_uri=self.callback_url(connection))
        response = await self._back.post(connection, metadata, metadata.token_endpoint, form, now)
        return check_exchange(response, _scheme(connection))

    async def _completed(
        self, connection: Connection, metadata: Metadata, trip: Transaction, person: Identity, given: Tokens, now: float
    ) -> Identity:
        """The person with what the connection wants beside the ID token."""
        options = connection.options
        if options.reads_userinfo:
            said = await self._userinfo(connection, metadata, trip, person, given.access_token, now)
            person = replace(person, userinfo=said)
        return replace(person, tokens=given.kept(trip.wishes.scopes, now)) if options.hands_on_tokens else person

    async def _userinfo(
        self, connection: Connection, metadata: Metadata, trip: Transaction, person: Identity, token: str, now: float
    ) -> Mapping[str, Any]:
        request = userinfo.build_request(connection, metadata, _scheme(connection), token)
        response = await self._back.proofs.send(request, connection, now, access_token=token)
        signed = userinfo.signed_body(response, connection)
        if not signed:
            return userinfo.check_plain(response, person)
        keys = await self._connections.keys(connection, metadata, userinfo.kid_of(signed), since=trip.started_at)
        return userinfo.check_signed(signed, keys, connection, person)


def _from_the_front(params: Mapping[str, str], answer: Response) -> Tokens:
    return tokens(params, answer.id_token) if answer.access_token else Tokens(answer.id_token, "")


def _check_same(first: Identity, second: Identity) -> None:
    """OpenID Connect Core 3.3.3.6: both ID tokens of a hybrid answer are about one person at one issuer."""
    if (first.issuer, first.subject) != (second.issuer, second.subject):
        raise bad("the two ID tokens are about different people", "id_tokens_disagree")


def _scheme(connection: Connection) -> str:
    return DPOP if connection.options.dpop_signing_alg else BEARER


def _new_nonce(connection: Connection) -> str:
    """256 random bits; none for a code alone where the tenant cannot stand it."""
    options = connection.options
    return secrets.token_urlsafe(32) if options.kind != "code" or options.send_back_channel_nonce else ""


def _new_verifier(connection: Connection) -> str:
    options = connection.options
    with_code = "code" in options.kind.split()
    return pkce.new_verifier() if with_code and options.connection_settings.pkce != "disabled" else ""


def _kid(token: str) -> str | None:
    try:
        return jose.kid_of(token)
    except jose.JoseError as error:
        raise bad("the ID token is malformed", error.reason) from None
