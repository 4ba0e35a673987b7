"""Which pages of other sites may read our answers: those of the client an answer is about, and no cookie ever helps."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import aiohttp_session
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from proxy.bridge.session import Sessions
from proxy.downstream.clients import Clients, Known
from proxy.downstream.registered import Registered, Registry
from proxy.features import Answer, Caller, Endpoint, Feature, Request
from proxy.models import Client
from proxy.oidc.errors import Refused, Unavailable
from proxy.store import Op
from proxy.store.memory import MemoryStore
from proxy.web.callers import Callers
from proxy.web.cors import ABOUT, Cors
from proxy.web.pages import Pages
from proxy.web.routes import add_routes
from proxy.web.session import SessionStorage
from tests.downstream.world import FailingStore, World, a_session
from tests.kit.signing_client import authenticator

ISSUER = "https://sso.example/"
SPA, SHOP, EVIL = "https://spa.example", "https://shop.example", "https://evil.example"
SECRET = "a-client-secret-of-forty-characters-0123"
CLIENTS = {
    "spa": Client(client_id="spa", web_origins=(SPA,), redirect_uris=("https://spa.example/",)),
    "shop": Client(client_id="shop", allowed_origins=(SHOP,), redirect_uris=("https://shop.example/",)),
    "plain": Client(client_id="plain", redirect_uris=("https://plain.example/",)),
}
Site = TestClient[web.Request, web.Application]


async def echo(request: Request) -> Answer:
    if "fail" in request.params:
        raise Refused("invalid_grant", "no")
    return Answer(json={})


class Endpoints(Feature):
    """One endpoint of each kind."""

    def endpoints(self) -> Any:
        return (
            Endpoint("token", ("POST",), Caller.CLIENT, echo, "clients"),
            Endpoint("userinfo", ("GET", "POST"), Caller.BEARER, echo, "clients"),
            Endpoint("metadata", ("GET",), Caller.ANYONE, echo, "public"),
            Endpoint("authorize", ("GET",), Caller.BROWSER, echo),
        )


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    world = await World(clients=dict(CLIENTS)).begin(a_session())
    callers = Callers(
        ISSUER, Pages(ISSUER, "Acme"), authenticator(ISSUER, CLIENTS, world.store), world.access_tokens, world.proofs
    )
    sessions = Sessions(world.store, {}, idle=1, absolute=1)
    app = web.Application(middlewares=[aiohttp_session.session_middleware(SessionStorage(sessions, ISSUER))])
    add_routes(app, [Endpoints()], callers, "/")
    async with TestClient(TestServer(app)) as client:
        yield client


def said(response: Any) -> dict[str, str]:
    """What an answer says about other sites."""
    return {name: value for name, value in response.headers.items() if name.startswith("Access-Control-")}


@pytest.mark.parametrize("origin", [SPA, SHOP])
@pytest.mark.parametrize(("path", "methods"), [("/token", "POST"), ("/userinfo", "GET, POST")])
async def test_the_question_before_is_answered_for_the_pages_of_any_client(
    site: Site, origin: str, path: str, methods: str
) -> None:
    """Fetch 3.2.2: who asks is not known yet; the headers of Auth0's SDK and of DPoP are welcome, cookies are not."""
    asked = {"Origin": origin, "Access-Control-Request-Method": "POST"}
    async with site.options(path, headers=asked) as response:
        assert response.status == 204
        assert said(response) == {
            "Access-Control-Allow-Origin": origin,
            "Access-Control-Allow-Methods": methods,
            "Access-Control-Allow-Headers": "Authorization, Content-Type, Auth0-Client, DPoP",
            "Access-Control-Max-Age": "3600",
        }
        assert response.headers["Vary"] == "Origin"


@pytest.mark.parametrize(
    "origin", [EVIL, "null", "", "https://plain.example", "https://SPA.example", "http://spa.example"]
)
async def test_the_question_of_a_stranger_is_not_answered(site: Site, origin: str) -> None:
    """An origin that no client lists, spelt exactly so, hears nothing."""
    async with site.options("/token", headers={"Origin": origin}) as response:
        assert said(response) == {} and response.status == 204


@pytest.mark.parametrize(
    ("client_id", "origin", "readable"),
    [("spa", SPA, True), ("shop", SHOP, True), ("spa", SHOP, False), ("plain", SPA, False), ("spa", EVIL, False)],
)
@pytest.mark.parametrize("fails", [False, True], ids=["answer", "invalid_grant"])
async def test_an_answer_is_read_by_the_pages_of_its_client_alone(
    site: Site, client_id: str, origin: str, readable: bool, fails: bool
) -> None:
    """An application in the browser hears good news and ``invalid_grant``; another client's pages hear neither."""
    form = {"client_id": client_id, **({"fail": "1"} if fails else {})}
    async with site.post("/token", data=form, headers={"Origin": origin}) as response:
        assert response.status == (400 if fails else 200)
        expected = {
            "Access-Control-Allow-Origin": origin,
            "Access-Control-Expose-Headers": "WWW-Authenticate, DPoP-Nonce, Retry-After",
        }
        assert said(response) == (expected if readable else {})


async def test_a_client_that_fails_to_authenticate_hears_so(site: Site) -> None:
    """RFC 6749 5.2: 401 ``invalid_client`` is for the pages of the client it claims to be."""
    for origin, readable in ((SPA, True), (SHOP, False)):
        form = {"client_id": "spa", "client_secret": "wrong"}
        async with site.post("/token", data=form, headers={"Origin": origin}) as response:
            assert response.status == 401 and bool(said(response)) == readable


@pytest.mark.parametrize(("origin", "readable"), [(SPA, True), (SHOP, True), (EVIL, False)])
async def test_an_error_about_nobody_is_for_the_pages_of_all_clients(site: Site, origin: str, readable: bool) -> None:
    """RFC 6750 3: an expired token names no client any more; that it is no good is no secret."""
    headers = {"Origin": origin, "Authorization": "Bearer nonsense"}
    async with site.get("/userinfo", headers=headers) as response:
        assert response.status == 401 and bool(said(response)) == readable


async def test_what_is_public_is_for_everybody(site: Site) -> None:
    """Metadata and keys: ``*``, on the copy a browser keeps from a plain visit too."""
    for headers in ({}, {"Origin": EVIL}):
        async with site.get("/metadata", headers=headers) as response:
            assert said(response) == {"Access-Control-Allow-Origin": "*"}
    async with site.options("/metadata", headers={"Origin": EVIL}) as response:
        assert said(response)["Access-Control-Allow-Origin"] == "*"


async def test_nothing_else_is_for_other_sites(site: Site) -> None:
    """Endpoints for browsers and requests without an origin say nothing; no answer is for requests with cookies."""
    async with site.get("/authorize", headers={"Origin": SPA}) as response:
        assert said(response) == {}
    async with site.post("/token", data={"client_id": "spa"}) as response:
        assert said(response) == {} and "Vary" not in response.headers
    async with site.options("/authorize", headers={"Origin": SPA}) as response:
        assert response.status == 405


async def test_a_client_that_cannot_be_looked_up_opens_nothing() -> None:
    """FT-01: "could not look" is no permission, and no crash either."""

    def fails(op: Op) -> bool:
        return True

    clients = Clients(CLIENTS, FailingStore(MemoryStore(), fails, Unavailable("store")))
    request = FakeRequest({"Origin": SPA}, "tpc_away")
    response = web.Response()
    await Cors(clients).dress("clients", request, response, 0.0)  # type: ignore[arg-type]  # all that is read of it
    assert said(response) == {}


async def test_a_registered_clients_pages_read_its_answers() -> None:
    """RFC 7591: a client that registered itself, and has origins, is no less a client."""
    clients = Clients({}, MemoryStore())
    clients._copies["tpc_a"] = (0.0, Known(Client(client_id="tpc_a", web_origins=(SPA,))))
    response = web.Response()
    await Cors(clients).dress("clients", FakeRequest({"Origin": SPA}, "tpc_a"), response, 0.0)  # type: ignore[arg-type]
    assert said(response)["Access-Control-Allow-Origin"] == SPA


class FakeRequest(dict[Any, Any]):
    """Headers, and the client it is from."""

    def __init__(self, headers: dict[str, str], client_id: str) -> None:
        super().__init__({ABOUT: client_id})
        self.headers = headers


async def test_the_pages_of_registered_clients_are_known_on_every_node() -> None:
    """RFC 7591: what another node registered is found by its origin, from its first day and after a change of it."""
    store = MemoryStore()
    registry, cors = Registry(store), Cors(Clients({}, store))
    entry = Registered(Client(client_id="tpc_a", web_origins=(SPA,)), 0)
    assert not await cors.clients.any_at(SPA)
    await registry.add(entry)
    found = await registry.find("tpc_a")
    assert found is not None
    await registry.replace(Registered(Client(client_id="tpc_a", allowed_origins=(SHOP,)), 0), found[1])
    assert await cors.clients.any_at(SHOP) and not await cors.clients.any_at(EVIL)
