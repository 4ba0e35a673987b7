"""The way out at the host of an app: on to the issuer, which ends the session for all hosts and tells everybody.

The issuer asks the person, so that no link and no picture logs anybody out (SE-15). It does not where a form of the
app's own page asked: that request brings along an ID token of the session (OpenID Connect RP-Initiated Logout 1.0, 2).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlencode

from proxy.downstream.keys import KeyRing
from proxy.downstream.subjects import Subjects
from proxy.gateway.assertion import signer_of
from proxy.gateway.request import Asked
from proxy.gateway.routes import Routes
from proxy.gateway.shown import redirect
from proxy.gateway.verdict import Reply
from proxy.models import Client, Session
from proxy.models.route import OWN_PATH
from proxy.oidc.errors import Unavailable

LOGOUT: Final = f"{OWN_PATH}/logout"
LOGGED_OUT: Final = f"{OWN_PATH}/logged-out"
SECONDS: Final = 60
"""How long the ID token is good that goes along."""
SAME: Final = b"same-origin"
Who = Callable[[], Awaitable[Session | None]]
"""Looks who is logged in on the host. Raises ``Unavailable``."""


@dataclass(frozen=True)
class WayOut:
    """Leads there. ``client`` is the gateway as the provider knows it."""

    issuer: str
    client: Client
    routes: Routes
    keys: KeyRing
    subjects: Subjects

    def at(self, host: str) -> str:
        """The address on a host where it begins."""
        return f"{self.routes.origin(host)}{LOGOUT}"

    async def answer(self, asked: Asked, host: str, who: Who, now: float) -> Reply:
        """On to the issuer. What cannot be looked up is asked about there."""
        back = f"{self.routes.origin(host)}{LOGGED_OUT}"
        said = {"client_id": self.client.client_id, "post_logout_redirect_uri": back}
        if self._is_the_apps_own(asked, host):
            said |= await self._sure(who, now)
        return redirect(f"{self.issuer}oidc/logout?{urlencode(said)}")

    def _is_the_apps_own(self, asked: Asked, host: str) -> bool:
        """Whether a form of a page of this very host asks; browsers that say more must say so twice."""
        sender, site = asked.seen.get(b"origin", b""), asked.seen.get(b"sec-fetch-site", SAME)
        return asked.method == b"POST" and sender.decode("latin-1") == self.routes.origin(host) and site == SAME

    async def _sure(self, who: Who, now: float) -> dict[str, str]:
        try:
            session = await who()
            return {"id_token_hint": self._hint(session, now)} if session is not None else {}
        except Unavailable:
            return {}

    def _hint(self, session: Session, now: float) -> str:
        """An ID token that says which session, and no more (OpenID Connect Core 2). Raises ``Unavailable``."""
        claims = {
            "iss": self.issuer,
            "sub": self.subjects.of(self.client, session.user_id),
            "aud": self.client.client_id,
            "iat": int(now),
            "exp": int(now) + SECONDS,
            "sid": session.sid,
        }
        return signer_of(self.keys, now).sign(claims, typ="JWT")
