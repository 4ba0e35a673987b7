"""The token endpoint: dispatch to the grants, build the answer (RFC 6749 3.2, 5).

What holds for every grant stands here once: the grant must be known, the client must be allowed it, and the answer is
built in one place.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from proxy.downstream import id_token
from proxy.downstream.access_token import AccessTokens
from proxy.downstream.grant import Grant
from proxy.features import Answer, Caller, Endpoint, Feature, Redeem, Request
from proxy.models import Client
from proxy.oidc.errors import Refused
from proxy.oidc.params import printable
from proxy.store import Op


@dataclass(frozen=True)
class Token(Feature):
    """``POST oauth/token``."""

    issuer: str
    grant_types: Mapping[str, Redeem]

    def endpoints(self) -> Sequence[Endpoint]:
        return (Endpoint("oauth/token", ("POST",), Caller.CLIENT, self.exchange),)

    def metadata(self) -> Mapping[str, Any]:
        return {
            "token_endpoint": f"{self.issuer}oauth/token",
            "grant_types_supported": list(self.grant_types),
            "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "none"],
        }

    async def exchange(self, request: Request) -> Answer:
        """Redeem whatever the client brings. Raises ``Refused``."""
        client = request.client
        asked = request.params.get("grant_type", "")
        if not asked:
            raise Refused("invalid_request", "grant_type is missing")
        redeem = self.grant_types.get(asked)
        if redeem is None or client is None:
            raise Refused("unsupported_grant_type", f"grant_type {printable(asked, 60)} is not offered here")
        if asked not in client.grant_types:
            raise Refused("unauthorized_client", "the client may not use this grant_type")
        return Answer(json=await redeem(request, client))


@dataclass(frozen=True)
class Issuer:
    """Builds the token answer that all grants give."""

    issuer: str
    access_tokens: AccessTokens

    def issue(
        self, grant: Grant, client: Client, now: float, *, scopes: tuple[str, ...], nonce: str = "", refresh: str = ""
    ) -> tuple[Mapping[str, Any], tuple[Op, ...]]:
        """The answer (RFC 6749 5.1, OpenID Connect Core 3.1.3.3), and what must be written for it to count."""
        lifetimes = self.access_tokens.lifetimes
        access, writes = self.access_tokens.issue(grant, scopes, now)
        answer: dict[str, Any] = {"access_token": access, "token_type": "Bearer", "expires_in": lifetimes.access_token}
        if refresh:
            answer["refresh_token"] = refresh
        if "openid" in scopes:
            what = id_token.Occasion(scopes, access, now, nonce)
            signer = self.access_tokens.keys.signer(now)
            answer["id_token"] = id_token.issue(
                grant, client, signer, what, issuer=self.issuer, seconds=lifetimes.id_token
            )
        return {**answer, "scope": " ".join(scopes)}, writes
