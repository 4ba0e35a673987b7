"""The last steps of every logout: ask the person if it is not sure, end the session, say farewell, and go on.

A request that nobody but the person could have made ends the session at once; any other shows a page with a form first,
so that a link or a picture cannot log anybody out (RP-Initiated Logout 6).
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace

from proxy.downstream.answers import IN_A_POPUP
from proxy.features import Answer, Request
from proxy.models import Client, Session
from proxy.oidc.errors import Shown, Unavailable
from proxy.oidc.urls import origin

CARRIED = ("id_token_hint", "post_logout_redirect_uri", "client_id", "state", "returnTo", "federated")
"""What the page with the question brings along."""
NOT_DONE = "You have not been logged out."
FRAMES_SECONDS = 5
"""How long a browser without scripts stays on the page that tells clients; ``scripts/farewell.js`` goes on earlier."""

End = Callable[[Session, Sequence[str], float], Awaitable[Sequence[str]]]
"""Ends a session; answers the pages that the browser must load so that clients hear of it."""
Away = Callable[[Session, str, Request], Awaitable[Answer | None]]
"""The way over the session's tenant, to be logged out there too and then go on to an address; None if it has none."""


@dataclass(frozen=True)
class Leaving:
    """``end`` and ``away`` are the bridge's. ``form_key`` signs form tokens."""

    issuer: str
    end: End
    away: Away
    form_key: bytes

    def is_confirmed(self, request: Request, session: Session) -> bool:
        """Whether the request is the form of our page. Raises ``Shown`` (403) for that of another session."""
        given = request.params.get("form_token", "")
        if request.method != "POST" or not given:
            return False
        if not hmac.compare_digest(given.encode(), self._form_token(session).encode()):
            raise Shown("access_denied", "this form belongs to another session", reason="form_token", status=403)
        return True

    def _form_token(self, session: Session) -> str:
        return hmac.new(self.form_key, f"logout {session.sid}".encode(), hashlib.sha256).hexdigest()

    def ask(self, request: Request, path: str, client: Client | None, session: Session, target: str) -> Answer:
        """The page with the question; its form comes back to ``path``."""
        fields = {name: request.params[name] for name in CARRIED if name in request.params}
        values = {
            "action": f"{self.issuer}{path}",
            "fields": {**fields, "form_token": self._form_token(session)},
            "person": session.profile.get("name") or session.profile.get("email") or "",
            "client": client.label if client else "",
        }
        return Answer(page="logout.html", values=values, leads_away=bool(target) or "federated" in fields)

    async def leave(self, request: Request, session: Session, target: str) -> Answer:
        """End ``session``, tell whom the browser must tell, and go on to ``target``, or to our own page. Raises
        ``Unavailable``: then nothing has ended."""
        frames = await self.end(session, request.browsers, request.now)
        away = await self.away(session, target, request) if "federated" in request.params else None
        onward = away or gone(target)
        if frames:
            onward = farewell(frames, onward)
        return replace(onward, sign_out=True)


def gone(target: str) -> Answer:
    """On to ``target``, or to our page."""
    return Answer(redirect=target) if target else Answer(page="logged_out.html")


def on_the_way(frames: Sequence[str], onward: Answer) -> Answer:
    """The end of a login by way of our page, where the one before ended in the same browser. An answer that is a page
    itself has no room for others: its clients hear by a call of ours alone."""
    if not frames or not onward.redirect:
        return onward
    page = farewell(frames, onward, "Going back to the application")
    return replace(
        onward,
        redirect="",
        page=page.page,
        values=page.values,
        script=page.script,
        frame_sources=page.frame_sources,
        headers={**onward.headers, **IN_A_POPUP},
    )


def farewell(frames: Sequence[str], onward: Answer, title: str = "You are logged out") -> Answer:
    """Our page, which loads ``frames`` and then goes on as ``onward`` does."""
    values = {"frames": frames, "url": onward.redirect, "seconds": FRAMES_SECONDS, "title": title}
    sources = tuple(sorted(set(map(origin, frames))))
    return Answer(page="farewell.html", values=values, script="farewell", frame_sources=sources, browser=onward.browser)


def not_done(error: Unavailable) -> Unavailable:
    """The error as a person who wants to leave must hear it."""
    error.undone = NOT_DONE
    return error
