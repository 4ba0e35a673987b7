"""May this request pass? One pure decision, on the canonical path, that begins as "no".

A route says which kinds of rule there are; every kind must hold, and of each one of its values. Values are compared,
not matched: there is no pattern that could match too much (MG-19), and 1 is not true.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

from proxy.gateway.paths import within
from proxy.models import Connection, Session
from proxy.models.connection_options import TENANT_ID
from proxy.models.route import METHODS, Route
from proxy.settings.gateway_rules import GATEWAY

_METHODS = frozenset(METHODS)


class Step(Enum):
    """What comes of a request."""

    PUBLIC = auto()
    PASS = auto()
    LOG_IN = auto()
    STEP_UP = auto()
    ASK_PLUGIN = auto()
    FORBID = auto()
    METHOD = auto()


@dataclass(frozen=True, slots=True)
class Decision:
    """What comes of it, and the rule that decided: a word of a fixed set."""

    step: Step
    reason: str


PUBLIC = Decision(Step.PUBLIC, "public")
ALLOWED = Decision(Step.PASS, "allowed")
NO_SESSION = Decision(Step.LOG_IN, "no_session")


def decide(
    route: Route,
    method: str,
    path: str,
    session: Session | None,
    connections: Mapping[str, Connection],
    groups_claim: str,
    verdict: bool | None = None,
) -> Decision:
    """May ``method`` on ``path`` pass, for whom ``session`` names? ``verdict`` is what plugins said, None before they
    were asked. Whether another login was tried for the route's ``acr`` is known on the way back from it (``own``)."""
    if not has_method(route, method):
        return Decision(Step.METHOD, "method")
    if is_public(route, path):
        return PUBLIC
    if session is None:
        return NO_SESSION
    broken = broken_rule(route, session, connections.get(session.connection), groups_claim)
    if broken == "acr":
        return Decision(Step.STEP_UP, broken)
    if broken:
        return Decision(Step.FORBID, broken)
    if route.allow.plugin and verdict is None:
        return Decision(Step.ASK_PLUGIN, "plugin")
    if route.allow.plugin and verdict is not True:
        return Decision(Step.FORBID, "plugin")
    return ALLOWED


def has_method(route: Route, method: str) -> bool:
    """Whether the route takes a method: exactly those it lists, and HEAD where it takes GET (RFC 9110 9.3.2)."""
    if not route.methods:
        return method in _METHODS
    return method in route.methods or (method == "HEAD" and "GET" in route.methods)


def methods_of(route: Route) -> tuple[str, ...]:
    """Those it takes, for an Allow header (RFC 9110 10.2.1)."""
    return tuple(method for method in METHODS if has_method(route, method))


def is_public(route: Route, path: str) -> bool:
    """Whether everybody may have a path. A route with ambiguous paths has none (``models.route``)."""
    return bool(route.public_paths) and any(within(path, prefix) for prefix in route.public_paths)


def broken_rule(route: Route, session: Session, connection: Connection | None, groups_claim: str) -> str:
    """The first kind of rule that does not hold for a session; empty if all do. ``acr`` comes last: another login may
    mend it."""
    allow, profile = route.allow, session.profile
    if connection is None or GATEWAY not in connection.enabled_clients:
        return "connection"
    if allow.connections and session.connection not in allow.connections:
        return "connection"
    if allow.users and session.user_id not in allow.users:
        return "user"
    if allow.email_domains and email_domain(profile, connection) not in allow.email_domains:
        return "email_domain"
    if allow.groups and not set(allow.groups).intersection(texts(profile.get(groups_claim))):
        return "group"
    if allow.claims and not all(has_one(profile.get(name), wanted) for name, wanted in allow.claims.items()):
        return "claim"
    return "acr" if allow.acr and session.acr not in allow.acr else ""


def email_domain(profile: Mapping[str, Any], connection: Connection) -> str:
    """The domain of the person's address, lower case; empty without one that counts. One that the tenant calls not
    verified does not, and of a family of tenants, where everybody may have one, only one that is said to be verified
    does."""
    email, verified = profile.get("email"), profile.get("email_verified")
    sure = verified is True or (verified is None and TENANT_ID not in connection.options.issuer)
    if not sure or not isinstance(email, str) or email.count("@") != 1:
        return ""
    return email.rpartition("@")[2].lower()


def texts(value: Any) -> Iterable[str]:
    """A claim as texts: one, or those of a list."""
    values = value if isinstance(value, list | tuple) else (value,)
    return (each for each in values if isinstance(each, str))


def has_one(value: Any, wanted: Any) -> bool:
    """Whether a claim, or one entry of it, is what is wanted, or one of that. Types count: ``True`` is not ``1``."""
    values = value if isinstance(value, list | tuple) else (value,)
    wishes = wanted if isinstance(wanted, list | tuple) else (wanted,)
    return any(type(one) is type(wish) and one == wish for one in values for wish in wishes)
