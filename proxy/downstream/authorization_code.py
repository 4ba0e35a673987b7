"""The authorization code grant: issue a code, redeem it once (RFC 6749 4.1, RFC 7636 4.6, RFC 9700 4.5).

A code that is presented twice ends the grant of the first time too (RFC 6749 4.1.2): a tombstone takes the grant's
place, even while the first redemption is still on its way; its tokens are then born dead.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from proxy.downstream import grant as grants
from proxy.downstream.authorize import AuthorizeRequest, build_response
from proxy.downstream.grant import Code, Grant, Lifetimes, code_key, grant_key, session_key
from proxy.downstream.token import Issuer
from proxy.features import Feature, Redeem, Request
from proxy.models import Client, Session
from proxy.oidc import pkce
from proxy.oidc.errors import Refused
from proxy.store import Add, Drop, Get, Op, Put, Store, Taken, Used


@dataclass(frozen=True)
class AuthorizationCode(Feature):
    """``grant_type=authorization_code``."""

    store: Store
    issuer: Issuer
    lifetimes: Lifetimes

    def grants(self) -> Mapping[str, Redeem]:
        return {"authorization_code": self.redeem}

    def metadata(self) -> Mapping[str, Any]:
        return {"code_challenge_methods_supported": ["S256"]}

    def answer(self, request: AuthorizeRequest, session: Session) -> tuple[str, tuple[Op, ...]]:
        """Where to send the browser with a new code, and what must be written for the code to count."""
        code = grants.new_secret()
        write = Put(code_key(code), Code.of(request, session).as_value(), self.lifetimes.code)
        return build_response(request, code, self.issuer.issuer), (write,)

    async def redeem(self, request: Request, client: Client) -> Mapping[str, Any]:
        """Tokens for a code (RFC 6749 4.1.3). Raises ``Refused`` (invalid_grant), ``Unavailable``."""
        presented = request.params.get("code", "")
        if not presented:
            raise Refused("invalid_request", "code is missing")
        grant_id = grants.new_id()
        taken = await self.store.take(code_key(presented), led_to=grant_id, keep=self.lifetimes.access_token)
        if isinstance(taken, Used):
            await self.store.put(grant_key(taken.led_to), grants.TOMBSTONE, self.lifetimes.access_token)
            raise invalid_code("code_reuse")
        if not isinstance(taken, Taken):
            raise invalid_code("unknown_code")
        code = Code.from_value(taken.value)
        check_redemption(code, request.params, client)
        return await self._issue(code, code.grant(grant_id, self.lifetimes, request.now), client, request.now)

    async def _issue(self, code: Code, grant: Grant, client: Client, now: float) -> Mapping[str, Any]:
        refresh = ""
        if grant.offline:
            grant, refresh = grants.rotate(grant, self.lifetimes, now)
        answer, writes = self.issuer.issue(
            grant, client, now, scopes=grant.scopes, nonce=code.nonce, refresh=refresh
        )
        under = (grants.grants_of_session(grant.sid),) if grant.offline else ()
        stored = replace(grant, nonce="").as_value()
        add = Add(grant_key(grant.id), stored, grants.lifetime(grant, self.lifetimes, now), under)
        session, *_ = await self.store.run(Get(session_key(grant.sid)), add, *writes)
        if session is None:  # logged out since the code was issued
            await self.store.run(Drop(grant_key(grant.id)), *(Drop(w.key) for w in writes if isinstance(w, Put)))
            raise invalid_code("session_ended")
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
