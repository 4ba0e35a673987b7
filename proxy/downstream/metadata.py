"""Publish what we can do: discovery (OpenID Connect Discovery 4, RFC 8414) and the key set (RFC 7517).

The document is the sum of what the features say, so it never advertises what is not there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from proxy.downstream.keys import KeyRing
from proxy.downstream.ring import CACHED_FOR
from proxy.features import Answer, Caller, Endpoint, Feature, Request
from proxy.models.client_rules import ID_TOKEN_MAC

FRESH_ENOUGH = 1.0
"""Seconds that a node's copy of the keys may be old when it publishes them."""


def joined(features: Sequence[Feature]) -> Mapping[str, Any]:
    """What all features say, lists put together without doubles."""
    document: dict[str, Any] = {}
    for feature in features:
        for name, value in feature.metadata().items():
            known = document.get(name)
            document[name] = [*known, *(v for v in value if v not in known)] if isinstance(known, list) else value
    return document


@dataclass(frozen=True)
class Metadata(Feature):
    """The well-known documents."""

    issuer: str
    keys: KeyRing
    document: Mapping[str, Any]

    def endpoints(self) -> Sequence[Endpoint]:
        return (
            Endpoint(".well-known/openid-configuration", ("GET",), Caller.ANYONE, self.discovery, "public"),
            Endpoint(".well-known/oauth-authorization-server", ("GET",), Caller.ANYONE, self.discovery, "public"),
            Endpoint(".well-known/jwks.json", ("GET",), Caller.ANYONE, self.jwks, "public"),
        )

    async def discovery(self, request: Request) -> Answer:
        """The provider's metadata."""
        own = {
            "issuer": self.issuer,
            "jwks_uri": f"{self.issuer}.well-known/jwks.json",
            "subject_types_supported": ["public", "pairwise"],
            "id_token_signing_alg_values_supported": [*self.keys.algorithms, ID_TOKEN_MAC],
        }
        return Answer(json={**own, **self.document}, headers={"Cache-Control": "public, max-age=300"})

    async def jwks(self, request: Request) -> Answer:
        """Our public keys, the next one among them."""
        await self.keys.refresh(request.now, older_than=FRESH_ENOUGH)
        return Answer(json=self.keys.jwks(request.now), headers={"Cache-Control": f"public, max-age={CACHED_FOR}"})
