"""What a login is made of: the wishes it starts with, the identity it brings, the session it leaves.

Times are seconds since the epoch, as in JWTs (RFC 7519 2).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Button:
    """A connection on the login page. ``icon_url`` empty: the default icon."""

    display_name: str
    icon_url: str = ""


@dataclass(frozen=True)
class Wishes:
    """What a trip asks of the tenant. ``fresh``: the login must be newer than the trip's start; ``max_age``: seconds
    the tenant's login may be old; ``acr_values``: how the person must log in (OIDC Core 3.1.2.1); ``passed_on``: what
    the connection's ``upstream_params`` take from the application's request."""

    scopes: tuple[str, ...] = ("openid",)
    prompt: tuple[str, ...] = ()
    max_age: int | None = None
    login_hint: str = ""
    fresh: bool = False
    acr_values: tuple[str, ...] = ()
    ui_locales: str = ""
    passed_on: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, repr=False)
class TenantTokens:
    """What a tenant gave at a login, for calls to its own APIs. ``expires_at`` is when the access token ends, None if
    the tenant did not say."""

    access_token: str
    refresh_token: str = ""
    scope: str = ""
    expires_at: int | None = None


@dataclass(frozen=True)
class Identity:
    """A person as one connection described them. Every claim here was verified.

    ``subject`` is the tenant's ``sub``, after its tenant id where the issuer is a template; ``sid`` its session id or
    empty, ``auth_time`` when the tenant says the person logged in, by our clock, None if it does not say, ``acr`` and
    ``amr`` how (OIDC Core 2), empty likewise. ``tokens`` came along, if the connection keeps them; ``userinfo`` is what
    the UserInfo endpoint said, where it was asked; ``id_token`` and ``session_state`` are as the tenant gave them,
    where it has a use for them later (logout, session management).
    """

    connection: str
    issuer: str
    subject: str
    claims: Mapping[str, Any]
    sid: str = ""
    auth_time: int | None = None
    acr: str = ""
    amr: tuple[str, ...] = ()
    tokens: TenantTokens | None = None
    userinfo: Mapping[str, Any] = field(default_factory=dict)
    id_token: str = field(default="", repr=False)
    session_state: str = ""


@dataclass(frozen=True)
class Session:
    """Who is logged in, in one browser. ``sid`` names it (and is no secret).

    ``auth_time`` is when the person logged in: at the tenant, if it says so, since a tenant that knows them may have
    let them through unasked; else when they arrived here. Only one that is ``dated`` meets a ``max_age``.
    ``expires_at`` is the absolute end; the idle end is the record's lifetime in the store. ``sources`` says which
    plugin set which value of the profile. ``browser_state`` is what session management watches (random, known to the
    browser's scripts; OpenID Connect Session Management 3.2). ``id_token`` and ``session_state`` are the tenant's,
    where it has a use for them (``Identity``).
    """

    sid: str
    user_id: str
    connection: str
    issuer: str
    subject: str
    auth_time: int
    created_at: int
    expires_at: int
    profile: Mapping[str, Any]
    upstream_sid: str = ""
    acr: str = ""
    amr: tuple[str, ...] = ()
    browser_state: str = ""
    dated: bool = True
    sources: Mapping[str, str] = field(default_factory=dict)
    id_token: str = field(default="", repr=False)
    session_state: str = ""


@dataclass(frozen=True)
class Transaction:
    """One trip: app, connection, back to the app; one saved record, tied to one browser.

    ``request`` is the client's checked authorization request as plain values. With no ``connection`` the person is
    still choosing; with one the browser is away at the tenant, which calls itself ``issuer``, and ``nonce``,
    ``verifier`` and ``wishes`` are what we sent. ``previous`` is the session the browser had when the trip began: its
    ``sid``, ``user_id`` and ``auth_time``, or empty.
    """

    id: str
    request: Mapping[str, Any]
    client_id: str
    started_at: int
    previous: Mapping[str, Any] = field(default_factory=dict)
    connection: str = ""
    nonce: str = ""
    verifier: str = ""
    issuer: str = ""
    wishes: Wishes = field(default_factory=Wishes)
