"""Tokens over HTTP: bound to a key, asked about, given back; headers, challenges and media types."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Mapping
from typing import Any

import aiohttp_session
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from multidict import CIMultiDict

from proxy.bridge.session import Sessions
from proxy.downstream.access_token import AccessTokens
from proxy.downstream.consents import Consents
from proxy.downstream.dpop import Proofs
from proxy.downstream.introspection import Introspection
from proxy.downstream.revocation import Revocation
from proxy.downstream.token import Token
from proxy.oidc.dpop import ALGORITHMS
from proxy.web.callers import Callers
from proxy.web.pages import Pages
from proxy.web.routes import add_routes
from proxy.web.session import SessionStorage
from tests.downstream.world import API, CALLBACK, ISSUER, SECRET, VERIFIER, WEBAPP, World, a_session, payload
from tests.kit.dpop import Holder
from tests.kit.signing_client import authenticator

ADA = Holder("ada")
TOKEN, USERINFO = f"{ISSUER}oauth/token", f"{ISSUER}userinfo"
BASIC = {"Authorization": "Basic " + base64.b64encode(f"webapp:{SECRET}".encode()).decode()}
ALGS = f'algs="{" ".join(ALGORITHMS)}"'


class Site:
    """The provider's own endpoints, served, with nonces on."""

    def __init__(self, world: World, http: TestClient[web.Request, web.Application]) -> None:
        self.world, self.http = world, http

    async def redeem(self, *proofs: str, code: str = "", **more: str) -> tuple[int, Mapping[str, str], dict[str, Any]]:
        """Status, headers and body of a request for tokens."""
        form = {"grant_type": "authorization_code", "redirect_uri": CALLBACK, "code_verifier": VERIFIER, **more}
        form["code"] = code or await self.world.new_code()
        headers = CIMultiDict([*BASIC.items(), *(("DPoP", proof) for proof in proofs)])
        async with self.http.post("/oauth/token", data=form, headers=headers) as response:
            return response.status, response.headers, await response.json()

    async def show(self, scheme: str, token: str, *proofs: str) -> tuple[int, Mapping[str, str], dict[str, Any]]:
        """Status, headers and body of userinfo."""
        headers = CIMultiDict([("Authorization", f"{scheme} {token}"), *(("DPoP", proof) for proof in proofs)])
        async with self.http.get("/userinfo", headers=headers) as response:
            return response.status, response.headers, await response.json()

    def proof(self, method: str, url: str, nonce: str | None = None, **more: Any) -> str:
        """A proof of Ada's."""
        return ADA.proof(method, url, self.world.clock.now, nonce=nonce, **more)

    async def bound(self) -> tuple[str, str]:
        """A token bound to Ada's key, and a good nonce."""
        nonce = self.world.proofs.headers(self.world.clock.now)["DPoP-Nonce"]
        _, _, answer = await self.redeem(self.proof("POST", TOKEN, nonce))
        return answer["access_token"], nonce


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    world = await World().begin(a_session())
    world.proofs = Proofs(ISSUER, world.store, b"n" * 32, asks_nonce=True)
    token = Token(ISSUER, world.token.grant_types, world.proofs)
    inspect = Introspection(world.access_tokens, world.known, world.connections, Consents(world.store))
    features = [token, world.userinfo_endpoint, inspect, Revocation(world.access_tokens)]
    door = authenticator(ISSUER, world.clients, world.store)
    tokens = AccessTokens(ISSUER, world.store, world.keys, world.lifetimes)
    callers = Callers(ISSUER, Pages(ISSUER, "Acme"), door, tokens, world.proofs, clock=world.clock)
    sessions = Sessions(world.store, {}, idle=1, absolute=1)
    app = web.Application(middlewares=[aiohttp_session.session_middleware(SessionStorage(sessions, ISSUER))])
    add_routes(app, features, callers, "/")
    async with TestClient(TestServer(app)) as http:
        yield Site(world, http)


async def test_the_whole_way_of_a_bound_token(site: Site) -> None:
    """RFC 9449 5, 7, 8, 9: sent for a nonce at both places, then let in; each answer has the next nonce."""
    code = await site.world.new_code()
    status, headers, told = await site.redeem(site.proof("POST", TOKEN), code=code)
    assert (status, told["error"]) == (400, "use_dpop_nonce")
    nonce = headers["DPoP-Nonce"]
    status, headers, answer = await site.redeem(site.proof("POST", TOKEN, nonce), code=code)
    assert (status, answer["token_type"], headers["DPoP-Nonce"]) == (200, "DPoP", nonce)
    token = answer["access_token"]
    status, headers, _ = await site.show("DPoP", token, site.proof("GET", USERINFO, access_token=token))
    challenge = headers["WWW-Authenticate"]
    assert status == 401 and challenge.startswith("DPoP ") and 'error="use_dpop_nonce"' in challenge
    assert ALGS in challenge and headers["DPoP-Nonce"] == nonce
    status, headers, said = await site.show("DPoP", token, site.proof("GET", USERINFO, nonce, access_token=token))
    assert (status, said["sub"], headers["DPoP-Nonce"]) == (200, "oidc|corp|ada", nonce)
    assert headers["Cache-Control"] == "no-store"


async def test_how_a_bound_token_does_not_get_in(site: Site) -> None:
    """RFC 9449 7: as a bearer token, without a proof, with two, with one that was used: 401, and the reason's code."""
    token, nonce = await site.bound()
    one, two = (site.proof("GET", USERINFO, nonce, access_token=token) for _ in range(2))
    for scheme, proofs, code in (
        ("Bearer", (), "invalid_token"),
        ("Bearer", (one,), "invalid_token"),
        ("DPoP", (), "invalid_dpop_proof"),
        ("DPoP", (one, two), "invalid_dpop_proof"),
        ("DPoP", (f"{one}, {two}",), "invalid_dpop_proof"),
        ("DPoP", (token,), "invalid_dpop_proof"),
    ):
        status, headers, told = await site.show(scheme, token, *proofs)
        assert (status, told["error"]) == (401, code)
        assert f'error="{code}"' in headers["WWW-Authenticate"]
    assert (await site.show("dpop", token, two))[0] == 200
    assert (await site.show("DPoP", token, two))[2]["error"] == "invalid_dpop_proof"


async def test_a_challenge_names_both_schemes(site: Site) -> None:
    """RFC 9449 7.1: who brings no token learns how one may be shown; who brings a bad one is told so for both."""
    async with site.http.get("/userinfo") as response:
        challenge = response.headers["WWW-Authenticate"]
        assert challenge == f'Bearer realm="{ISSUER}", DPoP realm="{ISSUER}", {ALGS}'
    status, headers, _ = await site.show("Bearer", "nonsense")
    assert status == 401 and headers["WWW-Authenticate"].count('error="invalid_token"') == 2


async def test_two_proofs_at_the_token_endpoint(site: Site) -> None:
    """RFC 9449 4.3, step 1: 400, and no Basic challenge: the client is not in doubt."""
    proof = site.proof("POST", TOKEN)
    status, headers, told = await site.redeem(proof, proof)
    assert (status, told["error"]) == (400, "invalid_dpop_proof") and "WWW-Authenticate" not in headers


async def test_tk_25_no_answer_with_tokens_is_kept(site: Site) -> None:
    """TK-25: no-store on 200 and 400, with and without a proof; no ETag."""
    nonce = site.world.proofs.headers(site.world.clock.now)["DPoP-Nonce"]
    answers = [
        await site.redeem(),
        await site.redeem(site.proof("POST", TOKEN, nonce)),
        await site.redeem(site.proof("POST", TOKEN)),
        await site.redeem(code="unknown"),
    ]
    assert [status for status, _, _ in answers] == [200, 200, 400, 400]
    for _, headers, _ in answers:
        assert (headers["Cache-Control"], headers["Pragma"]) == ("no-store", "no-cache") and "ETag" not in headers


@pytest.mark.parametrize(
    "headers",
    [
        {"X-SSL-Client-Cert": "-----BEGIN CERTIFICATE-----", "SSL-Client-Verify": "SUCCESS"},
        {"X-Forwarded-Client-Cert": 'By=spiffe://x;Hash=abc;Subject="CN=webapp"'},
        {"X-Client-Cert-DN": "CN=webapp", "X-SSL-Client-Verify": "SUCCESS", "Client-Cert": ":MIIB:"},
    ],
)
async def test_tk_30_a_client_certificate_in_a_header_proves_nothing(site: Site, headers: dict[str, str]) -> None:
    """TK-30: without its secret the client is not let in, whatever certificate a header speaks of."""
    form = {"grant_type": "authorization_code", "redirect_uri": CALLBACK, "code_verifier": VERIFIER}
    code = await site.world.new_code()
    for path, more in (("token", {**form, "code": code}), ("introspect", {"token": "x"}), ("revoke", {"token": "x"})):
        data = {"client_id": "webapp", **more}
        async with site.http.post(f"/oauth/{path}", data=data, headers=headers) as response:
            assert (response.status, (await response.json())["error"]) == (401, "invalid_client")
    status, _, answer = await site.redeem(code=code)
    assert status == 200 and "cnf" not in payload(answer["id_token"])


async def test_the_three_ways_to_userinfo(site: Site) -> None:
    """oidcc-userinfo-get, -post-header, -post-body: 200, JSON with ``sub``; a bound token in a form is refused."""
    token = (await site.world.tokens())["access_token"]
    auth = {"Authorization": f"Bearer {token}"}
    empty = {"Content-Type": "application/x-www-form-urlencoded", **auth}
    asks: list[tuple[str, dict[str, Any]]] = [
        ("GET", {"headers": auth}),
        ("POST", {"headers": empty}),
        ("POST", {"data": {"access_token": token}}),
    ]
    for method, arguments in asks:
        async with site.http.request(method, "/userinfo", **arguments) as response:
            assert (response.status, response.content_type) == (200, "application/json")
            assert (await response.json())["sub"] == "oidc|corp|ada"
    bound, nonce = await site.bound()
    headers = {"DPoP": site.proof("POST", USERINFO, nonce, access_token=bound)}
    async with site.http.post("/userinfo", data={"access_token": bound}, headers=headers) as response:
        assert response.status == 401


async def test_signed_userinfo_has_its_own_media_type(site: Site) -> None:
    """oidcc-userinfo-rs256: application/jwt, without a charset."""
    token = (await site.world.tokens())["access_token"]
    site.world.clients["webapp"] = WEBAPP.model_copy(update={"userinfo_signed_response_alg": "RS256"})
    async with site.http.get("/userinfo", headers={"Authorization": f"Bearer {token}"}) as response:
        assert (response.status, response.headers["Content-Type"]) == (200, "application/jwt")
        assert response.headers["Cache-Control"] == "no-store"
        assert payload(await response.text())["aud"] == "webapp"


async def test_a_token_of_a_client_that_is_gone(site: Site) -> None:
    """RFC 7592 2.3: its tokens end with it."""
    token = (await site.world.tokens())["access_token"]
    del site.world.clients["webapp"]
    status, _, told = await site.show("Bearer", token)
    assert (status, told["error"]) == (401, "invalid_token")


async def test_asking_what_a_token_means(site: Site) -> None:
    """RFC 7662 2.2, RFC 9701 5: JSON, or signed with its media type; no-store for both."""
    token = (await site.world.tokens(scope="openid read:things", audience=API))["access_token"]
    bodies: list[dict[str, Any]] = [{"data": {"token": token}}, {"json": {"token": token, "token_type_hint": None}}]
    for body in bodies:
        async with site.http.post("/oauth/introspect", headers=BASIC, **body) as response:
            assert (response.status, response.content_type) == (200, "application/json")
            assert (await response.json())["active"] is True
    headers = {**BASIC, "Accept": "application/token-introspection+jwt"}
    async with site.http.post("/oauth/introspect", headers=headers, data={"token": token}) as response:
        assert response.headers["Content-Type"] == "application/token-introspection+jwt"
        assert response.headers["Cache-Control"] == "no-store"
        assert payload(await response.text())["token_introspection"]["active"] is True


@pytest.mark.parametrize(
    ("headers", "form"),
    [
        ({}, {}),
        ({}, {"client_id": "spa"}),
        ({}, {"client_id": "webapp"}),
        ({}, {"client_id": "webapp", "client_secret": "wrong"}),
        ({"Authorization": "Bearer USER"}, {}),
        ({"Authorization": "Bearer USER"}, {"client_id": "spa"}),
    ],
)
async def test_in_06_who_may_not_ask_gets_no_hint(site: Site, headers: dict[str, str], form: dict[str, str]) -> None:
    """IN-06: 401 without client authentication, for a public client and with a person's token; for a live token, a dead
    one and none at all the same words."""
    live = (await site.world.tokens())["access_token"]
    sent = {name: value.replace("USER", live) for name, value in headers.items()}
    answers = set()
    for token in (live, "x" * 43):
        async with site.http.post("/oauth/introspect", headers=sent, data={**form, "token": token}) as response:
            answers.add((response.status, await response.text()))
    assert len(answers) == 1 and {status for status, _ in answers} == {401}


@pytest.mark.parametrize("kind", ["data", "json"])
async def test_giving_a_token_back(site: Site, kind: str) -> None:
    """RFC 7009 2.2, Auth0's /oauth/revoke: form or JSON, 200 whatever the token was, and it is dead."""
    tokens = await site.world.tokens(scope="openid offline_access")
    for token in (tokens["refresh_token"], tokens["refresh_token"], "unknown"):
        body: dict[str, Any] = {kind: {"token": token}}
        async with site.http.post("/oauth/revoke", headers=BASIC, **body) as response:
            assert response.status == 200
    assert (await site.show("Bearer", tokens["access_token"]))[0] == 401


async def test_a_public_client_gives_a_token_back_by_its_name(site: Site) -> None:
    """RFC 7009 2.1: as auth0-spa-js does, in JSON."""
    tokens = await site.world.tokens(client_id="spa", scope="openid offline_access")
    body = {"client_id": "spa", "token": tokens["refresh_token"]}
    async with site.http.post("/oauth/revoke", json=body) as response:
        assert response.status == 200
    assert (await site.show("Bearer", tokens["access_token"]))[0] == 401


@pytest.mark.parametrize("path", ["token", "introspect", "revoke"])
@pytest.mark.parametrize(
    "body",
    [
        b"[" * 100_000,
        b'{"token": ' + b"1" * 10_000 + b"}",
        b'{"token": 1e999}',
        b'{"token": NaN}',
        b'{"token": {"a": ' + b"[" * 50_000,
        b'{"token": "x", "token": "x"}',
        b"",
    ],
    ids=["deep", "long", "huge", "nan", "nested", "twice", "empty"],
)
async def test_ds_05_odd_json_is_a_bad_request(site: Site, path: str, body: bytes) -> None:
    """DS-05: 400 at every endpoint that reads JSON of a client."""
    headers = {**BASIC, "Content-Type": "application/json"}
    async with site.http.post(f"/oauth/{path}", data=body, headers=headers) as response:
        assert (response.status, (await response.json())["error"]) == (400, "invalid_request")
