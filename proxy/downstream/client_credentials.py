"""The client credentials grant: access for the client itself, with no person behind it (RFC 6749 4.4).

The token is an ``at+jwt`` for one API that the client has a grant for; its subject is the client (RFC 9068 2.2). There
is no ID token and no refresh token. It has a grant record like any other, so that it can be revoked.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from proxy.downstream import grant as grants
from proxy.downstream.authorize_rules import audiences_of
from proxy.downstream.grant import Grant, grant_key
from proxy.downstream.token import Issuer
from proxy.features import Feature, Redeem, Request
from proxy.models import Client
from proxy.models.client import ApiGrant
from proxy.oidc.errors import Refused
from proxy.oidc.params import words
from proxy.store import Put, Store


@dataclass(frozen=True)
class ClientCredentials(Feature):
    """``grant_type=client_credentials``."""

    store: Store
    issuer: Issuer

    def grants(self) -> Mapping[str, Redeem]:
        return {"client_credentials": self.redeem}

    async def redeem(self, request: Request, client: Client) -> Mapping[str, Any]:
        """A token for the client (4.4.2). Raises ``Refused``, ``Unavailable``."""
        if client.is_public:  # 4.4: whoever knows its name would be it
            raise Refused("unauthorized_client", "the client cannot prove who it is")
        api = api_of(request.params, client)
        scopes = scopes_of(request.params, api)
        seconds = self.issuer.access_tokens.lifetimes.access_token
        grant = own_grant(client, api.audience, scopes, request.now, seconds)
        answer, writes = self.issuer.access(grant, scopes, request.now, jkt=request.jkt)
        await self.store.run(Put(grant_key(grant.id), grant.as_value(), seconds), *writes)
        return answer


def api_of(params: Mapping[str, str], client: Client) -> ApiGrant:
    """The one API that is asked for by Auth0's ``audience`` or by ``resource`` (RFC 8707 2.2), else the only one the
    client may use. Raises ``Refused``."""
    asked = audiences_of(params)
    if not asked:
        if len(client.grants) != 1:
            held = "grants for several APIs" if client.grants else "no grant for an API"
            raise Refused("invalid_request", f"audience is missing, and the client has {held}")
        return client.grants[0]
    found = client.api(asked[0])
    if found is None or len(asked) > 1:
        why = "a token is for one API" if found else "the client has no grant for this audience"
        raise Refused("invalid_target", why)
    return found


def scopes_of(params: Mapping[str, str], api: ApiGrant) -> tuple[str, ...]:
    """The scopes asked for, which the client's grant for the API must hold; none asked: all of them. Raises
    ``Refused``."""
    asked = words(params.get("scope", ""))
    if not set(asked) <= set(api.scopes):
        raise Refused("invalid_scope", "the client has no grant for a scope that was asked for")
    return asked or api.scopes


def own_grant(client: Client, audience: str, scopes: tuple[str, ...], now: float, seconds: int) -> Grant:
    """The record behind the token: of no person, tied to no session."""
    return Grant(
        id=grants.new_id(),
        client_id=client.client_id,
        user_id="",
        sid="",
        connection="",
        scopes=scopes,
        auth_time=0,
        created_at=int(now),
        expires_at=int(now) + seconds,
        profile={},
        audiences=(audience,),
        offline=True,
    )
