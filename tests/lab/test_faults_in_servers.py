"""Faults of tenants as servers: over HTTP where it is about HTTP, else as the plain changes they are."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest
from aiohttp import web

from proxy.lab import metadata
from proxy.lab.core import Core
from proxy.lab.directory import FAULTS
from proxy.lab.faults_in_servers import BOMB, slow
from proxy.lab.listen import listen, port_of, serving
from proxy.lab.logout import EVENT, logout_token
from proxy.lab.people import PEOPLE
from proxy.lab.rooms import Login
from proxy.lab.tenant import Tenant
from proxy.oidc import jose
from tests.kit.lab_keys import in_turn

ISSUER = "http://localhost:9/x/"
DOCUMENT = metadata.discovery(ISSUER)


@asynccontextmanager
async def asking(name: str, path: str, method: str = "GET") -> AsyncIterator[aiohttp.ClientResponse]:
    """One request to a tenant with that fault."""
    sock = listen()
    tenant = Tenant(f"http://localhost:{port_of(sock)}/", fault=FAULTS[name], make_key=in_turn())
    async with serving(tenant.app, sock), aiohttp.ClientSession(auto_decompress=False) as http:
        async with http.request(method, f"{tenant.issuer}{path}", allow_redirects=False) as answer:
            yield answer


async def test_a_bomb_is_small_on_the_wire() -> None:
    """The compressed document is a thousandth of what it unpacks to."""
    async with asking("bomb", ".well-known/openid-configuration") as answer:
        assert answer.headers["Content-Encoding"] == "gzip"
        assert len(await answer.read()) < BOMB / 500


async def test_a_huge_document_is_larger_than_anybody_reads() -> None:
    """Over 128 KB, and good but for that."""
    async with asking("huge", ".well-known/openid-configuration") as answer:
        assert len(await answer.read()) > 128 * 1024


async def test_the_token_endpoint_moves() -> None:
    """307 to an address that answers as a token endpoint does."""
    async with asking("redirecting-token", "token", "POST") as answer:
        assert (answer.status, answer.headers["Location"]) == (307, "/token?moved=1")
    async with asking("redirecting-token", "token?moved=1", "POST") as answer:
        assert (await answer.json())["error"] == "invalid_client"


async def test_nobody_is_known() -> None:
    """invalid_client, 401, whoever asks."""
    async with asking("invalid-client", "token", "POST") as answer:
        assert (answer.status, (await answer.json())["error"]) == (401, "invalid_client")


async def test_slow_answers_come_in_the_end() -> None:
    """The endpoint answers after its time; the table's is longer than anybody waits."""

    async def handler(request: object) -> web.StreamResponse:
        return web.Response(status=204)

    assert (await slow(0)(None, handler)).status == 204
    assert set(FAULTS["slow-token"].around) == {"token"} and set(FAULTS["slow-userinfo"].around) == {"userinfo"}


@pytest.mark.parametrize(("name", "ahead"), [("clock-ahead", 600), ("clock-behind", -1200)])
def test_clocks_are_off(name: str, ahead: int) -> None:
    """The tenant's own time is ahead of or behind the world's."""
    assert Core(ISSUER, clock=lambda: 5000, fault=FAULTS[name]).now == 5000 + ahead


def test_documents() -> None:
    """Another issuer; and one without what the channel needs."""
    assert FAULTS["issuer-mismatch"].document(DOCUMENT)["issuer"] == f"{ISSUER}INVALID"
    assert not {"token_endpoint", "jwks_uri"} & set(FAULTS["incomplete"].document(DOCUMENT))


def test_authorization_answers() -> None:
    """Without iss, promised or not; with another's; with a script for words."""
    good = {"code": "c", "state": "s", "iss": ISSUER}
    assert (
        FAULTS["no-response-iss"].answer(good) == FAULTS["broken-promise"].answer(good) == {"code": "c", "state": "s"}
    )
    assert "authorization_response_iss_parameter_supported" not in FAULTS["no-response-iss"].document(DOCUMENT)
    assert FAULTS["other-response-iss"].answer(good)["iss"] != ISSUER
    told = FAULTS["script-in-error"].answer(good)
    assert "<script>" in told["error_description"] and "code" not in told and told["state"] == "s"


@pytest.mark.parametrize(("name", "state"), [("logout-other-state", "other"), ("logout-no-state", None)])
def test_the_way_back_from_a_logout(name: str, state: str | None) -> None:
    """Another state than was sent, or none."""
    assert FAULTS[name].farewell({"state": "s"}).get("state") == state


def logout_of(name: str) -> tuple[dict[str, object], dict[str, object]]:
    """Header and claims of a logout token of a tenant with that fault."""
    core = Core(ISSUER, clock=lambda: 5000, fault=FAULTS[name], make_key=in_turn())
    header, claims = jose.peek(logout_token(core, "isthmus", Login(PEOPLE[0], 1, "s")))
    return dict(header), dict(claims)


@pytest.mark.parametrize(
    ("name", "claim", "value"),
    [
        ("logout-no-events", "events", None),
        ("logout-nonce", "nonce", "n-0S6"),
        ("logout-wrong-aud", "aud", "isthmus1"),
        ("logout-wrong-iss", "iss", f"{ISSUER}1"),
        ("logout-wrong-event", "events", {f"{EVENT}-not": {}}),
    ],
)
def test_one_claim_of_a_logout_token_is_wrong(name: str, claim: str, value: object) -> None:
    """That one, and no other."""
    (header, claims), (_, good) = logout_of(name), logout_of("healthy")
    assert claims.get(claim) == value and header["alg"] == "RS256"
    assert {k: v for k, v in claims.items() if k not in (claim, "jti")} == {
        k: v for k, v in good.items() if k not in (claim, "jti")
    }


@pytest.mark.parametrize(("name", "alg"), [("logout-alg-none", "none"), ("logout-other-alg", "ES256")])
def test_logout_tokens_with_another_algorithm(name: str, alg: str) -> None:
    """None, or one that was not agreed on."""
    assert logout_of(name)[0]["alg"] == alg


def test_more_than_anybody_asked_for() -> None:
    """logout-more: claims and a form field that must be ignored."""
    assert {"lab", "aud_hint"} <= set(logout_of("logout-more")[1])
    assert set(FAULTS["logout-more"].notice({"logout_token": "t"})) == {"logout_token", "lab"}
