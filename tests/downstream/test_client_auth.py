"""Client authentication: three methods, one answer for every failure."""

from __future__ import annotations

from base64 import b64encode
from hmac import compare_digest as constant_time
from typing import Any
from urllib.parse import quote_plus

import pytest

from proxy.downstream import client_auth
from proxy.downstream.client_auth import ClientAuthenticator
from proxy.models import Client
from proxy.oidc.errors import Refused
from tests.downstream.world import OTHER, SECRET, SPA, WEBAPP

ODD = Client.model_validate(
    {
        "client_id": "odd:id+%",
        "client_secret": "s€cret: with +%2B and spaces, forty and more",
        "grant_types": ["refresh_token"],
    }
)
BASIC_ONLY = WEBAPP.model_copy(update={"client_id": "basic", "token_endpoint_auth_method": "client_secret_basic"})
POST_ONLY = WEBAPP.model_copy(update={"client_id": "post", "token_endpoint_auth_method": "client_secret_post"})
CLIENTS = {c.client_id: c for c in (WEBAPP, OTHER, SPA, ODD, BASIC_ONLY, POST_ONLY)}
KNOWN = ClientAuthenticator(CLIENTS)


def basic(client_id: str, secret: str, scheme: str = "Basic") -> str:
    """The header as RFC 6749 2.3.1 wants it: each part form-encoded."""
    return f"{scheme} {b64encode(f'{quote_plus(client_id)}:{quote_plus(secret)}'.encode()).decode()}"


def raw(text: bytes) -> str:
    return f"Basic {b64encode(text).decode()}"


GOOD = basic("webapp", SECRET)


@pytest.mark.parametrize(
    ("params", "headers", "client_id"),
    [
        pytest.param({}, (GOOD,), "webapp", id="client_secret_basic"),
        pytest.param({"client_id": "webapp"}, (GOOD,), "webapp", id="basic-and-its-id"),
        pytest.param({}, (basic("webapp", SECRET, "basic"),), "webapp", id="tk-09-lower-case"),
        pytest.param({"client_id": "webapp", "client_secret": SECRET}, (), "webapp", id="client_secret_post"),
        pytest.param({"client_id": "spa"}, (), "spa", id="none"),
        pytest.param(
            {},
            (basic("odd:id+%", "s€cret: with +%2B and spaces, forty and more"),),
            "odd:id+%",
            id="tk-09-form-encoded",
        ),
        pytest.param({}, (basic("basic", SECRET),), "basic", id="registered-basic"),
        pytest.param({"client_id": "post", "client_secret": SECRET}, (), "post", id="registered-post"),
    ],
)
def test_a_client_that_proves_itself_is_known(params: dict[str, str], headers: tuple[str, ...], client_id: str) -> None:
    """RFC 6749 2.3.1, OIDC Core 9: Basic with form-encoded parts, the body, or nothing for a public client."""
    assert KNOWN.authenticate(params, headers).client_id == client_id


TWO_WAYS = {"client_id": "webapp", "client_secret": SECRET}
ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
REFUSED: dict[str, tuple[dict[str, str], tuple[str, ...], str]] = {
    "nothing": ({}, (), "invalid_client"),
    "unknown": ({"client_id": "nobody", "client_secret": SECRET}, (), "invalid_client"),
    "wrong-secret": ({"client_id": "webapp", "client_secret": SECRET[:-1]}, (), "invalid_client"),
    "another-clients-case": ({"client_id": "Webapp", "client_secret": SECRET}, (), "invalid_client"),
    "no-secret": ({"client_id": "webapp"}, (), "invalid_client"),
    "empty-secret-in-basic": ({}, (basic("webapp", ""),), "invalid_client"),
    "public-with-a-secret": ({"client_id": "spa", "client_secret": SECRET}, (), "invalid_client"),
    "public-with-basic": ({}, (basic("spa", ""),), "invalid_client"),
    "not-the-registered-post": ({"client_id": "basic", "client_secret": SECRET}, (), "invalid_client"),
    "not-the-registered-basic": ({}, (basic("post", SECRET),), "invalid_client"),
    "tk-07-basic-and-secret": (TWO_WAYS, (GOOD,), "invalid_request"),
    "tk-07-basic-and-assertion": ({"client_assertion": "x"}, (GOOD,), "invalid_client"),
    "tk-07-basic-and-assertion-type": ({"client_assertion_type": ASSERTION}, (GOOD,), "invalid_client"),
    "tk-07-basic-and-another-id": ({"client_id": "spa"}, (GOOD,), "invalid_request"),
    "tk-09-no-colon": ({}, (raw(b"webapp"),), "invalid_client"),
    "tk-09-bad-base64": ({}, ("Basic !!!",), "invalid_client"),
    "tk-09-base64url": ({}, ("Basic _-_-",), "invalid_client"),
    "tk-09-bad-utf-8": ({}, (raw(b"webapp:\xff\xfe"),), "invalid_client"),
    "tk-09-percent": ({}, (raw(b"webapp:%ff%zz%"),), "invalid_client"),
    "tk-09-plus": ({}, (raw(b"web+app:" + SECRET.encode()),), "invalid_client"),
    "tk-09-nul": ({}, (raw(b"webapp\0:" + SECRET.encode()),), "invalid_client"),
    "tk-09-ten-kilobytes": ({}, (raw(b"webapp:" + b"x" * 10_000),), "invalid_client"),
    "tk-09-two-headers": ({}, (GOOD, GOOD), "invalid_client"),
    "tk-09-surrogate": ({}, ("Basic \udcff",), "invalid_client"),
    "tk-09-not-ascii-secret": ({"client_id": "webapp", "client_secret": "é"}, (), "invalid_client"),
    "tk-09-bearer": ({}, (f"Bearer {SECRET}",), "invalid_client"),
    "tk-09-empty": ({}, ("",), "invalid_client"),
    "tk-09-scheme-alone": ({}, ("Basic",), "invalid_client"),
}


@pytest.mark.parametrize(("params", "headers", "code"), REFUSED.values(), ids=REFUSED)
def test_a_client_that_does_not_is_refused(params: dict[str, str], headers: tuple[str, ...], code: str) -> None:
    """TK-07, TK-09: 401 for a failed authentication and for nothing else (RFC 6749 5.2)."""
    with pytest.raises(Refused) as caught:
        KNOWN.authenticate(params, headers)
    assert caught.value.code == code
    assert caught.value.status == (401 if code == "invalid_client" else 400)


@pytest.mark.parametrize("client_id", ["webapp", "nobody", "spa"])
@pytest.mark.parametrize("right", [0, 10, 31])
def test_tk_10_known_and_unknown_cost_the_same(monkeypatch: pytest.MonkeyPatch, client_id: str, right: int) -> None:
    """TK-10: the same answer and the same work: one comparison of two hashes, in constant time, whoever is named."""
    compared: list[tuple[int, int]] = []

    def compare(a: Any, b: Any) -> bool:
        compared.append((len(a), len(b)))
        return constant_time(a, b)

    monkeypatch.setattr(client_auth.hmac, "compare_digest", compare)
    with pytest.raises(Refused) as caught:
        KNOWN.authenticate({"client_id": client_id, "client_secret": SECRET[:right] + "x" * (40 - right)}, ())
    assert compared == [(32, 32)]
    assert str(caught.value) == "invalid_client: the client is unknown or its secret is wrong"


def test_no_secret_is_kept() -> None:
    """The authenticator holds hashes, never the secrets."""
    assert SECRET not in str(vars(KNOWN)["_hashes"])
