"""Access tokens: opaque ones, and ``at+jwt`` for a named audience (RFC 9068); and the check of both.

An opaque token is a record under its hash. A JWT one carries the grant's id in its ``jti``, so that both die with the
grant. With ``openid`` granted, a token for an API is good at userinfo too: its audience lists both, as at Auth0.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from proxy.downstream.grant import Grant, Lifetimes, access_key, grant_key, new_secret, session_key
from proxy.downstream.keys import KeyRing
from proxy.features import Bearer
from proxy.oidc import jose
from proxy.oidc.errors import Refused
from proxy.store import Get, Op, Put, Store


@dataclass(frozen=True)
class AccessTokens:
    """Issues and checks our access tokens."""

    issuer: str
    store: Store
    keys: KeyRing
    lifetimes: Lifetimes

    @property
    def userinfo(self) -> str:
        """The audience of our own userinfo endpoint."""
        return f"{self.issuer}userinfo"

    def audience(self, grant: Grant, scopes: tuple[str, ...]) -> tuple[str, ...]:
        """Whom a token of the grant with these scopes is for."""
        if not grant.audience:
            return (self.userinfo,)
        return (grant.audience, self.userinfo) if "openid" in scopes else (grant.audience,)

    def issue(self, grant: Grant, scopes: tuple[str, ...], now: float) -> tuple[str, tuple[Op, ...]]:
        """A new token for the grant and what must be written for it to count."""
        audience = self.audience(grant, scopes)
        if grant.audience:
            return self._jwt(grant, scopes, audience, now), ()
        token = new_secret()
        value = {"grant": grant.id, "sid": grant.sid, "scopes": scopes, "audience": audience, "exp": self._end(now)}
        return token, (Put(access_key(token), value, self.lifetimes.access_token),)

    def _end(self, now: float) -> int:
        return int(now) + self.lifetimes.access_token

    def _jwt(self, grant: Grant, scopes: tuple[str, ...], audience: tuple[str, ...], now: float) -> str:
        claims = {  # RFC 9068 2.2
            "iss": self.issuer,
            "sub": grant.user_id,
            "aud": list(audience) if len(audience) > 1 else audience[0],
            "client_id": grant.client_id,
            "iat": int(now),
            "exp": self._end(now),
            "jti": f"{grant.id}.{secrets.token_urlsafe(12)}",
            "scope": " ".join(scopes),
            "sid": grant.sid,
        }
        return self.keys.signer(now).sign(claims, typ="at+jwt")

    async def check(self, token: str, audience: str, now: float) -> Bearer:
        """Whose token it is. Raises ``Refused`` (invalid_token, 401) when it is unknown, ended, revoked or for
        another audience; ``Unavailable`` when the store cannot say."""
        found = self._read_jwt(token, now) if token.count(".") == 2 else await self._read_opaque(token)
        if found is None or found["exp"] <= now or audience not in found["audience"]:
            raise invalid_token()
        grant_record, session = await self.store.run(Get(grant_key(found["grant"])), Get(session_key(found["sid"])))
        grant = Grant.from_value(grant_record.value) if grant_record else None
        if grant is None or (session is None and not grant.offline):
            raise invalid_token()
        scopes, audiences = tuple(found["scopes"]), tuple(found["audience"])
        return Bearer(grant.client_id, scopes, audiences, grant.user_id, grant.profile)

    async def _read_opaque(self, token: str) -> Mapping[str, Any] | None:
        record = await self.store.get(access_key(token)) if 0 < len(token) <= 64 else None
        return record.value if record else None

    def _read_jwt(self, token: str, now: float) -> Mapping[str, Any] | None:
        try:
            claims = jose.verify_own(token, self.keys.jwks(now), typ="at+jwt")
        except jose.JoseError:
            return None
        if claims.get("iss") != self.issuer:
            return None
        audience = claims.get("aud", [])
        return {
            "grant": str(claims.get("jti", "")).partition(".")[0],
            "sid": str(claims.get("sid", "")),
            "scopes": str(claims.get("scope", "")).split(),
            "audience": [audience] if isinstance(audience, str) else audience,
            "exp": claims.get("exp", 0),
        }


def invalid_token() -> Refused:
    """The bearer error for a token that does not count (RFC 6750 3.1)."""
    return Refused("invalid_token", "the access token is unknown, expired or revoked", status=401)
