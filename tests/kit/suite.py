"""A player that behaves as the OpenID Foundation's conformance suite does towards a provider, over TLS.

``Suite`` is its site: pages that the provider fetches, calls that it hears. What it sends in one run of a module is in
``tests/spec/op/run.py``, what must be true of the answers in ``tests/spec/op/checks.py``.
"""

from __future__ import annotations

import json
import secrets
import string
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qsl

import aiohttp
from aiohttp import web

from proxy.lab.browser import Browser

PATH = "/test/a/isthmus/"
ALPHANUMERIC = string.ascii_letters + string.digits
Params = Mapping[str, str]


class Clock:
    """Time that can be moved ahead, for everybody who is given it."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> float:
        """Seconds since the epoch."""
        return time.time() + self.ahead

    def move(self, seconds: float) -> None:
        """Let so many seconds pass."""
        self.ahead += seconds


@dataclass(frozen=True)
class Variant:
    """What a plan chooses for a run."""

    response_type: str = "code"
    form_post: bool = False
    static: bool = False
    auth: str = "client_secret_basic"

    @property
    def kinds(self) -> frozenset[str]:
        """The words of the response type."""
        return frozenset(self.response_type.split(" "))

    @property
    def has_token(self) -> bool:
        """Whether an access token comes, from whichever endpoint."""
        return self.response_type != "id_token"

    def __str__(self) -> str:
        """As a test's id."""
        more = ("form_post" if self.form_post else "", "static" if self.static else "")
        auth = "" if self.auth == "client_secret_basic" else self.auth
        return "-".join(filter(None, (self.response_type.replace(" ", "+"), *more, auth)))


@dataclass(frozen=True)
class Told:
    """An answer to a call of the suite's own."""

    status: int
    headers: Mapping[str, str]
    text: str

    @property
    def kind(self) -> str:
        """Its media type."""
        return self.headers.get("Content-Type", "").partition(";")[0]

    @property
    def json(self) -> dict[str, Any]:
        """Its body, which must be a JSON object."""
        found = json.loads(self.text)
        assert isinstance(found, dict)
        return found


@dataclass(frozen=True)
class Callback:
    """What came to the redirect URI, part by part."""

    method: str
    url: str
    query: Params
    fragment: Params
    form: Params

    @property
    def params(self) -> Params:
        """All of it."""
        return {**self.query, **self.fragment, **self.form}


class SuiteBrowser(Browser):
    """The browser of the lab, which also remembers fragments; ``connector`` is shared and stays open."""

    connector: aiohttp.TCPConnector
    fragment: str = ""

    async def __aenter__(self) -> SuiteBrowser:
        trace = aiohttp.TraceConfig()
        trace.on_request_end.append(self._note)
        self.http = aiohttp.ClientSession(
            connector=self.connector,
            connector_owner=False,
            cookie_jar=aiohttp.DummyCookieJar(),
            trace_configs=[trace],
        )
        return self

    async def _note(
        self, session: aiohttp.ClientSession, context: SimpleNamespace, params: aiohttp.TraceRequestEndParams
    ) -> None:
        self.fragment = params.response.headers.get("Location", "").partition("#")[2]


@dataclass
class Suite:
    """The suite's site at ``base``. ``pages`` are what it serves, by name: media type and text; ``heard`` what was sent
    to it: method, name, parameters; ``spoken`` the versions of TLS that it came by. ``tenant`` and ``person`` are whom
    its browser logs in with. With the ``initial_access_token`` any number of clients may register in a moment."""

    base: str
    issuer: str
    tenant: str
    person: str
    clock: Clock
    connector: aiohttp.TCPConnector
    http: aiohttp.ClientSession
    initial_access_token: str = ""
    pages: dict[str, tuple[str, str]] = field(default_factory=dict)
    heard: list[tuple[str, str, Params]] = field(default_factory=list)
    spoken: set[str] = field(default_factory=set)

    @property
    def callback(self) -> str:
        """Its redirect URI."""
        return f"{self.base}callback"

    async def serve(self, request: web.Request) -> web.Response:
        """One of its pages, or an ear."""
        name = request.path.removeprefix(PATH)
        tls = request.transport.get_extra_info("ssl_object") if request.transport else None
        self.spoken.add(tls.version() if tls else "")
        form = {key: str(value) for key, value in (await request.post()).items()}
        self.heard.append((request.method, name, {**request.query, **form}))
        kind, text = self.pages.get(name, ("text/html", "<title>heard</title>"))
        return web.Response(text=text, content_type=kind)

    async def call(self, method: str, url: str, **options: Any) -> Told:
        """One call; redirects are not followed."""
        async with self.http.request(method, url, allow_redirects=False, **options) as answer:
            return Told(answer.status, answer.headers.copy(), await answer.text())


def text(length: int, end: str = "") -> str:
    """Random alphanumerics."""
    return "".join(secrets.choice(ALPHANUMERIC) for _ in range(length - len(end))) + end


def fields(encoded: str) -> Params:
    """A query, fragment or form; nothing in it may come twice."""
    pairs = parse_qsl(encoded, keep_blank_values=True)
    assert len(dict(pairs)) == len(pairs)
    return dict(pairs)
