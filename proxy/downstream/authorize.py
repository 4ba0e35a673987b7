"""The authorization endpoint: check the request, decide, build the answer (RFC 6749 4.1, OpenID Connect Core 3.1.2).

The order of the checks is the rule: first who asks and where the answer may go, and only then everything else, so that
no error ever travels to an address that was not checked (RFC 9700 4.11).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from enum import Enum, auto
from typing import Any

from proxy.models import Client, Session
from proxy.models.client import STANDARD_SCOPES
from proxy.oidc import pkce
from proxy.oidc.errors import Refused, Shown
from proxy.oidc.params import printable, words
from proxy.oidc.urls import with_params

LONGEST = 2048
"""Most characters of ``state``, ``nonce`` and ``scope``."""
SCOPE_SYNTAX = re.compile(r"[\x21\x23-\x5B\x5D-\x7E]+( [\x21\x23-\x5B\x5D-\x7E]+)*")  # RFC 6749 3.3
LOOPBACK_URI = re.compile(r"(http://(?:127\.0\.0\.1|\[::1\]))(?::([0-9]{1,5}))?((?:/[^#]*)?)")  # RFC 8252 7.3
PROMPTS = frozenset({"none", "login", "consent", "select_account"})
RESPONSE_TYPES = frozenset({"code", "token", "id_token", "none"})


@dataclass(frozen=True)
class AuthorizeRequest:
    """A checked authorization request. ``scopes`` are the granted ones, ``audience`` the API asked for or empty."""

    client_id: str
    redirect_uri: str
    scopes: tuple[str, ...] = ()
    state: str = ""
    nonce: str = ""
    prompt: tuple[str, ...] = ()
    max_age: int | None = None
    login_hint: str = ""
    connection: str = ""
    audience: str = ""
    challenge: str = ""

    def as_value(self) -> Mapping[str, Any]:
        """As plain values, for a stored record."""
        return asdict(self)

    def as_params(self) -> Mapping[str, str]:
        """As the parameters of a request that asks the same again."""
        pkce_params = {"code_challenge": self.challenge, "code_challenge_method": "S256"} if self.challenge else {}
        asked = {
            "response_type": "code",
            "client_id": self.client_id,
            "redirect_uri": self.redirect_uri,
            "scope": " ".join(self.scopes),
            "state": self.state,
            "nonce": self.nonce,
            "prompt": " ".join(self.prompt),
            "max_age": "" if self.max_age is None else str(self.max_age),
            "login_hint": self.login_hint,
            "connection": self.connection,
            "audience": self.audience,
            **pkce_params,
        }
        return {name: value for name, value in asked.items() if value}

    @classmethod
    def from_value(cls, value: Mapping[str, Any]) -> AuthorizeRequest:
        """Back from a stored record."""
        return cls(**{**value, "scopes": tuple(value["scopes"]), "prompt": tuple(value["prompt"])})


# --- who asks, and where the answer may go: errors are shown to the person ---


def check_client(params: Mapping[str, str], clients: Mapping[str, Client]) -> Client:
    """The registered client of ``client_id``. Raises ``Shown``."""
    name = params.get("client_id", "")
    if not name:
        raise Shown("invalid_request", "client_id is missing")
    client = clients.get(name)
    if client is None:
        raise Shown("invalid_client", "no application is registered with this client_id", reason="unknown_client")
    return client


def check_redirect_uri(params: Mapping[str, str], client: Client) -> str:
    """The redirect URI, registered exactly (RFC 9700 4.1.3), or on another port of a registered loopback address
    (RFC 8252 7.3). Raises ``Shown``; a missing one is never guessed (OpenID Connect Core 3.1.2.1)."""
    uri = params.get("redirect_uri", "")
    if not uri:
        raise Shown("invalid_request", "redirect_uri is missing")
    if uri in client.redirect_uris or _loopback_match(uri, client.redirect_uris):
        return uri
    raise Shown("invalid_request", "redirect_uri is not registered for this application", reason="redirect_uri_mismatch")


def _loopback_match(uri: str, registered: tuple[str, ...]) -> bool:
    asked = LOOPBACK_URI.fullmatch(uri)
    if asked is None or int(asked[2] or 80) > 65535:
        return False
    known = (LOOPBACK_URI.fullmatch(one) for one in registered)
    return any(one is not None and (one[1], one[3]) == (asked[1], asked[3]) for one in known)


# --- everything else: errors are told to the client ---


def _no_request_objects(params: Mapping[str, str], client: Client) -> None:  # OIDC Core 6, 3.1.2.6
    for name in ("request", "request_uri"):
        if name in params:
            raise Refused(f"{name}_not_supported", f"the {name} parameter is not supported")


def _bounded(params: Mapping[str, str], client: Client) -> None:
    for name in ("state", "nonce", "scope"):
        if len(params.get(name, "")) > LONGEST:
            raise Refused("invalid_request", f"{name} is longer than {LONGEST} characters")


def _known_response_type(params: Mapping[str, str], client: Client) -> None:  # RFC 6749 3.1.1
    asked = params.get("response_type", "")
    if not asked:
        raise Refused("invalid_request", "response_type is missing")
    if not set(asked.split(" ")) <= RESPONSE_TYPES or asked != "code":
        raise Refused("unsupported_response_type", "this server supports response_type code")
    if asked not in client.response_types:
        raise Refused("unauthorized_client", "the application may not use this response_type")


def _allowed_grant(params: Mapping[str, str], client: Client) -> None:  # RFC 7591 2
    if "authorization_code" not in client.grant_types:
        raise Refused("unauthorized_client", "the application may not use the authorization_code grant")


def _known_response_mode(params: Mapping[str, str], client: Client) -> None:  # OAuth 2.0 Multiple Response Types 2.1
    if params.get("response_mode", "query") != "query":
        raise Refused("invalid_request", "this server supports response_mode query")


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
    asked = params.get("audience")
    if asked is not None and client.api(asked) is None:
        raise Refused("invalid_target", "the application has no grant for this audience")


Rule = Callable[[Mapping[str, str], Client], None]
RULES: tuple[Rule, ...] = (
    _bounded,
    _no_request_objects,
    _known_response_type,
    _allowed_grant,
    _known_response_mode,
    _legal_scope,
    _known_prompt,
    _legal_max_age,
    _pkce_with_s256,
    _granted_audience,
)


def check_request(params: Mapping[str, str], client: Client, redirect_uri: str) -> AuthorizeRequest:
    """The request as a typed value. Raises ``Refused`` for the client to hear."""
    for rule in RULES:
        rule(params, client)
    audience = params.get("audience", "")
    max_age = params.get("max_age")
    return AuthorizeRequest(
        client_id=client.client_id,
        redirect_uri=redirect_uri,
        scopes=granted_scopes(words(params.get("scope", "")), client, audience),
        state=params.get("state", ""),
        nonce=params.get("nonce", ""),
        prompt=words(params.get("prompt", "")),
        max_age=None if max_age is None else int(max_age),
        login_hint=params.get("login_hint", "")[:320],
        connection=params.get("connection", ""),
        audience=audience,
        challenge=params.get("code_challenge", ""),
    )


def granted_scopes(asked: tuple[str, ...], client: Client, audience: str) -> tuple[str, ...]:
    """Of the scopes asked, those that are granted: the standard ones, and what the client's grant for ``audience``
    lists. Unknown ones are left out, as OpenID Connect Core 3.1.2.1 recommends; the token answer says which."""
    api = client.api(audience)
    may = set(STANDARD_SCOPES) | set(api.scopes if api else ())
    if "refresh_token" not in client.grant_types:
        may.discard("offline_access")
    return tuple(scope for scope in asked if scope in may)


# --- the decision ---


class Step(Enum):
    """What follows a checked request."""

    ISSUE = auto()
    REFUSE = auto()
    LOGIN = auto()


def next_step(request: AuthorizeRequest, session: Session | None, now: float) -> Step:
    """One pure decision: answer the client, refuse (``login_required``), or ask for a login."""
    if session is not None and _satisfies(request, session, now):
        return Step.ISSUE
    return Step.REFUSE if "none" in request.prompt else Step.LOGIN


def _satisfies(request: AuthorizeRequest, session: Session, now: float) -> bool:
    if {"login", "select_account"} & set(request.prompt):
        return False
    if request.connection and request.connection != session.connection:
        return False
    return not too_old(request, session, now)


def too_old(request: AuthorizeRequest, session: Session, now: float) -> bool:
    """Whether ``max_age`` (OpenID Connect Core 3.1.2.1) asks for a newer login than the session's."""
    return request.max_age is not None and (request.max_age == 0 or now - session.auth_time > request.max_age)


# --- the answer ---


def build_response(request: AuthorizeRequest, code: str, issuer: str) -> str:
    """The address that carries the code back, with ``iss`` (RFC 6749 4.1.2, RFC 9207 2)."""
    state = {"state": request.state} if request.state else {}
    return with_params(request.redirect_uri, {"code": code, **state, "iss": issuer})


def build_error(redirect_uri: str, state: str, error: Refused, issuer: str) -> str:
    """The address that carries an error back (RFC 6749 4.1.2.1, RFC 9207 2). An oversized ``state`` stays behind."""
    echoed = {"state": state} if state and len(state) <= LONGEST else {}
    return with_params(
        redirect_uri,
        {"error": error.code, "error_description": printable(error.description), **echoed, "iss": issuer},
    )
