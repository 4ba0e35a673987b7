"""Certification: the discovery document, with an https issuer."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.spec.op import before, checks
from tests.spec.op.conftest import World

pytestmark = pytest.mark.asyncio(loop_scope="module")
ADDRESSES = {
    "issuer", "authorization_endpoint", "token_endpoint", "jwks_uri", "registration_endpoint", "service_documentation",
    "op_policy_uri", "op_tos_uri", "revocation_endpoint", "introspection_endpoint", "userinfo_endpoint",
    "end_session_endpoint", "check_session_iframe", "pushed_authorization_request_endpoint",
    "device_authorization_endpoint",
}  # fmt: skip
FLAGS = {
    "claims_parameter_supported", "request_parameter_supported", "request_uri_parameter_supported",
    "require_request_uri_registration", "require_pushed_authorization_requests", "require_signed_request_object",
    "frontchannel_logout_supported", "frontchannel_logout_session_supported", "backchannel_logout_supported",
    "backchannel_logout_session_supported", "authorization_response_iss_parameter_supported",
    "tls_client_certificate_bound_access_tokens", "client_id_metadata_document_supported",
}  # fmt: skip
LISTS = {
    "scopes_supported", "response_types_supported", "response_modes_supported", "grant_types_supported",
    "token_endpoint_auth_methods_supported", "token_endpoint_auth_signing_alg_values_supported",
    "ui_locales_supported", "revocation_endpoint_auth_methods_supported",
    "revocation_endpoint_auth_signing_alg_values_supported", "introspection_endpoint_auth_methods_supported",
    "introspection_endpoint_auth_signing_alg_values_supported", "introspection_signing_alg_values_supported",
    "code_challenge_methods_supported", "subject_types_supported", "id_token_signing_alg_values_supported",
    "userinfo_signing_alg_values_supported", "request_object_signing_alg_values_supported",
    "display_values_supported", "claim_types_supported", "claims_supported", "claims_locales_supported",
    "acr_values_supported", "dpop_signing_alg_values_supported", "prompt_values_supported",
    "authorization_details_types_supported", "protected_resources",
}  # fmt: skip
LANGUAGE = re.compile(r"[a-z]{2,3}(-[A-Z][a-z]{3})?(-[A-Z]{2})?")


async def document(op: World) -> dict[str, Any]:
    """The document, where the issuer says it is."""
    told = await op.suite.call("GET", f"{op.suite.issuer}.well-known/openid-configuration")
    before.check_metadata(told, op.suite.issuer)
    return told.json


@pytest.mark.parametrize("plan", ["config", "dynamic"])
async def test_oidcc_discovery_endpoint_verification(op: World, plan: str) -> None:
    """oidcc-discovery-endpoint-verification: https everywhere, all types right, what must be listed is listed, and no
    field that the suite does not know."""
    found = await document(op)
    parts = urlsplit(found["issuer"])
    assert (parts.scheme, parts.query, parts.fragment, parts.username) == ("https", "", "", None)
    assert all(checks.is_https(url) for name, url in found.items() if name.endswith("_endpoint"))
    check_shape(found)
    check_lists(found)
    if plan == "dynamic":
        types = {frozenset(one.split(" ")) for one in found["response_types_supported"]}
        assert {frozenset(("code",)), frozenset(("id_token",)), frozenset(("id_token", "token"))} <= types
        assert {"authorization_code", "implicit"} <= set(found["grant_types_supported"])


def check_shape(found: dict[str, Any]) -> None:
    """Names and types."""
    assert set(found) <= ADDRESSES | FLAGS | LISTS, set(found) - ADDRESSES - FLAGS - LISTS
    for name, value in found.items():
        if name in ADDRESSES:
            assert checks.is_https(value), name
        elif name in FLAGS:
            assert isinstance(value, bool), name
        else:
            assert isinstance(value, list) and value and all(isinstance(one, str) for one in value), name


def check_lists(found: dict[str, Any]) -> None:
    """What must be listed."""
    assert found["userinfo_endpoint"] and found["claims_supported"] and found["grant_types_supported"]
    assert {"public", "pairwise"} & set(found["subject_types_supported"])
    assert "RS256" in found["id_token_signing_alg_values_supported"]
    assert "RS256" in found["request_object_signing_alg_values_supported"]
    assert "openid" in found["scopes_supported"]
    assert all(re.fullmatch(r"[\x21\x23-\x5B\x5D-\x7E]+", scope) for scope in found["scopes_supported"])
    assert {"S256", "plain"} & set(found["code_challenge_methods_supported"])
    for name in ("ui_locales_supported", "claims_locales_supported"):
        assert all(map(LANGUAGE.fullmatch, found.get(name, ())))


async def test_oidcc_rp_initiated_logout_discovery_endpoint_verification(op: World) -> None:
    """oidcc-rp-initiated-logout-discovery-endpoint-verification."""
    assert checks.is_https((await document(op))["end_session_endpoint"])


async def test_oidcc_frontchannel_logout_discovery_endpoint_verification(op: World) -> None:
    """oidcc-frontchannel-logout-discovery-endpoint-verification: with sessions, too."""
    found = await document(op)
    assert found["frontchannel_logout_supported"] is found["frontchannel_logout_session_supported"] is True
    assert checks.is_https(found["end_session_endpoint"])


async def test_oidcc_backchannel_logout_discovery_endpoint_verification(op: World) -> None:
    """oidcc-backchannel-logout-discovery-endpoint-verification: with sessions, too."""
    found = await document(op)
    assert found["backchannel_logout_supported"] is found["backchannel_logout_session_supported"] is True
    assert checks.is_https(found["end_session_endpoint"])


async def test_oidcc_session_management_discovery_endpoint_verification(op: World) -> None:
    """oidcc-session-management-discovery-endpoint-verification: the frame is served from the issuer's origin."""
    found = await document(op)
    assert checks.is_https(found["end_session_endpoint"])
    frame, issuer = urlsplit(found["check_session_iframe"]), urlsplit(found["issuer"])
    assert (frame.scheme, frame.netloc) == (issuer.scheme, issuer.netloc)
