"""The authorization endpoint: check the request (RFC 6749 4.1, OpenID Connect Core 3.1.2).

The order of the checks is the rule: first who asks and where the answer may go, and only then everything else, so that
no error ever travels to an address that was not checked (RFC 9700 4.11).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from proxy.downstream.authorize_rules import check_rules, mode_of
from proxy.models import Client
from proxy.models.client import STANDARD_SCOPES
from proxy.oidc.errors import Shown
from proxy.oidc.params import words

LOOPBACK_URI = re.compile(r"(http://(?:127\.0\.0\.1|\[::1\]))(?::([0-9]{1,5}))?((?:/[^#]*)?)")  # RFC 8252 7.3


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
    response_type: str = "code"
    response_mode: str = "query"

    def as_value(self) -> Mapping[str, Any]:
        """As plain values, for a stored record."""
        return dict(vars(self))

    def as_params(self) -> Mapping[str, str]:
        """As the parameters of a request that asks the same again."""
        pkce_params = {"code_challenge": self.challenge, "code_challenge_method": "S256"} if self.challenge else {}
        asked = {
            "response_type": self.response_type,
            "response_mode": self.response_mode,
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
    text = "redirect_uri is not registered for this application"
    raise Shown("invalid_request", text, reason="redirect_uri_mismatch")


def _loopback_match(uri: str, registered: tuple[str, ...]) -> bool:
    asked = LOOPBACK_URI.fullmatch(uri)
    if asked is None or int(asked[2] or 80) > 65535:
        return False
    known = (LOOPBACK_URI.fullmatch(one) for one in registered)
    return any(one is not None and (one[1], one[3]) == (asked[1], asked[3]) for one in known)


# --- everything else: errors are told to the client ---


def check_request(params: Mapping[str, str], client: Client, redirect_uri: str) -> AuthorizeRequest:
    """The request as a typed value. Raises ``Refused`` for the client to hear."""
    check_rules(params, client)
    audience = params.get("audience") or params.get("resource", "")
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
        response_type=params["response_type"],
        response_mode=mode_of(params),
    )


def granted_scopes(asked: tuple[str, ...], client: Client, audience: str) -> tuple[str, ...]:
    """Of the scopes asked, those that are granted: the standard ones, and what the client's grant for ``audience``
    lists. Unknown ones are left out, as OpenID Connect Core 3.1.2.1 recommends; the token answer says which."""
    api = client.api(audience)
    may = set(STANDARD_SCOPES) | set(api.scopes if api else ())
    if "refresh_token" not in client.grant_types:
        may.discard("offline_access")
    return tuple(scope for scope in asked if scope in may)
