"""A program with a key: its token is bound, asked about by the API it is for, and given back; on a real store."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession, encode_basic_auth

from tests.journeys.conftest import Stores
from tests.kit.dpop import Holder
from tests.kit.isthmus import CLIENT_SECRET, connection, isthmus

API = "https://api.example.com/"
WORKER: dict[str, Any] = {
    "client_id": "worker",
    "client_secret": CLIENT_SECRET,
    "grant_types": ["client_credentials"],
    "dpop_bound_access_tokens": True,
    "grants": [{"audience": API, "scopes": ["read:things"]}],
}
RESOURCE: dict[str, Any] = {
    "client_id": API,
    "client_secret": CLIENT_SECRET,
    "grant_types": ["client_credentials"],
}


def basic(client_id: str) -> dict[str, str]:
    """How a client says who it is; an address as a name is form-encoded first (RFC 6749 2.3.1)."""
    return {"Authorization": encode_basic_auth(client_id.replace(":", "%3A").replace("/", "%2F"), CLIENT_SECRET)}


@pytest.mark.parametrize("nonces", [True, False])
async def test_a_bound_token_from_first_to_last(tmp_path: Path, stores: Stores, nonces: bool) -> None:
    """RFC 9449, 7662, 7009: as discovery names the endpoints; with our nonce, or without where the operator says so."""
    ada = Holder("worker")
    way = connection("corp", "http://127.0.0.1:9/", "back_channel", clients=[])
    tables: dict[str, Any] = {"connections": [way], "clients": [WORKER, RESOURCE], "tokens": {"dpop_nonce": nonces}}
    async with isthmus(tmp_path, stores(0), **tables) as node, ClientSession() as http:
        async with http.get(f"{node.issuer}.well-known/openid-configuration") as response:
            said = await response.json()
        address, form = said["token_endpoint"], {"grant_type": "client_credentials"}
        assert "ES256" in said["dpop_signing_alg_values_supported"]

        async def ask(nonce: str | None = None) -> tuple[int, str | None, dict[str, Any]]:
            proof = {"DPoP": ada.proof("POST", address, time.time(), nonce=nonce)}
            async with http.post(address, data=form, headers={**basic("worker"), **proof}) as response:
                return response.status, response.headers.get("DPoP-Nonce"), await response.json()

        async with http.post(address, data=form, headers=basic("worker")) as response:
            assert (response.status, (await response.json())["error"]) == (400, "invalid_request")
        status, nonce, answer = await ask()
        assert (status, nonce is not None) == ((400, True) if nonces else (200, False))
        if nonces:
            assert answer["error"] == "use_dpop_nonce"
            status, _, answer = await ask(nonce)
        assert (status, answer["token_type"]) == (200, "DPoP")
        token = {"token": answer["access_token"]}

        async def about() -> dict[str, Any]:
            async with http.post(said["introspection_endpoint"], data=token, headers=basic(API)) as response:
                assert response.status == 200
                return dict(await response.json())

        assert (await about())["cnf"] == {"jkt": ada.jkt}
        async with http.post(said["revocation_endpoint"], data=token, headers=basic(API)) as response:
            assert response.status == 200  # it is not the API's to give back
        assert (await about())["active"] is True
        async with http.post(said["revocation_endpoint"], data=token, headers=basic("worker")) as response:
            assert response.status == 200
        assert await about() == {"active": False}
