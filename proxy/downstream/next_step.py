"""The decision at the authorization endpoint: answer the client, refuse, or ask for a login. Pure."""

from __future__ import annotations

from collections.abc import Collection
from enum import Enum, auto

from proxy.downstream.acr import met
from proxy.downstream.authorize import AuthorizeRequest
from proxy.models import Session


class Step(Enum):
    """What follows a checked request."""

    ISSUE = auto()
    REFUSE = auto()
    LOGIN = auto()


def next_step(
    request: AuthorizeRequest, session: Session | None, now: float, *, acr_offered: Collection[str] = ()
) -> Step:
    """One pure decision: answer the client, refuse (``login_required``), or ask for a login. ``acr_offered`` are the
    ``acr`` values that tenants give."""
    if session is not None and _satisfies(request, session, now, acr_offered):
        return Step.ISSUE
    return Step.REFUSE if "none" in request.prompt else Step.LOGIN


def _satisfies(request: AuthorizeRequest, session: Session, now: float, acr_offered: Collection[str]) -> bool:
    if {"login", "select_account"} & set(request.prompt):
        return False
    if not met(request.acr_values, session.acr, acr_offered, essential=request.essential_acr):
        return False
    if request.connection and request.connection != session.connection:
        return False
    return not too_old(request, session, now) and not undated(request, session)


def too_old(request: AuthorizeRequest, session: Session, now: float) -> bool:
    """Whether ``max_age`` (OpenID Connect Core 3.1.2.1) asks for a newer login than the session's."""
    return request.max_age is not None and (request.max_age == 0 or now - session.auth_time > request.max_age)


def undated(request: AuthorizeRequest, session: Session) -> bool:
    """Whether ``max_age`` cannot be measured: the tenant did not say when the login was, and must be asked."""
    return request.max_age is not None and not session.dated
