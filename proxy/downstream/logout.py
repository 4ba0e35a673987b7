"""Hear requests to log out (OpenID Connect RP-Initiated Logout 1.0).

With an ID token of the current session as ``id_token_hint`` the person is logged out at once; otherwise a page asks
first (``leaving``). The browser goes on to ``post_logout_redirect_uri`` only if it is registered, exactly, for the
client that the hint or ``client_id`` names.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from proxy.downstream.clients import Clients
from proxy.downstream.id_token_hint import Hint, read_hint
from proxy.downstream.keys import KeyRing
from proxy.downstream.leaving import Leaving, gone, not_done
from proxy.downstream.subjects import Subjects
from proxy.features import Answer, Caller, Endpoint, Feature, Request
from proxy.models import Client, Session
from proxy.oidc.errors import Unavailable
from proxy.oidc.urls import with_params

PATH = "oidc/logout"


@dataclass(frozen=True)
class RpInitiatedLogout(Feature):
    """``GET`` and ``POST oidc/logout``."""

    issuer: str
    clients: Clients
    keys: KeyRing
    subjects: Subjects
    leaving: Leaving

    def endpoints(self) -> Sequence[Endpoint]:
        return (Endpoint(PATH, ("GET", "POST"), Caller.BROWSER, self.handle),)

    def metadata(self) -> Mapping[str, Any]:
        return {"end_session_endpoint": f"{self.issuer}{PATH}"}

    async def handle(self, request: Request) -> Answer:
        """One request to log out. Raises ``Unavailable`` when it could not be done."""
        try:
            return await self._handle(request)
        except Unavailable as error:
            raise not_done(error) from None

    async def _handle(self, request: Request) -> Answer:
        given = request.params.get("id_token_hint", "")
        hint = await read_hint(given, self.clients, self.keys, self.issuer, request.now)
        session = await request.session() if request.session else None
        named = hint.client_id or request.params.get("client_id", "")
        client = await self.clients.find(named, request.now) if named else None
        target = target_of(request.params, hint, client)
        if session is None:
            return gone(target)
        if not (self._is_of_session(hint, client, session) or self.leaving.is_confirmed(request, session)):
            return self.leaving.ask(request, PATH, client, session, target)
        return await self.leaving.leave(request, session, target)

    def _is_of_session(self, hint: Hint, client: Client | None, session: Session) -> bool:
        if client is None or not hint.sid:
            return False
        return hint.sid == session.sid and hint.subject == self.subjects.of(client, session.user_id)


def target_of(params: Mapping[str, str], hint: Hint, client: Client | None) -> str:
    """Where to go afterwards: a registered address, or empty for our own page (section 3); also after a hint that says
    nothing, or one of another client than ``client_id`` (section 4)."""
    uri, named = params.get("post_logout_redirect_uri", ""), params.get("client_id", "")
    if "id_token_hint" in params and (not hint.client_id or named not in ("", hint.client_id)):
        return ""
    if client is None or uri not in client.post_logout_redirect_uris:
        return ""
    state = params.get("state", "")
    return with_params(uri, {"state": state} if state else {})
