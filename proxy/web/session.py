"""The session cookie, through aiohttp-session, on our own storage.

aiohttp-session gives the middleware and the mapping; the record belongs to ``bridge.session``, which writes it together
with what the login led to. So this storage reads a session, and sets or deletes its cookie; it never writes a record,
and a parallel request can neither revive a session nor undo a change of it.
"""

from __future__ import annotations

import time

from aiohttp import web
from aiohttp_session import AbstractStorage, SessionData, get_session, new_session
from aiohttp_session import Session as CookieSession

from proxy.bridge.session import Sessions
from proxy.features import SignIn
from proxy.http.cookies import SameSite, cookie_name
from proxy.models import Session
from proxy.web import cookies

RECORD = "session"


class SessionStorage(AbstractStorage):
    """Reads sessions by their cookie and keeps the cookie in step. ``same_site`` says whether it comes along in frames
    of other sites (None) or not (Lax)."""

    def __init__(self, sessions: Sessions, issuer: str, same_site: SameSite = "Lax") -> None:
        name = cookie_name("session", issuer)
        super().__init__(cookie_name=name, httponly=True, secure=True, samesite=same_site)
        self._sessions = sessions
        self._same_site = same_site

    def cookie(self, request: web.Request) -> str:
        """The cookie's value, or empty; twice with different values is none (RFC 6265bis 8.6)."""
        return cookies.of_request(request, self.cookie_name)

    async def load_session(self, request: web.Request) -> CookieSession:
        """The session of the request's cookie, or a new, empty one. Raises ``Unavailable``."""
        cookie = self.cookie(request)
        record = await self._sessions.load(cookie, time.time()) if cookie else None
        if record is None:
            return CookieSession(None, data=None, new=True)
        data: SessionData = {"created": record.created_at, "session": {RECORD: record}}
        return CookieSession(cookie, data=data, new=False)

    async def save_session(self, request: web.Request, response: web.StreamResponse, session: CookieSession) -> None:
        """Set the cookie of a session that began, delete that of one that ended."""
        if session.identity is None or session.empty:
            cookies.delete(response, self.cookie_name, same_site=self._same_site)
        else:
            cookies.set_cookie(
                response, self.cookie_name, session.identity, max_age=session.max_age, same_site=self._same_site
            )


async def current(request: web.Request) -> Session | None:
    """The live session of the request, or None. Raises ``Unavailable``."""
    found: Session | None = (await get_session(request)).get(RECORD)
    return found


async def sign_in(request: web.Request, begun: SignIn) -> None:
    """Give the browser the cookie of a session that the bridge has begun."""
    session = await new_session(request)
    session.max_age = begun.seconds
    session[RECORD] = True
    session.set_new_identity(begun.cookie)


async def sign_out(request: web.Request) -> None:
    """Take the cookie away."""
    session = await new_session(request)
    session.invalidate()
