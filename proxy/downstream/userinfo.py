"""The userinfo endpoint: claims of the granted scopes (OpenID Connect Core 5.3), signed for clients that asked so.

They are told as long as the policy still allows it, as introspection would say: not after the connection was disabled
for the client, or the consent revoked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from proxy.downstream.access_token import invalid_token
from proxy.downstream.id_token import STANDARD, claims_for
from proxy.downstream.keys import KeyRing
from proxy.downstream.standing import Standing
from proxy.features import Answer, Caller, Endpoint, Feature, Request
from proxy.oidc.errors import Refused

PROTOCOL_CLAIMS = ("sub", "iss", "aud", "exp", "iat", "auth_time", "nonce", "acr", "amr", "sid")
SIGNED = "userinfo+jwt"
"""A type of its own: by signer and audience it could pass for an ID token (RFC 8725 3.11)."""


@dataclass(frozen=True)
class UserInfo(Feature):
    """``GET`` and ``POST userinfo``."""

    issuer: str
    keys: KeyRing
    standing: Standing

    def endpoints(self) -> Sequence[Endpoint]:
        return (Endpoint("userinfo", ("GET", "POST"), Caller.BEARER, self.serve, "clients"),)

    def metadata(self) -> Mapping[str, Any]:
        return {
            "userinfo_endpoint": f"{self.issuer}userinfo",
            "userinfo_signing_alg_values_supported": list(self.keys.algorithms),
            "claims_supported": [*PROTOCOL_CLAIMS, *sorted(STANDARD)],
        }

    async def serve(self, request: Request) -> Answer:
        """The claims. Raises ``Refused``: insufficient_scope for a token without ``openid``, invalid_token for one that
        the policy does not allow any more; ``Unavailable``."""
        bearer, client = request.bearer, request.client
        if bearer is None or client is None or "openid" not in bearer.scopes:
            raise Refused("insufficient_scope", "the access token was not granted openid", status=403)
        if not await self.standing.holds(bearer.grant, client):
            raise invalid_token("not_allowed_any_more")
        claims = {**claims_for(bearer.scopes, bearer.profile, bearer.claims), "sub": bearer.subject}
        alg = client.userinfo_signed_response_alg
        if not alg:
            return Answer(json=claims)
        signed = {**claims, "iss": self.issuer, "aud": client.client_id}  # 5.3.2
        return Answer(jwt=self.keys.signer(request.now, alg).sign(signed, typ=SIGNED))
