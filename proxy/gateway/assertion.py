"""What the gateway says of a person, signed: a short-lived JWT for the app of one route (``X-Isthmus-Assertion``).

An app that checks it needs no trust in the network between us: a header that did not come through the gateway has no
signature (GW-39). Its type is its own (RFC 8725 3.11), its audience the address of the route: it is no ID token, no
access token, and nothing for another app. Its keys are those of our JWKS, of the quickest algorithm that is switched on
and may sign.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from proxy.downstream.keys import KeyRing
from proxy.models import Session
from proxy.models.route import OWN_PATH, Route
from proxy.oidc.errors import Unavailable
from proxy.oidc.jose import Signer

TYPE = "isthmus-assertion+jwt"
HEADER = "X-Isthmus-Assertion"
SOURCE = "isthmus"
"""How an assertion calls the place where the claims are that it has no room for (OpenID Connect Core 5.6.2)."""


def signer_of(keys: KeyRing, now: float) -> Signer:
    """ES256's if it may sign, else RS256's. Raises ``Unavailable``."""
    if "ES256" in keys.algorithms:
        try:
            return keys.signer(now, "ES256")
        except Unavailable:  # just switched on: not every reader of our keys has its first one yet
            return keys.signer(now)
    return keys.signer(now)


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """Claims that are fetched: ``names`` at ``endpoint`` with the bearer token ``reference``."""

    names: tuple[str, ...]
    endpoint: str
    reference: str

    def claims(self) -> Mapping[str, Any]:
        """As distributed claims (OpenID Connect Core 5.6.2)."""
        source = {"endpoint": self.endpoint, "access_token": self.reference}
        return {"_claim_names": dict.fromkeys(self.names, SOURCE), "_claim_sources": {SOURCE: source}}


@dataclass(frozen=True)
class Assertions:
    """Signs assertions that live for ``seconds``. ``issuer`` is our own."""

    issuer: str
    keys: KeyRing
    seconds: int

    def sign(
        self, audience: str, session: Session, claims: Mapping[str, Any], now: float, elsewhere: Elsewhere | None = None
    ) -> str:
        """An assertion about the session's person. What it says itself no claim can say. Raises ``Unavailable``."""
        begins = int(now)
        own = {
            "iss": self.issuer,
            "aud": audience,
            "sub": session.user_id,
            "sid": session.sid,
            "iat": begins,
            "nbf": begins,
            "exp": begins + self.seconds,
            "jti": secrets.token_urlsafe(12),
        }
        away = elsewhere.claims() if elsewhere else {}
        return signer_of(self.keys, now).sign({**claims, **away, **own}, typ=TYPE)


def audience_of(route: Route, origin: str) -> str:
    """Whom an assertion for the route is for: the address of the app, as the browser knows it."""
    return f"{origin}{route.path_prefix}"


def claims_endpoint(origin: str) -> str:
    """Where the app of a route at ``origin`` gets what there was no room for."""
    return f"{origin}{OWN_PATH}/claims"
