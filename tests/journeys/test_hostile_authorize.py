"""Attacks on the authorization endpoint that need the whole of it, over real HTTP (attacks.md: AZ, RP, DS)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qs, urlencode

import pytest
from aiohttp import ClientSession, DummyCookieJar, encode_basic_auth

from proxy.lab.browser import Tab
from proxy.oidc import pkce
from proxy.oidc.errors import Unavailable
from proxy.store import Heard, Link, Op, Store
from proxy.store.memory import MemoryStore
from tests.journeys.conftest import JONAS, MIRA, World, Worlds
from tests.kit.authlib_app import SECRET

CHALLENGE = {"code_challenge": pkce.challenge("v" * 43), "code_challenge_method": "S256"}


def change(world: World, **metadata: Any) -> None:
    """Give the application other metadata from now on."""
    clients: Any = world.node.settings.clients
    clients["webapp"] = clients["webapp"].model_copy(update=metadata)


def query(world: World, **changes: str) -> dict[str, str]:
    """An honest authorization request of the application, but for the changes."""
    usual = {"client_id": "webapp", "redirect_uri": world.app.callback, "response_type": "code", "scope": "openid"}
    return {**usual, "state": "st", "nonce": "n", **CHALLENGE, **changes}


def asked(world: World, **changes: str) -> str:
    """Its address."""
    return f"{world.node.issuer}authorize?{urlencode(query(world, **changes))}"


def heard(tab: Tab) -> dict[str, str]:
    """What the form would bring to the application that a tab waits before."""
    assert tab.pending is not None, tab.page.text
    return {name: values[0] for name, values in parse_qs(tab.pending.body).items()}


# --- another person in the same browser ---


async def test_rp_30_pages_of_the_person_before_are_told_on_the_way(world: World) -> None:
    """RP-30: Jonas logs in over Mira's session: the browser loads the page where the application forgets Mira, and goes
    on with the answer for Jonas; the way of a person alone has no such page."""
    change(world, frontchannel_logout_uri="http://127.0.0.1:9/forget")
    await world.log_in()
    first = world.app.last.claims["sid"]
    tab = await world.log_in(JONAS, prompt="login")
    told = urlencode({"iss": world.node.issuer, "sid": first}, safe="").replace("&", "&amp;")
    assert f'src="http://127.0.0.1:9/forget?{told}"' in tab.page.body and len(world.app.arrived) == 1
    assert "frame-src http://127.0.0.1:9;" in tab.page.headers["Content-Security-Policy"]
    await tab.click("Continue")
    assert world.app.last.claims["sub"] == "oidc|corp|jonas" and world.app.last.claims["sid"] != first
    again = await world.log_in(JONAS, prompt="login")
    assert again.page.text == "hello oidc|corp|jonas"


# --- a client that changes while its person is away ---


@pytest.mark.parametrize(
    ("before", "kind", "after", "error"),
    [
        ({"response_types": ("code", "id_token token")}, "id_token token", {"response_types": ("code",)},
         "unauthorized_client"),
        ({"response_types": ("code", "code token")}, "code token", {"dpop_bound_access_tokens": True},
         "unauthorized_client"),
        ({}, "code", {"grant_types": ("refresh_token",)}, "unauthorized_client"),
    ],
    ids=["response-type", "bound-tokens", "grant-type"],
)  # fmt: skip
async def test_az_10_a_client_gets_what_it_may_have_when_the_person_is_back(
    worlds: Worlds, before: dict[str, Any], kind: str, after: dict[str, Any], error: str
) -> None:
    """AZ-10: response type and grants are checked again after the login; nothing is issued."""
    async with worlds() as world:
        change(world, grant_types=("authorization_code", "implicit"), **before)
        tab = await world.browser.open(asked(world, response_type=kind, response_mode="form_post"))
        change(world, **after)
        world.hold(world.app.callback)
        await tab.click(MIRA.name)
        told = heard(tab)
        assert (told["error"], told["state"], told["iss"]) == (error, "st", world.node.issuer)
        assert not {"code", "access_token", "id_token"} & set(told)


# --- text that is none ---


async def test_ds_05_half_a_character_is_refused_where_it_is_pushed(worlds: Worlds) -> None:
    """DS-05: a lone surrogate in a JSON body is a 400 at once, not a 500 when the reference is opened."""
    async with worlds() as world, ClientSession() as http:
        headers = {"Authorization": encode_basic_auth("webapp", SECRET), "Content-Type": "application/json"}
        body = '{"client_id": "webapp", "state": "\\ud800"}'
        async with http.post(f"{world.node.issuer}oauth/par", data=body, headers=headers) as answer:
            assert answer.status == 400 and (await answer.json())["error"] == "invalid_request"


# --- wrong methods, wrong addresses ---

HTML = {"Accept": "text/html,application/xhtml+xml;q=0.9"}
METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS")
PATHS = (
    "authorize", "oauth/token", "oauth/par", "oauth/introspect", "oauth/revoke", "userinfo", "login", "login/callback",
    "login/consent", "launch", "session/check", "oidc/logout", "v2/logout", ".well-known/openid-configuration",
    ".well-known/jwks.json",
)  # fmt: skip


@pytest.mark.parametrize(("accept", "kind"), [(HTML, "text/html"), ({}, "text/plain")], ids=["person", "program"])
async def test_cb_07_a_wrong_method_is_told_in_the_askers_words(
    worlds: Worlds, accept: dict[str, str], kind: str
) -> None:
    """CB-07: 405 with exactly what is answered there, to a person as a page in our style, to a program as a line; what
    is nowhere is a 404 likewise, and says nothing that the address dictates."""
    async with worlds() as world, ClientSession(cookie_jar=DummyCookieJar()) as http:
        for path in PATHS:
            refused, allowed = set(), set()
            for method in METHODS:
                async with http.request(method, f"{world.node.issuer}{path}", headers=accept) as answer:
                    if answer.status == 405:
                        refused.add(method)
                        allowed |= set(answer.headers["Allow"].split(","))
                        assert answer.content_type == kind and "Set-Cookie" not in answer.headers
                        assert answer.headers["Cache-Control"] == "no-store"
            assert allowed == set(METHODS) - refused, path
        async with http.get(f"{world.node.issuer}no/where?a=<b>", headers=accept) as answer:
            text = await answer.text()
            assert (answer.status, answer.content_type) == (404, kind) and "<b>" not in text and "no/where" not in text
            assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
            assert ("There is nothing here" in text) is (kind == "text/html")


async def test_what_is_public_answers_head(worlds: Worlds) -> None:
    """RFC 9110 9.3.2: metadata, keys and assets answer HEAD as they would GET, without the body."""
    async with worlds() as world, ClientSession() as http:
        async with http.get(f"{world.node.issuer}oidc/logout") as page:
            (style,) = re.findall(r'stylesheet" href="([^"]+)"', await page.text())
        for path in (".well-known/openid-configuration", ".well-known/jwks.json", style):
            url = path if path.startswith("http") else f"{world.node.issuer}{path}"
            async with http.get(url) as got, http.head(url) as told:
                assert (told.status, await told.read()) == (200, b"")
                assert told.headers["Content-Length"] == str(len(await got.read()))


# --- a store that goes away in the middle ---


class Going(Store):
    """A store that answers ``left`` more times, and then not at all."""

    def __init__(self) -> None:
        self._inner, self.left, self.asked = MemoryStore(), 10**9, 0

    async def run(self, *ops: Op) -> Sequence[Any]:
        self.asked += 1
        if self.left <= 0:
            raise Unavailable("the store went away")
        self.left -= 1
        return await self._inner.run(*ops)

    async def ping(self) -> float:
        return await self._inner.ping()

    async def listen(self, topics: Sequence[str], heard: Heard, link: Link) -> None:
        await self._inner.listen(topics, heard, link)

    async def close(self) -> None:
        await self._inner.close()


def cookies(world: World) -> dict[str, str]:
    """What the browser holds."""
    return {one.name: one.value for one in world.browser.jar.cookies.values()}


@pytest.mark.parametrize(
    ("way", "questions"), [("sso", 2), ("none", 2), ("consent", 5), ("fragment", 2), ("login", 2), ("arrival", 2)]
)
async def test_a_store_that_goes_away_is_told_and_never_passed_over(worlds: Worlds, way: str, questions: int) -> None:
    """FT-01 (invariant 6): at whichever of its questions the store fails, the answer is 503 to be tried again: no code,
    no token, no other cookie, and no "not logged in"; once it answers them all the same request succeeds."""
    store = Going()
    async with worlds(store=store) as world:
        both = {"response_types": ("code", "id_token token"), "grant_types": ("authorization_code", "implicit")}
        change(world, **both, is_first_party=way != "consent")
        await world.log_in()
        changes = {
            "none": {"prompt": "none"},
            "fragment": {"response_type": "id_token token"},
            "login": {"prompt": "login"},
            "arrival": {"prompt": "login"},
        }.get(way, {})
        callbacks = (world.app.callback, world.node.callback)
        world.browser.stop = lambda going: going.url.startswith(callbacks)

        async def go(left: int) -> tuple[Tab, dict[str, str]]:
            store.left = left if way != "arrival" else 10**9
            before, tab = cookies(world), await world.browser.open(asked(world, **changes))
            if way == "arrival":
                await tab.click(MIRA.name)
                store.left, before = left, cookies(world)
                world.hold(world.app.callback)
                await tab.resume()
                world.browser.stop = lambda going: going.url.startswith(callbacks)
            store.left = 10**9
            return tab, before

        for left in range(questions):
            tab, before = await go(left)
            assert tab.page.status == 503 and tab.pending is None and cookies(world) == before, left
            assert "Retry-After" in tab.page.headers and "not available" in tab.page.text
        tab, _ = await go(questions)
        assert tab.page.status != 503, "it asks more often than is tried here"
