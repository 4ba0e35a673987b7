"""A tenant of the lab: a whole OpenID Provider on aiohttp, with a login form that asks for no password.

The rules are in ``rules``, ``clients``, ``requests``, ``grants`` and ``logout``, the people in ``rooms``; what goes
wrong is its ``fault``. It writes down every request (``memory.calls``). On loopback only.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from urllib.parse import urlencode, urlsplit

from aiohttp import web

from proxy.lab import answers, clients, grants, logout, metadata, pages, requests, responses, rules
from proxy.lab.core import Core
from proxy.lab.fault import Handler
from proxy.lab.people import Person, somebody
from proxy.lab.rooms import Call, Grant, Login
from proxy.oidc import params as parameters
from proxy.oidc.errors import Refused, Shown

UNAUTHORIZED = {"WWW-Authenticate": 'Bearer error="invalid_token"'}


class Tenant(Core):
    """One tenant. ``app`` is what to serve, ``routes`` the same for many tenants in one."""

    @property
    def base(self) -> str:
        """The path of its issuer."""
        return urlsplit(self.issuer).path

    @property
    def cookie(self) -> str:
        """The name of its cookie; cookies know no ports."""
        return f"lab_{urlsplit(self.issuer).port or 0}"

    @property
    def app(self) -> web.Application:
        """The server."""
        app = web.Application(middlewares=[answers.errors])
        finger = {} if self.base == "/" else {"/.well-known/webfinger": self.webfinger}
        app.add_routes([*self.routes(), *(web.get(path, handler) for path, handler in finger.items())])
        return app

    def routes(self) -> list[web.RouteDef]:
        """Its endpoints; whatever else is asked for below its issuer is written down and not found."""
        endpoints: dict[str, Handler] = {
            ".well-known/openid-configuration": self.discovery,
            ".well-known/webfinger": self.webfinger,
            "jwks.json": self.jwks,
            "authorize": self.authorize,
            "login": self.login,
            "token": self.token,
            "par": self.par,
            "register": self.register,
            "userinfo": self.userinfo,
            "end_session": self.end_session,
            "check_session": self.check_session,
            "{path:.*}": self.nothing,
        }
        return [web.route("*", f"{self.base}{path}", self._recorded(handler)) for path, handler in endpoints.items()]

    def _recorded(self, handler: Handler) -> Handler:
        """``handler``, its calls written down, and whatever the fault puts around it."""
        name = getattr(handler, "__name__", "")
        around = self.fault.around.get(name)

        async def answer(request: web.Request) -> web.StreamResponse:
            given = await answers.everything(request)
            place = request.path if name == "nothing" else name
            self.memory.calls.append(Call(place, request.method, given, dict(request.headers)))
            return await (around(request, handler) if around else handler(request))

        return answer

    @property
    def called(self) -> list[str]:
        """The names of the endpoints that were called, in order."""
        return [call.name for call in self.memory.calls]

    async def nothing(self, request: web.Request) -> web.StreamResponse:
        """There is nothing here."""
        raise web.HTTPNotFound

    async def discovery(self, request: web.Request) -> web.StreamResponse:
        """The discovery document (Discovery 4)."""
        return web.json_response(self.fault.document(metadata.discovery(self.issuer)))

    async def webfinger(self, request: web.Request) -> web.StreamResponse:
        """Where accounts of this host log in (Discovery 2)."""
        body = json.dumps(metadata.webfinger(request.query.get("resource", ""), self.issuer))
        return web.Response(text=body, content_type="application/jrd+json")

    async def jwks(self, request: web.Request) -> web.StreamResponse:
        """The public keys (RFC 7517)."""
        return web.json_response({"keys": self.fault.keys(self.keys.published())})

    async def authorize(self, request: web.Request) -> web.StreamResponse:
        """The authorization endpoint (Core 3.1.2.1, 3.2.2.1, 3.3.2.1)."""
        given = await requests.unfold(self, await answers.read(request))
        client = rules.known_client(given, self.clients)
        self.fault.at_login(self.keys)
        try:
            asked = rules.check_request(given, client)
            login = self._login(request)
            if not rules.must_ask(asked, login, self.now) and login:
                return responses.answered(self, asked, login, request.cookies.get(f"{self.cookie}_state", ""))
            if "none" in asked.prompt:
                raise Refused("login_required", "nobody is logged in")
        except Refused as error:
            return responses.refused(self, given, error)
        action = f"{self.base}login?{urlencode(given)}"
        page = pages.login(self.room.title, self.room.about, self.room.people, action, asked.login_hint)
        return answers.page(page)

    async def login(self, request: web.Request) -> web.StreamResponse:
        """The login form came back. The request behind it is checked again: the form is the browser's."""
        given = parameters.parse(request.query_string)
        form = parameters.parse(await request.text())
        client = rules.known_client(given, self.clients)
        try:
            asked = rules.check_request(given, client)
            if "cancel" in form:
                raise Refused("access_denied", "the person chose not to log in")
        except Refused as error:
            return responses.refused(self, given, error)
        login = Login(self._who(form), self.now, secrets.token_urlsafe(12))
        ticket, watched = secrets.token_urlsafe(24), secrets.token_urlsafe(12)
        answer = responses.answered(self, asked, login, watched)
        self.memory.logins.pop(request.cookies.get(self.cookie, ""), None)
        self.memory.logins[ticket] = login
        answer.set_cookie(self.cookie, ticket, path=self.base, httponly=True, secure=True, samesite="Lax")
        answer.set_cookie(f"{self.cookie}_state", watched, path=self.base, secure=True, samesite="None")
        return answer

    async def token(self, request: web.Request) -> web.StreamResponse:
        """The token endpoint (Core 3.1.3, 12)."""
        form = parameters.parse(await request.text())
        return web.json_response(await grants.exchange(self, request.headers, form), headers=answers.JSON_HEADERS)

    async def par(self, request: web.Request) -> web.StreamResponse:
        """Pushed authorization requests (RFC 9126)."""
        form = parameters.parse(await request.text())
        pushed = await requests.push(self, request.headers.get("Authorization", ""), form)
        return web.json_response(pushed, status=201, headers=answers.JSON_HEADERS)

    async def register(self, request: web.Request) -> web.StreamResponse:
        """Dynamic registration (Registration 3), and its end (RFC 7592 2.3)."""
        if request.method == "DELETE":
            header = request.headers.get("Authorization", "")
            clients.unregister(self, request.query.get("client_id", ""), header)
            return web.Response(status=204)
        return web.json_response(clients.register(self, await request.text()), status=201, headers=answers.JSON_HEADERS)

    async def userinfo(self, request: web.Request) -> web.StreamResponse:
        """The UserInfo endpoint (Core 5.3), signed for a client that registered for it."""
        grant = self._bearer(request)
        person = grant.login.person
        told = self.fault.userinfo({"sub": person.sub, **person.released(grant.scopes)})
        if not grant.client.userinfo_signed_response_alg:
            return web.json_response(told, headers=answers.JSON_HEADERS)
        token = self.sign({**told, "iss": self.issuer, "aud": grant.client.client_id}, "userinfo")
        return web.Response(text=token, content_type="application/jwt", headers=answers.JSON_HEADERS)

    async def end_session(self, request: web.Request) -> web.StreamResponse:
        """RP-Initiated Logout 1.0: the login of this browser ends, its clients hear of it; back to a registered address
        only."""
        target = logout.way_back(self, await answers.read(request))
        login = self.memory.logins.pop(request.cookies.get(self.cookie, ""), None)
        frames = logout.frames(self, login) if login else []
        if login:
            await logout.tell(self, login)
        if target and not frames:
            answer: web.Response = answers.found(target)
        else:
            page, headers = pages.logged_out(self.room.title, frames, target)
            answer = answers.page(page, headers)
        answer.del_cookie(self.cookie, path=self.base, httponly=True, secure=True, samesite="Lax")
        answer.del_cookie(f"{self.cookie}_state", path=self.base, secure=True, samesite="None")
        return answer

    async def check_session(self, request: web.Request) -> web.StreamResponse:
        """The frame that says whether the session is what a client thinks (Session Management 3)."""
        return answers.page(*pages.check_session(f"{self.cookie}_state"))

    def _login(self, request: web.Request) -> Login | None:
        return self.memory.logins.get(request.cookies.get(self.cookie, ""))

    def _who(self, form: Mapping[str, str]) -> Person:
        chosen = self.room.find(form.get("person", ""))
        if chosen is None and not form.get("name", "").strip():
            raise Shown("invalid_request", "nobody was chosen")
        return chosen or somebody(form["name"].strip())

    def _bearer(self, request: web.Request) -> Grant:
        """What the access token of a request stands for; one that is bound to a key needs its proof (RFC 9449 7.1)."""
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        grant = self.memory.tokens.get(token)
        if grant is None or grant.expires <= self.now or scheme.lower() != ("dpop" if grant.jkt else "bearer"):
            raise web.HTTPUnauthorized(headers=UNAUTHORIZED)
        if grant.jkt:
            proof, url = request.headers.get("DPoP", ""), f"{self.issuer}userinfo"
            if grants.thumbprint(self, proof, request.method, url, token) != grant.jkt:
                raise web.HTTPUnauthorized(headers={"WWW-Authenticate": 'DPoP error="invalid_token"'})
        return grant
