"""How we authenticate at a tenant, method by method."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from proxy.oidc import jose
from proxy.oidc.errors import UpstreamError
from proxy.oidc.keys import parse_jwks
from proxy.upstream.client_auth import ASSERTION, LIFE, Credentials, audience_of, authentication, method_of
from proxy.upstream.metadata import check_metadata
from tests.kit.tenant import signer
from tests.upstream.conftest import DOCUMENT, ISSUER, NOW, connection

LONG = "a secret of more than thirty-two bytes"


def methods(*names: str) -> dict[str, Any]:
    return {**DOCUMENT, "token_endpoint_auth_methods_supported": list(names)}


@pytest.mark.parametrize(
    ("document", "options", "expected"),
    [
        (DOCUMENT, {}, "client_secret_basic"),
        (methods("client_secret_post", "client_secret_basic"), {}, "client_secret_basic"),
        (methods("client_secret_post"), {}, "client_secret_post"),
        (methods("private_key_jwt"), {}, "client_secret_post"),
        (methods("client_secret_post"), {"token_endpoint_auth_method": "client_secret_basic"}, "client_secret_basic"),
        (DOCUMENT, {"token_endpoint_auth_method": "client_secret_post"}, "client_secret_post"),
        (DOCUMENT, {"client_secret": None}, "none"),
        (DOCUMENT, {"client_secret": None, "token_endpoint_auth_method": "private_key_jwt"}, "private_key_jwt"),
    ],
)
def test_the_method(document: dict[str, Any], options: dict[str, Any], expected: str) -> None:
    """client-secret-basic: Basic where the tenant takes it; none without a secret; what is configured wins."""
    one = connection(**options)
    assert method_of(one.options, check_metadata(document, one)) == expected


def test_basic_is_form_urlencoded_first() -> None:
    """RFC 6749 2.3.1: a colon, a space, a plus or an umlaut in id or secret survive."""
    headers, fields = authentication(Credentials("a:b c", "client_secret_basic", ISSUER, "p+\u00e9%:"), NOW)
    assert base64.b64decode(headers["Authorization"].removeprefix("Basic ")) == b"a%3Ab+c:p%2B%C3%A9%25%3A"
    assert fields == {}


def test_in_the_form() -> None:
    """The secret in the body, or the name alone; neither in a header."""
    assert authentication(Credentials("us", "client_secret_post", ISSUER, "s"), NOW) == (
        {},
        {"client_id": "us", "client_secret": "s"},
    )
    assert authentication(Credentials("us", "none", ISSUER, ""), NOW) == ({}, {"client_id": "us"})


def assertion(known: Credentials) -> str:
    headers, fields = authentication(known, NOW)
    assert headers == {}
    assert (fields["client_id"], fields["client_assertion_type"]) == ("us", ASSERTION)
    assert "client_secret" not in fields
    return fields["client_assertion"]


def check_claims(claims: Any) -> None:
    assert (claims["iss"], claims["sub"], claims["aud"]) == ("us", "us", ISSUER)
    assert (claims["iat"], claims["exp"]) == (int(NOW), int(NOW) + LIFE)


@pytest.mark.parametrize("alg", ["RS256", "PS256", "ES256", "EdDSA"])
def test_an_assertion_with_a_key(alg: str) -> None:
    """RFC 7523 3: from us, about us, for the tenant alone, for a minute, with a name of its own and the key's."""
    key = signer(f"auth-{alg}", alg)
    known = Credentials("us", "private_key_jwt", ISSUER, signer=key)
    token, other = assertion(known), assertion(known)
    verified = jose.verify(token, parse_jwks({"keys": [dict(key.public_jwk)]}), (alg,), ("jwt",))
    check_claims(verified.claims)
    assert verified.header["kid"] == key.kid
    assert jose.peek(other)[1]["jti"] != verified.claims["jti"]


def test_an_assertion_with_the_secret() -> None:
    """client_secret_jwt (Core 9): HS256 with the secret, which does not travel."""
    token = assertion(Credentials("us", "client_secret_jwt", ISSUER, LONG))
    check_claims(jose.verify_mac(token, LONG, ("HS256",), ("jwt",)).claims)
    with pytest.raises(UpstreamError) as caught:
        authentication(Credentials("us", "client_secret_jwt", ISSUER, "short"), NOW)
    assert caught.value.reason == "weak_client_secret"


def test_whom_an_assertion_is_meant_for() -> None:
    """``token_endpoint_jwtca_aud_format``; of a family of tenants no one issuer can be named."""
    one = connection()
    assert audience_of(one.options, check_metadata(DOCUMENT, one)) == ISSUER
    one = connection(token_endpoint_jwtca_aud_format="token_endpoint")
    assert audience_of(one.options, check_metadata(DOCUMENT, one)) == DOCUMENT["token_endpoint"]
    family = connection(issuer="https://idp.example/{tenantid}", tenant_ids=["a"])
    found = check_metadata({**DOCUMENT, "issuer": family.options.issuer}, family)
    assert audience_of(family.options, found) == DOCUMENT["token_endpoint"]


def test_credentials_do_not_show() -> None:
    """A traceback may print them."""
    assert "s3cret" not in repr(Credentials("us", "client_secret_post", ISSUER, "s3cret"))
