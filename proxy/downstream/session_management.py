"""Let pages of clients watch whether the session changed (OpenID Connect Session Management 1.0).

Every answer carries a ``session_state``: a hash over the client, its origin and a random state that the browser keeps
in a cookie of its own. The page ``session/check``, framed by the client, compares; it has no other use and no data.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from proxy.downstream.authorize import AuthorizeRequest
from proxy.features import Answer, Caller, Endpoint, Feature, Request, Response
from proxy.models import Client, Session

USUAL_PORTS = {"https": ":443", "http": ":80"}


def web_origin(url: str) -> str:
    """The origin of ``url`` as a browser says it (RFC 6454 6.2): lower case, without the usual port."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.lower().removesuffix(USUAL_PORTS.get(parts.scheme, ':'))}"


def session_state(client_id: str, origin: str, browser_state: str, salt: str) -> str:
    """The value that ``scripts/check_session.js`` computes, too (2, 3.2)."""
    text = f"{client_id} {origin} {browser_state} {salt}"
    return f"{hashlib.sha256(text.encode()).hexdigest()}.{salt}"


@dataclass(frozen=True)
class SessionManagement(Feature):
    """``GET session/check``. ``cookie`` is the name of the cookie that holds the browser's state."""

    issuer: str
    cookie: str

    def endpoints(self) -> Sequence[Endpoint]:
        return (Endpoint("session/check", ("GET",), Caller.BROWSER, self.check),)

    def metadata(self) -> Mapping[str, Any]:
        return {"check_session_iframe": f"{self.issuer}session/check"}

    def accompany(self, asked: AuthorizeRequest, client: Client, session: Session, now: float) -> Response:
        """``session_state``; a session from before management was switched on has none."""
        if not session.browser_state:
            return {}, ()
        origin, salt = web_origin(asked.redirect_uri), secrets.token_urlsafe(9)
        return {"session_state": session_state(client.client_id, origin, session.browser_state, salt)}, ()

    async def check(self, request: Request) -> Answer:
        """The page that clients frame; whose page it is framed by is part of every hash, so anybody may."""
        values = {"cookie": self.cookie}
        return Answer(page="check_session.html", values=values, script="check_session", framed_by=("*",))
