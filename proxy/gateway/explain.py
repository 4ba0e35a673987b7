"""The decision in words, for the operator: which rules a route has, what came of them for a person, and why."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from proxy.gateway.decide import Decision, Step, decide, email_domain, has_one, texts
from proxy.gateway.request import Malformed
from proxy.gateway.routes import Routes
from proxy.models import Connection, Session
from proxy.models.route import Route

YES = frozenset((Step.PUBLIC, Step.PASS))


@dataclass(frozen=True)
class Explained:
    """What comes of a request: a word of a fixed set for the rule that decided, and ``words`` for people."""

    allowed: bool
    reason: str
    words: str


@dataclass(frozen=True)
class Asking:
    """Who asks for what. ``session`` is None for nobody; ``verdict`` is what plugins said, None before that."""

    session: Session | None
    connections: Mapping[str, Connection]
    groups_claim: str
    method: str = "GET"
    verdict: bool | None = None

    def decided(self, route: Route, path: str) -> Decision:
        """By the very function that decides on requests."""
        return decide(route, self.method, path, self.session, self.connections, self.groups_claim, self.verdict)

    def explained(self, route: Route, path: str) -> Explained:
        """The same in words."""
        decision = self.decided(route, path)
        return Explained(decision.step in YES, decision.reason, _WORDS[decision.reason](self, route))


@dataclass(frozen=True)
class Place:
    """A route and the canonical path that it is asked for."""

    route: Route
    path: str


def find(routes: Routes, host: str, target: str) -> Place | Explained:
    """The route that takes a request, or why there is none."""
    try:
        match = routes.match(host.encode("latin-1", "replace"), target.encode("latin-1", "replace"))
    except Malformed as error:
        return Explained(False, error.reason, f"is answered {error.status}: {_MALFORMED[error.reason]}")
    if match is None:
        return Explained(False, "no_route", "is answered 421 or 404: no route has this host and path")
    if match.route is None:
        return Explained(False, "own", "is answered by the gateway itself, and never by an app")
    return Place(match.route, match.path)


def rules(route: Route) -> Iterator[str]:
    """Who may come through a route, rule by rule."""
    allow = route.allow
    if allow.users:
        yield f"user is {_either(allow.users)}"
    if allow.email_domains:
        yield f"email is of {_either(allow.email_domains)}"
    if allow.groups:
        yield f"group {_either(allow.groups)}"
    for name, wanted in allow.claims.items():
        yield f"{name} is {_either(wanted if isinstance(wanted, list | tuple) else (wanted,))}"
    if allow.connections:
        yield f"came through {_either(allow.connections)}"
    if allow.acr:
        yield f"logged in by {_either(allow.acr)}"
    if allow.plugin:
        yield "a plugin says yes"


def _either(values: tuple[Any, ...] | list[Any]) -> str:
    return " or ".join(str(value).lower() if isinstance(value, bool) else str(value) for value in values)


def _method(asking: Asking, route: Route) -> str:
    return f"{asking.method} is not taken: {_either(route.methods)} is" if route.methods else "no app gets this method"


def _user(asking: Asking, route: Route) -> str:
    return "allow.users does not name them"


def _email_domain(asking: Asking, route: Route) -> str:
    session = asking.session
    connection = asking.connections.get(session.connection) if session else None
    found = email_domain(session.profile, connection) if session and connection else ""
    has = f"theirs is of {found}" if found else "they have none that counts (it must not be unverified)"
    return f"allow.email_domains wants an address of {_either(route.allow.email_domains)}; {has}"


def _group(asking: Asking, route: Route) -> str:
    found = list(texts(asking.session.profile.get(asking.groups_claim))) if asking.session else []
    has = f"they are in {', '.join(found[:20])}" if found else f"they are in none (attribute {asking.groups_claim})"
    return f"allow.groups wants {_either(route.allow.groups)}; {has}"


def _claim(asking: Asking, route: Route) -> str:
    profile = asking.session.profile if asking.session else {}
    missed = [name for name, wanted in route.allow.claims.items() if not has_one(profile.get(name), wanted)]
    return f"allow.claims does not hold for {', '.join(missed)}"


def _connection(asking: Asking, route: Route) -> str:
    name = asking.session.connection if asking.session else ""
    if name in route.allow.connections or not route.allow.connections:
        return f'{name} is gone, or its enabled_clients lacks "gateway"'
    return f"allow.connections wants {_either(route.allow.connections)}; they came through {name}"


def _acr(asking: Asking, route: Route) -> str:
    return f"everything else holds; another login is asked for, by {_either(route.allow.acr)}"


def _plugin(asking: Asking, route: Route) -> str:
    return "everything else holds; " + ("a plugin decides" if asking.verdict is None else "no plugin says yes")


_WORDS: Mapping[str, Callable[[Asking, Route], str]] = {
    "public": lambda asking, route: "a public path: everybody may",
    "allowed": lambda asking, route: "every rule holds",
    "no_session": lambda asking, route: "a login is needed",
    "method": _method,
    "user": _user,
    "email_domain": _email_domain,
    "group": _group,
    "claim": _claim,
    "connection": _connection,
    "acr": _acr,
    "plugin": _plugin,
}
_MALFORMED: Mapping[str, str] = {
    "host": "this is no host",
    "target": "this is no path, or one that can be read in two ways",
    "ambiguous_target": "this path can be read in two ways, and the route does not have ambiguous_paths",
    "target_size": "this is too long",
}
