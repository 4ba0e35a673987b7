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
        ({"dpop_signing_alg": "ES256", "response_type": "id_token token"}, "dpop_signing_alg"),
        (
            {**BACK, "dpop_signing_alg": "ES256", "federated_connections_access_tokens": {"active": True}},
            "dpop_signing_alg",
        ),
        ({"issuer": TEMPLATE, "tenant_ids": ["acme", "acme.east"]}, "tenant_ids"),
        ({**BACK, "token_endpoint_auth_method": "client_secret_jwt"}, "token_endpoint_auth_method"),
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
