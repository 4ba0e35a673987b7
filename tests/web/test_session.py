"""The session cookie: its attributes, its deletion, and what does not count as one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import replace

import aiohttp_session
import pytest
from aiohttp import ClientError, web
from aiohttp.test_utils import TestClient, TestServer
from aiohttp.typedefs import Handler

from proxy.bridge.session import Sessions, Ticket, ends
from proxy.downstream.access_token import AccessTokens
from proxy.downstream.dpop import Proofs
from proxy.downstream.grant import Lifetimes, session_key
from proxy.downstream.keys import KeyRing
from proxy.features import Answer, Caller, Endpoint, Request, SignIn
from proxy.http.cookies import cookie_name
from proxy.store.memory import MemoryStore
from proxy.web import session
from proxy.web.callers import Callers
from proxy.web.pages import Pages
from proxy.web.session import SessionStorage
from tests.bridge.test_session import CORP, NOW, a_session
from tests.kit.signing_client import authenticator

ISSUER = "https://sso.example/"
NAME = cookie_name("session", ISSUER)
Site = TestClient[web.Request, web.Application]


class World:
    """A site with one live session, and handlers that begin, read and end one."""

    def __init__(self) -> None:
        self.store = MemoryStore()
        self.sessions = Sessions(self.store, {"corp": CORP}, idle=1000, absolute=10**10)
        self.session = a_session(expires_at=int(NOW) * 2)
        self.ticket = Ticket.new(self.session.sid)
        self.app = web.Application(
            middlewares=[aiohttp_session.session_middleware(SessionStorage(self.sessions, ISSUER))]
        )
        self.app.router.add_get("/who", self.who)
        self.app.router.add_get("/in", self.sign_in)
        self.app.router.add_get("/out", self.sign_out)
        self.app.router.add_get("/idle", self.idle)

    async def who(self, request: web.Request) -> web.Response:
        found = await session.current(request)
        return web.Response(text=found.user_id if found else "nobody")

    async def sign_in(self, request: web.Request) -> web.Response:
        await session.sign_in(request, SignIn(self.ticket.cookie, 500))
        return web.Response()

    async def sign_out(self, request: web.Request) -> web.Response:
        await session.sign_out(request)
        return web.Response()

    async def idle(self, request: web.Request) -> web.Response:
        return web.Response()


@pytest.fixture
async def world() -> World:
    made = World()
    await made.store.run(made.sessions.begin(made.session, made.ticket, NOW))
    return made


@pytest.fixture
async def site(world: World) -> AsyncIterator[Site]:
    async with TestClient(TestServer(world.app)) as client:
        yield client


async def test_se_05_the_cookie_has_every_flag(site: Site, world: World) -> None:
    """SE-05, SE-17: __Host-, Secure, HttpOnly, Path=/, SameSite=Lax, no Domain."""
    async with site.get("/in") as response:
        (line,) = response.headers.getall("Set-Cookie")
    assert line.startswith(f"{NAME}={world.ticket.cookie};") and NAME.startswith("__Host-")
    assert {"HttpOnly", "Secure", "Path=/", "SameSite=Lax", "Max-Age=500"} <= set(line.split("; "))
    assert "domain" not in line.lower()


async def test_lo_07_deletion_repeats_the_flags(site: Site) -> None:
    """LO-07: without Secure a browser keeps a __Host- cookie."""
    async with site.get("/out") as response:
        (line,) = response.headers.getall("Set-Cookie")
    assert line.startswith((f'{NAME}="";', f"{NAME}=;"))
    assert {"HttpOnly", "Secure", "Path=/", "SameSite=Lax", "Max-Age=0"} <= set(line.split("; "))


@pytest.mark.parametrize("path", ["/in", "/out"])
async def test_the_cookie_comes_along_in_frames_only_if_the_operator_says_so(world: World, path: str) -> None:
    """``session.same_site = "none"``: set and deleted with the same flags, Secure and HttpOnly still."""
    storage = SessionStorage(world.sessions, ISSUER, "None")
    app = web.Application(middlewares=[aiohttp_session.session_middleware(storage)])
    app.router.add_get("/in", world.sign_in)
    app.router.add_get("/out", world.sign_out)
    async with TestClient(TestServer(app)) as site, site.get(path) as response:
        (line,) = response.headers.getall("Set-Cookie")
    assert {"HttpOnly", "Secure", "Path=/", "SameSite=None"} <= set(line.split("; "))


async def test_se_19_a_page_that_does_not_touch_the_session_sets_no_cookie(site: Site, world: World) -> None:
    """SE-19: nor does one that only reads it."""
    for path in ("/idle", "/who"):
        async with site.get(path, headers={"Cookie": f"{NAME}={world.ticket.cookie}"}) as response:
            assert "Set-Cookie" not in response.headers


@pytest.mark.parametrize(
    ("header", "known"),
    [
        ("{name}={good}", True),
        ("a=b; {name}={good}; c=d", True),
        ("{name}={good}; {name}={good}", True),
        ("{name}={good}; {name}=evil", False),
        ("{name}=evil; {name}={good}", False),
        ("\u2000{name}=evil; {name}={good}", True),
        ("{name} =evil; {name}={good}", True),
        ("{name}={good}; {name}", True),
        ('p="x; {name}={good}; q=y"', True),
        ("={name}={good}", False),
        ("{name}=attackerchosen", False),
        ("", False),
    ],
)
async def test_se_06_se_07_se_09_only_one_exact_cookie_counts(
    site: Site, world: World, header: str, known: bool
) -> None:
    """SE-06, SE-07, SE-09, SE-01: exact name, one value; broken pairs are skipped, unknown values never adopted."""
    cookie = header.format(name=NAME, good=world.ticket.cookie)
    async with site.get("/who", headers={"Cookie": cookie} if cookie else {}) as response:
        assert await response.text() == (world.session.user_id if known else "nobody")


async def test_lo_05_the_old_cookie_opens_nothing_after_the_session_was_dropped(site: Site, world: World) -> None:
    """LO-05: the record is gone, not emptied."""
    await world.store.run(*ends(world.session.sid))
    async with site.get("/who", headers={"Cookie": f"{NAME}={world.ticket.cookie}"}) as response:
        assert await response.text() == "nobody"
    assert await world.store.get(session_key(world.session.sid)) is None


@pytest.mark.parametrize(
    "answer",
    [Answer(json={}), Answer(redirect="https://app.example/"), Answer(page="logged_out.html")],
    ids=["json", "redirect", "page"],
)
async def test_se_22_no_answer_of_a_feature_loses_a_change_of_the_session(world: World, answer: Answer) -> None:
    """SE-22: aiohttp-session does not save for answers that stream; a feature cannot make one, and every kind it can
    make carries the cookie of a session that began, or the deletion of one that ended."""
    for change, marks in (
        ({"sign_in": SignIn(world.ticket.cookie, 500)}, f"{NAME}={world.ticket.cookie};"),
        ({"sign_out": True}, "Max-Age=0"),
    ):
        given = replace(answer, **change)

        async def handler(request: Request, given: Answer = given) -> Answer:
            return given

        app = web.Application(middlewares=[aiohttp_session.session_middleware(SessionStorage(world.sessions, ISSUER))])
        keys = KeyRing(world.store)
        tokens = AccessTokens(ISSUER, world.store, keys, Lifetimes())
        callers = Callers(
            ISSUER,
            Pages(ISSUER, "Acme"),
            authenticator(ISSUER, {}, world.store),
            tokens,
            Proofs(ISSUER, world.store, b"n", False),
        )
        app.router.add_get("/", callers.wrap(Endpoint("", ("GET",), Caller.BROWSER, handler)))
        async with TestClient(TestServer(app)) as site, site.get("/", allow_redirects=False) as response:
            assert marks in response.headers["Set-Cookie"]


async def test_se_22_a_change_after_the_answer_began_is_an_error(world: World) -> None:
    """SE-22: it is not lost in silence: the request fails."""

    async def late(request: web.Request) -> web.Response:
        response = web.Response(text="begun")
        await response.prepare(request)
        await session.sign_out(request)
        return response

    world.app.router.add_get("/late", late)
    failed: list[str] = []

    @web.middleware
    async def watch(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            return await handler(request)
        except RuntimeError as error:
            failed.append(str(error))
            raise

    world.app.middlewares.insert(0, watch)
    async with TestClient(TestServer(world.app)) as site:
        with suppress(ClientError):
            async with site.get("/late") as response:
                await response.read()
    assert failed == ["Cannot save session data into prepared response"]
