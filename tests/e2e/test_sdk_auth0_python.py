"""``auth0-python``: its ``TokenVerifier`` takes our ID tokens, and its calls of the Authentication API work unchanged.

``protocol="http"`` is the SDK's own switch for tests; nothing of it is changed.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
from auth0.authentication import GetToken, RevokeToken, Users
from auth0.authentication.exceptions import Auth0Error, TokenValidationError
from auth0.authentication.pushed_authorization_requests import PushedAuthorizationRequests
from auth0.authentication.token_verifier import (
    AsymmetricSignatureVerifier,
    SymmetricSignatureVerifier,
    TokenVerifier,
)

from proxy.lab.browser import Browser
from proxy.oidc import pkce
from tests.e2e.sdk_world import API, MIRA, SUB, Houses, houses
from tests.kit.isthmus import Node

__all__ = ["houses"]
pytestmark = pytest.mark.e2e
SECRET = "the secret of the application, long enough for anybody"
CALLBACK = "http://127.0.0.1:9/callback"
VERIFIER = "a-verifier-of-more-than-43-characters-0123456789"
PLAIN = {"client_secret": SECRET, "token_endpoint_auth_method": "client_secret_post"}


@dataclass
class Scene:
    """Isthmus, and what the SDK is made with."""

    node: Node
    known: dict[str, Any]

    def verifier(self, algorithm: str = "RS256", **changes: str) -> TokenVerifier:
        """The SDK's verifier, as its readme has it."""
        keys = AsymmetricSignatureVerifier(f"{self.node.issuer}.well-known/jwks.json", algorithm)
        return TokenVerifier(keys, **{"issuer": self.node.issuer, "audience": "webapp", **changes})

    async def code(self, **wishes: str) -> str:
        """The code of a person's login: the browser stops before the application's address."""
        asked = {
            "client_id": "webapp", "response_type": "code", "redirect_uri": CALLBACK, "state": "s", "nonce": "n",
            "scope": "openid profile email offline_access", **wishes,
        }  # fmt: skip
        async with Browser(stop=lambda navigation: navigation.url.startswith(CALLBACK)) as browser:
            tab = await browser.open(f"{self.node.issuer}authorize?{urlencode(asked)}")
            await tab.click(MIRA.name)
            assert tab.pending is not None, tab.page.text
            return dict(parse_qsl(urlsplit(tab.pending.url).query))["code"]

    async def log_in(self) -> Any:
        """Tokens, by the SDK."""
        return await call(GetToken(**self.known).authorization_code, await self.code(), CALLBACK)


async def call(what: Any, *given: Any, **named: Any) -> Any:
    """The SDK waits for its answers: not in the loop that serves them."""
    return await asyncio.to_thread(partial(what, *given, **named))


@asynccontextmanager
async def scene(houses: Houses, sdk: Any = None, **changes: Any) -> AsyncIterator[Scene]:
    """Everything, running. ``sdk``: how the application proves who it is, instead of its secret."""
    client = {
        "client_id": "webapp",
        "redirect_uris": [CALLBACK],
        "grant_types": ["authorization_code", "refresh_token"],
        **(PLAIN if sdk is None else {}),
        **changes,
    }
    async with houses([client]) as node:
        proof = {"client_secret": SECRET} if sdk is None else sdk
        yield Scene(node, {"domain": f"127.0.0.1:{node.port}", "client_id": "webapp", "protocol": "http", **proof})


async def test_its_verifier_takes_our_id_tokens(houses: Houses) -> None:
    """Signature, issuer, audience, nonce and age are right; a token for or from somebody else, of another login, or
    changed is refused."""
    async with scene(houses) as made:
        token, verify = (await made.log_in())["id_token"], made.verifier().verify
        assert (await call(verify, token, nonce="n", max_age=60))["sub"] == SUB
        wrong: tuple[tuple[dict[str, str], dict[str, Any], str], ...] = (
            ({"audience": "somebody-else"}, {}, "aud"),
            ({"issuer": made.node.issuer.rstrip("/")}, {}, "iss"),
            ({}, {"nonce": "another"}, "nonce"),
            ({}, {"organization": "org_1"}, "org_id"),
            ({"algorithm": "PS256"}, {}, "algorithm"),
        )
        for changes, asked, about in wrong:
            with pytest.raises(TokenValidationError, match=about):
                await call(made.verifier(**changes).verify, token, **asked)
        head, body, signature = token.split(".")
        with pytest.raises(TokenValidationError, match="signature"):
            await call(verify, f"{head}.{body}.{signature[:-8]}AAAAAAAA")


@pytest.mark.parametrize("algorithm", ["PS256", "HS256"])
async def test_its_verifier_takes_other_algorithms(houses: Houses, algorithm: str) -> None:
    """``id_token_signed_response_alg``: with HS256 the client's secret is the key."""
    async with scene(houses, id_token_signed_response_alg=algorithm) as made:
        token, verifier = (await made.log_in())["id_token"], made.verifier("PS256")
        if algorithm == "HS256":
            verifier = TokenVerifier(SymmetricSignatureVerifier(SECRET), made.node.issuer, "webapp")
        assert (await call(verifier.verify, token, nonce="n"))["sub"] == SUB


async def test_tokens_from_first_to_last(houses: Houses) -> None:
    """``GetToken``, ``Users`` and ``RevokeToken``, which post JSON with an empty ``scope``; refused, the SDK tells our
    error."""
    async with scene(houses) as made:
        tokens = await made.log_in()
        person = await call(Users(made.known["domain"], protocol="http").userinfo, tokens["access_token"])
        assert (person["sub"], person["email"]) == (SUB, MIRA.claims["email"])
        fresh = await call(GetToken(**made.known).refresh_token, tokens["refresh_token"])
        assert fresh["scope"] == tokens["scope"] and fresh["refresh_token"] != tokens["refresh_token"]
        await call(RevokeToken(**made.known).revoke_refresh_token, fresh["refresh_token"])
        with pytest.raises(Auth0Error, match="invalid refresh token") as caught:
            await call(GetToken(**made.known).refresh_token, fresh["refresh_token"])
        assert (caught.value.status_code, caught.value.error_code) == (400, "invalid_grant")


async def test_a_public_client(houses: Houses) -> None:
    """``authorization_code_pkce``, as the SDK sends it: no secret, the verifier of PKCE."""
    async with scene(houses, sdk={}, token_endpoint_auth_method="none") as made:
        code = await made.code(code_challenge=pkce.challenge(VERIFIER), code_challenge_method="S256")
        tokens = await call(GetToken(**made.known).authorization_code_pkce, VERIFIER, code, CALLBACK)
        assert (await call(made.verifier().verify, tokens["id_token"], nonce="n"))["sub"] == SUB


async def test_access_for_itself(houses: Houses) -> None:
    """``client_credentials``: the SDK sends ``"organization": null`` along. An API without a grant is refused."""
    grants = [{"audience": API, "scopes": ["read:things"]}]
    async with scene(houses, grant_types=["client_credentials"], redirect_uris=[], grants=grants) as made:
        token = await call(GetToken(**made.known).client_credentials, API)
        assert (token["token_type"], token["scope"]) == ("Bearer", "read:things") and token["expires_in"] > 0
        with pytest.raises(Auth0Error):
            await call(GetToken(**made.known).client_credentials, "https://other.example/")


async def test_a_pushed_request(houses: Houses) -> None:
    """``PushedAuthorizationRequests``: the request lies with us, and the person's login answers it."""
    async with scene(houses, require_pushed_authorization_requests=True) as made:
        more = {"scope": "openid", "state": "s", "nonce": "n"}
        pushed = await call(
            PushedAuthorizationRequests(**made.known).pushed_authorization_request, "code", CALLBACK, **more
        )
        code = await made.code(request_uri=pushed["request_uri"])
        tokens = await call(GetToken(**made.known).authorization_code, code, CALLBACK)
        assert (await call(made.verifier().verify, tokens["id_token"], nonce="n"))["sub"] == SUB
