"""An application reduced to its requests: every answer is handed over as it came, good or bad.

Its redirect URI is nobody's address: the browser stops there, and the code is read from where it would have gone.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, quote_plus, urlencode, urlsplit

import aiohttp

from proxy.lab.browser import Browser, Tab

CALLBACK = "http://127.0.0.1:9/callback"
SECRET = "the secret of the plain application, long enough for anybody"
CLIENT = {
    "client_id": "webapp",
    "client_secret": SECRET,
    "client_name": "The app",
    "redirect_uris": [CALLBACK],
    "post_logout_redirect_uris": ["http://127.0.0.1:9/"],
    "grant_types": ["authorization_code", "refresh_token"],
    "token_endpoint_auth_method": "client_secret_basic",
}
BASIC = "Basic " + base64.b64encode(f"webapp:{quote_plus(SECRET)}".encode()).decode()  # RFC 6749 2.3.1
TIMEOUT = aiohttp.ClientTimeout(total=30)


@dataclass(frozen=True)
class Told:
    """An answer: its status (0: the connection broke), headers and body."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    text: str = ""

    @property
    def json(self) -> dict[str, Any]:
        """The body, if it is a JSON object; else an empty one."""
        found = json.loads(self.text) if "json" in self.headers.get("Content-Type", "") else {}
        return found if isinstance(found, dict) else {}

    @property
    def error(self) -> str:
        """The OAuth error code in it."""
        return str(self.json.get("error", ""))


@dataclass(frozen=True)
class Trip:
    """A login the application began: where to send the browser, and what it keeps."""

    url: str
    state: str
    verifier: str


@dataclass
class PlainApp:
    """An application of the Isthmus at ``issuer``; an async context manager. ``secrets``: all it sent and got."""

    issuer: str
    scope: str = "openid profile email offline_access"
    tls: Any = True
    secrets: set[str] = field(default_factory=set)

    async def __aenter__(self) -> PlainApp:
        connector = aiohttp.TCPConnector(ssl=self.tls, force_close=True, limit=0)
        jar = aiohttp.DummyCookieJar()
        self.http = aiohttp.ClientSession(connector=connector, cookie_jar=jar, timeout=TIMEOUT)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.http.close()

    async def ask(self, path: str, method: str = "GET", **options: Any) -> Told:
        """One request; redirects are not followed."""
        url = path if "://" in path else f"{self.issuer}{path}"
        try:
            async with self.http.request(method, url, allow_redirects=False, **options) as answer:
                return Told(answer.status, answer.headers.copy(), await answer.text())
        except aiohttp.ClientConnectionError:
            return Told(0)

    def begin(self, **wishes: str) -> Trip:
        """A new trip."""
        state, verifier = secrets.token_urlsafe(16), secrets.token_urlsafe(48)
        self.secrets.add(verifier)
        digest = hashlib.sha256(verifier.encode()).digest()
        query = {
            "client_id": "webapp",
            "redirect_uri": CALLBACK,
            "response_type": "code",
            "scope": self.scope,
            "state": state,
            "nonce": secrets.token_urlsafe(16),
            "code_challenge": base64.urlsafe_b64encode(digest).rstrip(b"=").decode(),
            "code_challenge_method": "S256",
            **wishes,
        }
        return Trip(f"{self.issuer}authorize?{urlencode(query)}", state, verifier)

    async def token(self, **form: str) -> Told:
        """One request to the token endpoint."""
        self.secrets.update(form[name] for name in ("code", "refresh_token") if name in form)
        told = await self.ask("oauth/token", "POST", data=form, headers={"Authorization": BASIC})
        self.secrets.update(str(value) for name, value in told.json.items() if name.endswith("_token"))
        return told

    async def redeem(self, trip: Trip, code: str) -> Told:
        """Tokens for a code."""
        return await self.token(
            grant_type="authorization_code", code=code, redirect_uri=CALLBACK, code_verifier=trip.verifier
        )

    async def refresh(self, token: str) -> Told:
        """Tokens for a refresh token."""
        return await self.token(grant_type="refresh_token", refresh_token=token)

    async def userinfo(self, token: str) -> Told:
        """Claims for an access token."""
        return await self.ask("userinfo", headers={"Authorization": f"Bearer {token}"})


def stop_at_the_app(browser: Browser) -> Browser:
    """Let the browser stop where the application would be."""
    browser.stop = lambda navigation: navigation.url.startswith(CALLBACK)
    return browser


def arrived(tab: Tab) -> dict[str, str]:
    """What came back to the application; empty if the browser did not get there."""
    if tab.pending is None or not tab.pending.url.startswith(CALLBACK):
        return {}
    return {name: values[0] for name, values in parse_qs(urlsplit(tab.pending.url).query).items()}
