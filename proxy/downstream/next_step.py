"""The decision at the authorization endpoint: answer the client, refuse, or ask for a login. Pure."""

from __future__ import annotations

from enum import Enum, auto

from proxy.downstream.authorize import AuthorizeRequest
from proxy.models import Session


class Step(Enum):
    """What follows a checked request."""

    ISSUE = auto()
    REFUSE = auto()
    LOGIN = auto()


def next_step(request: AuthorizeRequest, session: Session | None, now: float) -> Step:
    """One pure decision: answer the client, refuse (``login_required``), or ask for a login."""
    if session is not None and _satisfies(request, session, now):
        return Step.ISSUE
    return Step.REFUSE if "none" in request.prompt else Step.LOGIN


def _satisfies(request: AuthorizeRequest, session: Session, now: float) -> bool:
    if {"login", "select_account"} & set(request.prompt):
        return False
    if request.connection and request.connection != session.connection:
        return False
    return not too_old(request, session, now)


def too_old(request: AuthorizeRequest, session: Session, now: float) -> bool:
    """Whether ``max_age`` (OpenID Connect Core 3.1.2.1) asks for a newer login than the session's."""
    return request.max_age is not None and (request.max_age == 0 or now - session.auth_time > request.max_age)
