"""What an authorization request must keep to, one rule a function; what breaks a rule is told to the client.

They run after the client and its redirect URI are sure (``authorize``), in the order of ``RULES``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from proxy.models import Client
from proxy.models.client import RESPONSE_TYPES
from proxy.oidc import pkce
from proxy.oidc.errors import Refused
from proxy.oidc.params import words

LONGEST = 2048
"""Most characters of ``state``, ``nonce`` and ``scope``."""
MODES: Mapping[str, tuple[str, ...]] = {"code": ("query", "form_post"), "id_token": ("fragment", "form_post")}
"""The response types we know, each with its modes; the first is the default (Multiple Response Types 2.1, 3)."""
SCOPE_SYNTAX = re.compile(r"[\x21\x23-\x5B\x5D-\x7E]+( [\x21\x23-\x5B\x5D-\x7E]+)*")  # RFC 6749 3.3
PROMPTS = frozenset({"none", "login", "consent", "select_account"})


def _bounded(params: Mapping[str, str], client: Client) -> None:
    for name in ("state", "nonce", "scope"):
        if len(params.get(name, "")) > LONGEST:
            raise Refused("invalid_request", f"{name} is longer than {LONGEST} characters")


def _no_request_objects(params: Mapping[str, str], client: Client) -> None:  # OIDC Core 6, 3.1.2.6
    for name in ("request", "request_uri"):
        if name in params:
            raise Refused(f"{name}_not_supported", f"the {name} parameter is not supported")


def _known_response_type(params: Mapping[str, str], client: Client) -> None:  # RFC 6749 3.1.1
    asked = params.get("response_type")
    if asked is None:
        raise Refused("invalid_request", "response_type is missing")
    if asked not in MODES:
        raise Refused("unsupported_response_type", f"this server supports response_type {', '.join(MODES)}")
    if asked not in client.response_types:
        raise Refused("unauthorized_client", "the application may not use this response_type")


def _allowed_grant(params: Mapping[str, str], client: Client) -> None:  # RFC 7591 2
    needed = RESPONSE_TYPES[params["response_type"]]
    if needed not in client.grant_types:
        raise Refused("unauthorized_client", f"the application may not use the {needed} grant")


def _known_response_mode(params: Mapping[str, str], client: Client) -> None:  # OAuth 2.0 Multiple Response Types 2.1
    modes = MODES[params["response_type"]]
    if params.get("response_mode", modes[0]) not in modes:
        raise Refused("invalid_request", f"this response_type supports response_mode {', '.join(modes)}")


def _whole_implicit(params: Mapping[str, str], client: Client) -> None:  # OIDC Core 3.2.2.1
    if params["response_type"] != "id_token":
        return
    if "nonce" not in params:
        raise Refused("invalid_request", "nonce is required with response_type id_token")
    if "openid" not in words(params.get("scope", "")):
        raise Refused("invalid_scope", "scope must hold openid with response_type id_token")


def _legal_scope(params: Mapping[str, str], client: Client) -> None:  # RFC 6749 3.3
    scope = params.get("scope")
    if scope is not None and not SCOPE_SYNTAX.fullmatch(scope):
        raise Refused("invalid_scope", "scope is not a list of words with single spaces between")


def _known_prompt(params: Mapping[str, str], client: Client) -> None:  # OIDC Core 3.1.2.1
    asked = set(words(params.get("prompt", "")))
    if not asked <= PROMPTS:
        raise Refused("invalid_request", "prompt has an unknown value")
    if "none" in asked and len(asked) > 1:
        raise Refused("invalid_request", "prompt none stands alone")


def _legal_max_age(params: Mapping[str, str], client: Client) -> None:  # OIDC Core 3.1.2.1
    asked = params.get("max_age")
    if asked is not None and not re.fullmatch(r"[0-9]{1,9}", asked):
        raise Refused("invalid_request", "max_age is not a whole number of seconds")


def _pkce_with_s256(params: Mapping[str, str], client: Client) -> None:  # RFC 7636 4.3, RFC 9700 2.1.1
    if params["response_type"] != "code":
        return
    challenge, method = params.get("code_challenge"), params.get("code_challenge_method")
    if challenge is None and method is None:
        if client.is_public:
            raise Refused("invalid_request", "code_challenge is required for a public client")
        return
    if method != "S256":
        raise Refused("invalid_request", "code_challenge_method must be S256")
    if not pkce.WELL_FORMED_CHALLENGE.fullmatch(challenge or ""):
        raise Refused("invalid_request", "code_challenge is not the base64url of a SHA-256 digest")


def _granted_audience(params: Mapping[str, str], client: Client) -> None:  # RFC 8707 2
    asked = {params[name] for name in ("audience", "resource") if name in params}
    if len(asked) > 1:
        raise Refused("invalid_target", "audience and resource name two different APIs")
    if any(client.api(one) is None for one in asked):
        raise Refused("invalid_target", "the application has no grant for this audience")


Rule = Callable[[Mapping[str, str], Client], None]
RULES: tuple[Rule, ...] = (
    _bounded,
    _no_request_objects,
    _known_response_type,
    _allowed_grant,
    _known_response_mode,
    _whole_implicit,
    _legal_scope,
    _known_prompt,
    _legal_max_age,
    _pkce_with_s256,
    _granted_audience,
)


def mode_of(params: Mapping[str, str]) -> str:
    """The mode that a request asks for, or the one its response type implies if it asks for none or wrongly."""
    modes = MODES.get(params.get("response_type", ""), ("query",))
    asked = params.get("response_mode", "")
    return asked if asked in modes else modes[0]


def check_rules(params: Mapping[str, str], client: Client) -> None:
    """Every rule in turn. Raises ``Refused`` at the first that is broken."""
    for rule in RULES:
        rule(params, client)
