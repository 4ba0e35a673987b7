"""What the gateway answers itself below ``/.isthmus/`` on the host of an app: the way to a login and back, logout.

    login?to=    begins a login, and leads back to a path of this host
    login/ID     a page that keeps the address's fragment here, in the browser, and goes on to the login
    callback     the way back: the authorization response (RFC 6749 4.1.2, RFC 9207) becomes the cookie of this host
    logout       on to the issuer's logout, and back to ``logged-out`` (``logout``)
    me           who is logged in here, for the app's own scripts
    claims       what did not fit into headers, for the app's server (``claims_source``)

The code is redeemed in this process: the browser brings it, and nobody else needs to hear of it.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import urlencode, urlsplit

from proxy.bridge.session import Sessions
from proxy.downstream.authorization_code import AuthorizationCode
from proxy.downstream.grant import new_id, session_key
from proxy.gateway import forms
from proxy.gateway.asker import is_document
from proxy.gateway.claims_source import ClaimsSource
from proxy.gateway.decide import broken_rule
from proxy.gateway.links import Links
from proxy.gateway.logout import LOGGED_OUT, LOGOUT, WayOut, Who
from proxy.gateway.request import Asked
from proxy.gateway.routes import Match, Routes
from proxy.gateway.shown import JSON, Shown, redirect, told
from proxy.gateway.verdict import Headers, Reply
from proxy.gateway.visits import Visit, Visits
from proxy.http import cookies
from proxy.http.cookies import cookie_name, line
from proxy.models import Client, Connection, Session
from proxy.models.route import OWN_PATH
from proxy.oidc import params as parameters
from proxy.oidc.errors import ProtocolError, Refused
from proxy.oidc.params import Params, printable
from proxy.store import Store

LOGIN: Final = f"{OWN_PATH}/login"
CALLBACK: Final = f"{OWN_PATH}/callback"
SCOPE: Final = "openid profile email"


def new_verifier() -> str:
    """PKCE's verifier (RFC 7636 4.1)."""
    return secrets.token_urlsafe(32)


def challenge_of(verifier: str) -> str:
    """Its S256 challenge (RFC 7636 4.2)."""
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode("ascii")).digest()).rstrip(b"=").decode("ascii")


def login_at(origin: str, path: str) -> str:
    """The address where a login begins that leads back to a path."""
    return f"{origin}{LOGIN}?{urlencode({'to': path}, safe='/')}"


@dataclass(frozen=True)
class Own:
    """Answers them. ``client`` is the gateway as the provider knows it."""

    issuer: str
    client: Client
    routes: Routes
    store: Store
    sessions: Sessions
    codes: AuthorizationCode
    links: Links
    visits: Visits
    claims: ClaimsSource
    way_out: WayOut
    shown: Shown
    connections: Mapping[str, Connection]
    groups_claim: str

    @property
    def cookie(self) -> str:
        """The name of the cookie on the hosts of apps."""
        return cookie_name("gateway", self.issuer)

    @property
    def forgotten(self) -> tuple[str, str]:
        """The header that takes it away."""
        return "Set-Cookie", line(self.cookie, "", max_age=0, same_site="Lax")

    # --- the way there ---

    async def depart(self, asked: Asked, visit: Visit) -> Reply:
        """Off to a login for ``visit``, by way of our page if the browser runs its scripts. Raises ``Unavailable``."""
        id, cookie = await self.visits.begin(visit, asked.cookies)
        here = f"{self.routes.origin(visit.host)}{LOGIN}/{id}"
        return redirect(here if visit.in_page else self.authorize_url(replace(visit, id=id)), cookie)

    def authorize_url(self, visit: Visit) -> str:
        """Where the person logs in for a visit (RFC 6749 4.1.1)."""
        asked = {
            "client_id": self.client.client_id,
            "redirect_uri": self._callback(visit.host),
            "response_type": "code",
            "scope": SCOPE,
            "state": visit.id,
            "code_challenge": challenge_of(visit.verifier),
            "code_challenge_method": "S256",
            **({"acr_values": " ".join(visit.acr)} if visit.acr else {}),
        }
        return f"{self.issuer}authorize?{urlencode(asked)}"

    def _callback(self, host: str) -> str:
        return f"{self.routes.origin(host)}{CALLBACK}"

    # --- the answers ---

    async def answer(self, asked: Asked, match: Match, who: Who, now: float) -> Reply:
        """The answer to a request below our path. Raises ``Malformed``, ``Unavailable``."""
        path, host = match.path, match.host
        if path == f"{OWN_PATH}/claims" and asked.method == b"GET":
            seen = asked.seen
            return await self.claims.answer(host, seen.get(b"authorization", b""), seen.get(b"accept", b""), now)
        if path == LOGOUT and asked.method in (b"GET", b"POST"):
            return await self.way_out.answer(asked, host, who, now)
        once = path in (LOGIN, CALLBACK)  # what happens there does not happen to find out what would
        if asked.method != b"GET" and (once or asked.method != b"HEAD"):
            return self.shown.trouble(asked, 405, headers=(("Allow", "GET" if once else "GET, HEAD"),))
        if path == LOGIN:
            return await self._begin(asked, match)
        if path.startswith(f"{LOGIN}/"):
            return await self._login(asked, host, path.removeprefix(f"{LOGIN}/"))
        if path == CALLBACK:
            return await self._arrive(asked, match, now)
        if path == LOGGED_OUT:
            values = {"again": self.routes.home(host)}
            return self.shown.page("gateway_logged_out.html", 200, values, headers=(self.forgotten,))
        if path == f"{OWN_PATH}/me":
            return _me(await who())
        return self.shown.trouble(asked, 404, again=self.routes.home(host))

    async def _begin(self, asked: Asked, match: Match) -> Reply:
        """A login that a page of the app asks for. It leads back to a path that a route of this very host takes, and to
        no other place: the origin is never read from an address (GW-25)."""
        try:
            to = parameters.parse(_query(match)).get("to", urlsplit(self.routes.home(match.host)).path)
        except ProtocolError as error:
            return self._refused(asked, error, match.host)
        wanted = self.routes.match(match.host.encode("ascii"), to.encode("utf-8"))
        if wanted is None or wanted.route is None:
            return self.shown.trouble(asked, 404, again=self.routes.home(match.host))
        target, acr = wanted.wire.decode("ascii"), wanted.route.allow.acr
        visit = Visit(match.host, target, new_verifier(), is_document(asked), acr=acr)
        return await self.depart(asked, visit)

    async def _login(self, asked: Asked, host: str, id: str) -> Reply:
        """The page on the way to a login: its script keeps the fragment, and waits in tabs that nobody looks at. A form
        goes its own way: no other login helps it."""
        visit = await self.visits.look(id, host, asked.cookies)
        if visit is None:
            return self._lost(asked, host)
        target = self._target(visit) if visit.form is None else ""
        values = {"id": visit.id, "target": target, "url": self.authorize_url(visit)}
        return self.shown.page("gateway_login.html", 200, values, script="gateway_login")

    def _target(self, visit: Visit) -> str:
        """Where a visit leads, as an absolute address: of a path alone ``//`` would be the beginning of a host."""
        return f"{self.routes.origin(visit.host)}{visit.target}"

    async def _arrive(self, asked: Asked, match: Match, now: float) -> Reply:
        """The authorization response: it becomes this host's cookie, and the person goes where they wanted to go."""
        try:
            params = parameters.parse(_query(match))
            visit = await self.visits.end(params.get("state", ""), match.host, asked.cookies)
            if visit is None:
                return self._lost(asked, match.host)
            session = await self._redeem(params, visit, now)
        except ProtocolError as error:
            return self._refused(asked, error, match.host)
        if session is None:
            return self._lost(asked, match.host)
        return await self._welcome(asked, visit, session, now)

    async def _redeem(self, params: Params, visit: Visit, now: float) -> Session | None:
        """The session that the code was given for, if it is still there. Raises ``Refused``, ``Unavailable``."""
        if params.get("iss") != self.issuer:  # RFC 9207 2.4: we always say it
            raise Refused("invalid_request", "this answer is somebody else's", reason="wrong_issuer")
        if "error" in params:
            raise Refused(printable(params["error"]), params.get("error_description", ""), reason="login_refused")
        sent = {"redirect_uri": self._callback(visit.host), "code_verifier": visit.verifier}
        code = await self.codes.take(params.get("code", ""), new_id(), sent, self.client)
        return self.sessions.alive(await self.store.get(session_key(code.sid)), now)

    async def _welcome(self, asked: Asked, visit: Visit, session: Session, now: float) -> Reply:
        if visit.acr and self._not_strong_enough(visit, session):
            text = "You are logged in, but this page needs another way of logging in, and your login service gave none."
            return replace(self.shown.trouble(asked, 403, detail=text, again=self.way_out.at(visit.host)), reason="acr")
        before = cookies.read(asked.cookies, self.cookie)
        cookie, writes = self.links.begin(session, visit.host, now, before if isinstance(before, str) else "")
        await self.store.run(*writes)
        life = max(1, int(session.expires_at - now))
        headers = (("Set-Cookie", line(self.cookie, cookie, max_age=life, same_site="Lax")),)
        return replace(self._onward(visit, headers), reason="login")

    def _onward(self, visit: Visit, headers: Headers) -> Reply:
        """To where the person wanted to go, with what was left in the browser or here."""
        target = self._target(visit)
        if visit.form is not None:
            values = {"action": target, "fields": forms.fields_of(visit.form) or ()}
            headers = (*headers, ("Referrer-Policy", "strict-origin"))  # else the app is told that the origin is null
            return self.shown.page(
                "gateway_form.html", 200, values, script="gateway_form", leads_away=True, headers=headers
            )
        if visit.in_page:
            values = {"id": visit.id, "target": target}
            return self.shown.page("gateway_back.html", 200, values, script="gateway_back", headers=headers)
        return Reply(303, (("Location", target), *headers))

    def _not_strong_enough(self, visit: Visit, session: Session) -> bool:
        match = self.routes.match(visit.host.encode("ascii"), visit.target.encode("ascii"))
        if match is None or match.route is None:
            return False
        connection = self.connections.get(session.connection)
        return broken_rule(match.route, session, connection, self.groups_claim) == "acr"

    def _lost(self, asked: Asked, host: str) -> Reply:
        title, detail = "This login cannot go on", "It has ended, was used, or began in another browser."
        reply = self.shown.trouble(asked, 400, title=title, detail=detail, again=self.routes.home(host))
        return replace(reply, reason="no_visit")

    def _refused(self, asked: Asked, error: ProtocolError, host: str) -> Reply:
        """A code that was used, a person who may not: the login itself said no."""
        title, again = "This login did not succeed", self.routes.home(host)
        reply = self.shown.trouble(asked, 403, title=title, detail=printable(error.description), again=again)
        return replace(reply, reason=error.reason)


def _query(match: Match) -> str:
    return match.wire.partition(b"?")[2].decode("ascii")


def _me(session: Session | None) -> Reply:
    if session is None:
        return told(401)
    names = ("name", "email", "preferred_username", "picture")
    known = {name: session.profile[name] for name in names if name in session.profile}
    return Reply(200, (JSON,), json.dumps({"user_id": session.user_id, **known}).encode("utf-8"), reason="me")
