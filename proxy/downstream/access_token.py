"""Access tokens: opaque ones, and ``at+jwt`` for a named audience (RFC 9068); and the check of both.

An opaque token is a record under its hash. A JWT one carries the grant's id in its ``jti``, so that both die with the
grant; revoked by itself, it is denied by that name. With ``openid`` granted, a token for an API is good at userinfo
too: its audience lists both, as at Auth0. A token that is bound to a key is good with a proof of that key alone
(RFC 9449 6).
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from proxy.downstream import dpop
from proxy.downstream.grant import Grant, Lifetimes, access_key, denied_key, grant_key, new_secret, session_key
from proxy.downstream.keys import KeyRing
from proxy.features import Bearer
from proxy.oidc import jose
from proxy.oidc.dpop import Proof
from proxy.oidc.errors import Refused
from proxy.store import Drop, Get, Op, Put, Store

CLOCKS_APART = 60
"""Seconds that a denied token is remembered beyond its end: the store's clock is not ours."""


@dataclass(frozen=True)
class Found:
    """What an access token says. ``jti`` is the name of a JWT, empty for an opaque one; ``jkt`` is the thumbprint of
    the key it is bound to, or empty."""

    grant: str
    sid: str
    scopes: tuple[str, ...]
    audience: tuple[str, ...]
    iat: int
    exp: int
    jti: str = ""
    jkt: str = ""


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
        if not grant.audiences:
            return (self.userinfo,)
        return (*grant.audiences, self.userinfo) if "openid" in scopes else grant.audiences

    def issue(self, grant: Grant, scopes: tuple[str, ...], now: float, *, jkt: str = "") -> tuple[str, tuple[Op, ...]]:
        """A new token for the grant, bound to the key ``jkt`` if there is one, and what must be written for it to
        count."""
        audience, begins = self.audience(grant, scopes), int(now)
        found = Found(grant.id, grant.sid, scopes, audience, begins, begins + self.lifetimes.access_token, jkt=jkt)
        if grant.audiences:
            return self._jwt(found, grant, now), ()
        token = new_secret()
        value = {name: value for name, value in vars(found).items() if value}
        return token, (Put(access_key(token), value, self.lifetimes.access_token),)

    def _jwt(self, found: Found, grant: Grant, now: float) -> str:
        claims = {  # RFC 9068 2.2
            "iss": self.issuer,
            "sub": grant.subject or grant.client_id,
            "aud": one_or_many(found.audience),
            "client_id": grant.client_id,
            "iat": found.iat,
            "exp": found.exp,
            "jti": f"{grant.id}.{secrets.token_urlsafe(12)}",
            "scope": " ".join(found.scopes),
            **({"sid": grant.sid} if grant.user_id else {"gty": "client-credentials"}),  # as at Auth0
            **({"cnf": {"jkt": found.jkt}} if found.jkt else {}),
        }
        return self.keys.signer(now).sign(claims, typ="at+jwt")

    async def check(self, token: str, audience: str, now: float, proof: Proof | None = None) -> Bearer:
        """Whose token it is; ``proof`` is what came along with it, and is used up. Raises ``Refused``: invalid_token
        (401) when it is unknown, ended, revoked, bound to another key, or for another audience, insufficient_scope
        (403) when it is about nobody and userinfo is asked; ``Unavailable`` when the store cannot say."""
        found = await self._read(token, now)
        if found.jkt != (proof.jkt if proof else ""):  # neither may come without the other (RFC 9449 7.1, 7.2)
            raise invalid_token("bound_to_another_key")
        grant, answers = await self._grant(found, *((dpop.use(proof),) if proof else ()))
        if any(answer is not None for answer in answers):
            raise dpop.used_before(401)
        if audience == self.userinfo and not grant.user_id:
            raise Refused("insufficient_scope", "the access token is about no person", status=403)
        if audience not in found.audience:
            raise invalid_token("for_another_audience")
        by_name = tuple(grant.claims.get("userinfo", ()))
        return Bearer(
            client_id=grant.client_id,
            scopes=found.scopes,
            audience=found.audience,
            user_id=grant.user_id,
            profile=grant.profile,
            subject=grant.subject,
            claims=by_name,
            jkt=found.jkt,
            grant=grant,
        )

    async def live(self, token: str, now: float) -> tuple[Found, Grant]:
        """What a token says, for whatever audience and whoever holds the key, and the grant it is of. Raises
        ``Refused`` (invalid_token, 401) when it is unknown, ended or revoked; ``Unavailable``."""
        found = await self._read(token, now)
        grant, _ = await self._grant(found)
        return found, grant

    async def _read(self, token: str, now: float) -> Found:
        found = self._read_jwt(token, now) if token.count(".") == 2 else await self._read_opaque(token)
        if found is None or not isinstance(found.exp, int) or found.exp <= now:
            raise invalid_token()
        return found

    async def _grant(self, found: Found, *also: Op) -> tuple[Grant, Sequence[Any]]:
        """The grant, if it and the token still count, and the answers to ``also``: all in one round trip."""
        denied = (Get(denied_key(found.jti)),) if found.jti else ()
        asked = (Get(grant_key(found.grant)), Get(session_key(found.sid)), *denied, *also)
        record, session, *rest = await self.store.run(*asked)
        grant = Grant.from_value(record.value) if record else None
        if grant is None or (session is None and not grant.offline):
            raise invalid_token()
        if denied and rest.pop(0) is not None:
            raise invalid_token("revoked")
        return grant, rest

    async def _read_opaque(self, token: str) -> Found | None:
        record = await self.store.get(access_key(token)) if 0 < len(token) <= 64 else None
        if record is None:
            return None
        try:  # of a shape that we do not know, it counts no more than what is not there
            lists = {name: tuple(record.value.get(name, ())) for name in ("scopes", "audience")}
            return Found(**{"sid": "", **record.value, **lists})
        except TypeError:
            return None

    def _read_jwt(self, token: str, now: float) -> Found | None:
        try:
            claims = jose.verify_own(token, self.keys.key_set(now), typ="at+jwt")
        except jose.JoseError:
            return None
        if claims.get("iss") != self.issuer:
            return None
        audience = claims.get("aud", [])
        name = str(claims.get("jti", ""))
        return Found(
            grant=name.partition(".")[0],
            sid=str(claims.get("sid", "")),
            scopes=tuple(str(claims.get("scope", "")).split()),
            audience=(audience,) if isinstance(audience, str) else tuple(audience),
            iat=claims.get("iat", 0),
            exp=claims.get("exp", 0),
            jti=name,
            jkt=_bound_to(claims),
        )


def _bound_to(claims: Mapping[str, Any]) -> str:
    return str(claims["cnf"]["jkt"]) if "cnf" in claims else ""


def end(token: str, found: Found, now: float) -> Op:
    """What ends this one token, and no other of its grant (RFC 7009 2.1). A JWT is denied by its name, never by its
    text."""
    if not found.jti:
        return Drop(access_key(token))
    return Put(denied_key(found.jti), {}, found.exp - int(now) + CLOCKS_APART)


def one_or_many(audience: Sequence[str]) -> str | list[str]:
    """``aud`` in its usual form: one audience stands alone (RFC 7519 4.1.3)."""
    return list(audience) if len(audience) > 1 else audience[0]


def invalid_token(reason: str = "") -> Refused:
    """The bearer error for a token that does not count (RFC 6750 3.1). ``reason`` is for the log."""
    return Refused("invalid_token", "the access token is unknown, expired or revoked", reason=reason, status=401)
