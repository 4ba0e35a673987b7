"""The authorization code grant: issue a code, redeem it once (RFC 6749 4.1, RFC 7636 4.6, RFC 9700 4.5).

A code that is presented twice ends the grant of the first time too (RFC 6749 4.1.2): a tombstone takes the grant's
place, even while the first redemption is still on its way; its tokens are then born dead.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from proxy.downstream import acr
from proxy.downstream import grant as grants
from proxy.downstream.authorize import AuthorizeRequest
from proxy.downstream.consents import Consents
from proxy.downstream.grant import Grant, Lifetimes, blocked_key, grant_key, session_key, user_blocked
from proxy.downstream.resource import for_resources
from proxy.downstream.standing import Standing
from proxy.downstream.subjects import Subjects, profile_for
from proxy.downstream.token import Issuer
from proxy.features import Feature, Redeem, Request, Respond, Response
from proxy.models import Client, Connection, Session
from proxy.models.connection import serves
from proxy.oidc import pkce
from proxy.oidc.errors import Refused
from proxy.store import Add, Drop, Get, Key, Put, Store, Taken, Used, key


def code_key(code: str) -> Key:
    """Where a code lies."""
    return key("code", code)


def login_of(request: AuthorizeRequest, client: Client, session: Session, subjects: Subjects) -> dict[str, Any]:
    """Of a session and the request it answers, what a grant keeps."""
    return {
        "user_id": session.user_id,
        "subject": subjects.of(client, session.user_id),
        "connection": session.connection,
        "auth_time": session.auth_time,
        "acr": acr.given(request.acr_values, session.acr),
        "amr": session.amr,
        "profile": profile_for(client, session),
        "claims": request.claims,
    }


@dataclass(frozen=True)
class Code:
    """What a code stands for until it is redeemed: the request it answers and the session that answered."""

    client_id: str
    redirect_uri: str
    sid: str
    scopes: tuple[str, ...]
    audiences: tuple[str, ...] = ()
    nonce: str = ""
    challenge: str = ""
    jkt: str = ""
    person: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, request: AuthorizeRequest, session: Session, person: Mapping[str, Any]) -> Code:
        """The code of a checked request, answered by ``session``."""
        return cls(
            client_id=request.client_id,
            redirect_uri=request.redirect_uri,
            sid=session.sid,
            scopes=request.scopes,
            audiences=request.audiences,
            nonce=request.nonce,
            challenge=request.challenge,
            jkt=request.jkt,
            person=person,
        )

    def as_value(self) -> Mapping[str, Any]:
        """As plain values, for the stored record."""
        return dict(vars(self))

    @classmethod
    def from_value(cls, value: Mapping[str, Any]) -> Code | None:
        """Back from the stored record; None for one of a shape that we do not know."""
        try:
            code = cls(**{**value, "scopes": tuple(value["scopes"]), "audiences": tuple(value["audiences"])})
            code.grant("", Lifetimes(), 0)  # what it says of the person must fit, too
        except (KeyError, TypeError):
            return None
        return code

    def grant(self, grant_id: str, lifetimes: Lifetimes, now: float) -> Grant:
        """The grant it becomes when it is redeemed."""
        return Grant(
            id=grant_id,
            client_id=self.client_id,
            sid=self.sid,
            scopes=self.scopes,
            audiences=self.audiences,
            created_at=int(now),
            expires_at=int(now) + lifetimes.refresh_absolute,
            offline="offline_access" in self.scopes,
            seed=grants.new_secret(),
            **self.person,
        )


@dataclass(frozen=True)
class AuthorizationCode(Feature):
    """``grant_type=authorization_code``."""

    store: Store
    issuer: Issuer
    lifetimes: Lifetimes
    connections: Mapping[str, Connection]

    def grants(self) -> Mapping[str, Redeem]:
        return {"authorization_code": self.redeem}

    def metadata(self) -> Mapping[str, Any]:
        return {"code_challenge_methods_supported": ["S256"]}

    def responses(self) -> Mapping[str, Respond]:
        return {"code": self.respond}

    def respond(self, request: AuthorizeRequest, client: Client, session: Session, now: float) -> Response:
        """A new code, and what must be written for it to count."""
        code = grants.new_secret()
        person = login_of(request, client, session, self.issuer.subjects)
        write = Put(code_key(code), Code.of(request, session, person).as_value(), self.lifetimes.code)
        return {"code": code}, (write,)

    async def redeem(self, request: Request, client: Client) -> Mapping[str, Any]:
        """Tokens for a code (RFC 6749 4.1.3). Raises ``Refused`` (invalid_grant), ``Unavailable``."""
        presented = request.params.get("code", "")
        if not presented:
            raise Refused("invalid_request", "code is missing")
        self.issuer.check_can_sign(client, request.now)  # without a key to sign with, the code is not spent
        grant_id = grants.new_id()
        code = await self.take(presented, grant_id, request.params, client)
        if code.jkt not in ("", request.jkt):  # RFC 9449 10
            raise invalid_code("dpop_key_mismatch")
        return await self.issue(code, grant_id, client, request)

    async def take(self, presented: str, grant_id: str, params: Mapping[str, str], client: Client) -> Code:
        """What a code stands for, once: when it comes again, the grant it led to ends (RFC 6749 4.1.2). Raises
        ``Refused`` (invalid_grant), ``Unavailable``."""
        taken = await self.store.take(code_key(presented), led_to=grant_id, keep=grants.REMEMBERED)
        if isinstance(taken, Used):
            await self.store.run(grants.revoke(taken.led_to))
            raise invalid_code("code_reuse")
        code = Code.from_value(taken.value) if isinstance(taken, Taken) else None
        if code is None:
            raise invalid_code("unknown_code")
        check_redemption(code, params, client)
        return code

    async def issue(self, code: Code, grant_id: str, client: Client, request: Request) -> Mapping[str, Any]:
        """Tokens for what a code stands for, once it was taken. Raises ``Refused``, ``Unavailable``."""
        if not serves(self.connections.get(code.person["connection"]), client):
            raise invalid_code("connection_disabled")
        refresh, now = "", request.now
        grant = code.grant(grant_id, self.lifetimes, now)
        if not await Standing(self.connections, Consents(self.store)).holds(grant, client):
            raise invalid_code("not_allowed_any_more")
        if grant.offline:
            grant, refresh = grants.rotate(grants.bound(grant, client, request.jkt), now)
        held = for_resources(grant, client, request.params)
        answer, writes = self.issuer.issue(
            held, client, now, scopes=held.scopes, nonce=code.nonce, refresh=refresh, jkt=request.jkt
        )
        life = grants.lifetime(grant, self.lifetimes, now)
        add = Add(grant_key(grant.id), grant.as_value(), life, grants.listed_under(grant))
        # The session is looked at last: a logout after that look finds the grant listed, one before it is seen here.
        last_look = Get(session_key(grant.sid)), Get(blocked_key(grant.user_id))
        *_, session, blocked = await self.store.run(add, *writes, *last_look)
        if session is None or blocked is not None:
            await self.store.run(Drop(grant_key(grant.id)), *(Drop(w.key) for w in writes if isinstance(w, Put)))
            raise user_blocked() if blocked else invalid_code("session_ended")
        return answer


def check_redemption(code: Code, params: Mapping[str, str], client: Client) -> None:
    """The code must be this client's, for this redirect URI, with this verifier. Raises ``Refused``."""
    if code.client_id != client.client_id:
        raise invalid_code("code_of_another_client")
    if params.get("redirect_uri", "") != code.redirect_uri:  # RFC 6749 4.1.3
        raise invalid_code("redirect_uri_mismatch")
    verifier = params.get("code_verifier", "")
    if bool(verifier) != bool(code.challenge):  # RFC 9700 4.8.2: neither may come without the other
        raise invalid_code("pkce_mismatch")
    if code.challenge and not pkce.matches(verifier, code.challenge):
        raise invalid_code("pkce_mismatch")


def invalid_code(reason: str) -> Refused:
    """One text for every reason; the reason itself goes to the log alone."""
    return Refused("invalid_grant", "the code is unknown, expired, used, or not for this request", reason=reason)
