"""What the conformance suite checks before each flow: discovery, the key set, the answer to a registration."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from tests.kit.suite import Told
from tests.spec.op.checks import is_https

PRIVATE = {"d", "p", "q", "dp", "dq", "qi", "oth", "k"}
NEEDED = {"RSA": ("n", "e"), "EC": ("x", "y"), "OKP": ("x",)}
UNPADDED = re.compile(r"[A-Za-z0-9_-]+")


def check_metadata(told: Told, issuer: str) -> None:
    """Discovery, as every module looks at it first."""
    document = told.json
    assert (told.status, told.kind) == (200, "application/json")
    assert document["issuer"] == issuer
    for name in ("issuer", "authorization_endpoint", "token_endpoint", "jwks_uri"):
        assert is_https(document[name]), name
    methods = document["token_endpoint_auth_methods_supported"]
    assert {"client_secret_basic", "client_secret_post", "private_key_jwt"} <= set(methods)


def check_keys(told: Told) -> None:
    """The key set: public, well formed, each key with a name of its own."""
    keys = told.json["keys"]
    assert (told.status, told.kind) == (200, "application/json") and keys
    for key in keys:
        assert key["kty"] in NEEDED and not PRIVATE & set(key)
        assert all(UNPADDED.fullmatch(key[name]) for name in NEEDED[key["kty"]])
        assert key["kid"].strip() and key.get("alg") in ("RS256", "PS256", "ES256", "EdDSA")
    assert len({key["kid"] for key in keys}) == len(keys)


def check_registration(told: Told) -> Mapping[str, Any]:
    """The answer to a registration."""
    client = told.json
    assert (told.status, told.kind) == (201, "application/json") and "error" not in client, told.text
    assert client["client_id"]
    assert ("registration_client_uri" in client) == ("registration_access_token" in client)
    assert is_https(client["registration_client_uri"])
    assert "client_secret" not in client or client["client_secret_expires_at"] == 0
    return client
