"""The whole, put together: what is switched on is what discovery says, and every address has its caller."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession

from proxy.lab.page import Reader, directive, submits_itself
from proxy.models.client import DEVICE_CODE, RESPONSE_TYPES
from proxy.store.memory import MemoryStore
from tests.kit.isthmus import connection, isthmus

WEBAPP: dict[str, Any] = {
    "client_id": "webapp",
    "client_secret": "a-client-secret-of-forty-characters-0123",
    "redirect_uris": ["http://127.0.0.1:9002/callback"],
}
TENANT = connection("corp", "http://127.0.0.1:9/", "back_channel")
EXCHANGES = {
    "urn:ietf:params:oauth:grant-type:token-exchange",
    "urn:auth0:params:oauth:grant-type:token-exchange:federated-connection-access-token",
}
ENDPOINTS = {
    "authorization_endpoint",
    "token_endpoint",
    "userinfo_endpoint",
    "introspection_endpoint",
    "revocation_endpoint",
    "pushed_authorization_request_endpoint",
    "device_authorization_endpoint",
    "jwks_uri",
    "end_session_endpoint",
}


async def discovery(directory: Path) -> tuple[str, Mapping[str, Any], Mapping[str, int]]:
    """The issuer, its document, and the status of each endpoint in it."""
    async with (
        isthmus(directory, MemoryStore(), connections=[TENANT], clients=[WEBAPP]) as node,
        ClientSession() as http,
    ):
        async with http.get(f"{node.issuer}.well-known/openid-configuration") as response:
            document = await response.json()
        statuses = {}
        for name in ENDPOINTS:
            async with http.get(document[name], allow_redirects=False) as response:
                statuses[name] = response.status
        async with http.get(f"{node.issuer}.well-known/oauth-authorization-server") as response:
            assert await response.json() == document
        return node.issuer, document, statuses


async def test_discovery_names_exactly_what_works(tmp_path: Path) -> None:
    """OpenID Connect Discovery 4: every address in it answers, and it says nothing of what is not built."""
    issuer, document, statuses = await discovery(tmp_path)
    assert document["issuer"] == issuer
    assert 404 not in statuses.values()
    assert {name for name in document if name.endswith(("_endpoint", "_uri"))} == ENDPOINTS
    assert set(document["grant_types_supported"]) == {
        "authorization_code",
        "implicit",
        "refresh_token",
        "client_credentials",
        DEVICE_CODE,
        *EXCHANGES,
    }
    assert document["response_types_supported"] == list(RESPONSE_TYPES)
    assert set(document["response_modes_supported"]) == {"query", "fragment", "form_post"}
    assert document["code_challenge_methods_supported"] == ["S256"]
    assert document["authorization_response_iss_parameter_supported"] is True


async def test_the_key_set_has_public_rsa_keys_alone_and_the_next_one_among_them(tmp_path: Path) -> None:
    """RSA keys from the start: for each algorithm the one that signs and the next; nothing private in any."""
    async with (
        isthmus(tmp_path, MemoryStore(), connections=[TENANT], clients=[WEBAPP]) as node,
        ClientSession() as http,
    ):
        async with http.get(f"{node.issuer}.well-known/jwks.json") as response:
            keys = (await response.json())["keys"]
    assert {k["kty"] for k in keys} == {"RSA"} and len({k["kid"] for k in keys}) == 4
    assert sorted(k["alg"] for k in keys) == ["PS256", "PS256", "RS256", "RS256"]
    assert all(set(k) <= {"kty", "n", "e", "kid", "alg", "use"} for k in keys)


@pytest.mark.parametrize("name", ["..%2fapp.py", "x.css", "isthmus.css%00", ".."])
async def test_lg_15_only_listed_files_are_served(tmp_path: Path, name: str) -> None:
    """LG-15: a closed list, read at start; nothing of a path reaches the file system."""
    async with (
        isthmus(tmp_path, MemoryStore(), connections=[TENANT], clients=[WEBAPP]) as node,
        ClientSession() as http,
    ):
        async with http.get(f"{node.issuer}assets/v/{name}") as response:
            assert response.status == 404
        async with http.get(f"{node.issuer}assets/v/isthmus.css") as response:
            assert response.status == 200 and "Set-Cookie" not in response.headers


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("", "client_id is missing"),
        ("client_id=nobody", "No application is registered"),
        ("client_id=webapp", "redirect_uri is missing"),
        ("client_id=webapp&redirect_uri=https://evil.example/", "not registered"),
        ("client_id=webapp&redirect_uri=https://evil.example/&response_type=x&prompt=y&scope=%22", "not registered"),
    ],
)
async def test_az_07_without_a_checked_address_the_person_is_told(tmp_path: Path, query: str, text: str) -> None:
    """AZ-07: a page with 400, whatever else is wrong; never a redirect."""
    async with (
        isthmus(tmp_path, MemoryStore(), connections=[TENANT], clients=[WEBAPP]) as node,
        ClientSession() as http,
    ):
        async with http.get(f"{node.issuer}authorize?{query}", allow_redirects=False) as response:
            assert response.status == 400 and text in await response.text()
            assert "Location" not in response.headers and "Set-Cookie" not in response.headers


async def test_az_15_prompt_none_sets_no_cookie_and_shows_nothing(tmp_path: Path) -> None:
    """AZ-15: ``login_required`` by redirect, with state and issuer."""
    query = {
        "client_id": "webapp",
        "redirect_uri": "http://127.0.0.1:9002/callback",
        "response_type": "code",
        "scope": "openid",
        "state": "s",
        "prompt": "none",
    }
    async with (
        isthmus(tmp_path, MemoryStore(), connections=[TENANT], clients=[WEBAPP]) as node,
        ClientSession() as http,
    ):
        async with http.get(f"{node.issuer}authorize", params=query, allow_redirects=False) as response:
            assert response.status == 303 and "Set-Cookie" not in response.headers
            assert "error=login_required" in response.headers["Location"]
            assert f"state=s&iss=http%3A%2F%2F127.0.0.1%3A{node.port}%2F" in response.headers["Location"]


STATES = ['"><script>alert(1)</script>', "'></form><form action=https://evil.example>", "s" * 2048]


@pytest.mark.parametrize("state", STATES, ids=["script", "form", "long"])
async def test_az_11_a_posted_answer_runs_nothing_that_came_with_the_request(tmp_path: Path, state: str) -> None:
    """AZ-11: with a hostile state and scope there is one form, to the registered address, one script, ours by its hash,
    and a page that nobody keeps or frames."""
    query = {
        "client_id": "webapp",
        "redirect_uri": WEBAPP["redirect_uris"][0],
        "response_type": "code",
        "response_mode": "form_post",
        "scope": 'openid "><script>alert(2)</script>',
        "state": state,
    }
    async with (
        isthmus(tmp_path, MemoryStore(), connections=[TENANT], clients=[WEBAPP]) as node,
        ClientSession() as http,
    ):
        async with http.get(f"{node.issuer}authorize", params=query, allow_redirects=False) as response:
            csp, cache = response.headers["Content-Security-Policy"], response.headers["Cache-Control"]
            assert response.status == 200 and "Set-Cookie" not in response.headers
            page = Reader(str(response.url))
            page.feed(await response.text())
    (form,) = page.forms
    fields = dict(form.fields)
    assert (form.action, form.method) == (query["redirect_uri"], "post") and "no-store" in cache
    assert (fields["error"], fields["state"], fields["iss"]) == ("invalid_scope", state, node.issuer)
    assert len(page.scripts) == 1 and submits_itself(page, csp)
    assert [one[:8] for one in directive(csp, "script-src") or ()] == ["'sha256-"]
    assert directive(csp, "frame-ancestors") == directive(csp, "base-uri") == ["'none'"]
