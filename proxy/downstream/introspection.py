"""Introspection: what a token means, for whoever may know it (RFC 7662), as JSON or signed (RFC 9701).

A token may be known by the client it was given to, and an access token also by a client whose ``client_id`` is one of
its audiences: that is how an API is registered here. To everybody else every token is inactive. A token is active as
long as the policy still allows it: that is asked anew each time, as at a refresh.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from proxy.downstream import grant as grants
from proxy.downstream.access_token import AccessTokens, Found, one_or_many
from proxy.downstream.clients import Clients
from proxy.downstream.consents import Consents
from proxy.downstream.grant import Grant, Refresh, grant_key
from proxy.downstream.id_token import claims_for
from proxy.downstream.standing import Standing
from proxy.features import Answer, Caller, Endpoint, Feature, Request
from proxy.models import Client, Connection
from proxy.models.client import AUTH_METHODS, SIGNED_WITH_A_KEY, SIGNED_WITH_THE_SECRET
from proxy.oidc.errors import Refused

INACTIVE: Mapping[str, Any] = {"active": False}
SIGNED = "token-introspection+jwt"


@dataclass(frozen=True)
class Introspection(Feature):
    """``POST oauth/introspect``."""

    access_tokens: AccessTokens
    clients: Clients
    connections: Mapping[str, Connection]
    consents: Consents

    @property
    def issuer(self) -> str:
        """Who answers."""
        return self.access_tokens.issuer

    def endpoints(self) -> Sequence[Endpoint]:
        return (Endpoint("oauth/introspect", ("POST",), Caller.CLIENT, self.introspect),)

    def metadata(self) -> Mapping[str, Any]:
        return {
            "introspection_endpoint": f"{self.issuer}oauth/introspect",
            "introspection_endpoint_auth_methods_supported": [way for way in AUTH_METHODS if way != "none"],
            "introspection_endpoint_auth_signing_alg_values_supported": [*SIGNED_WITH_A_KEY, *SIGNED_WITH_THE_SECRET],
            "introspection_signing_alg_values_supported": list(self.access_tokens.keys.algorithms),
        }

    async def introspect(self, request: Request) -> Answer:
        """What the token means to the client that asks (2.2). Raises ``Refused``, ``Unavailable``."""
        client = request.client
        if client is None or client.is_public:  # 2.1: whoever knows its name would be it
            text = "introspection is for clients that can prove who they are"
            raise Refused("invalid_client", text, reason="public_client", status=401)
        token = request.params.get("token", "")
        if not token:
            raise Refused("invalid_request", "token is missing")
        about = await self._about(token, client, request.now)
        if client.introspection_signed_response_alg or wants_signed(request.headers.get("Accept", "")):
            return self._signed(about, client, request.now)
        return Answer(json=about)

    def _signed(self, about: Mapping[str, Any], client: Client, now: float) -> Answer:
        """The same as a JWT for this client alone (RFC 9701 5)."""
        signer = self.access_tokens.keys.signer(now, client.introspection_signed_response_alg or "RS256")
        claims = {"iss": self.issuer, "aud": client.client_id, "iat": int(now), "token_introspection": about}
        return Answer(jwt=signer.sign(claims, typ=SIGNED), jwt_type=f"application/{SIGNED}")

    async def _about(self, token: str, client: Client, now: float) -> Mapping[str, Any]:
        """``token_type_hint`` is not needed: each kind of token has its own form."""
        shown = Refresh.parse(token)
        if shown is not None:
            return await self._refresh_token(shown, client, now)
        try:
            found, grant = await self.access_tokens.live(token, now)
        except Refused:
            return INACTIVE
        if client.client_id not in (grant.client_id, *found.audience) or not await self._still_allowed(grant, now):
            return INACTIVE
        return {**self._common(grant, found.scopes), **of_access_token(found)}

    async def _refresh_token(self, shown: Refresh, client: Client, now: float) -> Mapping[str, Any]:
        """Only the newest of a family is good, and only its own client may know it."""
        record = await self.access_tokens.store.get(grant_key(shown.grant_id))
        grant = Grant.from_value(record.value) if record else None
        if grant is None or grant.client_id != client.client_id or not hmac.compare_digest(shown.hash, grant.head):
            return INACTIVE
        ends = grants.refresh_ends(grant, self.access_tokens.lifetimes)
        if now >= ends or not await self._still_allowed(grant, now):
            return INACTIVE
        bound = {"cnf": {"jkt": grant.jkt}} if grant.jkt else {}
        return {**self._common(grant, grant.scopes), "iat": grant.rotated_at, "exp": ends, **bound}

    async def _still_allowed(self, grant: Grant, now: float) -> bool:
        """Whether the client is still there, with its APIs, its connection and the person's consent."""
        owner = await self.clients.find(grant.client_id, now)
        return owner is not None and await Standing(self.connections, self.consents).holds(grant, owner)

    def _common(self, grant: Grant, scopes: tuple[str, ...]) -> dict[str, Any]:
        person = {"sid": grant.sid} if grant.user_id else {}
        username = claims_for(scopes, grant.profile).get("preferred_username")
        return {
            "active": True,
            "iss": self.issuer,
            "client_id": grant.client_id,
            "sub": grant.subject or grant.client_id,
            "scope": " ".join(scopes),
            **person,
            **({"username": username} if username else {}),
        }


def of_access_token(found: Found) -> dict[str, Any]:
    """What an access token says beyond its grant (2.2, RFC 9449 6.2)."""
    return {
        "token_type": "DPoP" if found.jkt else "Bearer",
        "aud": one_or_many(found.audience),
        "iat": found.iat,
        "exp": found.exp,
        **({"jti": found.jti} if found.jti else {}),
        **({"cnf": {"jkt": found.jkt}} if found.jkt else {}),
    }


def wants_signed(accept: str) -> bool:
    """Whether the header names the signed form (RFC 9701 4)."""
    return any(kind.partition(";")[0].strip().lower() == f"application/{SIGNED}" for kind in accept.split(","))
