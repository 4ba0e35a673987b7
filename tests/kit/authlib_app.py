"""A downstream application written with Authlib: code flow with PKCE, the ID token verified by joserfc.

A real server with a redirect URI, so that a browser can walk through it. What arrived is in ``arrived``.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import pytest
import requests
from aiohttp import web
from authlib.integrations.requests_client import OAuth2Session
from joserfc import jwt
from joserfc.jwk import KeySet
from joserfc.jwt import JWTClaimsRegistry

from proxy.lab.listen import listen, port_of, serving

SECRET = "the secret of the application, long enough for anybody"
COOKIE = "authlib_app"


@dataclass
class Arrived:
    """What one login brought: the answer's parameters, the tokens, the verified claims of the ID token."""

    params: Mapping[str, str]
    tokens: dict[str, Any]
    claims: dict[str, Any]


@dataclass
class AuthlibApp:
    """The running application. ``issuer`` is set before its first login; ``refused`` holds error answers,
    ``before_token`` is called right before a code is exchanged."""

    base: str
    client_id: str = "webapp"
    secret: str = SECRET
    method: str = "client_secret_basic"
    scope: str = "openid profile email"
    issuer: str = ""
    arrived: list[Arrived] = field(default_factory=list)
    refused: list[Mapping[str, str]] = field(default_factory=list)
    trips: dict[str, tuple[str, str]] = field(default_factory=dict)
    before_token: Callable[[], object] = lambda: None

    @property
    def callback(self) -> str:
        """Its redirect URI."""
        return f"{self.base}callback"

    @property
    def registration(self) -> dict[str, Any]:
        """How Isthmus knows it (the ``[[clients]]`` table)."""
        known = {
            "client_id": self.client_id,
            "client_name": f"The {self.client_id}",
            "redirect_uris": [self.callback],
            "post_logout_redirect_uris": [self.base],
            "grant_types": ["authorization_code", "refresh_token"],
            "token_endpoint_auth_method": self.method,
        }
        return known | ({"client_secret": self.secret} if self.method != "none" else {})

    @property
    def metadata(self) -> dict[str, Any]:
        """The provider's discovery document."""
        found: dict[str, Any] = requests.get(f"{self.issuer}.well-known/openid-configuration", timeout=10).json()
        return found

    @property
    def last(self) -> Arrived:
        """The login that arrived last."""
        return self.arrived[-1]

    def session(self, **options: Any) -> OAuth2Session:
        """Authlib's client for this application."""
        return OAuth2Session(
            self.client_id, self.secret if self.method != "none" else None, scope=self.scope,
            redirect_uri=self.callback, token_endpoint_auth_method=self.method, code_challenge_method="S256",
            **options,
        )  # fmt: skip

    def begin(self, **wishes: str) -> tuple[str, str]:
        """The authorization URL and its state. ``wishes``: connection, prompt, max_age, ..."""
        verifier, nonce = secrets.token_urlsafe(48), secrets.token_urlsafe(16)
        url, state = self.session().create_authorization_url(
            self.metadata["authorization_endpoint"], code_verifier=verifier, nonce=nonce, **wishes
        )
        self.trips[state] = verifier, nonce
        return url, state

    def finish(self, params: Mapping[str, str]) -> Arrived:
        """Exchange the code of an answer; verify the ID token."""
        verifier, nonce = self.trips.pop(params["state"])
        endpoint = self.metadata["token_endpoint"]
        self.before_token()
        url = f"{self.callback}?{urlencode(params)}"
        tokens = self.session(state=params["state"]).fetch_token(
            endpoint, authorization_response=url, code_verifier=verifier, timeout=10
        )
        return Arrived(params, tokens, self.verify(tokens["id_token"], nonce=nonce))

    def verify(self, token: str, **expected: str) -> dict[str, Any]:
        """The claims of an ID token: signature, issuer, audience, times, ``expected`` values. Raises if anything is
        wrong."""
        metadata = self.metadata
        keys = KeySet.import_key_set(requests.get(metadata["jwks_uri"], timeout=10).json())
        decoded = jwt.decode(token, keys, algorithms=metadata["id_token_signing_alg_values_supported"])
        rules: dict[str, Any] = {
            "iss": {"essential": True, "value": self.issuer},
            "aud": {"essential": True, "value": self.client_id},
            "exp": {"essential": True},
            "sub": {"essential": True},
            **{name: {"essential": True, "value": value} for name, value in expected.items()},
        }
        JWTClaimsRegistry(leeway=30, **rules).validate(decoded.claims)
        return dict(decoded.claims)

    def refresh(self, tokens: Mapping[str, Any]) -> dict[str, Any]:
        """New tokens for a refresh token."""
        found = self.session().refresh_token(self.metadata["token_endpoint"], tokens["refresh_token"], timeout=10)
        return dict(found)

    def userinfo(self, tokens: Mapping[str, Any]) -> requests.Response:
        """Ask userinfo with an access token."""
        token = {"access_token": tokens["access_token"], "token_type": "Bearer"}
        answer: requests.Response = self.session(token=token).get(self.metadata["userinfo_endpoint"], timeout=10)
        return answer

    def logout_url(self, arrived: Arrived, state: str = "bye") -> str:
        """Where to send the browser to log out (RP-Initiated Logout 1.0)."""
        query = {
            "id_token_hint": arrived.tokens["id_token"],
            "post_logout_redirect_uri": self.base,
            "state": state,
        }
        return f"{self.metadata['end_session_endpoint']}?{urlencode(query)}"

    async def home(self, request: web.Request) -> web.Response:
        """A page with nothing but a link."""
        return web.Response(text='<title>App</title><a href="/login">Log in</a>', content_type="text/html")

    async def login(self, request: web.Request) -> web.Response:
        """Leave for the provider; every browser has one cookie, every tab its own state."""
        url, _ = await asyncio.to_thread(self.begin, **dict(request.query))
        answer = web.Response(status=302, headers={"Location": url})
        if COOKIE not in request.cookies:
            answer.set_cookie(COOKIE, secrets.token_urlsafe(8), httponly=True, samesite="Lax")
        return answer

    async def arrive(self, request: web.Request) -> web.Response:
        """The provider sent the browser back."""
        params = dict(request.query)
        if "error" in params:
            self.refused.append(params)
            return web.Response(text=f"refused: {params['error']}")
        self.arrived.append(await asyncio.to_thread(self.finish, params))
        return web.Response(text=f"hello {self.last.claims['sub']}")


@asynccontextmanager
async def authlib_app(client_id: str = "webapp", **options: Any) -> AsyncIterator[AuthlibApp]:
    """The application on ``127.0.0.1``. Authlib is told that http is fine here: it is loopback."""
    sock = listen()
    made = AuthlibApp(f"http://127.0.0.1:{port_of(sock)}/", client_id, **options)
    app = web.Application()
    app.add_routes([web.get("/", made.home), web.get("/login", made.login), web.get("/callback", made.arrive)])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AUTHLIB_INSECURE_TRANSPORT", "1")
        async with serving(app, sock):
            yield made
