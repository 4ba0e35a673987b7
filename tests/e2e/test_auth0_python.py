"""Auth0's own Python SDK, unchanged, against a running Isthmus: its Management API client and its token client."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import aiohttp
import httpx
import pytest
from auth0.management import Auth0
from auth0.management.core.api_error import ApiError
from auth0.management.core.request_options import RequestOptions

from tests.e2e.conftest import server, stores
from tests.journeys.conftest import Stores
from tests.kit.isthmus import isthmus
from tests.kit.valkey import free_port

__all__ = ["server", "stores"]
pytestmark = pytest.mark.e2e
SECRET = "the secret of a script that manages connections, made up"
SCOPES = [f"{verb}:connections" for verb in ("create", "read", "update", "delete")]
OPTION_SCOPES = ["read:connections_options", "update:connections_options"]
OPTIONS = {"type": "front_channel", "discovery_url": "https://idp.example", "client_id": "isthmus", "scope": "openid"}
ONCE = RequestOptions(max_retries=0)


@pytest.fixture(autouse=True)
def equipped() -> None:
    """Neither a browser nor Node is needed here."""


@dataclass
class Place:
    """Where the SDK is pointed."""

    issuer: str
    token: str
    http: httpx.Client

    @property
    def sdk(self) -> Auth0:
        """The client as its README makes it, on connections that the test closes."""
        return Auth0(base_url=f"{self.issuer}api/v2", token=self.token, httpx_client=self.http)


@pytest.fixture
async def place(tmp_path: Path, stores: Stores) -> AsyncIterator[Place]:
    """Isthmus with a client that may manage connections, and its token."""
    port = free_port()
    issuer = f"http://127.0.0.1:{port}/"
    audience = f"{issuer}api/v2/"
    script = {
        "client_id": "script",
        "client_secret": SECRET,
        "grant_types": ["client_credentials"],
        "grants": [{"audience": audience, "scopes": [*SCOPES, *OPTION_SCOPES]}],
    }
    app = {
        "client_id": "webapp",
        "token_endpoint_auth_method": "none",
        "redirect_uris": ["http://127.0.0.1:9/callback"],
    }
    form = {"grant_type": "client_credentials", "client_id": "script", "client_secret": SECRET, "audience": audience}
    async with isthmus(tmp_path, stores(0), port=port, clients=[script, app], connections=[]) as node:
        async with aiohttp.ClientSession() as http, http.post(f"{node.issuer}oauth/token", data=form) as answer:
            told = await answer.json()
            assert answer.status == 200, told
        with httpx.Client() as kept:
            yield Place(node.issuer, told["access_token"], kept)


async def in_thread(work: Any, *arguments: Any, **named: Any) -> Any:
    """The SDK waits in a thread, as a script would."""
    return await asyncio.to_thread(lambda: work(*arguments, **named))


async def test_connections_are_created_listed_patched_and_deleted(place: Place) -> None:
    """The whole life of a connection, in the SDK's own types."""
    connections = place.sdk.connections
    made = await in_thread(
        connections.create, name="corp", strategy="oidc", options=OPTIONS, enabled_clients=["webapp"]
    )
    assert made.id is not None and made.id.startswith("con_") and made.name == "corp"
    for number in range(60):
        await in_thread(connections.create, name=f"more-{number}", strategy="oidc", options=OPTIONS)
    pager = await in_thread(connections.list, strategy=["oidc", "samlp"])
    names = await asyncio.to_thread(lambda: [one.name for one in pager])
    assert names == ["corp", *(f"more-{number}" for number in range(60))], "over two pages of fifty"
    found = await in_thread(connections.get, made.id)
    assert found.display_name == "corp" and found.enabled_clients == ["webapp"]
    changed = await in_thread(
        connections.update,
        made.id,
        display_name="Corp login",
        options={**OPTIONS, "icon_url": "https://x.example/i.png"},
    )
    assert changed.display_name == "Corp login"
    await in_thread(connections.delete, made.id)
    with pytest.raises(ApiError) as told:
        await in_thread(connections.get, made.id, request_options=ONCE)
    assert told.value.status_code == 404


async def test_applications_of_a_connection(place: Place) -> None:
    """``connections.clients`` lists and switches."""
    connections = place.sdk.connections
    made = await in_thread(connections.create, name="corp", strategy="oidc", options=OPTIONS)
    await in_thread(connections.clients.update, made.id, request=[{"client_id": "webapp", "status": True}])
    pager = await in_thread(connections.clients.get, made.id)
    assert await asyncio.to_thread(lambda: [one.client_id for one in pager]) == ["webapp"]


async def test_errors_arrive_as_the_sdk_expects_them(place: Place) -> None:
    """400, 401, 403 and 409, each as the SDK's own exception, with Auth0's body."""
    from auth0.management.errors import BadRequestError, ConflictError, UnauthorizedError

    connections = place.sdk.connections
    await in_thread(connections.create, name="corp", strategy="oidc", options=OPTIONS)
    with pytest.raises(ConflictError) as taken:
        await in_thread(connections.create, name="corp", strategy="oidc", options=OPTIONS, request_options=ONCE)
    assert taken.value.body["message"] == "A connection with the same name already exists"
    with pytest.raises(BadRequestError) as bad:
        await in_thread(
            connections.create, name="a", strategy="oidc", options={**OPTIONS, "scope": "email"}, request_options=ONCE
        )
    assert bad.value.body["errorCode"] == "invalid_body"
    stranger = replace(place, token="nonsense").sdk
    with pytest.raises(UnauthorizedError):
        await in_thread(stranger.connections.list, request_options=ONCE)
