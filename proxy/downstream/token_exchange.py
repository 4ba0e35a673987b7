"""Token exchange (RFC 8693): for a token of ours, the token that the tenant gave at the person's login.

For clients that call the tenant's own APIs for the person. Auth0 has a grant type of its own for it, which is the same
here. Nothing is made: what the tenant gave is handed on, refreshed where it has ended, as long as the session lives.
The client must prove who it is, since an API that sees its access tokens could ask in its place.
"""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from proxy.downstream import grant as grants
from proxy.downstream.access_token import AccessTokens
from proxy.downstream.consents import Consents
from proxy.downstream.grant import Grant, Lifetimes, Refresh, grant_key, session_key
from proxy.downstream.standing import Standing
from proxy.features import Feature, Redeem, Request
from proxy.models import Client, Connection, TenantTokens
from proxy.models.client import FEDERATED_TOKEN, TOKEN_EXCHANGE
from proxy.models.connection import serves
from proxy.oidc.errors import Refused
from proxy.store import Store

ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"
REFRESH_TOKEN = "urn:ietf:params:oauth:token-type:refresh_token"
"""Token types (3)."""
OF_THE_TENANT = "http://auth0.com/oauth/token-type/federated-connection-access-token"
"""Auth0's name for what is asked for."""
Find = Callable[[Grant, float], Awaitable[TenantTokens | None]]
"""What the tenant gave at the last login of a grant's person through its connection, refreshed if it has ended. Raises
``Refused`` when it cannot be had any more, or not now."""


@dataclass(frozen=True)
class TokenExchange(Feature):
    """``grant_type`` token exchange, under both its names."""

    store: Store
    access_tokens: AccessTokens
    lifetimes: Lifetimes
    connections: Mapping[str, Connection]
    find: Find

    def grants(self) -> Mapping[str, Redeem]:
        return {TOKEN_EXCHANGE: self.redeem, FEDERATED_TOKEN: self.redeem}

    async def redeem(self, request: Request, client: Client) -> Mapping[str, Any]:
        """The tenant's token (2.2.1). Raises ``Refused`` (2.2.2), ``Unavailable``."""
        if client.is_public:
            raise Refused("unauthorized_client", "the client cannot prove who it is")
        check_wish(request.params)
        grant = await self._grant(request.params, client, request.now)
        self._check_connection(request.params["connection"], grant, client)
        if not await Standing(self.connections, Consents(self.store)).holds(grant, client):
            raise no_subject("not_allowed_any_more")
        if await self.store.get(session_key(grant.sid)) is None:
            raise log_in_again("session_ended")
        found = await self.find(grant, request.now)
        if found is None:
            raise log_in_again("no_tenant_token")
        return answer_of(found, request.params.get("requested_token_type", ACCESS_TOKEN), request.now)

    async def _grant(self, params: Mapping[str, str], client: Client, now: float) -> Grant:
        """The live grant of the client that the subject token is of."""
        token = params["subject_token"]
        by_kind = self._of_access if params["subject_token_type"] == ACCESS_TOKEN else self._of_refresh
        grant = await by_kind(token, now)
        if grant is None or grant.client_id != client.client_id or not grant.user_id:
            raise no_subject("subject_token")
        return grant

    async def _of_access(self, token: str, now: float) -> Grant | None:
        try:
            _, grant = await self.access_tokens.live(token, now)
        except Refused:
            return None
        return grant

    async def _of_refresh(self, token: str, now: float) -> Grant | None:
        """Only the newest of a family, and without using it up."""
        shown = Refresh.parse(token)
        record = await self.store.get(grant_key(shown.grant_id)) if shown else None
        grant = Grant.from_value(record.value) if record else None
        if shown is None or grant is None or not hmac.compare_digest(shown.hash, grant.head):
            return None
        return grant if now < grants.refresh_ends(grant, self.lifetimes) else None

    def _check_connection(self, name: str, grant: Grant, client: Client) -> None:
        """The connection asked for is the one the person came through, is still open to the client, and keeps tokens.
        Raises ``Refused``."""
        connection = self.connections.get(grant.connection)
        if name != grant.connection or connection is None or not serves(connection, client):
            raise Refused("invalid_target", "the person did not come through this connection")
        if not connection.options.keeps_tokens:
            raise Refused("invalid_target", "the tokens of this connection are not kept", reason="tokens_not_kept")


def check_wish(params: Mapping[str, str]) -> None:
    """What can be asked for, and for what (2.1). Raises ``Refused``."""
    for name in ("subject_token", "subject_token_type", "connection"):
        if name not in params:
            raise Refused("invalid_request", f"{name} is missing")
    if params["subject_token_type"] not in (ACCESS_TOKEN, REFRESH_TOKEN):
        raise Refused("invalid_request", "subject_token_type must be that of an access token or a refresh token")
    if params.get("requested_token_type", ACCESS_TOKEN) not in (ACCESS_TOKEN, OF_THE_TENANT):
        raise Refused("invalid_request", "requested_token_type must be that of an access token")
    if "actor_token" in params:
        raise Refused("invalid_request", "actor_token is not supported")
    if "audience" in params or "resource" in params:
        raise Refused("invalid_target", "the token is for whatever the tenant made it for; name the connection alone")


def answer_of(found: TenantTokens, kind: str, now: float) -> Mapping[str, Any]:
    """The answer (2.2.1)."""
    seconds = {} if found.expires_at is None else {"expires_in": int(found.expires_at - now)}
    scope = {"scope": found.scope} if found.scope else {}
    return {
        "access_token": found.access_token,
        "issued_token_type": kind,
        "token_type": "Bearer",
        **seconds,
        **scope,
    }


def no_subject(reason: str) -> Refused:
    """The error for a subject token that stands for nothing here (2.2.2)."""
    return Refused("invalid_request", "subject_token is no live token of this client", reason=reason)


def log_in_again(reason: str) -> Refused:
    """There was something to give, or will be after the next login."""
    text = "there is no good token of the tenant for this person; they must log in again"
    return Refused("invalid_grant", text, reason=reason)
