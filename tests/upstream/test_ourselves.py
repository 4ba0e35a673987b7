"""What we say of ourselves at a tenant: fitted to what it offers."""

from __future__ import annotations

from typing import Any

import pytest

from proxy.oidc.errors import UpstreamError
from proxy.upstream.ourselves import Ourselves, build_metadata

US = Ourselves("https://sso.example/", "Acme apps", "corp")
FULL: dict[str, Any] = {
    "response_types_supported": ["code", "id_token"],
    "grant_types_supported": ["authorization_code", "refresh_token"],
    "token_endpoint_auth_methods_supported": ["client_secret_basic", "private_key_jwt", "none"],
    "id_token_signing_alg_values_supported": ["ES256", "RS256", "none"],
    "end_session_endpoint": "https://idp.example/bye",
    "backchannel_logout_supported": True,
    "backchannel_logout_session_supported": True,
    "frontchannel_logout_supported": True,
    "frontchannel_logout_session_supported": True,
}


def test_a_tenant_that_offers_all_is_asked_for_all() -> None:
    """Callback, the code alone, a key of our own, both ways to hear of logouts with ``sid``, the way back from ours,
    and where a login begins."""
    assert build_metadata(FULL, US) == {
        "application_type": "web",
        "client_name": "Acme apps",
        "redirect_uris": ["https://sso.example/login/callback"],
        "response_types": ["code"],
        "grant_types": ["authorization_code", "refresh_token"],
        "scope": "openid profile email",
        "id_token_signed_response_alg": "RS256",
        "token_endpoint_auth_method": "private_key_jwt",
        "token_endpoint_auth_signing_alg": "RS256",
        "jwks_uri": "https://sso.example/login/keys/corp",
        "backchannel_logout_uri": "https://sso.example/login/backchannel-logout",
        "backchannel_logout_session_required": True,
        "frontchannel_logout_uri": "https://sso.example/login/frontchannel-logout",
        "frontchannel_logout_session_required": True,
        "post_logout_redirect_uris": ["https://sso.example/login/logged-out"],
        "initiate_login_uri": "https://sso.example/login/initiate",
    }


def test_a_tenant_that_says_little_is_asked_for_the_usual() -> None:
    """Discovery 3: silence means Basic; nothing of logout, no refresh token."""
    asked = build_metadata({"response_types_supported": ["code"]}, US)
    assert asked["token_endpoint_auth_method"] == "client_secret_basic"
    assert asked["grant_types"] == ["authorization_code"]
    assert not [name for name in asked if "logout" in name or "jwks" in name]


@pytest.mark.parametrize(
    ("changes", "name", "value"),
    [
        (
            {"token_endpoint_auth_methods_supported": ["client_secret_post"]},
            "token_endpoint_auth_method",
            "client_secret_post",
        ),
        (
            {"token_endpoint_auth_methods_supported": ["client_secret_jwt"]},
            "token_endpoint_auth_method",
            "client_secret_jwt",
        ),
        ({"token_endpoint_auth_signing_alg_values_supported": ["ES256"]}, "token_endpoint_auth_signing_alg", "ES256"),
        ({"id_token_signing_alg_values_supported": ["EdDSA"]}, "id_token_signed_response_alg", "EdDSA"),
        ({"response_types_supported": ["id_token"]}, "response_types", ["id_token"]),
        ({"response_types_supported": ["id_token"]}, "grant_types", ["implicit"]),
        ({"backchannel_logout_session_supported": False}, "backchannel_logout_session_required", False),
    ],
)
def test_what_is_asked_follows_what_is_offered(changes: dict[str, Any], name: str, value: Any) -> None:
    """The best of what the tenant names."""
    assert build_metadata({**FULL, **changes}, US)[name] == value


def test_a_front_channel_notice_without_a_session_is_not_asked_for() -> None:
    """It would name nobody, and we would act on none."""
    asked = build_metadata({**FULL, "frontchannel_logout_session_supported": False}, US)
    assert "frontchannel_logout_uri" not in asked and "frontchannel_logout_session_required" not in asked


def test_on_loopback_we_are_a_native_application() -> None:
    """Registration 2: addresses there are for native ones; a login is begun by https alone."""
    asked = build_metadata(FULL, Ourselves("http://127.0.0.1:9000/", "Acme", "corp", own_callback=True))
    assert asked["application_type"] == "native" and "initiate_login_uri" not in asked
    assert asked["redirect_uris"] == ["http://127.0.0.1:9000/login/callback/corp"]


@pytest.mark.parametrize(
    "changes",
    [
        {"response_types_supported": ["token"]},
        {"token_endpoint_auth_methods_supported": ["tls_client_auth"]},
        {"id_token_signing_alg_values_supported": ["HS256", "none"]},
    ],
)
def test_nothing_in_common_is_said_before_anything_is_sent(changes: dict[str, Any]) -> None:
    """No response type, no client authentication, no algorithm."""
    with pytest.raises(UpstreamError):
        build_metadata({**FULL, **changes}, US)
