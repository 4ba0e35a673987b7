"""The authorization endpoint: check the request (RFC 6749 4.1, OpenID Connect Core 3.1.2).

The order of the checks is the rule: first who asks and where the answer may go, and only then everything else, so that
no error ever travels to an address that was not checked (RFC 9700 4.11).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from proxy.downstream import claims_request
from proxy.downstream.authorize_rules import DISPLAYS, audiences_of, check_rules, mode_of
from proxy.downstream.clients import Clients
from proxy.models import Client
from proxy.models.client import response_type
from proxy.oidc.errors import Shown
from proxy.oidc.params import words
from proxy.oidc.urls import with_params

ACTIVATE = "activate"
"""Where a person types the code that a device shows."""
LANGUAGE_TAG = re.compile(r"[A-Za-z0-9]{1,8}(-[A-Za-z0-9]{1,8}){0,8}")  # RFC 5646 2.1, as far as we need it
LOOPBACK_URI = re.compile(r"(http://(?:127\.0\.0\.1|\[::1\]))(?::([0-9]{1,5}))?((?:/[^#]*)?)")  # RFC 8252 7.3


@dataclass(frozen=True)
class AuthorizeRequest:
    """A checked authorization request. ``scopes`` are the granted ones, ``audiences`` the APIs asked for.

    ``claims`` are those asked for by name, at ``id_token`` and ``userinfo``; ``essential_acr`` says that ``acr_values``
    must be met. ``subject`` is whom the client means, ``jkt`` the key its code is bound to (RFC 9449 10), ``pushed``
    the reference of a pushed request, ``trip`` the login that ends with its answer. One that is ``sealed`` counts only
    as the client signed it: nobody else can ask it again. ``device`` is the code that a person typed for a device
    (RFC 8628): the answer then goes there, and to no redirect URI.
    """

    client_id: str
    redirect_uri: str
    scopes: tuple[str, ...] = ()
    state: str = ""
    nonce: str = ""
    prompt: tuple[str, ...] = ()
    max_age: int | None = None
    login_hint: str = ""
    connection: str = ""
    audiences: tuple[str, ...] = ()
    challenge: str = ""
    response_type: str = "code"
    response_mode: str = "query"
    acr_values: tuple[str, ...] = ()
    essential_acr: bool = False
    claims: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    subject: str = ""
    display: str = ""
    ui_locales: str = ""
    jkt: str = ""
    pushed: str = ""
    sealed: bool = False
    trip: str = ""
    device: str = ""

    def as_value(self) -> Mapping[str, Any]:
        """As plain values, for a stored record."""
        return dict(vars(self))

    def as_params(self) -> Mapping[str, str]:
        """As the parameters of a request that asks the same again; of a pushed one nothing shows but its reference."""
        if self.pushed:
            return {"client_id": self.client_id, "request_uri": self.pushed}
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
            "resource": " ".join(self.audiences),
            "acr_values": " ".join(self.acr_values),
            "display": self.display,
            "ui_locales": self.ui_locales,
            "dpop_jkt": self.jkt,
            "claims": claims_request.as_param(self),
            **pkce_params,
        }
        return {name: value for name, value in asked.items() if value}

    def address(self, issuer: str) -> str:
        """Where a browser begins with the same again."""
        if self.device:
            asked = {"user_code": self.device, "prompt": " ".join(self.prompt)}
            return with_params(f"{issuer}{ACTIVATE}", {name: value for name, value in asked.items() if value})
        return with_params(f"{issuer}authorize", self.as_params())

    @classmethod
    def from_value(cls, value: Mapping[str, Any]) -> AuthorizeRequest:
        """Back from a stored record."""
        lists = {name: tuple(value[name]) for name in ("scopes", "prompt", "audiences", "acr_values")}
        claims = {place: tuple(names) for place, names in value["claims"].items()}
        return cls(**{**value, **lists, "claims": claims})


# --- who asks, and where the answer may go: errors are shown to the person ---


async def check_client(params: Mapping[str, str], clients: Clients, now: float) -> Client:
    """The known client of ``client_id``. Raises ``Shown``, ``Unavailable``."""
    name = params.get("client_id", "")
    if not name:
        raise Shown("invalid_request", "client_id is missing")
    client = await clients.find(name, now)
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


def check_stored(value: Mapping[str, Any], client: Client) -> None:
    """Whether the answer to a request that we kept may still go where it was to go. Only for what was checked before it
    was stored: in a request of a browser ``device`` means nothing. Raises ``Shown``."""
    if not value.get("device"):
        check_redirect_uri(value, client)


# --- everything else: errors are told to the client ---


def check_request(params: Mapping[str, str], client: Client, redirect_uri: str) -> AuthorizeRequest:
    """The request as a typed value. Raises ``Refused`` for the client to hear."""
    check_rules(params, client)
    audiences = audiences_of(params)
    max_age = params.get("max_age")
    by_name = claims_request.check(params.get("claims", ""), client)
    kind = response_type(params["response_type"])
    return AuthorizeRequest(
        client_id=client.client_id,
        redirect_uri=redirect_uri,
        scopes=granted_scopes(words(params.get("scope", "")), client, audiences, kind),
        state=params.get("state", ""),
        nonce=params.get("nonce", ""),
        prompt=words(params.get("prompt", "")),
        max_age=client.default_max_age if max_age is None else int(max_age),
        login_hint=params.get("login_hint", "")[:320],
        connection=params.get("connection", ""),
        audiences=audiences,
        challenge=params.get("code_challenge", ""),
        response_type=kind,
        response_mode=mode_of(params, client),
        acr_values=by_name.acr_values or words(params.get("acr_values", "")) or client.default_acr_values,
        essential_acr=by_name.essential_acr,
        claims=by_name.names,
        subject=by_name.subject,
        display=params["display"] if params.get("display") in DISPLAYS else "",
        ui_locales=" ".join(filter(LANGUAGE_TAG.fullmatch, words(params.get("ui_locales", "")))),
        jkt=params.get("dpop_jkt", ""),
    )


def granted_scopes(
    asked: tuple[str, ...], client: Client, audiences: tuple[str, ...], kind: str = "code"
) -> tuple[str, ...]:
    """Of the scopes asked, those that are granted: the standard ones, and what the client's grants for ``audiences``
    list. Unknown ones are left out, as OpenID Connect Core 3.1.2.1 recommends; the token answer says which."""
    may = set(client.scopes)
    for audience in audiences:
        api = client.api(audience)
        may |= set(api.scopes if api else ())
    if "refresh_token" not in client.grant_types or "code" not in kind:  # OIDC Core 11
        may.discard("offline_access")
    return tuple(scope for scope in asked if scope in may)
