"""Errors as the caller can use them: a page for a person, JSON for a program. The log has the reason, the answer not.

Every page carries a reference number, which is the request's id in the log.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from proxy.oidc.errors import ProtocolError, Unavailable, UpstreamError
from proxy.oidc.params import printable
from proxy.plugins import PluginFailed


@dataclass(frozen=True)
class Outcome:
    """How an error is told: status, OAuth code, a line for programs, title and text for people, reason for the log.
    ``whole`` is that line with all its characters, for JSON that is not OAuth's."""

    status: int
    code: str
    description: str
    title: str
    message: str
    reason: str
    headers: Mapping[str, str]
    detail: str = ""
    again: str = ""
    whole: str = ""


LONGEST = 2000
TENANT_TEXTS: Mapping[int, tuple[str, str]] = {
    400: ("The login did not work", "The answer of your login service could not be accepted."),
    502: ("The login service gave a broken answer", "Your login service answered in a way that cannot be used."),
    503: ("The login service is busy", "Please wait a moment and try again."),
    504: ("The login service does not answer", "Please wait a moment and try again."),
}
CUT_OFF = ("The login service cannot be reached", "Please try again later, or log in another way if you can.")
DENIED = ("The login was not completed", "Your login service did not let you in, or you stopped on the way.")
DENIALS = frozenset({"access_denied", "login_required", "interaction_required", "consent_required"})


def outcome(error: BaseException) -> Outcome:
    """What an error becomes. Anything unforeseen is a 500 without details."""
    if isinstance(error, UpstreamError):
        return _upstream(error)
    if isinstance(error, ProtocolError):
        title = "That is not possible" if error.status == 403 else "This request cannot be answered"
        text = printable(error.description)
        whole = error.description[:LONGEST]
        return Outcome(error.status, error.code, text, title, sentence(text), error.reason, error.headers, whole=whole)
    if isinstance(error, Unavailable):
        return unavailable(error.retry_after, error.reason, error.undone)
    if isinstance(error, TimeoutError):
        return unavailable(1, "deadline")
    if isinstance(error, PluginFailed):
        text = "A part of this service failed. Its operator has been told where to look."
        return Outcome(503, "temporarily_unavailable", "a plugin failed", "The login did not work", text, "plugin", {})
    text = "Something went wrong here. It is not your fault."
    return Outcome(500, "server_error", "an unexpected error", "An unexpected error", text, type(error).__name__, {})


def sentence(text: str) -> str:
    """A description as a sentence; one that begins with a parameter's name leaves the name as it is."""
    return f"{text if '_' in text.split(' ')[0] else text[:1].upper() + text[1:]}."


def _upstream(error: UpstreamError) -> Outcome:
    title, text = TENANT_TEXTS.get(error.status, TENANT_TEXTS[400])
    if error.code in DENIALS:
        title, text = DENIED
    elif error.reason in ("unreachable", "blocked"):
        title, text = CUT_OFF
    retry = {"Retry-After": "5"} if error.status in (503, 504) else {}
    said = printable(error.description)
    detail = said if error.status == 400 else ""  # the rest is said already, in better words
    return Outcome(error.status, error.code, said, title, text, error.reason, retry, detail, error.again)


def unavailable(seconds: int, reason: str, undone: str = "") -> Outcome:
    """Something we need does not answer. ``seconds`` and a little more, differing, is when to come again; ``undone``
    says what has not happened, where people must not believe it has."""
    retry = {"Retry-After": str(seconds + secrets.randbelow(3))}
    text = "This service is not available for the moment. Nothing is lost; please try again shortly."
    if undone:
        text = f"{undone} This service is not available for the moment; please try again shortly."
    told = f"{undone} try again shortly".strip()
    return Outcome(503, "temporarily_unavailable", told, "Please try again", text, reason, retry)


def as_json(told: Outcome) -> Mapping[str, Any]:
    """The OAuth error body (RFC 6749 5.2)."""
    return {"error": told.code, "error_description": told.description}
