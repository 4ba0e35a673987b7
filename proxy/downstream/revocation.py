"""Revocation: a client gives a token back (RFC 7009).

A refresh token takes its whole family with it: those rotated from it, those before it, and every access token. An
access token goes alone. A token that is unknown, or another client's, gets the same answer and comes to no harm.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from proxy.downstream import access_token
from proxy.downstream import grant as grants
from proxy.downstream.access_token import AccessTokens
from proxy.downstream.grant import Grant, Refresh, grant_key
from proxy.features import Answer, Caller, Endpoint, Feature, Request
from proxy.models.client import AUTH_METHODS, SIGNED_WITH_A_KEY, SIGNED_WITH_THE_SECRET
from proxy.oidc.errors import Refused
from proxy.store import Op


@dataclass(frozen=True)
class Revocation(Feature):
    """``POST oauth/revoke``."""

    access_tokens: AccessTokens

    def endpoints(self) -> Sequence[Endpoint]:
        return (Endpoint("oauth/revoke", ("POST",), Caller.CLIENT, self.revoke, "clients"),)

    def metadata(self) -> Mapping[str, Any]:
        return {
            "revocation_endpoint": f"{self.access_tokens.issuer}oauth/revoke",
            "revocation_endpoint_auth_methods_supported": list(AUTH_METHODS),
            "revocation_endpoint_auth_signing_alg_values_supported": [*SIGNED_WITH_A_KEY, *SIGNED_WITH_THE_SECRET],
        }

    async def revoke(self, request: Request) -> Answer:
        """End the token (2.1). Raises ``Refused`` without one, ``Unavailable`` when it could not be done."""
        token, client = request.params.get("token", ""), request.client
        if not token or client is None:
            raise Refused("invalid_request", "token is missing")
        shown = Refresh.parse(token)  # each kind of token has its own form; token_type_hint is not needed
        if shown is not None:
            ending = await self._of_family(shown, client.client_id)
        else:
            ending = await self._of_access(token, client.client_id, request.now)
        if ending is not None:
            await self.access_tokens.store.run(ending)
        return Answer(json={})

    async def _of_family(self, shown: Refresh, client_id: str) -> Op | None:
        record = await self.access_tokens.store.get(grant_key(shown.grant_id))
        grant = Grant.from_value(record.value) if record else None
        if grant is None or grant.client_id != client_id or not shown.is_of(grant):
            return None
        return grants.revoke(grant.id)

    async def _of_access(self, token: str, client_id: str, now: float) -> Op | None:
        try:
            found, grant = await self.access_tokens.live(token, now)
        except Refused:
            return None
        return access_token.end(token, found, now) if grant.client_id == client_id else None
