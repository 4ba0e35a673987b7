"""Hear requests to log out (OpenID Connect RP-Initiated Logout 1.0).

With an ID token of the current session as ``id_token_hint`` the person is logged out at once; otherwise a page asks
first, so that a link or a picture cannot do it (section 6). The browser goes on to ``post_logout_redirect_uri`` only if
it is registered, exactly, for the client that the hint or ``client_id`` names.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from proxy.downstream.keys import KeyRing
from proxy.features import Answer, Caller, Endpoint, Feature, Request
from proxy.models import Client, Session
from proxy.oidc import jose
from proxy.oidc.errors import Shown
from proxy.oidc.urls import with_params

CARRIED = ("id_token_hint", "post_logout_redirect_uri", "client_id", "state")


@dataclass(frozen=True)
class Hint:
    """What an ``id_token_hint`` of ours says: for whom it was, about whom, from which session."""

    client_id: str = ""
    subject: str = ""
    sid: str = ""


@dataclass(frozen=True)
class RpInitiatedLogout(Feature):
    """``GET`` and ``POST oidc/logout``. ``end`` is the bridge's: it ends a session. ``form_key`` signs form tokens."""

    issuer: str
    clients: Mapping[str, Client]
    keys: KeyRing
    end: Callable[[Session, Sequence[str]], Awaitable[None]]
    form_key: bytes

    def endpoints(self) -> Sequence[Endpoint]:
        return (Endpoint("oidc/logout", ("GET", "POST"), Caller.BROWSER, self.handle),)

    def metadata(self) -> Mapping[str, Any]:
        return {"end_session_endpoint": f"{self.issuer}oidc/logout"}

    async def handle(self, request: Request) -> Answer:
        """One request to log out. Raises ``Unavailable`` when it could not be done."""
        hint = self._read_hint(request.params.get("id_token_hint", ""), request.now)
        session = await request.session() if request.session else None
        target = self._target(request.params, hint)
        if session is None:
            return self._done(target, signed_out=False)
        if not (self._is_of_session(hint, session) or self._is_confirmed(request, session)):
            return self._ask(request, hint, session)
        await self.end(session, request.browsers)
        return self._done(target, signed_out=True)

    def _read_hint(self, token: str, now: float) -> Hint:
        """A hint that does not verify says nothing. An expired one is fine (section 2)."""
        if not token:
            return Hint()
        try:
            claims = jose.verify_own(token, self.keys.jwks(now), typ="JWT")
        except jose.JoseError:
            return Hint()
        if claims.get("iss") != self.issuer or not isinstance(claims.get("aud"), str):
            return Hint()
        return Hint(claims["aud"], str(claims.get("sub", "")), str(claims.get("sid", "")))

    def _target(self, params: Mapping[str, str], hint: Hint) -> str:
        """Where to go afterwards: a registered address, or empty for our own page (section 3)."""
        uri, named = params.get("post_logout_redirect_uri", ""), params.get("client_id", "")
        if named and hint.client_id and named != hint.client_id:
            return ""
        client = self.clients.get(hint.client_id or named)
        if client is None or uri not in client.post_logout_redirect_uris:
            return ""
        state = params.get("state", "")
        return with_params(uri, {"state": state} if state else {})

    def _is_of_session(self, hint: Hint, session: Session) -> bool:
        return bool(hint.sid) and hint.sid == session.sid and hint.subject == session.user_id

    def _is_confirmed(self, request: Request, session: Session) -> bool:
        given = request.params.get("form_token", "")
        if request.method != "POST" or not given:
            return False
        if not hmac.compare_digest(given.encode(), self._form_token(session).encode()):
            raise Shown("access_denied", "this form belongs to another session", reason="form_token", status=403)
        return True

    def _form_token(self, session: Session) -> str:
        return hmac.new(self.form_key, f"logout {session.sid}".encode(), hashlib.sha256).hexdigest()

    def _ask(self, request: Request, hint: Hint, session: Session) -> Answer:
        client = self.clients.get(hint.client_id or request.params.get("client_id", ""))
        fields = {name: request.params[name] for name in CARRIED if name in request.params}
        values = {
            "action": f"{self.issuer}oidc/logout",
            "fields": {**fields, "form_token": self._form_token(session)},
            "person": session.profile.get("name") or session.profile.get("email") or "",
            "client": client.label if client else "",
        }
        target = self._target(request.params, hint)
        return Answer(page="logout.html", values=values, leads_away=bool(target))

    def _done(self, target: str, *, signed_out: bool) -> Answer:
        if target:
            return Answer(redirect=target, sign_out=signed_out)
        return Answer(page="logged_out.html", sign_out=signed_out)
