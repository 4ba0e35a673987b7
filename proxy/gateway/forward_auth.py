"""Forward-auth: other servers carry the traffic and ask here, request by request, whether it may pass.

``{issuer}forward-auth`` answers nginx, Caddy, Traefik and HAProxy; below ``/.isthmus/forward-auth`` on an app's host,
the original target appended, Envoy. ``/.isthmus/start`` is where a server sends what was not let through, with its body
if it can: it answers what the gateway itself would have answered. All of them answer trusted proxies only.

A question becomes the request it is about, the gatekeeper decides on that one as on any other, and its verdict becomes
an answer: only "forward it" is ever 200. ``?answer=status`` is for nginx, which knows 2xx, 401 and 403 and takes the
rest for a fault of its own; ``?route=NAME`` says which route the server will take, and nothing else is allowed then.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final
from urllib.parse import parse_qsl, urlsplit

from proxy.gateway.original import original
from proxy.gateway.paths import canonical
from proxy.gateway.request import Asked, Malformed
from proxy.gateway.routes import is_own
from proxy.gateway.verdict import BodyTooLarge, Forward, Headers, ReadBody, Reply, Verdict
from proxy.http.client_address import Proxies
from proxy.models.route import OWN_PATH, Route

ASK: Final = "forward-auth"
OWN_ASK: Final = f"{OWN_PATH}/{ASK}".encode()
START: Final = f"{OWN_PATH}/start".encode()
PARAMETERS: Final = {"answer": ("status",), "route": None}
NOT_IDENTITY: Final = frozenset(("forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-port",
                                 "x-forwarded-proto", "x-real-ip", "x-request-id"))  # fmt: skip
"""What an app is told of the request and not of the person; the server that asks knows it better."""
FORWARDED: Final = "X-Forwarded-"
MOST: Final = 4096
"""Answers that are remembered."""
PLAIN: Final = ("Content-Type", "text/plain; charset=utf-8")
UNTRUSTED: Final = (
    "This address answers servers that Isthmus trusts. If you are one of them, its configuration must name your "
    "address in server.trusted_proxies.\n"
)
_ESCAPE: Final = re.compile(rb"%[0-9A-Fa-f]{2}")
Names = Callable[[Route], Iterable[str]]
"""The names of the headers in which the app of a route is told who a person is."""


@dataclass(frozen=True, slots=True)
class Question:
    """A question: the request it is ``about``; whether it is asked for a ``status`` alone; the label of the ``route``
    that the server takes, or empty; whether it is no question but the way to a login (``start``)."""

    about: Asked
    status: bool = False
    route: str = ""
    start: bool = False

    def body(self, read: ReadBody) -> ReadBody:
        """What reads the body of the request: it comes along on the way to a login alone."""
        return read if self.start else _elsewhere


async def _elsewhere(most: int) -> bytes:
    raise BodyTooLarge(f"not here, were it {most} bytes")


class ForwardAuth:
    """What the gatekeeper asks before it looks at a request itself."""

    def __init__(self, issuer: str, hosts: Iterable[str], proxies: Proxies, names: Names) -> None:
        self.path = f"{urlsplit(issuer).path}{ASK}".encode()
        self._hosts = frozenset(host.encode() for host in hosts)
        self._proxies = proxies
        self._names = names
        self._lately: dict[tuple[bytes, int], tuple[Route, Headers]] = {}

    def meant(self, asked: Asked) -> bool:
        """Whether the request is for this. On the hosts of apps the issuer's path is the app's own."""
        path = asked.target.partition(b"?")[0]
        if path == self.path:
            return asked.host.lower() not in self._hosts
        return path in (START, OWN_ASK) or path.startswith(OWN_ASK + b"/")

    def read(self, asked: Asked) -> Question | Reply:
        """The question, or the answer to one that is none."""
        if not self._proxies.trusts(asked.peer):
            return _said(403, UNTRUSTED, "untrusted_proxy")
        try:
            return _question(asked)
        except Malformed as error:
            status = _as_nginx_knows(error.status) if b"answer=status" in asked.target else error.status
            return _said(status, f"{_HELP.get(error.reason, 'The request is malformed.')}\n", error.reason)

    def answer(self, question: Question, verdict: Verdict) -> Reply:
        """What the server is told about the request."""
        if isinstance(verdict, Reply):
            return verdict if question.start else _refusal(question, verdict)
        if question.route and verdict.route.label != question.route:
            return _said(403, "The server and Isthmus disagree about the route.\n", "route", verdict.route.label)
        if question.start:
            return _back(question.about, verdict)
        return Reply(200, self._said(verdict), reason=verdict.reason, route=verdict.route.label)

    def _said(self, verdict: Forward) -> Headers:
        """``_identity``, remembered: a server asks the same for every file of a page."""
        key = verdict.told, id(verdict.route)
        known = self._lately.get(key)
        if known is None:
            if len(self._lately) >= MOST:
                self._lately.clear()
            known = self._lately[key] = verdict.route, tuple(self._identity(verdict))
        return known[1]

    def _identity(self, verdict: Forward) -> Iterable[tuple[str, str]]:
        """Who the person is; every name that could be told and is not, empty: so that nothing of the client's stays.
        X-Forwarded-User is X-Auth-Request-User too, as servers that know oauth2-proxy look for it."""
        told = {name: value for name, value in _pairs(verdict.told) if name.lower() not in NOT_IDENTITY}
        said = {**dict.fromkeys(self._names(verdict.route), ""), **told}
        for name, value in said.items():
            yield name, value
            if name.startswith(FORWARDED):
                yield f"X-Auth-Request-{name.removeprefix(FORWARDED)}", value


def _question(asked: Asked) -> Question:
    """Raises ``Malformed``."""
    path, _, query = asked.target.partition(b"?")
    if path.startswith(OWN_ASK + b"/"):
        return Question(_for_an_app(original(asked, asked.target[len(OWN_ASK) :])))
    status, route = _wishes(query)
    about = _for_an_app(original(asked))
    if path == START:
        about.length = asked.length
    if status:
        about.seen[b"sec-fetch-mode"] = b"cors"  # as a program asks: no login is begun that nobody would hear of
    return Question(about, status, route, start=path == START)


@lru_cache(maxsize=256)
def _wishes(query: bytes) -> tuple[bool, str]:
    """Whether a status is asked for, and the route that the server takes. Raises ``Malformed``."""
    wishes = dict(parse_qsl(query.decode("latin-1"), keep_blank_values=True))
    for name, value in wishes.items():
        if name not in PARAMETERS or value not in (PARAMETERS[name] or (value,)):
            raise Malformed("parameter")
    return wishes.get("answer") == "status", wishes.get("route", "")


def _for_an_app(about: Asked) -> Asked:
    """``about``, unless it is a request that no app may get. The app gets the target as it came, so what rules look at
    must be the same, but for the case of hexadecimal digits. Raises ``Malformed``."""
    looked_at = canonical(about.target)
    if looked_at.wire != about.target and _capitals(looked_at.wire) != _capitals(about.target):
        raise Malformed("not_canonical")
    if is_own(looked_at.path):
        raise Malformed("own_path", 403)
    return about


def _capitals(target: bytes) -> bytes:
    return _ESCAPE.sub(lambda escape: escape[0].upper(), target)


def _pairs(lines: bytes) -> Iterable[tuple[str, str]]:
    for line in lines.decode("latin-1").split("\r\n"):
        name, colon, value = line.partition(":")
        if colon:
            yield name, value.strip(" ")


def _refusal(question: Question, verdict: Reply) -> Reply:
    """The answer of the gateway, as the server can pass it on. One that was meant for the person is no yes."""
    if question.status:
        return Reply(_as_nginx_knows(verdict.status), reason=verdict.reason, route=verdict.route)
    if verdict.status < 300:
        return _said(403, "Isthmus answers this itself.\n", verdict.reason, verdict.route)
    return replace(verdict, headers=tuple(_absolute(question.about, verdict.headers)))


def _as_nginx_knows(status: int) -> int:
    if status >= 500:
        return status
    return 401 if status in (302, 303, 307, 308, 401) else 403


def _absolute(about: Asked, headers: Headers) -> Iterable[tuple[str, str]]:
    """Traefik takes a relative Location for one of the server that it asked."""
    for name, value in headers:
        relative = name.lower() == "location" and value.startswith("/")
        yield name, f"{_origin(about)}{value}" if relative else value


def _back(about: Asked, verdict: Forward) -> Reply:
    """Between question and way to the login the person was let in: the request is made again."""
    if about.method not in (b"GET", b"HEAD"):
        return Reply(503, (PLAIN, ("Retry-After", "1")), b"Please send it again.\n", "again", verdict.route.label)
    return Reply(303, (("Location", _origin(about) + about.target.decode()),), b"", "again", verdict.route.label)


def _origin(about: Asked) -> str:
    return f"{about.seen[b'x-forwarded-proto'].decode()}://{about.host.decode()}"


def _said(status: int, text: str, reason: str, route: str = "") -> Reply:
    return Reply(status, (PLAIN,), text.encode(), reason, route)


_HELP: Final = {
    "original_url": "X-Original-URL must be the absolute URL of the request.",
    "original_method": "The request's method must be told, once: X-Forwarded-Method or X-Original-Method.",
    "original_uri": "The request's target must be told, once and as it came: X-Forwarded-Uri, X-Original-URI or "
    "X-Original-URL.",
    "original_host": "The request's host must be told, once: X-Forwarded-Host or X-Original-URL.",
    "original_proto": "The request's scheme must be told, once, http or https: X-Forwarded-Proto or X-Original-URL.",
    "parameter": "The parameters are answer=status and route=NAME.",
    "not_canonical": "The path has escapes that are not needed: the app might read another one.",
    "own_path": f"What lies below {OWN_PATH} is for Isthmus itself.",
}
