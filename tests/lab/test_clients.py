"""Client authentication of every kind, and registration."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import aiohttp
import pytest

from proxy.lab.clients import JWT_BEARER, authenticate, register, unproved, unregister
from proxy.lab.core import Core
from proxy.lab.rooms import LabClient
from proxy.oidc.errors import Refused
from proxy.oidc.jose import sign_mac
from tests.kit.tenant import jws, signer

ISSUER = "http://localhost:9/x/"
SECRET = "a secret of thirty-two characters."
KEY, OTHER = signer("of the client"), signer("of somebody else")
HERE = "http://127.0.0.1:9000/login/callback"


@pytest.fixture
def core() -> Core:
    """A tenant with a client of each kind."""
    keyed = LabClient("keyed", (HERE,), jwks={"keys": [dict(KEY.public_jwk)]})
    return Core(ISSUER, [LabClient("secret", (HERE,), SECRET), LabClient("public", (HERE,)), keyed])


def said(client: str, **changes: Any) -> dict[str, Any]:
    """The claims of an assertion."""
    now = int(time.time())
    usual = {"iss": client, "sub": client, "aud": ISSUER, "iat": now, "exp": now + 60, "jti": str(time.monotonic_ns())}
    return {name: value for name, value in {**usual, **changes}.items() if value is not None}


def form(assertion: str, **more: str) -> dict[str, str]:
    """How an assertion is sent."""
    return {"client_assertion_type": JWT_BEARER, "client_assertion": assertion, **more}


@pytest.mark.parametrize(
    ("header", "sent", "who"),
    [
        (aiohttp.encode_basic_auth("secret", SECRET.replace(" ", "%20")), dict, "secret"),
        ("", lambda: {"client_id": "secret", "client_secret": SECRET}, "secret"),
        ("", lambda: {"client_id": "public"}, "public"),
        ("", lambda: form(sign_mac(said("secret"), SECRET, "HS256", "JWT")), "secret"),
        ("", lambda: form(jws(KEY, said("keyed"))), "keyed"),
        ("", lambda: form(jws(KEY, said("keyed", aud=[f"{ISSUER}token"])), client_id="keyed"), "keyed"),
    ],
    ids=["basic", "post", "none", "client_secret_jwt", "private_key_jwt", "private_key_jwt to the endpoint"],
)
async def test_every_method_is_taken(core: Core, header: str, sent: Callable[[], dict[str, str]], who: str) -> None:
    """OpenID Connect Core 9: each client is known by its method. An assertion lives a minute: it is made when it is
    sent."""
    assert (await authenticate(core, header, sent())).client_id == who


@pytest.mark.parametrize(
    "sent",
    [
        lambda: {"client_id": "secret", "client_secret": "wrong"},
        lambda: {"client_id": "secret"},
        lambda: {"client_id": "keyed"},
        lambda: {"client_id": "nobody"},
        lambda: form(jws(OTHER, said("keyed"))),
        lambda: form(jws(KEY, said("keyed", aud="https://other.example/"))),
        lambda: form(jws(KEY, said("keyed", aud=[{}, 5]))),
        lambda: form(jws(KEY, said("keyed", aud=5))),
        lambda: form(jws(KEY, said("keyed", iss=["keyed"]))),
        lambda: form(jws(KEY, said("keyed", exp=1))),
        lambda: form(jws(KEY, said("keyed", exp=None))),
        lambda: form(jws(KEY, said("keyed", jti=None))),
        lambda: form(jws(KEY, said("keyed", sub="secret"))),
        lambda: form(sign_mac(said("secret"), "another secret of 32 characters or so", "HS256", "JWT")),
        lambda: form("not a token"),
        lambda: {**form(jws(KEY, said("keyed"))), "client_assertion_type": "saml"},
    ],
)
async def test_nobody_else_is_known(core: Core, sent: Callable[[], dict[str, str]]) -> None:
    """A wrong secret, none where there is one, a key or an assertion that is not the client's: invalid_client, 401."""
    with pytest.raises(Refused) as told:
        await authenticate(core, "", sent())
    assert (told.value.code, told.value.status) == ("invalid_client", 401)


async def test_an_assertion_is_used_once(core: Core) -> None:
    """The same assertion again is refused (RFC 7523 3)."""
    sent = form(jws(KEY, said("keyed")))
    await authenticate(core, "", sent)
    with pytest.raises(Refused):
        await authenticate(core, "", sent)


@pytest.mark.parametrize(("method", "secret"), [("client_secret_basic", True), ("private_key_jwt", False)])
async def test_registration_gives_what_the_method_needs(core: Core, method: str, secret: bool) -> None:
    """A client that registers is told its name, and its secret if it needs one; then it is known."""
    asked = {"redirect_uris": [HERE], "token_endpoint_auth_method": method, "client_name": "Isthmus"}
    told = register(core, json.dumps(asked))
    assert ("client_secret" in told) is secret and told["client_name"] == "Isthmus"
    assert core.clients[told["client_id"]].redirect_uris == (HERE,)


@pytest.mark.parametrize(
    "body",
    [
        "", "[1]", "{}", '{"redirect_uris": []}', '{"redirect_uris": "x"}', '{"redirect_uris": [1]}',
        '{"redirect_uris": ["http://127.0.0.1/"], "jwks": 5}',
        '{"redirect_uris": ["http://127.0.0.1/"], "jwks_uri": []}',
    ],
)  # fmt: skip
async def test_a_registration_needs_addresses(core: Core, body: str) -> None:
    """Without redirect URIs, and with members of another kind, nothing is registered."""
    with pytest.raises(Refused):
        register(core, body)
    assert len(core.clients) == 3


@pytest.mark.parametrize("jwks", [{}, {"keys": 5}, {"keys": [5, {}, {"kty": "RSA"}, {"kty": "x"}]}, []])
async def test_keys_that_are_none_prove_nothing(core: Core, jwks: Any) -> None:
    """A key set that is none, or holds nothing usable: the client is not known by it."""
    core.clients["keyed"] = LabClient("keyed", jwks={"keys": jwks} if isinstance(jwks, list) else jwks or {"keys": []})
    with pytest.raises(Refused):
        await authenticate(core, "", form(jws(KEY, said("keyed"))))


@pytest.mark.parametrize("token", ["", "a.b", "a.!.c", "a.MQ.c"])
def test_what_is_no_token_says_nothing(token: str) -> None:
    """Nonsense is empty, never an exception."""
    assert unproved(token) == {}


async def test_a_registration_is_taken_back_by_its_token_alone(core: Core) -> None:
    """RFC 7592 2.3: the registration access token ends it, once; no other token does, for no other client."""
    told = register(core, json.dumps({"redirect_uris": [HERE]}))
    good = f"Bearer {told['registration_access_token']}"
    for name, header in ((told["client_id"], "Bearer x"), ("secret", good), ("nobody", good)):
        with pytest.raises(Refused):
            unregister(core, name, header)
    unregister(core, told["client_id"], good)
    assert told["client_id"] not in core.clients and len(core.clients) == 3
