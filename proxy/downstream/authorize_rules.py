"""What an authorization request must keep to, one rule a function; what breaks a rule is told to the client.

They run after the client and its redirect URI are sure (``authorize``), in the order of ``RULES``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from proxy.models import Client
from proxy.models.client import DEVICE_CODE, RESPONSE_TYPES, response_type
from proxy.oidc import pkce
from proxy.oidc.errors import Refused
from proxy.oidc.params import words
from proxy.oidc.urls import origin

LONGEST = 2048
"""Most characters of ``state``, ``nonce`` and ``scope``."""
QUERY, FRAGMENT, FORM_POST, WEB_MESSAGE = "query", "fragment", "form_post", "web_message"
IN_THE_QUERY = ("code", "none")
"""Response types whose answer may travel in the query, and does by default (Multiple Response Types 3, 4)."""
DISPLAYS = frozenset({"page", "popup", "touch", "wap"})
MOST_AUDIENCES = 10
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
    if response_type(asked) not in RESPONSE_TYPES:
        raise Refused("unsupported_response_type", f"this server supports response_type {', '.join(RESPONSE_TYPES)}")
    if response_type(asked) not in client.response_types:
        raise Refused("unauthorized_client", "the application may not use this response_type")


def _allowed_grant(params: Mapping[str, str], client: Client) -> None:  # RFC 7591 2
    for needed in RESPONSE_TYPES[response_type(params["response_type"])]:
        if needed not in client.grant_types:
            raise Refused("unauthorized_client", f"the application may not use the {needed} grant")


def _bound_tokens_alone(params: Mapping[str, str], client: Client) -> None:  # RFC 9449 5.2
    _check_binding(params["response_type"], client)


def _check_binding(kind: str, client: Client) -> None:
    if client.dpop_bound_access_tokens and "token" in words(kind):
        raise Refused("unauthorized_client", "an access token from here could not be bound to a key of the application")


def _known_response_mode(params: Mapping[str, str], client: Client) -> None:  # OAuth 2.0 Multiple Response Types 2.1
    asked, modes = params.get("response_mode"), modes_of(params, client)
    if asked == WEB_MESSAGE and asked not in modes:
        raise Refused("invalid_request", "the origin of redirect_uri is not among the web_origins of the application")
    if asked is not None and asked not in modes:
        raise Refused("invalid_request", f"this response_type supports response_mode {', '.join(modes)}")


def _whole_front_channel(params: Mapping[str, str], client: Client) -> None:  # OIDC Core 3.2.2.1, 3.3.2.1
    if "id_token" not in params["response_type"]:
        return
    if "nonce" not in params:
        raise Refused("invalid_request", "nonce is required with this response_type")
    if "openid" not in words(params.get("scope", "")):
        raise Refused("invalid_scope", "scope must hold openid with this response_type")


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
    if "code" not in params["response_type"]:
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
    asked = audiences_of(params)
    if len(asked) > MOST_AUDIENCES:
        raise Refused("invalid_target", f"more than {MOST_AUDIENCES} APIs are asked for")
    if any(client.api(one) is None for one in asked):
        raise Refused("invalid_target", "the application has no grant for this audience")


def _bounded_wishes(params: Mapping[str, str], client: Client) -> None:  # OIDC Core 3.1.2.1
    for name in ("acr_values", "ui_locales", "claims_locales"):
        if len(params.get(name, "")) > LONGEST:
            raise Refused("invalid_request", f"{name} is longer than {LONGEST} characters")
    if "dpop_jkt" in params and not pkce.WELL_FORMED_CHALLENGE.fullmatch(params["dpop_jkt"]):
        raise Refused("invalid_request", "dpop_jkt is not the base64url of a SHA-256 thumbprint")  # RFC 9449 10


Rule = Callable[[Mapping[str, str], Client], None]
RULES: tuple[Rule, ...] = (
    _bounded,
    _no_request_objects,
    _known_response_type,
    _allowed_grant,
    _bound_tokens_alone,
    _known_response_mode,
    _whole_front_channel,
    _legal_scope,
    _known_prompt,
    _legal_max_age,
    _pkce_with_s256,
    _granted_audience,
    _bounded_wishes,
)


ABOUT_SCOPE: tuple[Rule, ...] = (_bounded, _legal_scope, _granted_audience)
"""The rules that hold where no browser brings the request, too."""


def modes_of(params: Mapping[str, str], client: Client) -> tuple[str, ...]:
    """The response modes that are open to a request; the first is the default. A code is read from a fragment by apps
    in the browser alone, and a message goes only to pages the operator listed (``web_origins``)."""
    kind = response_type(params.get("response_type", "code"))
    in_query = kind in IN_THE_QUERY or kind not in RESPONSE_TYPES
    modes = (QUERY, *((FRAGMENT,) if client.is_public else ())) if in_query else (FRAGMENT,)
    web = (WEB_MESSAGE,) if origin(params.get("redirect_uri", "")) in client.web_origins else ()
    return (*modes, FORM_POST, *web)


def mode_of(params: Mapping[str, str], client: Client) -> str:
    """The mode that a request asks for, or the one its response type implies if it asks for none or wrongly."""
    modes = modes_of(params, client)
    asked = params.get("response_mode", "")
    return asked if asked in modes else modes[0]


def audiences_of(params: Mapping[str, str]) -> tuple[str, ...]:
    """The APIs that a request names: ``resource`` (RFC 8707 2), Auth0's ``audience``, or both."""
    return tuple(dict.fromkeys((*words(params.get("audience", "")), *words(params.get("resource", "")))))


def check_still_allowed(kind: str, audiences: tuple[str, ...], client: Client) -> None:
    """Whether the client may have such an answer, asked again when it is about to get one: its registration may have
    changed while the person was at the tenant, or thinking. Raises ``Refused``."""
    if kind not in client.response_types or not set(RESPONSE_TYPES[kind]) <= set(client.grant_types):
        raise Refused("unauthorized_client", "the application may not use this response_type any more")
    _check_binding(kind, client)
    _check_apis(audiences, client)


def check_device_allowed(audiences: tuple[str, ...], client: Client) -> None:
    """The same for a request of a device (RFC 8628), which has no response type. Raises ``Refused``."""
    if DEVICE_CODE not in client.grant_types:
        raise Refused("unauthorized_client", "the application may not use the device flow any more")
    _check_apis(audiences, client)


def _check_apis(audiences: tuple[str, ...], client: Client) -> None:
    if any(client.api(one) is None for one in audiences):
        raise Refused("invalid_target", "the application has no grant for this audience any more")


def check_rules(params: Mapping[str, str], client: Client) -> None:
    """Every rule in turn. Raises ``Refused`` at the first that is broken."""
    for rule in RULES:
        rule(params, client)


def check_scope(params: Mapping[str, str], client: Client) -> None:
    """The rules about scopes and APIs alone. Raises ``Refused`` at the first that is broken."""
    for rule in ABOUT_SCOPE:
        rule(params, client)
