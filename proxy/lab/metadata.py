"""What a tenant of the lab says of itself: the discovery document, and where WebFinger finds it. Pure.

OpenID Connect Discovery 1.0 2 and 3, RFC 8414, RFC 9126, RFC 9449, the logout specifications.
"""

from __future__ import annotations

from typing import Any

from proxy.lab.people import SCOPE_CLAIMS
from proxy.lab.rules import RESPONSE_MODES, RESPONSE_TYPES

METHODS = ("client_secret_basic", "client_secret_post", "client_secret_jwt", "private_key_jwt", "none")
ASSERTIONS = ("HS256", "RS256", "PS256", "ES256", "ES384", "EdDSA")
OF_PROOFS = ("ES256", "ES384", "ES512", "RS256", "PS256", "EdDSA", "Ed25519")
REL = "http://openid.net/specs/connect/1.0/issuer"
PATHS = {
    "authorization_endpoint": "authorize",
    "token_endpoint": "token",
    "userinfo_endpoint": "userinfo",
    "end_session_endpoint": "end_session",
    "jwks_uri": "jwks.json",
    "pushed_authorization_request_endpoint": "par",
    "registration_endpoint": "register",
    "check_session_iframe": "check_session",
}
OF_TOKENS = ("iss", "sub", "aud", "iat", "exp", "auth_time", "nonce", "sid", "at_hash", "c_hash")


def discovery(issuer: str) -> dict[str, Any]:
    """The discovery document (Discovery 3)."""
    return {
        "issuer": issuer,
        **{name: f"{issuer}{path}" for name, path in PATHS.items()},
        "scopes_supported": ["openid", *SCOPE_CLAIMS, "offline_access"],
        "claims_supported": [*OF_TOKENS, *(name for names in SCOPE_CLAIMS.values() for name in names)],
        "response_types_supported": list(RESPONSE_TYPES),
        "response_modes_supported": list(RESPONSE_MODES),
        "grant_types_supported": ["authorization_code", "implicit", "refresh_token"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "userinfo_signing_alg_values_supported": ["RS256"],
        "request_object_signing_alg_values_supported": ["none", *ASSERTIONS[1:]],
        "token_endpoint_auth_methods_supported": list(METHODS),
        "token_endpoint_auth_signing_alg_values_supported": list(ASSERTIONS),
        "dpop_signing_alg_values_supported": list(OF_PROOFS),
        "code_challenge_methods_supported": ["S256"],
        "prompt_values_supported": ["none", "login", "select_account"],
        "authorization_response_iss_parameter_supported": True,
        "request_parameter_supported": True,
        "request_uri_parameter_supported": True,
        "claims_parameter_supported": False,
        "backchannel_logout_supported": True,
        "backchannel_logout_session_supported": True,
        "frontchannel_logout_supported": True,
        "frontchannel_logout_session_supported": True,
    }


def webfinger(resource: str, issuer: str) -> dict[str, Any]:
    """Who answers for ``resource`` (Discovery 2, RFC 7033 4.4)."""
    return {"subject": resource, "links": [{"rel": REL, "href": issuer}]}
