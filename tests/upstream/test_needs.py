"""What options need, held against what a document lists."""

from __future__ import annotations

from typing import Any

import pytest

from proxy.upstream.needs import gaps
from tests.upstream.conftest import DOCUMENT, connection, front

READS_USERINFO = {"mapping_mode": "use_map", "attributes": {"a": "${context.userinfo.a}"}}
PAR = "pushed_authorization_request_endpoint"
BACK: list[tuple[dict[str, Any], dict[str, Any], tuple[str, ...]]] = [
    ({}, {"response_types_supported": ["id_token"]}, ("response_types_supported: code",)),
    ({"response_type": "code id_token"}, {"response_types_supported": ["id_token code"]}, ()),
    ({}, {"response_modes_supported": ["form_post"]}, ("response_modes_supported: query",)),
    ({"response_mode": "form_post"}, {"response_modes_supported": ["form_post"]}, ()),
    (
        {},
        {"id_token_signing_alg_values_supported": ["ES256"]},
        ("id_token_signing_alg_values_supported: RS256",),
    ),
    (
        {"id_token_signed_response_algs": ["PS256", "RS256"]},
        {"id_token_signing_alg_values_supported": ["PS256"]},
        (),
    ),
    (
        {},
        {"token_endpoint_auth_methods_supported": ["private_key_jwt"]},
        ("token_endpoint_auth_methods_supported: client_secret_basic or client_secret_post",),
    ),
    ({}, {"token_endpoint_auth_methods_supported": ["client_secret_post"]}, ()),
    ({"client_secret": None}, {"token_endpoint_auth_methods_supported": ["client_secret_basic"]}, ()),
    (
        {"client_secret": None, "token_endpoint_auth_method": "private_key_jwt"},
        {"token_endpoint_auth_methods_supported": ["client_secret_basic"]},
        ("token_endpoint_auth_methods_supported: private_key_jwt",),
    ),
    (
        {"token_endpoint_auth_signing_alg": "ES256"},
        {"token_endpoint_auth_signing_alg_values_supported": ["RS256"]},
        ("token_endpoint_auth_signing_alg_values_supported: ES256",),
    ),
    (
        {"dpop_signing_alg": "ES256"},
        {"dpop_signing_alg_values_supported": ["ES384"]},
        ("dpop_signing_alg_values_supported: ES256",),
    ),
    (
        {"connection_settings": {"pkce": "S256"}},
        {"code_challenge_methods_supported": ["plain"]},
        ("code_challenge_methods_supported: S256",),
    ),
    ({}, {"code_challenge_methods_supported": ["plain"]}, ()),
    ({"enable_pushed_authorization_requests": True}, {}, (PAR,)),
    ({"enable_pushed_authorization_requests": True, PAR: "https://idp.example/par"}, {}, ()),
    ({}, {"require_pushed_authorization_requests": True}, (PAR,)),
    ({}, {"require_pushed_authorization_requests": True, PAR: "https://idp.example/par"}, ()),
    ({"attribute_map": READS_USERINFO}, {}, ("userinfo_endpoint",)),
    ({"attribute_map": READS_USERINFO}, {"userinfo_endpoint": "https://idp.example/u"}, ()),
    (
        {"attribute_map": READS_USERINFO, "userinfo_signed_response_alg": "ES256"},
        {"userinfo_endpoint": "https://idp.example/u", "userinfo_signing_alg_values_supported": ["RS256"]},
        ("userinfo_signing_alg_values_supported: ES256",),
    ),
    ({"request_object": "value"}, {"request_parameter_supported": False}, ("request_parameter_supported",)),
    ({"request_object": "reference"}, {"request_parameter_supported": False}, ()),
    (
        {"request_object": "reference"},
        {"request_uri_parameter_supported": False, "request_object_signing_alg_values_supported": ["ES256"]},
        ("request_object_signing_alg_values_supported: RS256", "request_uri_parameter_supported"),
    ),
    ({}, {"response_types_supported": "code", "response_modes_supported": [1, None]}, ()),
]


@pytest.mark.parametrize(("options", "more", "missing"), BACK)
def test_what_a_back_channel_needs(options: dict[str, Any], more: dict[str, Any], missing: tuple[str, ...]) -> None:
    """Each option's need is told if the document lists something else; what it does not list is no gap."""
    assert gaps({**DOCUMENT, **more}, connection(**options).options) == missing
    assert gaps(DOCUMENT, connection().options) == ()


def test_what_a_front_channel_needs() -> None:
    """Its type and its mode; nothing of the token endpoint."""
    listed = {
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "token_endpoint_auth_methods_supported": ["tls_client_auth"],
    }
    assert gaps({**DOCUMENT, **listed}, front().options) == (
        "response_types_supported: id_token",
        "response_modes_supported: form_post",
    )
    assert gaps(DOCUMENT, front().options) == ()
