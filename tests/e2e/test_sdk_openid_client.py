"""npm ``openid-client``: what an application may ask beyond a plain login, each step by that library and checked by it.

The program is ``openid_client_app.mjs``; the person walks through the little browser of the lab.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from proxy.lab.browser import Browser
from tests.e2e.sdk_world import API, MIRA, SUB, Houses, Program, houses, node_program
from tests.kit.isthmus import Node
from tests.kit.valkey import free_port

__all__ = ["houses"]
pytestmark = pytest.mark.e2e
SECRET = "the secret of the application, long enough for anybody"
OFFLINE = {"scope": "openid profile email offline_access", "prompt": "consent"}
DEVICE = "urn:ietf:params:oauth:grant-type:device_code"
METHODS = ("client_secret_basic", "client_secret_post", "client_secret_jwt", "private_key_jwt", "none")
ALGORITHMS = ("RS256", "PS256", "ES256")
RESOURCE = {"client_id": API, "client_secret": SECRET, "grant_types": ["client_credentials"]}


class Told(Exception):
    """The library raised: what it said."""

    def __init__(self, error: Mapping[str, Any]) -> None:
        super().__init__(str(error))
        self.status = error.get("status")


@dataclass
class App:
    """The program, its Isthmus, and the person's browser."""

    program: Program
    node: Node
    browser: Browser
    base: str

    async def do(self, step: str, *given: Any) -> Any:
        """One step. Raises ``Told``."""
        answer = await self.program.ask(step, *given)
        if "error" in answer:
            raise Told(answer["error"])
        return answer["ok"]

    async def come(self, url: str) -> None:
        """The person goes to ``url``, logs in if asked, allows what is asked, and comes back to the application."""
        tab = await self.browser.open(url)
        for name in (MIRA.name, "Allow"):
            if any(known.startswith(name) for known in tab.page.names):
                await tab.click(name)
        assert tab.page.url.startswith(self.base), tab.page.text

    async def log_in(self, step: str = "url", *given: Any) -> Any:
        """The code flow by an authorization URL that ``step`` makes; the checked tokens."""
        await self.come(await self.do(step, *(given or (OFFLINE,))))
        return await self.do("redeem")


@asynccontextmanager
async def application(
    houses: Houses, method: str = "client_secret_basic", algorithm: str = "RS256", *, metadata: Any = None,
    tables: Mapping[str, Any] | None = None, **changes: Any,
) -> AsyncIterator[App]:  # fmt: skip
    """The application, known to Isthmus with ``changes`` and to itself with ``metadata``; it has discovered Isthmus."""
    port, ours = free_port(), free_port()
    configuration = {"issuer": f"http://127.0.0.1:{ours}/", "port": port}
    async with node_program("openid_client_app.mjs", configuration) as program, Browser() as browser:
        await program.hear()
        key = (await program.ask("keys", algorithm))["ok"]
        client = {
            "client_id": "program",
            "token_endpoint_auth_method": method,
            "redirect_uris": [f"http://127.0.0.1:{port}/callback"],
            "post_logout_redirect_uris": [f"http://127.0.0.1:{port}/"],
            "grant_types": ["authorization_code", "refresh_token"],
            "jwks": {"keys": [key]},
            **({"client_secret": SECRET} if method.startswith("client_secret") else {}),
            **changes,
        }
        async with houses([client, RESOURCE], port=ours, **(tables or {})) as node:
            made = App(program, node, browser, f"http://127.0.0.1:{port}/")
            proof = algorithm if method == "private_key_jwt" else SECRET
            await made.do("discover", "program", method, proof, metadata or {})
            yield made


@pytest.mark.parametrize("method", METHODS)
async def test_a_login_from_first_to_last(houses: Houses, method: str) -> None:
    """Code flow with PKCE and the answer's ``iss``, userinfo, refresh, introspection, revocation and the way out, by
    each method of client authentication."""
    async with application(houses, method) as app:
        tokens = await app.log_in()
        assert (tokens["claims"]["sub"], tokens["claims"]["iss"]) == (SUB, app.node.issuer)
        assert (await app.do("userinfo", tokens["access_token"], SUB))["email"] == MIRA.claims["email"]
        fresh = await app.do("refresh", tokens["refresh_token"])
        assert fresh["claims"]["sub"] == SUB and fresh["refresh_token"] != tokens["refresh_token"]
        if method != "none":
            assert (await app.do("introspect", fresh["access_token"]))["active"] is True
        await app.do("revoke", fresh["refresh_token"])
        if method != "none":
            assert await app.do("introspect", fresh["access_token"]) == {"active": False}
        with pytest.raises(Told, match="invalid_grant"):
            await app.do("refresh", fresh["refresh_token"])
        back = {"post_logout_redirect_uri": app.base, "id_token_hint": fresh["id_token"], "state": "bye"}
        tab = await app.browser.open(await app.do("leave", back))
        assert tab.page.url == f"{app.base}?state=bye"


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("way", ["signed", "pushed"])
async def test_signed_requests(houses: Houses, algorithm: str, way: str) -> None:
    """RFC 9101 and RFC 9126 in front of ``private_key_jwt``: a request object by each algorithm, and a pushed
    request."""
    demands = {
        "signed": {"require_signed_request_object": True, "request_object_signing_alg": algorithm},
        "pushed": {"require_pushed_authorization_requests": True},
    }
    async with application(houses, "private_key_jwt", algorithm, **demands[way]) as app:
        url = await app.do(way, *([algorithm] if way == "signed" else []), OFFLINE)
        assert ("request=" if way == "signed" else "request_uri=urn") in url and "redirect_uri=" not in url
        await app.come(url)
        assert (await app.do("redeem"))["claims"]["sub"] == SUB


@pytest.mark.parametrize("nonces", [True, False], ids=["nonces", "plain"])
@pytest.mark.parametrize(("method", "algorithm"), [("none", "ES256"), ("client_secret_basic", "RS256")])
async def test_bound_tokens(houses: Houses, method: str, algorithm: str, nonces: bool) -> None:
    """RFC 9449: PAR, code, userinfo and refresh with proofs; the library takes up our nonces by itself. A bound token
    without its proof is nothing."""
    async with application(houses, method, tables={"tokens": {"dpop_nonce": nonces}}) as app:
        await app.do("prove", algorithm)
        tokens = await app.log_in("pushed")
        assert tokens["token_type"] == "dpop"
        assert (await app.do("userinfo", tokens["access_token"], SUB))["sub"] == SUB
        fresh = await app.do("refresh", tokens["refresh_token"])
        assert fresh["token_type"] == "dpop"
        await app.do("discover", "program", method, SECRET)  # which forgets the key
        with pytest.raises(Told):
            await app.do("userinfo", fresh["access_token"], SUB)


@pytest.mark.parametrize("bound", [True, False], ids=["dpop", "bearer"])
async def test_access_for_itself(houses: Houses, bound: bool) -> None:
    """Client credentials for an API, which asks about the token by introspection; then the token is given back."""
    grants = [{"audience": API, "scopes": ["read:things", "write:things"]}]
    changes = {"grant_types": ["client_credentials"], "redirect_uris": [], "grants": grants}
    async with application(houses, **changes, dpop_bound_access_tokens=bound) as app:
        if bound:
            await app.do("prove", "ES256")
        token = (await app.do("credentials", {"resource": API, "scope": "read:things"}))["access_token"]
        await app.do("discover", API, "client_secret_basic", SECRET)
        found = await app.do("introspect", token)
        assert (found["active"], found["client_id"], found["scope"]) == (True, "program", "read:things")
        assert ("cnf" in found) is bound
        await app.do("discover", "program", "client_secret_basic", SECRET)
        await app.do("revoke", token)
        await app.do("discover", API, "client_secret_basic", SECRET)
        assert await app.do("introspect", token) == {"active": False}


async def test_signed_answers(houses: Houses) -> None:
    """Signed userinfo and introspection (RFC 9701), which the library verifies as it was told to expect them."""
    signed = {"userinfo_signed_response_alg": "PS256", "introspection_signed_response_alg": "RS256"}
    async with application(houses, metadata=signed, **signed) as app:
        tokens = await app.log_in()
        assert (await app.do("userinfo", tokens["access_token"], SUB))["email"] == MIRA.claims["email"]
        assert (await app.do("introspect", tokens["access_token"]))["active"] is True


@pytest.mark.parametrize("algorithm", ["RS256", "PS256", "ES256", "EdDSA", "HS256"])
async def test_id_tokens_by_every_algorithm(houses: Houses, algorithm: str) -> None:
    """``id_token_signed_response_alg``: what the operator switched on, and HS256 with the client's secret."""
    asked = {"id_token_signed_response_alg": algorithm}
    keys = {"algorithms": ["RS256", "PS256", "ES256", "EdDSA"]} if algorithm in ("ES256", "EdDSA") else {}
    metadata = asked if algorithm != "HS256" else {**asked, "client_secret": SECRET}
    async with application(houses, metadata=metadata, tables={"keys": keys}, **asked) as app:
        assert (await app.log_in())["claims"]["sub"] == SUB


async def test_a_client_that_registers_itself(houses: Houses) -> None:
    """RFC 7591: it registers, is asked for consent as a third party, and logs a person in. Left
    to itself the library sends the secret by POST, whatever was registered."""
    async with application(houses, tables={"registration": {"mode": "open"}}) as app:
        wanted = {"redirect_uris": [f"{app.base}callback"], "token_endpoint_auth_method": "client_secret_post"}
        known = await app.do("register", {"client_name": "Wanderer", **wanted})
        assert known["client_id"].startswith("tpc_") and known["client_secret"]
        assert (await app.log_in())["claims"]["sub"] == SUB


@pytest.mark.parametrize(("choice", "bound"), [("Allow", True), ("Deny", False)])
async def test_a_device(houses: Houses, choice: str, bound: bool) -> None:
    """RFC 8628: the library asks until the person has typed the code, logged in and decided; with a proof of its key,
    the tokens are bound to it."""
    changes = {"grant_types": [DEVICE, "refresh_token"], "redirect_uris": []}
    async with application(houses, "none", **changes) as app:
        if bound:
            await app.do("prove", "ES256")
        codes = await app.do("device", {"scope": "openid email offline_access"})
        waiting = asyncio.create_task(app.do("poll"))
        tab = await app.browser.open(codes["verification_uri"])
        await tab.submit(user_code=codes["user_code"].lower())
        await tab.click(MIRA.name)
        assert codes["user_code"] in tab.page.text
        await tab.click(choice)
        if choice == "Deny":
            with pytest.raises(Told, match="access_denied"):
                await waiting
            return
        tokens = await waiting
        assert tokens["claims"]["sub"] == SUB and tokens["token_type"] == "dpop"
        assert (await app.do("userinfo", tokens["access_token"], SUB))["email"] == MIRA.claims["email"]
        assert (await app.do("refresh", tokens["refresh_token"]))["claims"]["sub"] == SUB


async def test_a_wrong_secret_is_told(houses: Houses) -> None:
    """The library reads our refusal as RFC 6749 5.2 has it: 401 and a challenge for Basic."""
    async with application(houses) as app:
        await app.do("discover", "program", "client_secret_basic", "another secret that is nobody's at all")
        await app.come(await app.do("url", OFFLINE))
        with pytest.raises(Told, match="OAUTH_WWW_AUTHENTICATE_CHALLENGE") as caught:
            await app.do("redeem")
        assert caught.value.status == 401
