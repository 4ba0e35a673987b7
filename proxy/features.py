"""What a feature of the provider may do, who may call it, and what it may answer.

Everything the provider can do is a feature: a frozen dataclass whose fields are its needs. Each door has an empty
default. ``app.py`` holds the one list of features; discovery is the sum of their ``metadata()``, so it can never
advertise what is not there.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from functools import cached_property
from typing import Any, Literal

from proxy.models import Client, Session
from proxy.store import Op


class Caller(Enum):
    """Who knocks on an endpoint. ``web.callers`` has one wrapper for each, which a feature cannot forget."""

    ANYONE = auto()
    BROWSER = auto()
    CLIENT = auto()
    BEARER = auto()
    OPERATOR = auto()


@dataclass(frozen=True, slots=True)
class Bearer:
    """A checked access token of ours: for which client, with which scopes and audience, and about whom.

    ``subject`` is who the person is to that client, ``claims`` what was asked for by name at userinfo, ``jkt`` the
    thumbprint of the key the token is bound to (RFC 9449 6), or empty, ``grant`` what it was given out under
    (``downstream.grant.Grant``).
    """

    client_id: str
    scopes: tuple[str, ...]
    audience: tuple[str, ...]
    user_id: str
    profile: Mapping[str, Any]
    subject: str = ""
    claims: tuple[str, ...] = ()
    jkt: str = ""
    grant: Any = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request, past the border: parameters read once, the caller known. ``now`` is seconds since the epoch.

    ``browsers`` are the secrets of the browser's transaction cookies, sorted; none without a trip under way. ``client``
    is set for the client caller, and for the bearer caller with ``bearer``: whose token it is; ``session`` loads lazily
    for the browser caller (one store read at most). ``proofs`` are the DPoP headers, unchecked; ``jkt`` is the
    thumbprint of the key that a client proved to hold (RFC 9449). ``variables`` are the parts of the path that the
    endpoint's pattern names, ``body`` the JSON object that anyone sent (``items`` the list, where an operator sent
    one), ``source`` the network address they sent it from.
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
    variables: Mapping[str, str] = field(default_factory=dict)
    body: Mapping[str, Any] = field(default_factory=dict)
    items: tuple[Any, ...] | None = None
    source: str = ""
    proofs: tuple[str, ...] = ()
    jkt: str = ""


@dataclass(frozen=True, slots=True)
class SignIn:
    """Tell the browser its new session: the cookie's secret value and its lifetime in seconds."""

    cookie: str
    seconds: int


@dataclass(frozen=True, slots=True)
class Answer:
    """What to send back: one of ``json``, ``jwt`` (as ``application/jwt``, or as ``jwt_type``), ``redirect`` or
    ``page`` (a template's name).

    ``browser`` sets the transaction cookie, ``sign_in`` and ``sign_out`` the session cookie. A form of a page that
    ``leads_away`` may end at another site. ``script`` names the one script of the page (``web.pages.SCRIPTS``).
    ``image_sources`` are the origins of a page's pictures besides our own, ``framed_by`` those that may show it in a
    frame, ``frame_sources`` what its own frames show. ``browser_state`` is what the cookie of session management must
    hold. ``event`` and ``about`` are what the log says of the answer.
    """

    status: int = 200
    json: Mapping[str, Any] | Sequence[Any] | None = None
    jwt: str = ""
    jwt_type: str = ""
    redirect: str = ""
    page: str = ""
    values: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    leads_away: bool = False
    image_sources: tuple[str, ...] = ()
    browser: str = ""
    sign_in: SignIn | None = None
    sign_out: bool = False
    script: str = ""
    framed_by: tuple[str, ...] = ()
    frame_sources: tuple[str, ...] = ()
    browser_state: str = ""
    event: str = ""
    about: Mapping[str, str] = field(default_factory=dict)


Handler = Callable[[Request], Awaitable[Answer]]
Redeem = Callable[[Request, Client], Awaitable[Mapping[str, Any]]]
Response = tuple[Mapping[str, str], tuple[Op, ...]]
"""What an authorization request is answered with, and what must be written for it to count."""
Respond = Callable[[Any, Client, Session, float], Response]
"""Answers a checked authorization request (``downstream.authorize.AuthorizeRequest``) of a client for a session, at a
time."""
Pause = tuple[Answer, tuple[Op, ...]]
"""What a person must see before the client is answered, and what must be written for it."""


@dataclass(frozen=True, slots=True)
class Participant:
    """A client that took part in a session and wants to hear of its end: by a call of ours, or by the ``page`` that the
    browser loads for it."""

    client_id: str
    is_called: bool = False
    page: str = ""


@dataclass(frozen=True, slots=True)
class Ended:
    """A session that ends, whose it was, and who took part in it."""

    sid: str
    user_id: str
    participants: tuple[Participant, ...] = ()


@dataclass(frozen=True, slots=True)
class Farewell:
    """How clients hear of an end: what must be written together with it, and the pages that the browser loads."""

    writes: tuple[Op, ...] = ()
    frames: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An address below the issuer (no leading slash), the methods it takes, who calls it, and what answers.

    ``cors`` says which pages of other sites may read the answers: none, those of ``clients`` or ``public`` (all).
    ``scopes`` are what an operator's token needs, one of them; words in one string are needed together. Without any,
    no operator may call it. What anyone sends is a ``form`` or, without that, a JSON object.
    """

    path: str
    methods: tuple[str, ...]
    caller: Caller
    handler: Handler
    cors: Literal["", "clients", "public"] = ""
    scopes: tuple[str, ...] = ()
    form: bool = False


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

    async def unfold(self, params: Mapping[str, str], client: Client, now: float) -> Mapping[str, str]:
        """Authorization parameters replaced before they are checked (PAR, request objects). Asked only for a request
        with ``request`` or ``request_uri``, or of a client that must sign its requests; what it does not know it
        returns as it is. Raises ``Shown``, ``Refused``.
        """
        return params

    async def interpose(self, asked: Any, client: Client, session: Session, now: float) -> Pause | None:
        """What the person must see before a checked authorization request is answered (consent), or None. The last
        look before the answer, too: it may raise ``Shown`` or ``Refused``."""
        return None

    def accompany(self, asked: Any, client: Client, session: Session, now: float) -> Response:
        """What goes along with every answer to an authorization request, and what must be written with it."""
        return {}, ()

    def farewell(self, ended: Ended, now: float) -> Farewell:
        """What clients must hear when a session ends."""
        return Farewell()


class Doors:
    """The features that have a say in every authorization request: only those, found once. ``features`` is asked for
    late, since the list of all features holds those that need this."""

    def __init__(self, features: Callable[[], Sequence[Feature]]) -> None:
        self._features = features

    @cached_property
    def unfold(self) -> Sequence[Feature]:
        """Those that replace parameters."""
        return self._with("unfold")

    @cached_property
    def interpose(self) -> Sequence[Feature]:
        """Those that may show the person something before the answer."""
        return self._with("interpose")

    @cached_property
    def accompany(self) -> Sequence[Feature]:
        """Those that add to the answer."""
        return self._with("accompany")

    @cached_property
    def farewell(self) -> Sequence[Feature]:
        """Those that tell clients of the end of a session."""
        return self._with("farewell")

    def _with(self, door: str) -> Sequence[Feature]:
        return tuple(f for f in self._features() if getattr(type(f), door) is not getattr(Feature, door))
