"""The token endpoint: dispatch to the grants, build the answer (RFC 6749 3.2, 5).

What holds for every grant stands here once: the grant must be known, the client must be allowed it, a proof of a key is
checked (RFC 9449 5), and the answer is built in one place.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from proxy.downstream.access_token import AccessTokens
from proxy.downstream.dpop import Proofs
from proxy.downstream.grant import Grant
from proxy.downstream.id_token import IdTokens, Occasion
from proxy.downstream.subjects import Subjects
from proxy.features import Answer, Caller, Endpoint, Feature, Redeem, Request
from proxy.models import Client
from proxy.models.client import AUTH_METHODS, SIGNED_WITH_A_KEY, SIGNED_WITH_THE_SECRET
from proxy.models.client_rules import ID_TOKEN_MAC
from proxy.oidc.dpop import ALGORITHMS
from proxy.oidc.errors import Refused
from proxy.oidc.params import printable
from proxy.store import Op


@dataclass(frozen=True)
class Token(Feature):
    """``POST oauth/token``."""

    issuer: str
    grant_types: Mapping[str, Redeem]
    proofs: Proofs

    def endpoints(self) -> Sequence[Endpoint]:
        return (Endpoint("oauth/token", ("POST",), Caller.CLIENT, self.exchange, "clients"),)

    def metadata(self) -> Mapping[str, Any]:
        return {
            "token_endpoint": f"{self.issuer}oauth/token",
            "grant_types_supported": list(self.grant_types),
            "token_endpoint_auth_methods_supported": list(AUTH_METHODS),
            "token_endpoint_auth_signing_alg_values_supported": [*SIGNED_WITH_A_KEY, *SIGNED_WITH_THE_SECRET],
            "dpop_signing_alg_values_supported": list(ALGORITHMS),
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
        jkt = await self._jkt(request, client)
        if not jkt:
            return Answer(json=await redeem(request, client))
        return Answer(json=await redeem(replace(request, jkt=jkt), client), headers=self.proofs.headers(request.now))

    async def _jkt(self, request: Request, client: Client) -> str:
        """The key that the request proves to hold, or empty. Raises ``Refused``, ``Unavailable``."""
        jkt = await self.proofs.jkt_of_request(request, "oauth/token")
        if client.dpop_bound_access_tokens and not jkt:  # RFC 9449 5.2
            raise Refused("invalid_request", "this client must send a DPoP proof", reason="no_dpop_proof")
        return jkt


@dataclass(frozen=True)
class Issuer:
    """Builds the token answer that all grants give."""

    access_tokens: AccessTokens
    id_tokens: IdTokens
    subjects: Subjects

    def check_can_sign(self, client: Client, now: float) -> None:
        """Whether there are keys for what ``client`` is given. Raises ``Unavailable``: asked before anything is used up
        for an answer that could not be made."""
        for alg in {"RS256", client.id_token_signed_response_alg} - {ID_TOKEN_MAC}:
            self.access_tokens.keys.signer(now, alg)

    def issue(
        self,
        grant: Grant,
        client: Client,
        now: float,
        *,
        scopes: tuple[str, ...],
        nonce: str = "",
        refresh: str = "",
        jkt: str = "",
    ) -> tuple[Mapping[str, Any], tuple[Op, ...]]:
        """The answer (RFC 6749 5.1, OpenID Connect Core 3.1.3.3), and what must be written for it to count. The access
        token is bound to the key ``jkt``, if there is one."""
        answer, writes = self.access(grant, scopes, now, jkt=jkt)
        if refresh:
            answer["refresh_token"] = refresh
        if "openid" in scopes:
            what = Occasion(scopes, now, answer["access_token"], nonce=nonce)
            answer["id_token"] = self.id_tokens.issue(grant, client, what)
        return answer, writes

    def access(
        self, grant: Grant, scopes: tuple[str, ...], now: float, *, jkt: str = ""
    ) -> tuple[dict[str, Any], tuple[Op, ...]]:
        """The part of an answer that is about the access token (RFC 6749 5.1), and what must be written for it."""
        token, writes = self.access_tokens.issue(grant, scopes, now, jkt=jkt)
        seconds, kind = self.access_tokens.lifetimes.access_token, "DPoP" if jkt else "Bearer"
        return {"access_token": token, "token_type": kind, "expires_in": seconds, "scope": " ".join(scopes)}, writes
