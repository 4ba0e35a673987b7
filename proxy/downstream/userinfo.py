"""The userinfo endpoint: claims of the granted scopes (OpenID Connect Core 5.3)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from proxy.downstream.id_token import STANDARD, claims_for
from proxy.features import Answer, Caller, Endpoint, Feature, Request
from proxy.oidc.errors import Refused


@dataclass(frozen=True)
class UserInfo(Feature):
    """``GET`` and ``POST userinfo``."""

    issuer: str

    def endpoints(self) -> Sequence[Endpoint]:
        return (Endpoint("userinfo", ("GET", "POST"), Caller.BEARER, self.serve),)

    def metadata(self) -> Mapping[str, Any]:
        return {
            "userinfo_endpoint": f"{self.issuer}userinfo",
            "claims_supported": ["sub", "iss", "aud", "exp", "iat", "auth_time", "sid", *sorted(STANDARD)],
        }

    async def serve(self, request: Request) -> Answer:
        """The claims. Raises ``Refused`` (insufficient_scope) for a token without ``openid``."""
        bearer = request.bearer
        if bearer is None or "openid" not in bearer.scopes:
            raise Refused("insufficient_scope", "the access token was not granted openid", status=403)
        return Answer(json={**claims_for(bearer.scopes, bearer.profile), "sub": bearer.user_id})
