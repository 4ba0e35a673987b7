"""The gateway as a client of the provider: its addresses are the hosts of apps, and nobody else can be it."""

from __future__ import annotations

from pathlib import Path

import aiohttp
import pytest

from proxy.gateway.client import own_client
from proxy.store.memory import MemoryStore
from tests.gateway.house import HERE, OTHER, a_house
from tests.kit.isthmus import connection, isthmus

ROUTE = {"host": "127.0.0.1", "upstream": "http://127.0.0.1:9004"}


def test_its_addresses_are_those_of_the_routes(tmp_path: Path) -> None:
    """GW-29: a code goes to the callback of a route's host and nowhere else."""
    client = own_client(a_house(tmp_path).parts.settings)["gateway"]
    assert set(client.redirect_uris) == {f"{HERE}/.isthmus/callback", f"https://{OTHER}/.isthmus/callback"}
    assert set(client.post_logout_redirect_uris) == {
        f"{HERE}/.isthmus/logged-out", f"https://{OTHER}/.isthmus/logged-out",
    }  # fmt: skip


def test_its_secret_is_nobodys(tmp_path: Path) -> None:
    """Made anew in every process, of 256 bits, and never shown."""
    house = a_house(tmp_path)
    secrets = [own_client(house.parts.settings)["gateway"].client_secret for _ in range(2)]
    values = [secret.get_secret_value() if secret else "" for secret in secrets]
    assert values[0] != values[1] and {len(value) for value in values} == {43}
    assert values[0] not in repr(own_client(house.parts.settings))


def test_it_may_have_tokens_for_the_apis_of_routes_alone(tmp_path: Path) -> None:
    """Where a route gives its app one of ours."""
    house = a_house(tmp_path, route={"token": "ours", "audience": "https://api.example/"})
    assert [grant.audience for grant in own_client(house.parts.settings)["gateway"].grants] == ["https://api.example/"]
    (tmp_path / "2").mkdir()
    assert not own_client(a_house(tmp_path / "2").parts.settings)["gateway"].grants


@pytest.mark.parametrize("secret", [None, "", "gateway", "x" * 43])
async def test_gw_29_nobody_is_the_gateway_at_an_endpoint(tmp_path: Path, secret: str | None) -> None:
    """GW-29: a code that was seen on its way is of no use to anybody, with whatever secret."""
    ways = [connection("corp", "http://127.0.0.1:9/", "back_channel", ("gateway",))]
    async with (
        isthmus(tmp_path, MemoryStore(), gateway={"routes": [ROUTE], "port": 0}, connections=ways) as node,
        aiohttp.ClientSession() as http,
    ):
        for path in ("oauth/token", "oauth/introspect", "oauth/revoke", "oauth/par"):
            asked = {"grant_type": "authorization_code", "code": "x", "token": "x", "client_id": "gateway"}
            given = {} if secret is None else {"client_secret": secret}
            async with http.post(f"{node.issuer}{path}", data={**asked, **given}) as answer:
                assert answer.status in (400, 401, 404), path
                assert path != "oauth/token" or (await answer.json())["error"] == "invalid_client"


async def test_without_routes_there_is_none(tmp_path: Path) -> None:
    """Nobody has to know of it."""
    async with isthmus(tmp_path, MemoryStore()) as node:
        assert own_client(node.settings) == {}
