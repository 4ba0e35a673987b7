"""What a tenant of the lab does wrong: a handful of changes to the answers of a healthy one.

Each change is a pure function over one answer: claims, header and signature of a token, the discovery document, the key
set, the token answer, userinfo, the authorization response, the way back after a logout. What is wrong with the server
itself (slow, redirecting, too large) goes ``around`` an endpoint.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from aiohttp import web

from proxy.lab.keys import Jwk, Keys
from proxy.lab.people import PEOPLE, Person

Where = Literal["front", "token", "refresh", "userinfo", "logout"]
"""What a token is for: an ID token from the authorization or the token endpoint, or at a refresh; signed userinfo; a
logout token."""
Claims = dict[str, Any]
Header = dict[str, Any]
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Around = Callable[[web.Request, Handler], Awaitable[web.StreamResponse]]
OF_LOGIN: tuple[Where, ...] = ("front", "token", "refresh")


def _same(value: Any) -> Any:
    return value


def _claims(claims: Claims, where: Where) -> Claims:
    return claims


def _header(header: Header, where: Where) -> Header:
    return header


def _sealed(keys: Keys, header: Header, claims: Claims, where: Where) -> str:
    return keys.sign(header, claims)


def _nothing(keys: Keys) -> None:
    return None


@dataclass(frozen=True)
class Fault:
    """What a tenant does wrong. ``does`` and ``says`` are words for people: what it does, what Isthmus should answer;
    ``reason`` is Isthmus' short word for its log, empty where the login works. ``options`` are what the connection
    needs beside the usual; ``client`` changes how Isthmus is registered.

    ``at_login`` and ``at_signing`` happen when an authorization request comes, and before an ID token is signed;
    ``ahead`` is how many seconds its clock is ahead.
    """

    name: str
    does: str
    says: str
    reason: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    client: Mapping[str, Any] = field(default_factory=dict)
    document: Callable[[dict[str, Any]], dict[str, Any]] = _same
    keys: Callable[[list[Jwk]], list[Jwk]] = _same
    claims: Callable[[Claims, Where], Claims] = _claims
    header: Callable[[Header, Where], Header] = _header
    seal: Callable[[Keys, Header, Claims, Where], str] = _sealed
    tokens: Callable[[dict[str, Any]], dict[str, Any]] = _same
    userinfo: Callable[[dict[str, Any]], dict[str, Any]] = _same
    answer: Callable[[dict[str, str]], dict[str, str]] = _same
    farewell: Callable[[dict[str, str]], dict[str, str]] = _same
    notice: Callable[[dict[str, str]], dict[str, str]] = _same
    at_login: Callable[[Keys], None] = _nothing
    at_signing: Callable[[Keys], None] = _nothing
    around: Mapping[str, Around] = field(default_factory=dict)
    people: tuple[Person, ...] = PEOPLE
    ahead: int = 0

    @property
    def works(self) -> bool:
        """Whether a login comes through in spite of it."""
        return not self.reason


NONE = Fault("healthy", "Nothing: everything is as the specifications have it.", "The login works.")


# --- what faults are made of ---


def setting(*places: Where, **values: Any) -> Callable[[Claims, Where], Claims]:
    """Claims (or a header) with ``values`` in tokens for ``places`` (those of a login by default); None removes."""
    wanted = places or OF_LOGIN

    def change(claims: Claims, where: Where) -> Claims:
        return merged(claims, values) if where in wanted else claims

    return change


def appending(name: str, *places: Where) -> Callable[[Claims, Where], Claims]:
    """Claims with a ``1`` behind the one of that ``name``, if it is there."""
    wanted = places or OF_LOGIN

    def change(claims: Claims, where: Where) -> Claims:
        return {**claims, name: f"{claims[name]}1"} if where in wanted and name in claims else claims

    return change


def replacing(**values: Any) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """An answer with ``values``; None removes one."""
    return lambda answer: merged(answer, values)


def merged(answer: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """``answer`` with ``values`` over it, without those that are None."""
    return {name: value for name, value in {**answer, **values}.items() if value is not None}


def mangled(keys: Keys, header: Header, claims: Claims, where: Where) -> str:
    """A token of a login whose signature is not its own."""
    head, body, signature = keys.sign(header, claims).split(".")
    if where in OF_LOGIN:
        signature = signature[:9] + ("B" if signature[9] == "A" else "A") + signature[10:]
    return f"{head}.{body}.{signature}"
