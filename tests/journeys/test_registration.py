"""Registration over the wire: what an application sends and reads, from its first request to its end."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession, encode_basic_auth

from proxy.downstream.consents import Consents
from proxy.downstream.grant import Grant, access_key, grant_key, new_id, new_secret
from proxy.downstream.initial_tokens import InitialTokens
from proxy.store.memory import MemoryStore
from tests.kit.isthmus import Node, connection, isthmus

BODY: dict[str, Any] = {"client_name": "Wiki", "redirect_uris": ["https://wiki.example/cb"]}


@asynccontextmanager
async def desk(folder: Path, mode: str) -> AsyncIterator[tuple[Node, ClientSession]]:
    """A node whose registration is in ``mode``, with a connection for those who come."""
    tenant = {**connection("corp", "http://127.0.0.1:9/", "back_channel", clients=[]), "is_domain_connection": True}
    tables: dict[str, Any] = {"connections": [tenant], "registration": {"mode": mode}}
    async with isthmus(folder, MemoryStore(), **tables) as node, ClientSession() as http:
        yield node, http


def bearer(token: str) -> dict[str, str]:
    """The header that carries it."""
    return {"Authorization": f"Bearer {token}"}


async def test_a_client_from_its_first_request_to_its_end(tmp_path: Path) -> None:
    """RFC 7591, RFC 7592: register, read, change, use, remove; then its secret opens nothing (RG-07)."""
    async with desk(tmp_path, "open") as (node, http):
        async with http.get(f"{node.issuer}.well-known/openid-configuration") as response:
            address = (await response.json())["registration_endpoint"]
        async with http.post(address, json=BODY) as response:
            client = await response.json()
            assert (response.status, response.content_type) == (201, "application/json")
            assert response.headers["Cache-Control"] == "no-store"
        own, auth = client["registration_client_uri"], bearer(client["registration_access_token"])
        assert own == f"{address}/{client['client_id']}"
        async with http.get(own, headers=auth) as response:
            assert (response.status, (await response.json())["client_name"]) == (200, "Wiki")
        changed = {**BODY, "client_id": client["client_id"], "client_name": "Other"}
        async with http.put(own, headers=auth, json=changed) as response:
            assert (response.status, (await response.json())["client_name"]) == (200, "Other")
        asked = {"client_id": client["client_id"], "redirect_uri": BODY["redirect_uris"][0], "response_type": "code"}
        asked |= {"scope": "openid", "state": "s"}
        async with http.get(f"{node.issuer}authorize", params=asked, allow_redirects=False) as response:
            assert response.status != 400
        by_secret = {"Authorization": encode_basic_auth(client["client_id"], client["client_secret"])}
        grant = {"grant_type": "authorization_code", "code": "x", "redirect_uri": BODY["redirect_uris"][0]}
        async with http.post(f"{node.issuer}oauth/token", data=grant, headers=by_secret) as response:
            assert (await response.json())["error"] == "invalid_grant"
        async with http.delete(own, headers=auth) as response:
            assert (response.status, await response.read()) == (204, b"")
            assert "Content-Type" not in response.headers
        async with http.get(own, headers=auth) as response:
            assert response.status == 401 and response.headers["WWW-Authenticate"].startswith("Bearer ")
        async with http.post(f"{node.issuer}oauth/token", data=grant, headers=by_secret) as response:
            assert (response.status, (await response.json())["error"]) == (401, "invalid_client")
        async with http.get(f"{node.issuer}authorize", params=asked, allow_redirects=False) as response:
            assert response.status == 400


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b'{"redirect_uris": ["https://wiki.example/cb"]}', "application/json; charset=utf-8", 201),
        (b"", "application/json", 400),
        (b"[]", "application/json", 400),
        (b"7", "application/json", 400),
        (b"{", "application/json", 400),
        (b'{"a": 1, "a": 2}', "application/json", 400),
        (b'{"a": NaN}', "application/json", 400),
        (b'{"a": "\xff"}', "application/json", 400),
        (b'{"a": "\\ud800"}', "application/json", 400),
        (b'{"jwks": ' + b"[" * 100_000, "application/json", 400),
        (b'{"jwks": ' + b'{"a":' * 300 + b"1" + b"}" * 300 + b"}", "application/json", 400),
        (b'{"default_max_age": ' + b"9" * 5000 + b"}", "application/json", 400),
        (b"redirect_uris=https://wiki.example/cb", "application/x-www-form-urlencoded", 400),
        (b'{"redirect_uris": ["https://wiki.example/cb"]}', "text/plain", 400),
    ],
    ids=range(14),
)
async def test_ds_03_ds_05_odd_bodies_are_no_registration(tmp_path: Path, body: bytes, kind: str, status: int) -> None:
    """DS-03, DS-05: one JSON object that everybody reads the same way, or an error in JSON; never a 500."""
    async with desk(tmp_path, "open") as (node, http):
        headers = {"Content-Type": kind}
        async with http.post(f"{node.issuer}oidc/register", data=body, headers=headers) as response:
            assert response.status == status
            if status == 400:
                told = await response.json()
                assert told["error"].startswith("invalid_") and set(told) == {"error", "error_description"}


async def test_rg_01_registration_needs_the_token(tmp_path: Path) -> None:
    """RG-01: 401 with a Bearer challenge without it and after its one use, 201 with it."""
    async with desk(tmp_path, "token") as (node, http):
        token = await InitialTokens(node.store).issue(time.time(), uses=1, seconds=600)
        statuses = []
        for headers in ({}, bearer("x.y"), bearer(token), bearer(token)):
            async with http.post(f"{node.issuer}oidc/register", json=BODY, headers=headers) as response:
                statuses.append(response.status)
                if response.status == 401:
                    assert response.headers["WWW-Authenticate"].startswith("Bearer ")
                    assert (await response.json())["error"] == "invalid_token"
        assert statuses == [401, 401, 201, 401]


async def test_ds_09_a_flood_of_registrations_is_slowed_down(tmp_path: Path) -> None:
    """DS-09: one address gets a burst, then 429 in JSON."""
    async with desk(tmp_path, "open") as (node, http):
        for _ in range(120):
            async with http.post(f"{node.issuer}oidc/register", json={}) as response:
                told, status = await response.json(), response.status
            if status == 429:
                break
        assert (status, told["error"]) == (429, "slow_down")


async def test_registration_that_is_off_is_not_there(tmp_path: Path) -> None:
    """Nothing in discovery, nothing at the address."""
    async with desk(tmp_path, "off") as (node, http):
        async with http.get(f"{node.issuer}.well-known/openid-configuration") as response:
            assert "registration_endpoint" not in await response.json()
        async with http.post(f"{node.issuer}oidc/register", json=BODY) as response:
            assert response.status == 404


async def test_our_own_address_is_no_sector(tmp_path: Path) -> None:
    """oidcc-registration-sector-bad, LG-01: the guard of the wire stands before what a stranger lets us fetch."""
    async with desk(tmp_path, "open") as (node, http):
        for place in (f"{node.issuer}.well-known/jwks.json", "https://169.254.169.254/latest"):
            body = {**BODY, "sector_identifier_uri": place}
            async with http.post(f"{node.issuer}oidc/register", json=body) as response:
                told = await response.json()
                assert (response.status, told["error"]) == (400, "invalid_client_metadata")
                assert told["error_description"].startswith("sector_identifier_uri")


async def test_rg_07_the_tokens_of_a_removed_client_end_with_it(tmp_path: Path) -> None:
    """RG-07, RFC 7592 2.3: an access token that lives for hours yet opens userinfo no more."""
    async with desk(tmp_path, "open") as (node, http):
        async with http.post(f"{node.issuer}oidc/register", json=BODY) as response:
            client = await response.json()
        now, token = int(time.time()), new_secret()
        grant = Grant(
            new_id(), client["client_id"], "u", "s", "corp", ("openid",), now, now, now + 900, {}, "u", offline=True
        )
        await node.store.put(grant_key(grant.id), grant.as_value(), 900)
        await Consents(node.store).allow("u", client["client_id"], ("scope openid",), now)
        audience = [f"{node.issuer}userinfo"]
        record = {
            "grant": grant.id,
            "sid": "s",
            "scopes": ["openid"],
            "audience": audience,
            "exp": now + 900,
            "iat": now,
        }
        await node.store.put(access_key(token), record, 900)
        statuses = []
        for _ in range(2):
            async with http.get(f"{node.issuer}userinfo", headers=bearer(token)) as response:
                statuses.append(response.status)
            access = bearer(client["registration_access_token"])
            async with http.delete(client["registration_client_uri"], headers=access):
                pass
        assert statuses == [200, 401]
