"""What the parts of a client's metadata must have in common."""

from __future__ import annotations

from typing import Any

import pytest

from proxy.models import Client
from proxy.models.client_rules import inconsistencies
from tests.kit.tenant import signer

GOOD: dict[str, Any] = {"client_id": "app", "redirect_uris": ["https://app.example/cb"]}
KEY = dict(signer("client").public_jwk)
BY_KEY = {"token_endpoint_auth_method": "private_key_jwt", "jwks": {"keys": [KEY]}}
TWO_HOSTS = ["https://a.example/cb", "https://b.example/cb"]


def implicit(*types: str) -> dict[str, Any]:
    """A client with these response types."""
    return {"grant_types": ["authorization_code", "implicit"], "response_types": list(types)}


def faults(*, has_secret: bool = True, **changes: Any) -> list[str]:
    """The keys at fault."""
    client = Client.model_validate({**GOOD, **changes})
    return [name for name, _ in inconsistencies(client, has_secret=has_secret, algorithms=("RS256", "PS256"))]


@pytest.mark.parametrize(
    ("changes", "at_fault"),
    [
        ({}, []),
        ({"redirect_uris": []}, ["redirect_uris"]),
        ({"redirect_uris": [], "grant_types": ["client_credentials"]}, []),
        ({"token_endpoint_auth_method": "private_key_jwt"}, ["jwks_uri"]),
        ({"token_endpoint_auth_method": "private_key_jwt", "jwks_uri": "https://app.example/jwks"}, []),
        ({"jwks": {"keys": []}, "jwks_uri": "https://app.example/jwks"}, ["jwks_uri"]),
        (
            {"token_endpoint_auth_method": "client_secret_jwt", "token_endpoint_auth_signing_alg": "RS256"},
            ["token_endpoint_auth_signing_alg"],
        ),
        ({"token_endpoint_auth_method": "client_secret_jwt", "token_endpoint_auth_signing_alg": "HS256"}, []),
        ({"token_endpoint_auth_signing_alg": "HS256"}, ["token_endpoint_auth_signing_alg"]),
        ({"request_object_signing_alg": "none"}, ["request_object_signing_alg"]),
        ({"id_token_signed_response_alg": "none"}, ["id_token_signed_response_alg"]),
        ({"id_token_signed_response_alg": "ES256"}, ["id_token_signed_response_alg"]),
        ({"id_token_signed_response_alg": "PS256"}, []),
        ({"id_token_signed_response_alg": "HS256"}, []),
        ({"userinfo_signed_response_alg": "HS256"}, ["userinfo_signed_response_alg"]),
        ({"introspection_signed_response_alg": "ES256"}, ["introspection_signed_response_alg"]),
        ({"jwks": {"keys": []}}, ["jwks"]),
        ({"jwks": {"keys": [KEY]}}, []),
        ({"jwks": {"keys": [{**KEY, "use": "enc"}]}}, []),
        ({"token_endpoint_auth_method": "private_key_jwt", "jwks": {"keys": [{**KEY, "use": "enc"}]}}, ["jwks"]),
        ({"require_signed_request_object": True, "jwks": {"keys": [{**KEY, "use": "enc"}]}}, ["jwks"]),
        ({**BY_KEY, "token_endpoint_auth_signing_alg": "RS256"}, []),
        ({**BY_KEY, "token_endpoint_auth_signing_alg": "ES256"}, ["jwks"]),
        ({**BY_KEY, "require_signed_request_object": True, "request_object_signing_alg": "ES256"}, ["jwks"]),
        ({"jwks": {"keys": [{**KEY, "d": "AQAB"}]}}, ["jwks"]),
        ({"jwks": {"keys": [{**KEY, "x5u": "https://app.example/cert"}]}}, ["jwks"]),
        ({"dpop_bound_access_tokens": True}, []),
        ({"dpop_bound_access_tokens": True, **implicit("code", "id_token")}, []),
        ({"dpop_bound_access_tokens": True, **implicit("code", "code token")}, ["response_types"]),
        ({"dpop_bound_access_tokens": True, **implicit("id_token token")}, ["response_types"]),
        (implicit("code token"), []),
        ({"subject_type": "pairwise"}, []),
        ({"subject_type": "pairwise", "redirect_uris": TWO_HOSTS}, ["sector_identifier_uri"]),
    ],
)
def test_rg_10_parts_that_do_not_fit_are_named(changes: dict[str, Any], at_fault: list[str]) -> None:
    """RG-10: each rule names its key; a client that keeps to all of them has no fault."""
    assert faults(**changes) == at_fault


def test_rg_10_a_client_without_a_secret_must_say_that_it_is_public() -> None:
    """RG-10: forgetting the secret does not make a client public; a public one proves nothing, and signs nothing."""
    assert faults(has_secret=False) == ["client_secret"]
    assert faults(has_secret=False, token_endpoint_auth_method="none") == []
    assert faults(has_secret=False, token_endpoint_auth_method="none", id_token_signed_response_alg="HS256") == [
        "id_token_signed_response_alg"
    ]


def test_a_mac_needs_a_secret_whatever_the_client_authenticates_with() -> None:
    """A client that signs its requests with a key has no secret of its own accord."""
    by_key = {"token_endpoint_auth_method": "private_key_jwt", "jwks": {"keys": [KEY]}}
    assert faults(has_secret=False, **by_key) == []
    assert faults(has_secret=False, **by_key, id_token_signed_response_alg="HS256") == ["id_token_signed_response_alg"]
    assert faults(has_secret=True, **by_key, id_token_signed_response_alg="HS256") == []


@pytest.mark.parametrize("name", ["client_secret", "client_secret_previous"])
@pytest.mark.parametrize(
    "use", [{"id_token_signed_response_alg": "HS256"}, {"token_endpoint_auth_method": "client_secret_jwt"}]
)
def test_rg_10_a_secret_that_signs_is_long_enough(use: dict[str, Any], name: str) -> None:
    """RG-10: where a short secret is let pass (everything on loopback) it still cannot sign: said at the start,
    not at the first login."""
    good, short = "s" * 32, "ü" * 15
    secrets = {"client_secret": good, name: short}
    assert faults(**use, **secrets) == [name]
    assert faults(**use, client_secret=good, client_secret_previous="ü" * 16) == []
    assert faults(**secrets) == []
