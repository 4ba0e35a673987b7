"""A small OpenID Connect application: log in, see the claims it was told, log out.

Code flow with PKCE, state and nonce (OpenID Connect Core 3.1), the ID token checked against the provider's JWKS. It is
made to be looked at, and for checks; it keeps logins in memory.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import aiohttp
import jwt
from aiohttp import web

from proxy.lab import pages
from proxy.oidc import pkce

PENDING, LOGGED_IN = "lab_app_pending", "lab_app"
LEEWAY = 60


class Failed(Exception):
    """The login did not work; the text says why."""


@dataclass
class LabApp:
    """The application at ``base`` (ends in a slash), a confidential client of the provider at ``issuer``.

    ``connections``: the ways to log in that get a button of their own, name and words.
    """

    base: str
    issuer: str
    client_id: str
    client_secret: str
    connections: Mapping[str, str] = field(default_factory=dict)
    scope: str = "openid profile email address phone"

    def __post_init__(self) -> None:
        self.pending: dict[str, dict[str, str]] = {}
        self.logins: dict[str, dict[str, Any]] = {}

    @property
    def callback(self) -> str:
        """Its redirect URI."""
        return f"{self.base}callback"

    @property
    def app(self) -> web.Application:
        """The server."""
        app = web.Application()
        routes = {"/": self.home, "/login": self.login, "/callback": self.finish, "/logout": self.logout}
        app.add_routes([web.get(path, handler) for path, handler in routes.items()])
        app.cleanup_ctx.append(self._client)
        return app

    async def _client(self, app: web.Application) -> Any:
        timeout = aiohttp.ClientTimeout(total=10)
        async with aiohttp.ClientSession(timeout=timeout, cookie_jar=aiohttp.DummyCookieJar()) as self.http:
            yield

    async def home(self, request: web.Request) -> web.Response:
        """Who is logged in, or the ways to log in."""
        login = self.logins.get(request.cookies.get(LOGGED_IN, ""))
        if login:
            links = [{"href": "/logout", "text": "Log out", "kind": ""}]
            about = "The ID token was signed by Isthmus and checked by this app. It says:"
            return _page(pages.claims(f"Hello {login['claims'].get('name', 'there')}", about, login["claims"], links))
        links = [{"href": "/login", "text": "Log in", "kind": "first"}]
        for name, words in self.connections.items():
            links.append({"href": f"/login?{urlencode({'connection': name})}", "text": words, "kind": ""})
        return _page(pages.claims("Web app", "An application that trusts Isthmus. Nobody is logged in.", {}, links))

    async def login(self, request: web.Request) -> web.Response:
        """Leave for the provider (Core 3.1.2.1)."""
        state, verifier, nonce = (secrets.token_urlsafe(32) for _ in range(3))
        self.pending[state] = {"verifier": verifier, "nonce": nonce}
        wishes = {k: request.query[k] for k in ("connection", "prompt", "max_age", "login_hint") if k in request.query}
        query = {
            "client_id": self.client_id,
            "redirect_uri": self.callback,
            "response_type": "code",
            "scope": self.scope,
            "state": state,
            "nonce": nonce,
            "code_challenge": pkce.challenge(verifier),
            "code_challenge_method": "S256",
            **wishes,
        }
        answer = _found(f"{(await self._metadata())['authorization_endpoint']}?{urlencode(query)}")
        answer.set_cookie(PENDING, state, max_age=600, httponly=True, samesite="Lax", secure=True)
        return answer

    async def finish(self, request: web.Request) -> web.Response:
        """The provider answered (Core 3.1.2.5): exchange the code, check the ID token."""
        state = request.query.get("state", "")
        trip = self.pending.pop(state, None)
        if trip is None or request.cookies.get(PENDING) != state:
            return _page(pages.message("Login failed", "This browser did not begin this login."), 400)
        try:
            login = await self._exchange(request.query, trip)
        except Failed as error:
            return _page(pages.message("Login failed", str(error)), 400)
        ticket = secrets.token_urlsafe(32)
        self.logins[ticket] = login
        answer = _found("/")
        answer.del_cookie(PENDING, httponly=True, samesite="Lax", secure=True)
        answer.set_cookie(LOGGED_IN, ticket, httponly=True, samesite="Lax", secure=True)
        return answer

    async def logout(self, request: web.Request) -> web.Response:
        """End the login here, then at the provider (RP-Initiated Logout 1.0)."""
        login = self.logins.pop(request.cookies.get(LOGGED_IN, ""), None)
        target, hint = (await self._metadata()).get("end_session_endpoint"), (login or {}).get("id_token", "")
        query = urlencode({"id_token_hint": hint, "post_logout_redirect_uri": self.base})
        answer = _found(f"{target}?{query}" if target and login else "/")
        answer.del_cookie(LOGGED_IN, httponly=True, samesite="Lax", secure=True)
        return answer

    async def _exchange(self, answer: Mapping[str, str], trip: Mapping[str, str]) -> dict[str, Any]:
        if "code" not in answer:
            raise Failed(f"{answer.get('error', 'no code')}: {answer.get('error_description', '')}")
        if answer.get("iss", self.issuer) != self.issuer:
            raise Failed("the answer is from another issuer")
        form = {
            "grant_type": "authorization_code",
            "code": answer["code"],
            "redirect_uri": self.callback,
            "code_verifier": trip["verifier"],
        }
        auth = aiohttp.encode_basic_auth(self.client_id, self.client_secret)
        endpoint = (await self._metadata())["token_endpoint"]
        async with self.http.post(endpoint, data=form, headers={"Authorization": auth}) as response:
            tokens = await response.json()
        if response.status != 200:
            raise Failed(f"token endpoint: {tokens.get('error')}: {tokens.get('error_description')}")
        return {"id_token": tokens["id_token"], "claims": await self._verify(tokens["id_token"], trip["nonce"])}

    async def _verify(self, token: str, nonce: str) -> dict[str, Any]:
        """The ID token (Core 3.1.3.7): signature, issuer, audience, times, nonce."""
        keys = jwt.PyJWKSet.from_dict(await self._json((await self._metadata())["jwks_uri"]))
        try:
            key = keys[jwt.get_unverified_header(token)["kid"]]
            claims: dict[str, Any] = jwt.decode(
                token, key, algorithms=["RS256"], audience=self.client_id, issuer=self.issuer, leeway=LEEWAY,
                options={"require": ["iss", "sub", "aud", "exp", "iat"]},
            )  # fmt: skip
        except (jwt.InvalidTokenError, KeyError) as error:
            raise Failed(f"the ID token is not good: {error}") from None
        if claims.get("nonce") != nonce:
            raise Failed("the ID token is for another login")
        return claims

    async def _metadata(self) -> dict[str, Any]:
        return await self._json(f"{self.issuer}.well-known/openid-configuration")

    async def _json(self, url: str) -> dict[str, Any]:
        async with self.http.get(url) as response:
            found: dict[str, Any] = await response.json()
            return found


def _page(html: str, status: int = 200) -> web.Response:
    return web.Response(text=html, status=status, content_type="text/html", headers=pages.HEADERS)


def _found(url: str) -> web.Response:
    return web.Response(status=303, headers={"Location": url, "Cache-Control": "no-store"})
