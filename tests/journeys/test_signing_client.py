"""A client that signs, over real HTTP: its keys and its request object lie at addresses of its own."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestServer

from proxy.oidc import pkce
from proxy.store.memory import MemoryStore
from tests.kit.isthmus import Node, connection, isthmus
from tests.kit.signing_client import assertion_claims, jwks, signed, with_assertion
from tests.kit.tenant import signer

ONE, TWO = signer("one"), signer("two")
CALLBACK = "http://127.0.0.1:9002/callback"


class Place:
    """The client's own site."""

    def __init__(self) -> None:
        self.keys: dict[str, Any] = jwks(ONE)
        self.request_object = ""
        self.asked: list[str] = []

    async def serve(self, request: web.Request) -> web.Response:
        self.asked.append(request.path)
        if request.path == "/jwks":
            return web.Response(text=json.dumps(self.keys), content_type="application/json")
        return web.Response(text=self.request_object, content_type="application/jwt")


@asynccontextmanager
async def together(directory: Path) -> AsyncIterator[tuple[Place, Node, ClientSession]]:
    """The client's site, Isthmus, and who calls it."""
    place, site = Place(), web.Application()
    site.router.add_get("/{any}", place.serve)
    async with TestServer(site) as server:
        base = str(server.make_url("/")).rstrip("/")
        client = {
            "client_id": "signs",
            "token_endpoint_auth_method": "private_key_jwt",
            "jwks_uri": f"{base}/jwks",
            "request_uris": [f"{base}/request#1"],
            "redirect_uris": [CALLBACK],
            "grant_types": ["authorization_code", "refresh_token"],
        }
        tenant = connection("corp", "http://127.0.0.1:9/", "back_channel", ["signs"])
        async with (
            isthmus(directory, MemoryStore(), connections=[tenant], clients=[client]) as node,
            ClientSession() as http,
        ):
            yield place, node, http


async def knock(node: Node, http: ClientSession, token: str) -> tuple[int, str]:
    """What the token endpoint says: a client that is let in hears of its refresh token."""
    form = with_assertion(token, grant_type="refresh_token", refresh_token="none-of-ours")
    async with http.post(f"{node.issuer}oauth/token", data=form) as response:
        return response.status, (await response.json())["error"]


IN, OUT = (400, "invalid_grant"), (401, "invalid_client")


@pytest.mark.parametrize("path", ["", "oauth/token"], ids=["issuer", "token-endpoint"])
async def test_oidcc_ensure_client_assertion_with_iss_aud_succeeds(tmp_path: Path, path: str) -> None:
    """oidcc-ensure-client-assertion-with-iss-aud-succeeds: the issuer and the token endpoint are good audiences; the
    same assertion again is not let in."""
    async with together(tmp_path) as (place, node, http):
        token = signed(ONE, assertion_claims("signs", f"{node.issuer}{path}", time.time()))
        assert [await knock(node, http, token) for _ in range(2)] == [IN, OUT]
        assert place.asked.count("/jwks") <= 2


async def test_oidcc_refresh_token_rp_key_rotation(tmp_path: Path) -> None:
    """oidcc-refresh-token-rp-key-rotation: after ``jwks_uri`` changed the next assertion with the new key works."""
    async with together(tmp_path) as (place, node, http):

        def claims() -> dict[str, Any]:
            return assertion_claims("signs", f"{node.issuer}oauth/token", time.time())

        assert await knock(node, http, signed(ONE, claims(), kid="one")) == IN
        place.keys = jwks(TWO)
        assert await knock(node, http, signed(TWO, claims(), kid="two")) == IN
        assert await knock(node, http, signed(ONE, claims(), kid="one")) == OUT


async def test_oidcc_request_uri_signed_rs256(tmp_path: Path) -> None:
    """oidcc-request-uri-signed-rs256: the object is fetched, verified with the fetched key, and asked; discovery says
    so; AZ-19: of an address that is not registered nothing is fetched."""
    async with together(tmp_path) as (place, node, http):
        inner = {
            "iss": "signs",
            "aud": node.issuer,
            "client_id": "signs",
            "response_type": "code",
            "redirect_uri": CALLBACK,
            "scope": "openid",
            "state": "inside",
            "prompt": "none",
            "code_challenge": pkce.challenge("v" * 43),
            "code_challenge_method": "S256",
        }
        place.request_object = signed(ONE, inner)
        uri = node.settings.clients["signs"].request_uris[0]
        query = {"client_id": "signs", "response_type": "code", "scope": "openid", "redirect_uri": CALLBACK}
        told = {}
        for asked in (uri, f"{uri}2"):
            params = {**query, "request_uri": asked}
            async with http.get(f"{node.issuer}authorize", params=params, allow_redirects=False) as response:
                told[asked] = parse_qs(urlsplit(response.headers["Location"]).query)
        assert (told[uri]["error"], told[uri]["state"]) == (["login_required"], ["inside"])
        assert told[f"{uri}2"]["error"] == ["invalid_request_uri"]
        assert place.asked == ["/request", "/jwks"]
        async with http.get(f"{node.issuer}.well-known/openid-configuration") as response:
            document = await response.json()
        assert "RS256" in document["request_object_signing_alg_values_supported"]
        assert document["request_uri_parameter_supported"] is document["request_parameter_supported"] is True
        assert "private_key_jwt" in document["token_endpoint_auth_methods_supported"]
