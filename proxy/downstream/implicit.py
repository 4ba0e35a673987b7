"""The ID token from the authorization endpoint: ``response_type=id_token`` (OpenID Connect Core 3.2).

For apps, and for another Isthmus, that take everything from an ID token which the browser brings. There is no access
token, so the claims of the granted scopes are in it whatever the client's ``id_token_claims`` (5.4).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from proxy.downstream import id_token
from proxy.downstream.authorize import AuthorizeRequest
from proxy.downstream.keys import KeyRing
from proxy.features import Feature, Respond, Response
from proxy.models import Session


@dataclass(frozen=True)
class Implicit(Feature):
    """``response_type=id_token``. ``seconds`` is how long the token is good."""

    issuer: str
    keys: KeyRing
    seconds: int

    def metadata(self) -> Mapping[str, Any]:
        return {"grant_types_supported": ["implicit"]}

    def responses(self) -> Mapping[str, Respond]:
        return {"id_token": self.respond}

    def respond(self, request: AuthorizeRequest, session: Session, now: float) -> Response:
        """The ID token. Nothing has to be written for it to count. Raises ``Unavailable`` without a key."""
        claims = {
            **id_token.claims_for(request.scopes, session.profile),
            **id_token.protocol_claims(session, request.client_id, issuer=self.issuer, now=now, seconds=self.seconds),
            "nonce": request.nonce,
        }
        return {"id_token": self.keys.signer(now).sign(claims, typ="JWT")}, ()
