"""Request objects: what they say, who they are for, and how they lie with us."""

from __future__ import annotations

import pytest

from proxy.oidc import jose
from proxy.oidc.keys import parse_jwks
from proxy.store.memory import MemoryStore
from proxy.upstream.metadata import check_metadata
from proxy.upstream.request_object import LIFE, TYPE, build_object, host, object_key
from tests.kit.tenant import signer
from tests.upstream.conftest import DOCUMENT, ISSUER, NOW, connection

PARAMS = {"client_id": "isthmus", "response_type": "code", "scope": "openid", "state": "s", "max_age": "0"}
ONE = connection()
METADATA = check_metadata(DOCUMENT, ONE)


@pytest.mark.parametrize("alg", ["RS256", "PS256", "ES256"])
def test_request_uri_signed(alg: str) -> None:
    """request-uri-signed-rs256: every parameter, from us, for the tenant, for a few minutes, once."""
    key = signer(f"object-{alg}", alg)
    token = build_object(ONE, METADATA, PARAMS, key, NOW)
    found = jose.verify(token, parse_jwks({"keys": [dict(key.public_jwk)]}), (alg,), (TYPE,))
    claims = dict(found.claims)
    assert len(claims.pop("jti")) > 20
    times = {"iat": int(NOW), "nbf": int(NOW), "exp": int(NOW) + LIFE}
    assert claims == {**PARAMS, "max_age": 0, "iss": "isthmus", "aud": ISSUER, **times}
    assert jose.peek(build_object(ONE, METADATA, PARAMS, key, NOW))[1]["jti"] != found.claims["jti"]


def test_request_uri_none() -> None:
    """request-uri-none: without a key the object is plain, and says so."""
    token = build_object(ONE, METADATA, PARAMS, None, NOW)
    header, claims = jose.peek(token)
    assert header == {"alg": "none", "typ": TYPE} and token.endswith(".") and claims["state"] == "s"


async def test_a_hosted_object_lies_where_nobody_can_guess() -> None:
    """The address is below ours, has 256 random bits, and the store holds the token under it."""
    store = MemoryStore()
    first, second = [await host(store, "https://sso.example/", "a.b.c") for _ in range(2)]
    id = first.removeprefix("https://sso.example/login/request/")
    assert first != second and len(id) == 43
    record = await store.get(object_key(id))
    assert record is not None and record.value == {"token": "a.b.c"}


@pytest.mark.parametrize("text", ["login", "", "-1", "1e3", "\u0663", "9" * 5000])
def test_rp_35_a_max_age_that_is_no_number_harms_nobody(text: str) -> None:
    """RP-35: ``upstream_params`` may put any text under ``max_age``; it goes up as it is, and no login breaks here."""
    claims = jose.peek(build_object(ONE, METADATA, {**PARAMS, "max_age": text}, None, NOW))[1]
    assert claims["max_age"] == text
