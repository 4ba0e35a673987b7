"""A tenant of the lab: a whole OpenID Provider on aiohttp, with a login form that asks for no password.

The rules are in ``rules``, the people and the ways of each room in ``rooms``. On loopback only.
"""

from __future__ import annotations

import hmac
import json
import secrets
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any
from urllib.parse import urlencode, urlsplit

import jwt
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import rsa

from proxy.lab import answers, pages, rules
from proxy.lab.people import SCOPE_CLAIMS, Person, somebody
from proxy.lab.rooms import HEALTHY, Grant, LabClient, Login, Memory, Room
from proxy.oidc import params as parameters
from proxy.oidc import pkce
from proxy.oidc.errors import Refused, Shown
from proxy.oidc.urls import is_loopback, with_params

CODE_LIFE = 60
TOKEN_LIFE = 300


class Tenant:
    """One tenant at ``issuer`` (ends in a slash). ``app`` is what to serve; ``clients`` may be added while it runs.

    Its key is made at the start, unless it is given one: that takes a tenth of a second."""

    def __init__(
        self,
        issuer: str,
        clients: Iterable[LabClient] = (),
        room: Room = HEALTHY,
        clock: Callable[[], float] = time.time,
        key: rsa.RSAPrivateKey | None = None,
    ) -> None:
        if not is_loopback(issuer):
            raise ValueError("the lab stays on loopback")
        self.issuer, self.room, self.clock = issuer, room, clock
        self.clients = {client.client_id: client for client in clients}
        self.memory = Memory()
        self.key = key or rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.kid = secrets.token_urlsafe(8)
        self.cookie = f"lab_{urlsplit(issuer).port or 0}"  # cookies know no ports
        self.base = urlsplit(issuer).path

    @property
    def app(self) -> web.Application:
        """The server."""
        app = web.Application(middlewares=[answers.errors])
        app.add_routes(
            [
                web.get(f"{self.base}.well-known/openid-configuration", self.discovery),
                web.get(f"{self.base}jwks.json", self.jwks),
                web.route("*", f"{self.base}authorize", self.authorize),
                web.post(f"{self.base}login", self.login),
                web.post(f"{self.base}token", self.token),
                web.route("*", f"{self.base}userinfo", self.userinfo),
                web.route("*", f"{self.base}end_session", self.end_session),
            ]
        )
        return app

    @property
    def now(self) -> int:
        """Whole seconds since the epoch."""
        return int(self.clock())

    async def discovery(self, request: web.Request) -> web.Response:
        """The discovery document (Discovery 4)."""
        claims = [name for names in SCOPE_CLAIMS.values() for name in names]
        return web.json_response(rules.metadata(self.issuer, claims, list(SCOPE_CLAIMS)))

    async def jwks(self, request: web.Request) -> web.Response:
        """The public key (RFC 7517)."""
        public = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(self.key.public_key()))
        public.pop("key_ops", None)
        return web.json_response({"keys": [{**public, "kid": self.kid, "use": "sig", "alg": "RS256"}]})

    async def authorize(self, request: web.Request) -> web.Response:
        """The authorization endpoint (Core 3.1.2.1, 3.2.2.1)."""
        given = await answers.read(request)
        client = rules.known_client(given, self.clients)
        try:
            asked = rules.check_request(given, client)
            login = self._login(request)
            if not rules.must_ask(asked, login, self.now) and login:
                return self._answer(asked, login)
            if "none" in asked.prompt:
                raise Refused("login_required", "nobody is logged in")
        except Refused as error:
            return self._refuse(given, error)
        action = f"{self.base}login?{urlencode(given)}"
        page = pages.login(self.room.title, self.room.about, self.room.people, action, asked.login_hint)
        return answers.page(page)

    async def login(self, request: web.Request) -> web.Response:
        """The login form came back. The request behind it is checked again: the form is the browser's."""
        given = parameters.parse(request.query_string)
        form = parameters.parse(await request.text())
        client = rules.known_client(given, self.clients)
        try:
            asked = rules.check_request(given, client)
            if "cancel" in form:
                raise Refused("access_denied", "the person chose not to log in")
        except Refused as error:
            return self._refuse(given, error)
        who = self._who(form)
        login = Login(who, self.now, secrets.token_urlsafe(12))
        answer = self._answer(asked, login)
        self.memory.logins.pop(request.cookies.get(self.cookie, ""), None)
        ticket = secrets.token_urlsafe(24)
        self.memory.logins[ticket] = login
        answer.set_cookie(self.cookie, ticket, path=self.base, httponly=True, secure=True, samesite="Lax")
        return answer

    async def token(self, request: web.Request) -> web.Response:
        """The token endpoint (Core 3.1.3)."""
        form = parameters.parse(await request.text())
        client = self._authenticate(request, form)
        if form.get("grant_type") != "authorization_code":
            raise Refused("unsupported_grant_type", "grant_type must be authorization_code")
        grant = self._redeem(form, client)
        access = secrets.token_urlsafe(32)
        grant.token, grant.expires = access, self.now + TOKEN_LIFE
        self.memory.tokens[access] = grant
        body = {
            "access_token": access,
            "token_type": "Bearer",
            "expires_in": TOKEN_LIFE,
            "scope": " ".join(grant.scopes),
            "id_token": self._sign(rules.id_token(self.issuer, grant, self.now, access)),
        }
        return web.json_response(body, headers=answers.JSON_HEADERS)

    async def userinfo(self, request: web.Request) -> web.Response:
        """The UserInfo endpoint (Core 5.3)."""
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        grant = self.memory.tokens.get(token) if scheme.lower() == "bearer" else None
        if grant is None or grant.expires <= self.now:
            raise web.HTTPUnauthorized(headers={"WWW-Authenticate": 'Bearer error="invalid_token"'})
        person = grant.login.person
        return web.json_response({"sub": person.sub, **person.released(grant.scopes)}, headers=answers.JSON_HEADERS)

    async def end_session(self, request: web.Request) -> web.Response:
        """RP-Initiated Logout 1.0: the login of this browser ends; back to a registered address only."""
        given = await answers.read(request)
        client = self.clients.get(given.get("client_id", "") or self._audience(given.get("id_token_hint", "")))
        self.memory.logins.pop(request.cookies.get(self.cookie, ""), None)
        target = given.get("post_logout_redirect_uri", "")
        if client and target in client.post_logout_redirect_uris:
            state = {"state": given["state"]} if "state" in given else {}
            answer: web.Response = answers.found(with_params(target, state))
        else:
            answer = answers.page(pages.message("You are logged out", f"Your login at {self.room.title} has ended."))
        answer.del_cookie(self.cookie, path=self.base, httponly=True, secure=True, samesite="Lax")
        return answer

    def _login(self, request: web.Request) -> Login | None:
        return self.memory.logins.get(request.cookies.get(self.cookie, ""))

    def _who(self, form: Mapping[str, str]) -> Person:
        chosen = self.room.find(form.get("person", ""))
        if chosen is None and not form.get("name", "").strip():
            raise Shown("invalid_request", "nobody was chosen")
        return chosen or somebody(form["name"].strip())

    def _answer(self, asked: rules.Asked, login: Login) -> web.Response:
        """The successful authorization response, in the mode asked for."""
        grant = Grant(
            asked.client, login, asked.scopes, self.now + CODE_LIFE, asked.redirect_uri, asked.nonce, asked.challenge
        )
        if asked.response_type == "id_token":
            fields = {"id_token": self._sign(rules.id_token(self.issuer, grant, self.now))}
        else:
            code = secrets.token_urlsafe(32)
            self.memory.codes[code] = grant
            fields = {"code": code}
        return self._back(asked.redirect_uri, asked.response_mode, fields, asked.state)

    def _refuse(self, given: Mapping[str, str], error: Refused) -> web.Response:
        mode = rules.response_mode(given)
        fields = {"error": error.code, "error_description": error.description}
        return self._back(given["redirect_uri"], mode, fields, given.get("state", ""))

    def _back(self, uri: str, mode: str, fields: Mapping[str, str], state: str) -> web.Response:
        full = {**fields, **({"state": state} if state else {}), "iss": self.issuer}
        if mode == "form_post":
            return answers.page(pages.post_back(uri, full), pages.POST_HEADERS)
        return answers.found(f"{uri}#{urlencode(full)}" if mode == "fragment" else with_params(uri, full))

    def _authenticate(self, request: web.Request, form: Mapping[str, str]) -> LabClient:
        """Client authentication (RFC 6749 2.3.1): Basic, in the body, or none for a public client."""
        name, secret = answers.basic(request.headers.get("Authorization", ""))
        name, secret = name or form.get("client_id", ""), secret or form.get("client_secret", "")
        client = self.clients.get(name)
        if client is None or not hmac.compare_digest(client.client_secret.encode(), secret.encode()):
            raise Refused("invalid_client", "unknown client or wrong secret", status=401)
        return client

    def _redeem(self, form: Mapping[str, str], client: LabClient) -> Grant:
        """A code works once, for its client and redirect URI, in time, with its verifier (RFC 6749 4.1.3, RFC 7636)."""
        code = form.get("code", "")
        if replayed := self.memory.used.get(code):
            self.memory.tokens.pop(replayed.token, None)
        grant = self.memory.codes.pop(code, None)
        if grant is None:
            raise Refused("invalid_grant", "this code is unknown or was used")
        self.memory.used[code] = grant
        fits = grant.client is client and grant.redirect_uri == form.get("redirect_uri") and grant.expires > self.now
        verifier = form.get("code_verifier", "")
        proved = pkce.matches(verifier, grant.challenge) if grant.challenge else not verifier
        if not (fits and proved):
            raise Refused("invalid_grant", "this code is not for this request")
        return grant

    def _sign(self, claims: Mapping[str, Any]) -> str:
        return jwt.encode(dict(claims), self.key, algorithm="RS256", headers={"kid": self.kid})

    def _audience(self, hint: str) -> str:
        try:
            options: Any = {"verify_exp": False, "verify_aud": False}
            claims = jwt.decode(hint, self.key.public_key(), algorithms=["RS256"], options=options)
        except jwt.InvalidTokenError:
            return ""
        return str(claims.get("aud", ""))
