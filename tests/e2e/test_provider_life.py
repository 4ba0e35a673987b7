"""What goes on with npm oidc-provider besides logins: its keys change, it logs people out and is asked to, its tokens
are refreshed and handed on, and it learns of Isthmus by one command.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Any

import pytest
import pytest_asyncio
import requests

from proxy.app import ROSTER
from proxy.bridge.upstream_tokens import Kept, tokens_key
from proxy.downstream.token_exchange import ACCESS_TOKEN
from proxy.lab.browser import Browser, Tab
from proxy.models.client import TOKEN_EXCHANGE
from tests.cli.conftest import Said, isthmus
from tests.e2e.provider_world import MIRA, TOKEN, Options, ProviderWorld, provider_world, through_its_pages
from tests.kit.valkey import Valkey
from tests.kit.waiting import eventually

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="module")]
LOGINS = 20
KEPT: Options = {
    "scope": "openid profile email offline_access",
    "federated_connections_access_tokens": {"active": True},
    "upstream_params": {"prompt": {"value": "consent"}},  # it gives refresh tokens for a consent alone
}
WAYS: Mapping[str, Options] = {
    "code": {},
    "front": {"response_type": "id_token"},
    "hybrid-es256": {"response_type": "code id_token", "id_token_signed_response_algs": ["ES256"]},
    "kept": KEPT,
    "kept-key": {**KEPT, "token_endpoint_auth_method": "private_key_jwt"},
}
OFTEN = ("code", "front", "hybrid-es256")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory, server: Valkey) -> AsyncIterator[ProviderWorld]:
    """All connections at once; the application may exchange tokens."""
    grants = ["authorization_code", "refresh_token", TOKEN_EXCHANGE]
    async with provider_world(tmp_path_factory.mktemp("life"), server, WAYS, grant_types=grants) as made:
        yield made


@pytest.mark.parametrize("name", OFTEN)
async def test_its_keys_change_while_logins_run(name: str, world: ProviderWorld) -> None:
    """Twenty people log in while new keys begin to sign: all arrive, and the key set is fetched once for them."""
    async with AsyncExitStack() as stack:
        browsers = [await stack.enter_async_context(Browser()) for _ in range(LOGINS + 2)]
        await world.log_in(browsers[0], name)
        tabs = [await world.leave(browser, name) for browser in browsers[1:-1]]
        before = await world.counts()
        ways = [asyncio.create_task(through_its_pages(tab)) for tab in tabs]
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        assert not all(way.done() for way in ways)
        await world.provider.ask("rotate")
        await asyncio.gather(*ways)
        assert [tab.page.text for tab in tabs] == [f"hello oidc|{name}|{MIRA.sub}"] * LOGINS
        await world.log_in(browsers[-1], name)
        assert (await world.counts() - before)["/jwks"] == 1


async def sign_out(tab: Tab) -> None:
    """Its page asks; the button stands outside of the form that it belongs to."""
    assert "Yes, sign me out" in tab.page.text, (tab.page.url, tab.page.text)
    await tab.submit(logout="yes")


@pytest.mark.parametrize("name", OFTEN)
async def test_it_logs_a_person_out(name: str, world: ProviderWorld) -> None:
    """Logged out on its own page: it tells Isthmus by the back channel, whose session is gone then."""
    async with Browser() as browser, Browser() as other:
        await world.log_in(browser, name)
        await world.log_in(other, name)
        tab = await browser.open(f"{world.issuer}/session/end")
        await sign_out(tab)
        assert "Sign-out Success" in tab.page.text
        tab = await world.leave(browser, name, prompt="none")
        assert tab.page.text == "refused: login_required"
        tab = await world.leave(other, name, prompt="none")
        assert tab.page.text == f"hello oidc|{name}|{MIRA.sub}"


@pytest.mark.parametrize("name", OFTEN)
async def test_it_is_asked_to_log_a_person_out(name: str, world: ProviderWorld) -> None:
    """``federated``: it takes our ID token as the hint, asks the person, and sends them back to the application."""
    async with Browser() as browser:
        await world.log_in(browser, name)
        url = await asyncio.to_thread(world.app.logout_url, world.app.last)
        tab = await browser.open(f"{url}&federated=")
        assert tab.page.url.startswith(world.issuer), tab.page.text
        await sign_out(tab)
        assert tab.page.url == f"{world.app.base}?state=bye"
        tab = await world.leave(browser, name)
        assert "Sign-in" in tab.page.text


@pytest.mark.parametrize("name", ["kept", "kept-key"])
async def test_its_tokens_are_handed_on_and_refreshed(name: str, world: ProviderWorld) -> None:
    """The application exchanges its token for the provider's, which opens userinfo there; once that has ended, five who
    ask at once get one fresh token."""
    async with Browser() as browser:
        await world.log_in(browser, name)
    first = await asyncio.to_thread(exchange, world, name)
    assert await asyncio.to_thread(who, world, first) == MIRA.sub
    await expire(world, name)
    before = await world.counts()
    found = {*await asyncio.gather(*(asyncio.to_thread(exchange, world, name) for _ in range(5)))}
    assert len(found) == 1 and first not in found
    assert await asyncio.to_thread(who, world, found.pop()) == MIRA.sub
    assert (await world.counts() - before)["/token"] == 1


def exchange(world: ProviderWorld, name: str) -> str:
    """The provider's access token for the application's own (RFC 8693)."""
    form = {
        "grant_type": TOKEN_EXCHANGE,
        "connection": name,
        "subject_token": world.app.last.tokens["access_token"],
        "subject_token_type": ACCESS_TOKEN,
    }
    known = (world.app.client_id, world.app.secret)
    answer = requests.post(f"{world.node.issuer}oauth/token", form, auth=known, timeout=20)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["access_token"])


def who(world: ProviderWorld, token: str) -> str:
    """Whom the provider's userinfo names."""
    answer = requests.get(f"{world.issuer}/me", headers={"Authorization": f"Bearer {token}"}, timeout=20)
    return str(answer.json().get("sub"))


async def expire(world: ProviderWorld, name: str) -> None:
    """Let the access token have ended that Isthmus keeps."""
    place = tokens_key(f"oidc|{name}|{MIRA.sub}", name)
    kept = Kept.of(await world.node.store.get(place))
    assert kept is not None
    ended = replace(kept, tokens=replace(kept.tokens, expires_at=1))
    await world.node.store.put(place, ended.as_value(), 600)


async def command(world: ProviderWorld, *words: str) -> Said:
    """``isthmus connections WORDS``, beside the running server."""
    environ = {**world.environ, "AT_FIRST": TOKEN}
    return await asyncio.to_thread(isthmus, "connections", *words, "--config", world.file, environ=environ)


@pytest.mark.parametrize("strict", [False, True], ids=["open", "with-a-token"])
async def test_one_command_makes_us_known(strict: bool, world: ProviderWorld) -> None:
    """Registered, added, logged in through within moments; it tells of logouts; removed, and forgotten there too."""
    issuer, token = (world.strict, ["--token", "$AT_FIRST"]) if strict else (world.issuer, [])
    name = "far-strict" if strict else "far"
    said = await command(world, "add", name, "--issuer", issuer, "--register", *token, "--client", "webapp", "--json")
    assert said.status == 0, said.err
    made: dict[str, Any] = json.loads(said.out)
    assert made["options"]["token_endpoint_auth_method"] == "private_key_jwt"
    assert made["registration"]["taken_back_on_removal"] is True and "not_as_asked" not in made["registration"]

    async def known() -> bool:
        return name in world.node.site[ROSTER]

    await eventually(known)
    async with Browser() as browser:
        await world.log_in(browser, name)
        assert world.app.last.claims["email"] == MIRA.claims["email"]
        tab = await browser.open(f"{issuer}/session/end")
        await sign_out(tab)
        tab = await world.leave(browser, name, prompt="none")
        assert tab.page.text == "refused: login_required"
    said = await command(world, "remove", name)
    assert (said.status, said.out) == (0, "") and "connection_removed" in said.err
    there = f"{issuer}/auth?client_id={made['options']['client_id']}&response_type=code"
    assert "client is invalid" in (await asyncio.to_thread(requests.get, there, timeout=20)).text
