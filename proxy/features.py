"""What a feature of the provider may do, who may call it, and what it may answer.

Everything the provider can do is a feature: a frozen dataclass whose fields are its needs. Each door has an empty
default. ``app.py`` holds the one list of features; discovery is the sum of their ``metadata()``, so it can never
advertise what is not there.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any

from proxy.models import Client, Session
from proxy.store import Op


class Caller(Enum):
    """Who knocks on an endpoint. ``web.callers`` has one wrapper for each, which a feature cannot forget."""

    ANYONE = auto()
    BROWSER = auto()
    CLIENT = auto()
    BEARER = auto()


@dataclass(frozen=True, slots=True)
class Bearer:
    """A checked access token of ours: for which client, with which scopes and audience, and about whom."""

    client_id: str
    scopes: tuple[str, ...]
    audience: tuple[str, ...]
    user_id: str
    profile: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request, past the border: parameters read once, the caller known. ``now`` is seconds since the epoch.

    ``browsers`` are the secrets of the browser's transaction cookies, sorted; none without a trip under way. ``client``
    is set for the client caller, ``bearer`` for the bearer caller; ``session`` loads lazily for the browser caller (one
    store read at most).
    """

    method: str
    path: str
    params: Mapping[str, str]
    headers: Mapping[str, str]
    now: float
    id: str = ""
    browsers: tuple[str, ...] = ()
    client: Client | None = None
    bearer: Bearer | None = None
    session: Callable[[], Awaitable[Session | None]] | None = None


@dataclass(frozen=True, slots=True)
class SignIn:
    """Tell the browser its new session: the cookie's secret value and its lifetime in seconds."""

    cookie: str
    seconds: int


@dataclass(frozen=True, slots=True)
class Answer:
    """What to send back: one of ``json``, ``redirect`` or ``page`` (a template's name).

    ``browser`` sets the transaction cookie, ``sign_in`` and ``sign_out`` the session cookie. A form of a page that
    ``leads_away`` may end at another site; the first form of one that ``submits_itself`` is sent during load, where
    scripts run. ``image_sources`` are the origins of a page's pictures besides our own. ``event`` and ``about`` are
    what the log says of the answer.
    """

    status: int = 200
    json: Mapping[str, Any] | None = None
    redirect: str = ""
    page: str = ""
    values: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    leads_away: bool = False
    image_sources: tuple[str, ...] = ()
    browser: str = ""
    sign_in: SignIn | None = None
    sign_out: bool = False
    submits_itself: bool = False
    event: str = ""
    about: Mapping[str, str] = field(default_factory=dict)


Handler = Callable[[Request], Awaitable[Answer]]
Redeem = Callable[[Request, Client], Awaitable[Mapping[str, Any]]]
Response = tuple[Mapping[str, str], tuple[Op, ...]]
"""What an authorization request is answered with, and what must be written for it to count."""
Respond = Callable[[Any, Session, float], Response]
"""Answers a checked authorization request (``downstream.authorize.AuthorizeRequest``) for a session, at a time."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An address below the issuer (no leading slash), the methods it takes, who calls it, and what answers."""

    path: str
    methods: tuple[str, ...]
    caller: Caller
    handler: Handler


@dataclass(frozen=True)
class Feature:
    """One thing the provider can do. Every door has an empty default."""

    def endpoints(self) -> Sequence[Endpoint]:
        """The addresses it answers."""
        return ()

    def grants(self) -> Mapping[str, Redeem]:
        """The ``grant_type`` values it redeems, each with what redeems it (RFC 6749 4)."""
        return {}

    def responses(self) -> Mapping[str, Respond]:
        """The ``response_type`` values it answers, each with what answers it (RFC 6749 3.1.1)."""
        return {}

    def metadata(self) -> Mapping[str, Any]:
        """What it adds to the discovery document (RFC 8414 2); lists of several features are joined."""
        return {}

    def unfold(self, params: Mapping[str, str]) -> Mapping[str, str]:
        """Authorization parameters replaced before they are checked (PAR, request objects)."""
        return params

    async def farewell(self, session: Session) -> None:
        """What clients must hear when a session ends."""
