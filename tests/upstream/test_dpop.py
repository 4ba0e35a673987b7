"""Proofs towards tenants: one for each call, a nonce when asked, and nothing without the option."""

from __future__ import annotations

import asyncio
import json

import pytest

from proxy.oidc import jose
from proxy.oidc.dpop import check_proof, token_hash
from proxy.oidc.keys import thumbprint
from proxy.oidc.messages import HttpRequest, HttpResponse
from proxy.store.memory import MemoryStore
from proxy.upstream.connection_keys import ConnectionKeys
from proxy.upstream.dpop import Proofs, build_proof, oauth_error, wants_nonce
from tests.kit.tenant import signer
from tests.upstream.conftest import NOW, as_json, connection

TOKEN = HttpRequest("POST", "https://idp.example/token?x=1", headers={"A": "b"}, group="corp")
BOUND = connection(dpop_signing_alg="ES256")
GOOD = as_json({"access_token": "at"})


class Line:
    """Answers in turn, and keeps what was sent."""

    def __init__(self, *answers: HttpResponse) -> None:
        self.answers, self.sent = list(answers), list[HttpRequest]()

    async def send(self, request: HttpRequest) -> HttpResponse:
        self.sent.append(request)
        return self.answers.pop(0)

    @property
    def proofs(self) -> Proofs:
        return Proofs(self.send, ConnectionKeys(MemoryStore()))

    def nonces(self) -> list[str | None]:
        return [jose.peek(request.headers["DPoP"])[1].get("nonce") for request in self.sent]


def asks(nonce: str) -> HttpResponse:
    return as_json({"error": "use_dpop_nonce"}, 400, **{"dpop-nonce": nonce})


def test_a_proof_is_what_we_ourselves_would_take() -> None:
    """RFC 9449 4.2: method, address without its query, key in the header; the access token by its hash."""
    key = signer("proof", "ES256")
    proof = build_proof(key, TOKEN, NOW, "", "")
    assert check_proof(proof, "POST", "https://idp.example/token", NOW).jkt == thumbprint(key.public_jwk)
    header, claims = jose.peek(proof)
    assert set(header) == {"alg", "jwk", "typ"} and set(header["jwk"]) == {"kty", "crv", "x", "y"}
    assert set(claims) == {"jti", "htm", "htu", "iat"}
    bound = jose.peek(build_proof(key, TOKEN, NOW, "n", "at"))[1]
    assert (bound["ath"], bound["nonce"]) == (token_hash("at"), "n")
    assert bound["jti"] != claims["jti"]


@pytest.mark.parametrize("alg", ["ES256", "ES384", "ES512", "Ed25519"])
async def test_every_algorithm_signs(alg: str) -> None:
    """``dpop_signing_alg``: each of Auth0's four; the thumbprint is that of the key in the proof."""
    line = Line(GOOD)
    proofs, one = line.proofs, connection(dpop_signing_alg=alg)
    await proofs.send(TOKEN, one, NOW)
    header, _ = jose.peek(line.sent[0].headers["DPoP"])
    assert header["alg"] == {"Ed25519": "EdDSA"}.get(alg, alg)
    assert thumbprint(header["jwk"]) == await proofs.thumbprint(one, NOW)


async def test_without_the_option_nothing_is_touched() -> None:
    """The very request goes through, and the store is not asked."""
    line = Line(GOOD)
    proofs = Proofs(line.send, None)  # type: ignore[arg-type]  # nothing may ask for a key
    assert await proofs.send(TOKEN, connection(), NOW) is GOOD
    assert line.sent[0] is TOKEN
    assert await proofs.thumbprint(connection(), NOW) == ""


async def test_a_nonce_is_brought_once() -> None:
    """RFC 9449 8: asked again once, with a new proof; the next call has the nonce from the start."""
    line = Line(asks("n1"), GOOD, as_json({}, **{"dpop-nonce": "n2"}), GOOD)
    proofs = line.proofs
    assert await proofs.send(TOKEN, BOUND, NOW) is GOOD
    await proofs.send(TOKEN, BOUND, NOW)
    await proofs.send(TOKEN, BOUND, NOW)
    assert line.nonces() == [None, "n1", "n1", "n2"]
    assert len({jose.peek(request.headers["DPoP"])[1]["jti"] for request in line.sent}) == 4


async def test_a_tenant_that_is_never_content_is_asked_twice_at_most() -> None:
    """No loop: the second refusal stands."""
    line = Line(asks("n1"), asks("n2"))
    assert (await line.proofs.send(TOKEN, BOUND, NOW)).status == 400
    assert len(line.sent) == 2


@pytest.mark.parametrize("nonce", ["", "x" * 1025])
async def test_a_demand_without_a_usable_nonce_is_no_reason_to_ask_again(nonce: str) -> None:
    """Nothing could be different the second time."""
    line = Line(asks(nonce))
    await line.proofs.send(TOKEN, BOUND, NOW)
    assert line.nonces() == [None]


async def test_nonces_belong_to_the_server_that_gave_them() -> None:
    """RFC 9449 8.2: another origin, and another connection, do not see them."""
    line = Line(asks("n1"), GOOD, GOOD, GOOD)
    proofs = line.proofs
    await proofs.send(TOKEN, BOUND, NOW)
    await proofs.send(HttpRequest("GET", "https://api.idp.example/userinfo"), BOUND, NOW, access_token="at")
    await proofs.send(TOKEN, BOUND.model_copy(update={"name": "other"}), NOW)
    assert line.nonces() == [None, "n1", None, None]


@pytest.mark.parametrize(
    ("response", "expected"),
    [
        (asks("n"), True),
        (as_json({"error": "use_dpop_nonce"}, 401), True),
        (HttpResponse(401, {"www-authenticate": 'DPoP error="use_dpop_nonce", algs="ES256"'}, b""), True),
        (as_json({"error": "invalid_grant"}, 400), False),
        (as_json({"error": "use_dpop_nonce"}, 200), False),
        (HttpResponse(400, {}, b"use_dpop_nonce"), False),
        (HttpResponse(401, {}, b""), False),
    ],
)
def test_when_a_nonce_is_wanted(response: HttpResponse, expected: bool) -> None:
    """As a token endpoint and as a resource say it."""
    assert wants_nonce(response) is expected


@pytest.mark.parametrize("body", [b"", b"[]", b"{", json.dumps({"error": ["x"]}).encode(), b"\xff"])
def test_an_answer_without_an_error_names_none(body: bytes) -> None:
    """Whatever a tenant sends, it is read as nothing."""
    assert oauth_error(HttpResponse(400, {}, body)) == ""


async def test_two_calls_at_once_are_both_brought_the_nonce() -> None:
    """RFC 9449 8: what another call heard meanwhile is no reason not to ask again; each call counts what it sent."""
    both = asyncio.Event()
    sent: list[str | None] = []

    async def send(request: HttpRequest) -> HttpResponse:
        nonce = jose.peek(request.headers["DPoP"])[1].get("nonce")
        sent.append(nonce)
        if len(sent) == 2:
            both.set()
        await both.wait()
        return GOOD if nonce == "n1" else asks("n1")

    proofs = Proofs(send, ConnectionKeys(MemoryStore()))
    await proofs.thumbprint(BOUND, NOW)
    assert await asyncio.gather(*(proofs.send(TOKEN, BOUND, NOW) for _ in range(2))) == [GOOD, GOOD]
    assert sent == [None, None, "n1", "n1"]
