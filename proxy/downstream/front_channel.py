"""Answers that the browser brings to the app: implicit and hybrid response types (OpenID Connect Core 3.2, 3.3), and
``none`` (OAuth 2.0 Multiple Response Types 4).

The parts of an answer are made one by one; the ID token comes last, since it is bound to the others by their hashes.
An access token from here has a grant of its own, which ends with the session. There is never a refresh token.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from proxy.downstream import grant as grants
from proxy.downstream.authorization_code import AuthorizationCode, login_of
from proxy.downstream.authorize import AuthorizeRequest
from proxy.downstream.grant import Grant, grant_key
from proxy.downstream.id_token import Occasion
from proxy.downstream.token import Issuer
from proxy.features import Feature, Respond, Response
from proxy.models import Client, Session
from proxy.models.client import RESPONSE_TYPES
from proxy.store import Op, Put


@dataclass(frozen=True)
class FrontChannel(Feature):
    """Every ``response_type`` but ``code``."""

    code: AuthorizationCode
    issuer: Issuer

    def metadata(self) -> Mapping[str, Any]:
        return {"grant_types_supported": ["implicit"]}

    def responses(self) -> Mapping[str, Respond]:
        return {kind: self.respond for kind in RESPONSE_TYPES if kind != "code"}

    def respond(self, request: AuthorizeRequest, client: Client, session: Session, now: float) -> Response:
        """What the response type names, and what must be written for it to count. Raises ``Unavailable``."""
        kinds = set(request.response_type.split(" "))
        fields: dict[str, str] = {}
        writes: tuple[Op, ...] = ()
        if "code" in kinds:
            code, writes = self.code.respond(request, client, session, now)
            fields.update(code)
        grant = self._grant(request, client, session, now)
        if "token" in kinds:
            access, also = self.issuer.access(grant, grant.scopes, now)
            fields.update({name: str(value) for name, value in access.items()})
            keep = Put(grant_key(grant.id), grant.as_value(), self.issuer.access_tokens.lifetimes.access_token)
            writes = (*writes, keep, *also)
        if "id_token" in kinds:
            beside = (fields.get("access_token", ""), fields.get("code", ""))
            what = Occasion(grant.scopes, now, *beside, nonce=request.nonce, whole=kinds == {"id_token"})
            fields["id_token"] = self.issuer.id_tokens.issue(grant, client, what)
        return fields, writes

    def _grant(self, request: AuthorizeRequest, client: Client, session: Session, now: float) -> Grant:
        return Grant(
            id=grants.new_id(),
            client_id=client.client_id,
            sid=session.sid,
            scopes=tuple(scope for scope in request.scopes if scope != "offline_access"),
            audiences=request.audiences,
            created_at=int(now),
            expires_at=int(now) + self.issuer.access_tokens.lifetimes.access_token,
            **login_of(request, client, session, self.issuer.subjects),
        )
