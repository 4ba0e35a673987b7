"""The rooms of the lab: each a tenant with its people, and what it remembers while it runs. Data, no code."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from proxy.lab.people import PEOPLE, Person
from proxy.oidc.urls import is_loopback

CALLBACK = "login/callback"
"""Where every Isthmus hears its tenants, below its issuer."""


@dataclass(frozen=True)
class LabClient:
    """A Relying Party registered at a room. Without secret and keys it is public: PKCE is then compulsory.

    ``loopback``: any Isthmus on this machine, whose addresses follow from where it wants its answers.
    """

    client_id: str
    redirect_uris: tuple[str, ...] = ()
    client_secret: str = ""
    post_logout_redirect_uris: tuple[str, ...] = ()
    jwks: Mapping[str, Any] | None = None
    jwks_uri: str = ""
    backchannel_logout_uri: str = ""
    frontchannel_logout_uri: str = ""
    userinfo_signed_response_alg: str = ""
    loopback: bool = False

    def keys_at(self, redirect_uri: str, connection: str) -> str:
        """Where its keys are published, empty if nowhere. ``connection`` is what it calls this tenant."""
        base, found, _ = redirect_uri.partition(CALLBACK)
        return f"{base}login/keys/{connection}" if self.loopback and found else self.jwks_uri

    @property
    def public(self) -> bool:
        """Whether it has nothing to authenticate with."""
        return not (self.client_secret or self.jwks or self.jwks_uri)

    def takes_answers_at(self, uri: str) -> bool:
        """Whether ``uri`` is registered, byte for byte, or on this machine."""
        return uri in self.redirect_uris or (self.loopback and is_loopback(uri))

    def returns_to(self, uri: str) -> bool:
        """Whether a logout may lead to ``uri``."""
        return uri in self.post_logout_redirect_uris or (self.loopback and is_loopback(uri))

    def hears_of_logouts_at(self, redirect_uri: str) -> tuple[str, str]:
        """Its addresses for logout, back channel and front channel; empty where it has none."""
        base, found, _ = redirect_uri.partition(CALLBACK)
        if self.loopback and found:
            return f"{base}login/backchannel-logout", f"{base}login/frontchannel-logout"
        return self.backchannel_logout_uri, self.frontchannel_logout_uri


@dataclass(frozen=True)
class Room:
    """A tenant to log in at: its name, what the login page says about it, who lives there."""

    name: str
    title: str
    about: str
    people: tuple[Person, ...] = PEOPLE

    def find(self, sub: str) -> Person | None:
        """The person with that ``sub``."""
        return next((person for person in self.people if person.sub == sub), None)


HEALTHY = Room(
    name="healthy",
    title="Corp login",
    about="A tenant on this machine, made for trying things out. It asks for no password.",
)


@dataclass
class Login:
    """A live login at a tenant: who, when, the session id that goes into ID tokens, and where it was used: client and
    redirect URI."""

    person: Person
    at: int
    sid: str
    visits: dict[str, str] = field(default_factory=dict)


@dataclass
class Grant:
    """What a code, an access token or a refresh token stands for. ``jkt``: the key that it is bound to (RFC 9449)."""

    client: LabClient
    login: Login
    scopes: tuple[str, ...]
    expires: int
    redirect_uri: str = ""
    nonce: str = ""
    challenge: str = ""
    token: str = ""
    jkt: str = ""


@dataclass(frozen=True)
class Call:
    """A request that came: the endpoint's name (or the path, for one that is not there), and what it brought."""

    name: str
    method: str
    params: Mapping[str, str]
    headers: Mapping[str, str]


@dataclass(frozen=True)
class Notice:
    """A logout token that was sent, and how it was received."""

    client_id: str
    status: int
    headers: Mapping[str, str]


def _recent() -> deque[Any]:
    return deque(maxlen=500)


@dataclass
class Memory:
    """What a tenant remembers while it runs."""

    logins: dict[str, Login] = field(default_factory=dict)
    codes: dict[str, Grant] = field(default_factory=dict)
    used: dict[str, Grant] = field(default_factory=dict)
    tokens: dict[str, Grant] = field(default_factory=dict)
    refresh: dict[str, Grant] = field(default_factory=dict)
    management: dict[str, str] = field(default_factory=dict)
    pushed: dict[str, Mapping[str, str]] = field(default_factory=dict)
    assertions: set[str] = field(default_factory=set)
    calls: deque[Call] = field(default_factory=_recent)
    issued: deque[str] = field(default_factory=_recent)
    notices: deque[Notice] = field(default_factory=_recent)
