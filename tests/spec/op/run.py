"""One run of a module of the suite: its client, its browser, its requests, worded as the suite words them."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote_plus, urlencode, urlsplit

from proxy.downstream.assertion import JWT_BEARER
from proxy.lab.browser import Tab
from proxy.lab.navigation import Navigation, Page
from proxy.oidc.jose import Signer
from tests.kit.signing_client import assertion_claims, jwks, signed
from tests.kit.suite import Callback, Params, Suite, SuiteBrowser, Told, Variant, fields, text
from tests.kit.tenant import signer

GRANTS = {"code": "authorization_code", "token": "implicit", "id_token": "implicit"}


@dataclass
class Run:
    """One run of a module. ``seen`` are the kinds of pages that its person was shown: login, choice, consent, logout.
    The client signs with ``key``, names it by ``kid``, and says ``audience`` instead of the token endpoint."""

    suite: Suite
    variant: Variant
    browser: SuiteBrowser
    metadata: Mapping[str, Any] = field(default_factory=dict)
    keys: list[Mapping[str, Any]] = field(default_factory=list)
    client: Mapping[str, Any] = field(default_factory=dict)
    key: Signer = field(default_factory=lambda: signer("suite"))
    kid: str | None = None
    audience: str = ""
    seen: list[str] = field(default_factory=list)
    shown: list[Page] = field(default_factory=list)
    managed: list[Mapping[str, Any]] = field(default_factory=list)

    # --- the client ---

    def registration(self, **changes: Any) -> dict[str, Any]:
        """The body of a registration request; a change to None takes a member out."""
        kinds = self.variant.kinds
        usual = {
            "client_name": f"isthmus suite client {secrets.token_hex(4)}",
            "grant_types": sorted({GRANTS[kind] for kind in kinds}),
            "jwks": jwks(self.key, kid=None),
            "token_endpoint_auth_method": self.variant.auth,
            "response_types": [self.variant.response_type],
            "redirect_uris": [self.suite.callback],
            "contacts": ["certification@oidf.org"],
        }
        return {name: value for name, value in {**usual, **changes}.items() if value is not None}

    async def register(self, **changes: Any) -> Told:
        """One registration request."""
        bearer = {"Authorization": f"Bearer {self.suite.initial_access_token}"}
        body = self.registration(**changes)
        return await self.suite.call("POST", self.metadata["registration_endpoint"], json=body, headers=bearer)

    # --- the browser ---

    def request(self, **changes: str | None) -> dict[str, str]:
        """The parameters of an authorization request; a change to None takes one out."""
        usual: dict[str, str | None] = {
            "client_id": self.client["client_id"],
            "redirect_uri": self.suite.callback,
            "scope": "openid",
            "state": text(10),
            "nonce": text(10),
            "response_type": self.variant.response_type,
            "response_mode": "form_post" if self.variant.form_post else None,
        }
        return {name: value for name, value in {**usual, **changes}.items() if value is not None}

    async def visit(self, params: Params, *, backwards: bool = False, post: bool = False) -> Callback | None:
        """Send the browser to the authorization endpoint and let its person do what pages ask for. Answers what came
        back; None if the way ends at a page, which is then the last one of ``shown``."""
        url, query = self.metadata["authorization_endpoint"], urlencode(sorted(params.items(), reverse=backwards))
        away = Navigation("POST", url, query, self.suite.base) if post else Navigation("GET", f"{url}?{query}")
        return await self.walk(away)

    async def walk(self, away: Navigation) -> Callback | None:
        """From one navigation on, through every page that a person knows what to do with."""
        self.browser.stop = lambda navigation: navigation.url.startswith(self.suite.base)
        tab = Tab(self.browser)
        await tab.navigate(away)
        while tab.pending is None and (step := self._step(tab.page)):
            self.seen.append(step[0])
            self.shown.append(tab.page)
            await tab.click(step[1])
        self.shown.append(tab.page)
        return self._arrived(tab.pending) if tab.pending else None

    def _step(self, page: Page) -> tuple[str, str] | None:
        """What kind of page this is, and what the person clicks."""
        if page.url.startswith(self.suite.tenant):
            return "login", self.suite.person
        if not page.url.startswith(self.suite.issuer):
            return None
        steps = (("choice", "corp login"), ("consent", "Allow"), ("logout", "Log out"))
        return next((step for step in steps if step[1] in page.names), None)

    def _arrived(self, at: Navigation) -> Callback:
        fragment = self.browser.fragment if at.method == "GET" else ""
        return Callback(
            at.method, at.url.partition("?")[0], fields(urlsplit(at.url).query), fields(fragment), fields(at.body)
        )

    # --- calls ---

    async def token(self, **form: str) -> Told:
        """One request to the token endpoint, authenticated as the variant says."""
        proof, headers = self.proof()
        return await self.suite.call("POST", self.metadata["token_endpoint"], data={**form, **proof}, headers=headers)

    async def redeem(self, code: str, **more: str) -> Told:
        """Tokens for a code."""
        uri = more.pop("redirect_uri", self.suite.callback)
        return await self.token(grant_type="authorization_code", code=code, redirect_uri=uri, **more)

    def proof(self) -> tuple[dict[str, str], dict[str, str]]:
        """What authenticates the client: form fields and headers. In Basic both parts are form-urlencoded."""
        name = str(self.client["client_id"])
        if self.variant.auth == "private_key_jwt":
            audience = self.audience or self.metadata["token_endpoint"]
            claims = assertion_claims(name, audience, self.suite.clock())
            assertion = signed(self.key, claims, kid=self.kid)
            return {"client_assertion": assertion, "client_assertion_type": JWT_BEARER}, {}
        secret = str(self.client["client_secret"])
        if self.variant.auth == "client_secret_post":
            return {"client_id": name, "client_secret": secret}, {}
        pair = f"{quote_plus(name)}:{quote_plus(secret)}"
        return {}, {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}

    async def userinfo(self, token: str, how: str = "get") -> Told:
        """Claims for an access token: by GET, by POST with the token in the header, or in the body."""
        bearer = {"Authorization": f"Bearer {token}"}
        url, form = self.metadata["userinfo_endpoint"], {"Content-Type": "application/x-www-form-urlencoded"}
        if how == "post-header":
            return await self.suite.call("POST", url, headers={**bearer, **form}, data=b"")
        if how == "post-body":
            return await self.suite.call("POST", url, data={"access_token": token})
        return await self.suite.call("GET", url, headers=bearer)
