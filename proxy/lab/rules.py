"""The rules of a healthy OpenID Provider: what it takes at the authorization endpoint, and what its ID token says.

Pure. OpenID Connect Core 3.1.2, 3.2.2, 3.3.2, RFC 6749, RFC 7636, Multiple Response Types, Form Post Response Mode.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from proxy.lab.keys import half_hash
from proxy.lab.rooms import Grant, LabClient, Login
from proxy.oidc import pkce
from proxy.oidc.errors import Refused, Shown
from proxy.oidc.params import words

ID_TOKEN_LIFE = 600
RESPONSE_TYPES = ("code", "id_token", "id_token token", "code id_token", "code token", "code id_token token")
RESPONSE_MODES = ("query", "fragment", "form_post")
KINDS = frozenset(frozenset(kind.split()) for kind in RESPONSE_TYPES)


@dataclass(frozen=True)
class Asked:
    """A checked authorization request. ``parts`` of the response type, in any order."""

    client: LabClient
    redirect_uri: str
    parts: frozenset[str]
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
    if not client.takes_answers_at(params.get("redirect_uri", "")):
        raise Shown("invalid_request", "this redirect URI is not registered for the client")
    return client


def check_request(params: Mapping[str, str], client: LabClient) -> Asked:
    """An authorization request of a known client. Raises ``Refused`` with the code of RFC 6749 4.1.2.1."""
    parts = frozenset(params.get("response_type", "").split())
    mode = response_mode(params)
    if parts not in KINDS:
        raise Refused("unsupported_response_type", f"response_type must be one of {', '.join(RESPONSE_TYPES)}")
    if mode not in RESPONSE_MODES or parts != {"code"} and mode == "query":
        raise Refused("invalid_request", "this response_mode is not for this response_type")
    scopes = words(params.get("scope", ""))
    if "openid" not in scopes:
        raise Refused("invalid_scope", "scope must contain openid")
    if "id_token" in parts and "nonce" not in params:
        raise Refused("invalid_request", "nonce is required (OpenID Connect Core 3.2.2.1)")
    return Asked(
        client, params["redirect_uri"], parts, mode, scopes, params.get("state", ""), params.get("nonce", ""),
        _prompt(params), _max_age(params), params.get("login_hint", ""), _challenge(params, client, parts),
    )  # fmt: skip


def response_mode(params: Mapping[str, str]) -> str:
    """The mode asked for, or the response type's own (Multiple Response Types 5)."""
    tokens = {"token", "id_token"} & {*params.get("response_type", "").split()}
    return params.get("response_mode") or ("fragment" if tokens else "query")


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


def _challenge(params: Mapping[str, str], client: LabClient, parts: frozenset[str]) -> str:
    challenge = params.get("code_challenge", "")
    if "code" not in parts:
        return ""
    if challenge and params.get("code_challenge_method") != "S256":
        raise Refused("invalid_request", "code_challenge_method must be S256")
    if challenge and not pkce.WELL_FORMED_CHALLENGE.fullmatch(challenge):
        raise Refused("invalid_request", "code_challenge is malformed")
    if not challenge and client.public:
        raise Refused("invalid_request", "a public client must use PKCE")
    return challenge


def must_ask(asked: Asked, login: Login | None, now: int) -> bool:
    """Whether the person must log in (again): no login, prompt=login, or one older than ``max_age``."""
    if login is None or "login" in asked.prompt or "select_account" in asked.prompt:
        return True
    return asked.max_age is not None and now - login.at > asked.max_age


def id_token(issuer: str, grant: Grant, now: int, access_token: str = "", code: str = "") -> dict[str, Any]:
    """The claims of an ID token (Core 2, 3.1.3.6, 3.3.2.11), with everything the scopes release, as many tenants do."""
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
    beside = {
        "nonce": grant.nonce,
        "at_hash": access_token and half_hash(access_token),
        "c_hash": code and half_hash(code),
    }
    return {**claims, **{name: value for name, value in beside.items() if value}}
