"""What a connection's options must have in common, as a table."""

from __future__ import annotations

from typing import Any

import pytest

from proxy.models import Connection, ConnectionOptions
from proxy.models.connection_rules import LONGEST_METADATA, inconsistencies

BACK = {"type": "back_channel", "client_secret": "s"}
TEMPLATE = "https://idp.example/{tenantid}/v2.0"


def at_fault(base: dict[str, Any], **changes: Any) -> list[str]:
    """The keys at fault."""
    options = ConnectionOptions.model_validate({"client_id": "isthmus", **base, **changes})
    return [key for key, _ in inconsistencies(Connection(name="corp", options=options))]


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"discovery_url": ""}, "discovery_url"),
        ({"oidc_metadata": {"x": "y" * LONGEST_METADATA}}, "oidc_metadata"),
        ({"issuer": TEMPLATE}, "tenant_ids"),
        ({"tenant_ids": ["a"]}, "tenant_ids"),
        ({"response_type": "code"}, "response_type"),
        ({**BACK, "response_type": "id_token"}, "response_type"),
        ({"response_mode": "query"}, "response_mode"),
        ({**BACK, "response_type": "code token", "response_mode": "query"}, "response_mode"),
        ({"send_back_channel_nonce": False}, "send_back_channel_nonce"),
        ({"federated_connections_access_tokens": {"active": True}}, "federated_connections_access_tokens"),
        ({"attribute_map": {"userinfo_scope": "groups"}}, "attribute_map"),
        ({"attribute_map": {"mapping_mode": "use_map"}}, "attribute_map"),
        ({"dpop_signing_alg": "ES256"}, "dpop_signing_alg"),
        ({"token_endpoint_auth_method": "client_secret_basic"}, "token_endpoint_auth_method"),
        ({"token_endpoint_auth_method": "client_secret_jwt"}, "token_endpoint_auth_method"),
        ({**BACK, "token_endpoint_auth_method": "none"}, "token_endpoint_auth_method"),
        ({**BACK, "token_endpoint_auth_method": "private_key_jwt"}, "token_endpoint_auth_method"),
        ({"client_secret_previous": "s"}, "client_secret_previous"),
        ({"connection_settings": {"pkce": "disabled"}}, "connection_settings"),
        ({**BACK, "token_endpoint_auth_signing_alg": "PS256"}, "token_endpoint_auth_signing_alg"),
    ],
)
def test_what_does_not_go_together_names_the_key(changes: dict[str, Any], key: str) -> None:
    """Each mistake is told at the key that mends it."""
    assert at_fault({"discovery_url": "https://idp.example/"}, **changes) == [key]


@pytest.mark.parametrize(
    "fine",
    [
        {"discovery_url": "https://idp.example/"},
        {"issuer": "https://idp.example"},
        {"oidc_metadata": {"issuer": "https://idp.example"}},
        {"issuer": TEMPLATE, "tenant_ids": ["a", "b"]},
        {"issuer": "https://idp.example", "response_type": "id_token token", "attribute_map": {"userinfo_scope": "x"}},
        {"issuer": "https://idp.example", **BACK, "send_back_channel_nonce": False},
        {"issuer": "https://idp.example", **BACK, "connection_settings": {"pkce": "disabled"}},
        {"issuer": "https://idp.example", **BACK, "client_secret_previous": "old"},
        {"issuer": "https://idp.example", **BACK, "federated_connections_access_tokens": {"active": True}},
        {
            "issuer": "https://idp.example",
            "type": "back_channel",
            "token_endpoint_auth_method": "private_key_jwt",
            "token_endpoint_auth_signing_alg": "PS256",
        },
    ],
)
def test_what_does_is_taken(fine: dict[str, Any]) -> None:
    """An issuer, metadata or discovery, each alone, on either channel."""
    assert at_fault(fine) == []


def test_rp_03_a_template_is_never_a_wildcard() -> None:
    """RP-03: the tenants of a family are listed one by one; no star, no pattern."""
    for ids in (["*"], ["{tenantid}"], [""], ["a/b"]):
        with pytest.raises(ValueError, match="tenant_ids"):
            at_fault({"issuer": TEMPLATE}, tenant_ids=ids)


@pytest.mark.parametrize("name", ["client_id", "redirect_uri", "state", "nonce", "scope", "response_type", "request"])
def test_rp_35_upstream_params_set_nothing_that_we_set(name: str) -> None:
    """RP-35: the request's own parameters are no extras."""
    with pytest.raises(ValueError, match="upstream_params"):
        at_fault({"issuer": "https://idp.example"}, upstream_params={name: {"value": "x"}})


@pytest.mark.parametrize("param", [{}, {"value": "x", "alias": "login_hint"}, {"alias": "password"}, {"value": 1}])
def test_an_upstream_param_is_a_value_or_an_alias(param: dict[str, Any]) -> None:
    """One of the two, and an alias only of what an application may send."""
    with pytest.raises(ValueError, match="upstream_params"):
        at_fault({"issuer": "https://idp.example"}, upstream_params={"x": param})


@pytest.mark.parametrize(
    "attributes",
    [
        {"a": "${context.tokenset.email"},
        {"a": "${tokenset.email}"},
        {"a": "${context.request.email}"},
        {"a": "${context.connection.secret}"},
        {"user_id": "${context.tokenset.sub}"},
        {"sub": "x"},
        {"a": "x" * 1001},
        {"": "x"},
    ],
)
def test_pl_10_a_template_is_data(attributes: dict[str, str]) -> None:
    """PL-10, RP-27: a template names what it reads and can compute nothing; what is ours to say stays ours."""
    with pytest.raises(ValueError, match="attribute_map"):
        at_fault({"issuer": "https://idp.example"}, attribute_map={"mapping_mode": "use_map", "attributes": attributes})


def test_auth0s_spellings_are_taken() -> None:
    """``s256`` in any case, ``null`` for the usual algorithms."""
    options = ConnectionOptions.model_validate(
        {
            "client_id": "x",
            "issuer": "https://idp.example",
            "connection_settings": {"pkce": "s256"},
            "id_token_signed_response_algs": None,
        }
    )
    assert options.connection_settings.pkce == "S256" and options.id_token_signed_response_algs == ("RS256",)
