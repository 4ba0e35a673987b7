"""The rules of a healthy OpenID Provider: what it takes at the authorization endpoint, and what its ID token says.

Pure. OpenID Connect Core 3.1.2, 3.2.2, RFC 6749, RFC 7636, OAuth 2.0 Form Post Response Mode.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from proxy.lab.rooms import Grant, LabClient, Login
from proxy.oidc import pkce
from proxy.oidc.errors import Refused, Shown
from proxy.oidc.params import words

ID_TOKEN_LIFE = 600
RESPONSE_TYPES = ("code", "id_token")
RESPONSE_MODES = ("query", "fragment", "form_post")
NOT_HERE = {"request": "request_not_supported", "request_uri": "request_uri_not_supported"}


@dataclass(frozen=True)
class Asked:
    """A checked authorization request."""

    client: LabClient
    redirect_uri: str
    response_type: str
    response_mode: str
    scopes: tuple[str, ...]
    state: str
    nonce: str
    prompt: tuple[str, ...]
    max_age: int | None
    login_hint: str
    challenge: str


def known_client(params: Mapping[str, str], clients: Mapping[str, LabClient]) -> LabClient:
    """The client of a request whose redirect URI is registered, byte for byte. Raises ``Shown``."""
    client = clients.get(params.get("client_id", ""))
    if client is None:
        raise Shown("invalid_request", "this client is not registered here")
    if params.get("redirect_uri") not in client.redirect_uris:
        raise Shown("invalid_request", "this redirect URI is not registered for the client")
    return client


def check_request(params: Mapping[str, str], client: LabClient) -> Asked:
    """An authorization request of a known client. Raises ``Refused`` with the code of RFC 6749 4.1.2.1."""
    kind = params.get("response_type", "")
    mode = response_mode(params)
    for name, code in NOT_HERE.items():
        if name in params:
            raise Refused(code, f"{name} is not supported")
    if kind not in RESPONSE_TYPES:
        raise Refused("unsupported_response_type", "response_type must be code or id_token")
    if mode not in RESPONSE_MODES or kind == "id_token" and mode == "query":
        raise Refused("invalid_request", "this response_mode is not for this response_type")
    scopes = words(params.get("scope", ""))
    if "openid" not in scopes:
        raise Refused("invalid_scope", "scope must contain openid")
    if kind == "id_token" and "nonce" not in params:
        raise Refused("invalid_request", "nonce is required (OpenID Connect Core 3.2.2.1)")
    return Asked(
        client, params["redirect_uri"], kind, mode, scopes, params.get("state", ""), params.get("nonce", ""),
        _prompt(params), _max_age(params), params.get("login_hint", ""), _challenge(params, client, kind),
    )  # fmt: skip


def response_mode(params: Mapping[str, str]) -> str:
    """The mode asked for, or the response type's own (Multiple Response Types 5)."""
    return params.get("response_mode") or ("fragment" if params.get("response_type") == "id_token" else "query")


def _prompt(params: Mapping[str, str]) -> tuple[str, ...]:
    prompt = words(params.get("prompt", ""))
    if "none" in prompt and len(prompt) > 1:
        raise Refused("invalid_request", "prompt none stands alone")
    return prompt


def _max_age(params: Mapping[str, str]) -> int | None:
    text = params.get("max_age")
    if text is None:
        return None
    if not (text.isascii() and text.isdigit()):
        raise Refused("invalid_request", "max_age is a number of seconds")
    return int(text)


def _challenge(params: Mapping[str, str], client: LabClient, kind: str) -> str:
    challenge = params.get("code_challenge", "")
    if kind != "code":
        return ""
    if challenge and params.get("code_challenge_method") != "S256":
        raise Refused("invalid_request", "code_challenge_method must be S256")
    if challenge and not pkce.WELL_FORMED_CHALLENGE.fullmatch(challenge):
        raise Refused("invalid_request", "code_challenge is malformed")
    if not challenge and not client.client_secret:
        raise Refused("invalid_request", "a public client must use PKCE")
    return challenge


def must_ask(asked: Asked, login: Login | None, now: int) -> bool:
    """Whether the person must log in (again): no login, prompt=login, or one older than ``max_age``."""
    if login is None or "login" in asked.prompt or "select_account" in asked.prompt:
        return True
    return asked.max_age is not None and now - login.at > asked.max_age


def id_token(issuer: str, grant: Grant, now: int, access_token: str = "") -> dict[str, Any]:
    """The claims of an ID token (Core 2, 3.1.3.6), with everything the scopes release, as many tenants do."""
    claims: dict[str, Any] = {
        **grant.login.person.released(grant.scopes),
        "iss": issuer,
        "sub": grant.login.person.sub,
        "aud": grant.client.client_id,
        "iat": now,
        "exp": now + ID_TOKEN_LIFE,
        "auth_time": grant.login.at,
        "sid": grant.login.sid,
    }
    if grant.nonce:
        claims["nonce"] = grant.nonce
    if access_token:
        half = hashlib.sha256(access_token.encode()).digest()[:16]
        claims["at_hash"] = base64.urlsafe_b64encode(half).rstrip(b"=").decode()
    return claims


def metadata(issuer: str, claims: list[str], scopes: list[str]) -> dict[str, Any]:
    """The discovery document (Discovery 3)."""
    return {
        "issuer": issuer,
        "authorization_endpoint": f"{issuer}authorize",
        "token_endpoint": f"{issuer}token",
        "userinfo_endpoint": f"{issuer}userinfo",
        "end_session_endpoint": f"{issuer}end_session",
        "jwks_uri": f"{issuer}jwks.json",
        "scopes_supported": ["openid", *scopes],
        "claims_supported": ["iss", "sub", "aud", "iat", "exp", "auth_time", "nonce", "sid", "at_hash", *claims],
        "response_types_supported": list(RESPONSE_TYPES),
        "response_modes_supported": list(RESPONSE_MODES),
        "grant_types_supported": ["authorization_code", "implicit"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "none"],
        "code_challenge_methods_supported": ["S256"],
        "prompt_values_supported": ["none", "login", "select_account"],
        "authorization_response_iss_parameter_supported": True,
        "request_parameter_supported": False,
        "request_uri_parameter_supported": False,
        "claims_parameter_supported": False,
    }
