"""Client authentication: five methods, one answer for every failure."""

from __future__ import annotations

import asyncio
import hmac
import json
from base64 import b64encode
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from urllib.parse import quote_plus

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from proxy.downstream.client_auth import STAND_IN, ClientAuthenticator, present
from proxy.downstream.client_keys import ClientKeys
from proxy.downstream.clients import Clients, client_key, secret_hash
from proxy.models import Client
from proxy.oidc import keys as key_sets
from proxy.oidc.errors import Refused, Unavailable
from proxy.store import Add, Get
from proxy.store.memory import MemoryStore
from tests.downstream.world import ISSUER, NOW, OTHER, SECRET, SPA, WEBAPP, Clock, FailingStore, SlowStore
from tests.kit.signing_client import Shelf, assertion_claims, jwks, mac, signed, with_assertion
from tests.kit.tenant import jws, signer

ODD = Client.model_validate(
    {
        "client_id": "odd:id+%",
        "client_secret": "s€cret: with +%2B and spaces, forty and more",
        "grant_types": ["refresh_token"],
    }
)
NEXT_SECRET = "the-next-secret-of-forty-characters-0123-and-so-long-that-HS512-has-enough"
ONE, TWO, EC, PS = signer("one"), signer("two"), signer("p256", "ES256"), signer("ps", "PS256")
TOKEN, PAR = f"{ISSUER}oauth/token", f"{ISSUER}oauth/par"


def registered(client_id: str, **metadata: Any) -> Client:
    return Client.model_validate({"client_id": client_id, "grant_types": ["refresh_token"], **metadata})


BASIC_ONLY = WEBAPP.model_copy(update={"client_id": "basic", "token_endpoint_auth_method": "client_secret_basic"})
POST_ONLY = WEBAPP.model_copy(update={"client_id": "post", "token_endpoint_auth_method": "client_secret_post"})
ROLLING = registered("rolling", client_secret=NEXT_SECRET, client_secret_previous=SECRET)
SIGNS = registered("signs", token_endpoint_auth_method="private_key_jwt", jwks=jwks(ONE, EC, kid=None))
BOUND = registered(
    "bound",
    token_endpoint_auth_method="private_key_jwt",
    token_endpoint_auth_signing_alg="PS256",
    jwks=jwks(PS, alg=None),
)
BY_URI = registered("by-uri", token_endpoint_auth_method="private_key_jwt", jwks_uri="https://app.example/jwks")
MACS = registered(
    "macs",
    token_endpoint_auth_method="client_secret_jwt",
    client_secret=NEXT_SECRET,
    client_secret_previous=SECRET,
    jwks=jwks(ONE),
)
CLIENTS = {
    c.client_id: c for c in (WEBAPP, OTHER, SPA, ODD, BASIC_ONLY, POST_ONLY, ROLLING, SIGNS, BOUND, BY_URI, MACS)
}


class Door:
    """The authenticator on a store, with a web on which nothing lies yet."""

    def __init__(self) -> None:
        self.clock, self.shelf = Clock(), Shelf()
        self.store = MemoryStore(clock=self.clock)
        self.clients = Clients(CLIENTS, self.store)
        keys = ClientKeys(self.shelf.send, self.clock)
        self.authenticator = ClientAuthenticator(ISSUER, self.clients, keys, self.store)

    async def knock(self, params: dict[str, str], headers: tuple[str, ...] = (), *, endpoint: str = TOKEN) -> str:
        """Who is let in."""
        shown = present(params, headers)
        return (await self.authenticator.authenticate(shown, endpoint, self.clock.now)).client_id

    async def refused(self, params: dict[str, str], headers: tuple[str, ...] = ()) -> Refused:
        """What is told at the door."""
        with pytest.raises(Refused) as caught:
            await self.knock(params, headers)
        return caught.value


@pytest.fixture
def door() -> Door:
    return Door()


def basic(client_id: str, secret: str, scheme: str = "Basic") -> str:
    """The header as RFC 6749 2.3.1 wants it: each part form-encoded."""
    return f"{scheme} {b64encode(f'{quote_plus(client_id)}:{quote_plus(secret)}'.encode()).decode()}"


def raw(text: bytes) -> str:
    return f"Basic {b64encode(text).decode()}"


def claims(client_id: str = "signs", **changes: Any) -> dict[str, Any]:
    return assertion_claims(client_id, changes.pop("aud", TOKEN), NOW, **changes)


GOOD = basic("webapp", SECRET)

# --- secrets ---


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
        pytest.param({}, (basic("rolling", SECRET),), "rolling", id="old-secret"),
        pytest.param({}, (basic("rolling", NEXT_SECRET),), "rolling", id="new-secret"),
    ],
)
async def test_a_client_that_proves_itself_is_known(
    door: Door, params: dict[str, str], headers: tuple[str, ...], client_id: str
) -> None:
    """RFC 6749 2.3.1, OIDC Core 9: Basic with form-encoded parts, the body, or nothing for a public client; two secrets
    are good while one is changed."""
    assert await door.knock(params, headers) == client_id


TWO_WAYS = {"client_id": "webapp", "client_secret": SECRET}
JWT_BEARER = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
REFUSED: dict[str, tuple[dict[str, str], tuple[str, ...], str]] = {
    "rg-13-nothing": ({}, (), "invalid_client"),
    "unknown": ({"client_id": "nobody", "client_secret": SECRET}, (), "invalid_client"),
    "unknown-without-a-secret": ({"client_id": "nobody"}, (), "invalid_client"),
    "wrong-secret": ({"client_id": "webapp", "client_secret": SECRET[:-1]}, (), "invalid_client"),
    "another-clients-case": ({"client_id": "Webapp", "client_secret": SECRET}, (), "invalid_client"),
    "rg-13-no-secret": ({"client_id": "webapp"}, (), "invalid_client"),
    "empty-secret-in-basic": ({}, (basic("webapp", ""),), "invalid_client"),
    "public-with-a-secret": ({"client_id": "spa", "client_secret": SECRET}, (), "invalid_client"),
    "public-with-basic": ({}, (basic("spa", ""),), "invalid_client"),
    "not-the-registered-post": ({"client_id": "basic", "client_secret": SECRET}, (), "invalid_client"),
    "not-the-registered-basic": ({}, (basic("post", SECRET),), "invalid_client"),
    "signs-with-its-id-alone": ({"client_id": "signs"}, (), "invalid_client"),
    "macs-with-its-secret": ({"client_id": "macs", "client_secret": SECRET}, (), "invalid_client"),
    "macs-with-basic": ({}, (basic("macs", SECRET),), "invalid_client"),
    "the-stand-in": ({"client_id": "-"}, (), "invalid_client"),
    "tk-07-basic-and-secret": (TWO_WAYS, (GOOD,), "invalid_request"),
    "tk-07-basic-and-assertion": ({"client_assertion": "x"}, (GOOD,), "invalid_request"),
    "tk-07-basic-and-assertion-type": ({"client_assertion_type": JWT_BEARER}, (GOOD,), "invalid_request"),
    "tk-07-secret-and-assertion": ({**with_assertion("x"), "client_secret": SECRET}, (), "invalid_request"),
    "tk-07-all-three": ({**with_assertion("x"), "client_secret": SECRET}, (GOOD,), "invalid_request"),
    "tk-07-basic-and-another-id": ({"client_id": "spa"}, (GOOD,), "invalid_request"),
    "assertion-without-type": ({"client_assertion": "x"}, (), "invalid_request"),
    "type-without-assertion": ({"client_assertion_type": JWT_BEARER}, (), "invalid_request"),
    "saml": ({"client_assertion": "x", "client_assertion_type": JWT_BEARER[:-10] + "saml2"}, (), "invalid_client"),
    "assertion-of-no-form": (with_assertion("x", client_id="signs"), (), "invalid_client"),
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
async def test_a_client_that_does_not_is_refused(
    door: Door, params: dict[str, str], headers: tuple[str, ...], code: str
) -> None:
    """TK-07, TK-09, RG-13: 401 for a failed authentication and for nothing else (RFC 6749 5.2)."""
    told = await door.refused(params, headers)
    assert (told.code, told.status) == (code, 401 if code == "invalid_client" else 400)


@pytest.mark.parametrize("client_id", ["webapp", "nobody", "spa"])
@pytest.mark.parametrize("right", [0, 10, 31])
async def test_tk_10_known_and_unknown_cost_the_same(
    door: Door, monkeypatch: pytest.MonkeyPatch, client_id: str, right: int
) -> None:
    """TK-10: the same answer and the same work: one comparison of two hashes, in constant time, whoever is named."""
    compared: list[tuple[int, int]] = []
    real = hmac.compare_digest

    def compare(a: Any, b: Any) -> bool:
        compared.append((len(a), len(b)))
        return real(a, b)

    monkeypatch.setattr(hmac, "compare_digest", compare)
    told = await door.refused({"client_id": client_id, "client_secret": SECRET[:right] + "x" * (40 - right)})
    assert compared == [(32, 32)]
    assert str(told) == "invalid_client: the client is unknown or did not prove who it is"


async def test_a_registered_client_is_held_to_its_secret_though_only_the_hash_is_kept(door: Door) -> None:
    """A record holds no secret; that makes nobody a public client."""
    value = {"metadata": {"client_id": "r-1", "grant_types": ["refresh_token"]}, "hashes": [hashed(SECRET)]}
    await door.store.put(client_key("r-1"), value, 60)
    assert await door.knock({"client_id": "r-1", "client_secret": SECRET}) == "r-1"
    assert (await door.refused({"client_id": "r-1"})).code == "invalid_client"


def hashed(secret: str) -> str:
    return b64encode(secret_hash(secret)).decode()


async def test_no_secret_is_kept(door: Door) -> None:
    """The hashes are kept for comparison, never the secrets in clear."""
    known = await door.clients.known("webapp", NOW)
    assert known is not None and SECRET not in repr(known)
    assert known.hashes == (secret_hash(SECRET),)


# --- assertions ---


@pytest.mark.parametrize(
    ("token", "client_id"),
    [
        pytest.param(lambda: signed(ONE, claims()), "signs", id="RS256-without-kid"),
        pytest.param(lambda: signed(EC, claims()), "signs", id="ES256"),
        pytest.param(lambda: signed(PS, claims("bound")), "bound", id="PS256"),
        pytest.param(lambda: signed(ONE, claims(), typ="client-authentication+jwt"), "signs", id="own-typ"),
        pytest.param(lambda: signed(ONE, claims(), typ="JWT"), "signs", id="typ-jwt"),
        pytest.param(lambda: mac(NEXT_SECRET, claims("macs")), "macs", id="HS256"),
        pytest.param(lambda: mac(SECRET, claims("macs")), "macs", id="HS256-with-the-old-secret"),
        pytest.param(lambda: mac(NEXT_SECRET, claims("macs"), "HS512"), "macs", id="HS512"),
    ],
)
async def test_a_client_that_signs_is_known(door: Door, token: Callable[[], str], client_id: str) -> None:
    """``private_key_jwt`` and ``client_secret_jwt`` (OIDC Core 9), with each algorithm of the method."""
    assert await door.knock(with_assertion(token(), client_id=client_id)) == client_id


async def test_keys_are_looked_for_at_the_clients_address(door: Door) -> None:
    """oidcc-registration-jwks-uri: a key with a kid at ``jwks_uri``; while it cannot be had, 503."""
    with pytest.raises(Unavailable):
        await door.knock(with_assertion(signed(TWO, claims("by-uri"), kid="two")))
    door.shelf.put(BY_URI.jwks_uri, jwks(TWO))
    door.clock.now += 2
    assert await door.knock(with_assertion(signed(TWO, claims("by-uri"), kid="two"))) == "by-uri"


async def test_the_endpoint_called_is_a_good_audience_there_alone(door: Door) -> None:
    """RFC 9126 2: an assertion for the endpoint that is called, and not for another endpoint of ours."""
    assert await door.knock(with_assertion(signed(ONE, claims(aud=PAR))), endpoint=PAR) == "signs"
    assert (await door.refused(with_assertion(signed(ONE, claims(aud=PAR))))).reason == "assertion_wrong_audience"


PUBLIC_PEM = ONE._key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
PEM_BODY = "".join(PUBLIC_PEM.splitlines()[1:-1])
STAND_IN_SECRET = STAND_IN.client.client_secret


def none_of(alg: str, payload: dict[str, Any], signature: str = "") -> str:
    head, body, _ = jws(ONE, payload, json.dumps({"alg": alg}).encode()).split(".")
    return f"{head}.{body}.{signature}"


FORGED: dict[str, Callable[[], str]] = {
    "jo-01-none": lambda: none_of("none", claims()),
    "jo-01-None": lambda: none_of("None", claims()),
    "jo-01-nOnE": lambda: none_of("nOnE", claims()),
    "jo-01-missing-alg": lambda: jws(ONE, claims(), {"alg": None}),
    "jo-01-empty-signature": lambda: none_of("RS256", claims()),
    "jo-01-signature-of-another": lambda: none_of("RS256", claims(), signed(ONE, claims()).split(".")[2]),
    "jo-02-hs256-with-the-public-key": lambda: mac(PUBLIC_PEM, claims()),
    "jo-02-hs256-with-the-modulus": lambda: mac(ONE.public_jwk["n"], claims()),
    "jo-02-hs256-with-the-pem-body": lambda: mac(PEM_BODY, claims()),
    "jo-02-key-of-a-client-with-a-secret": lambda: signed(ONE, claims("macs")),
    "jo-02-hs256-with-the-key-of-a-client-with-a-secret": lambda: mac(ONE.public_jwk["n"], claims("macs")),
    "jo-03-not-the-registered-alg": lambda: jws(PS, claims("bound"), alg="RS256"),
    "rg-13-other-clients-key": lambda: signed(TWO, claims()),
    "rg-13-public-client": lambda: signed(ONE, claims("spa")),
    "unknown-client": lambda: signed(ONE, claims("nobody")),
    "unknown-client-with-a-mac": lambda: mac(SECRET, claims("nobody")),
    "client-of-another-method": lambda: mac(SECRET, claims("webapp")),
    "wrong-secret": lambda: mac("x" * 40, claims("macs")),
    "the-stand-in": lambda: mac(STAND_IN_SECRET.get_secret_value() if STAND_IN_SECRET else "", claims("-")),
    "jo-10-id-token": lambda: signed(ONE, claims(nonce="n", auth_time=1), typ="id_token+jwt"),
    "jo-10-access-token": lambda: signed(ONE, claims(), typ="at+jwt"),
    "jo-10-access-token-in-full": lambda: signed(ONE, claims(), typ="application/at+jwt"),
    "jo-10-logout-token": lambda: signed(ONE, claims(), typ="logout+jwt"),
    "jo-10-request-object": lambda: signed(ONE, claims(), typ="oauth-authz-req+jwt"),
    "jo-10-proof": lambda: signed(ONE, claims(), typ="dpop+jwt"),
    "jo-10-request-object-without-typ": lambda: signed(ONE, claims(sub=None, client_id="signs")),
    "jo-10-proof-of-a-secret-client": lambda: mac(SECRET, claims("macs"), typ="dpop+jwt"),
    "expired": lambda: signed(ONE, claims(exp=int(NOW) - 600)),
    "other-audience": lambda: signed(ONE, claims(aud="https://evil.example/")),
    "jo-13-too-big": lambda: signed(ONE, claims(pad="x" * 17_000)),
    "jo-05-kid": lambda: signed(ONE, claims(), kid="../../dev/null"),
}


@pytest.mark.parametrize("token", FORGED.values(), ids=FORGED)
async def test_jo_any_other_assertion_is_refused(door: Door, token: Callable[[], str]) -> None:
    """JO-01, JO-02, JO-10, RG-13, TK-10: one answer for all of them, and nothing is fetched or written."""
    read_only = FailingStore(door.store, lambda op: not isinstance(op, Get), Unavailable("a write"))
    door.authenticator = replace(door.authenticator, store=read_only)
    told = await door.refused(with_assertion(token()))
    assert str(told) == "invalid_client: the client is unknown or did not prove who it is"
    assert told.status == 401
    assert door.shelf.asked == []


async def test_rg_13_the_id_in_the_body_is_the_one_that_signed(door: Door) -> None:
    """RG-13, RFC 7521 4.2: ``client_id`` beside an assertion names the same client."""
    told = await door.refused(with_assertion(signed(ONE, claims()), client_id="webapp"))
    assert (told.code, told.reason) == ("invalid_client", "assertion_of_another_client")


async def test_an_assertion_is_used_once(door: Door) -> None:
    """RFC 7523 3: the same ``jti`` again is refused for as long as the assertion is good; each client has its own."""
    form = with_assertion(signed(ONE, claims(jti="j", exp=int(NOW) + 600)))
    assert await door.knock(form) == "signs"
    door.clock.now += 659
    assert (await door.refused(form)).reason == "assertion_used_before"
    assert await door.knock(with_assertion(mac(SECRET, claims("macs", jti="j", exp=int(NOW) + 900)))) == "macs"
    door.clock.now += 10
    assert (await door.refused(form)).reason == "assertion_expired"


async def test_of_many_at_once_one_gets_in(door: Door) -> None:
    """A stolen assertion that races its owner: whoever is second, however close, stays out."""
    slow = replace(door.authenticator, store=SlowStore(door.store))
    shown = present(with_assertion(signed(ONE, claims())), ())
    told = await asyncio.gather(*(slow.authenticate(shown, TOKEN, NOW) for _ in range(20)), return_exceptions=True)
    assert Counter(type(one).__name__ for one in told) == {"Client": 1, "Refused": 19}


async def test_without_the_store_nobody_gets_in(door: Door) -> None:
    """Whether an assertion was used cannot be known: 503, and no client."""
    broken = FailingStore(door.store, lambda op: isinstance(op, Add), Unavailable("store"))
    shut = replace(door.authenticator, store=broken)
    with pytest.raises(Unavailable):
        await shut.authenticate(present(with_assertion(signed(ONE, claims())), ()), TOKEN, NOW)


async def test_no_store_is_asked_for_a_secret(door: Door) -> None:
    """The plain ways cost no round trip."""
    broken = FailingStore(door.store, lambda op: True, Unavailable("store"))
    plain = ClientAuthenticator(ISSUER, Clients(CLIENTS, broken), door.authenticator.keys, broken)
    assert (await plain.authenticate(present({}, (GOOD,)), TOKEN, NOW)).client_id == "webapp"


@pytest.mark.parametrize("key", [ONE, EC], ids=["RS256", "ES256"])
async def test_tk_10_known_and_unknown_signers_cost_the_same(
    door: Door, monkeypatch: pytest.MonkeyPatch, key: Any
) -> None:
    """TK-10: one verification for a forged assertion of a client that signs, of one that does not, and of nobody."""
    verified: list[str] = []
    real = key_sets.ALGORITHMS[key.alg].verify

    def verify(*args: Any) -> bool:
        verified.append(key.alg)
        return bool(real(*args))

    monkeypatch.setattr(key_sets.ALGORITHMS[key.alg], "verify", verify)
    forger = signer("forger", key.alg)
    for client_id in ("signs", "webapp", "nobody"):
        await door.refused(with_assertion(signed(forger, claims(client_id))))
    assert verified == [key.alg] * 3


async def test_ds_07_a_flood_of_forged_assertions_leaves_nothing_behind(door: Door) -> None:
    """DS-07: a thousand bad signatures are a thousand refusals: no call, no record, no memory of who was named."""
    read_only = FailingStore(door.store, lambda op: not isinstance(op, Get), Unavailable("a write"))
    door.authenticator = replace(door.authenticator, store=read_only)
    forged = none_of("RS256", claims(), signed(TWO, claims()).split(".")[2])
    told = Counter([(await door.refused(with_assertion(forged))).reason for _ in range(1000)])
    assert told == {"assertion_bad_signature": 1000}
    assert door.shelf.asked == [] and not door.authenticator.keys._places
