"""What the gateway answers itself: pages for people, JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from proxy.gateway.asker import is_program
from proxy.gateway.request import Asked
from proxy.gateway.verdict import Headers, Reply

HTML: Final = ("Content-Type", "text/html; charset=utf-8")
JSON: Final = ("Content-Type", "application/json")
Render = Callable[[str, Mapping[str, Any], str, bool], tuple[str, str]]
"""Renders a template with values and a script, by its name; whether its form may lead away to other sites; answers the
page and its content security policy."""
TOLD: Final[Mapping[int, tuple[str, str]]] = {
    400: ("This request cannot be read", "The address may be mistyped."),
    401: ("Please log in", "You are not logged in here, or not any more."),
    403: ("This is not for you", "You are logged in, but not allowed to see this."),
    404: ("There is nothing here", "The address may be old, or mistyped."),
    405: ("That does not work here", "This address cannot be asked in this way."),
    408: ("That took too long", "The request did not arrive in time."),
    413: ("That is too large", "What was sent is larger than this address takes."),
    414: ("The address is too long", "It cannot be read here."),
    421: ("There is no app under this name", "The address may be mistyped."),
    431: ("The headers are too large", "Cookies of this site may be too many; delete them and try again."),
    500: ("Something went wrong here", "It is not your fault."),
    502: ("The app cannot be reached", "It may be restarting. Try again shortly."),
    503: ("Please try again shortly", "We cannot tell just now whether you may see this."),
    504: ("The app does not answer", "It may be busy. Try again shortly."),
}
"""Title and text for each status."""
CODES: Final[Mapping[int, str]] = {
    401: "login_required",
    403: "access_denied",
    404: "not_found",
    421: "unknown_host",
    502: "bad_gateway",
    503: "temporarily_unavailable",
    504: "gateway_timeout",
}
"""The ``error`` that a program is told."""

NEEDED: Final[Mapping[str, str]] = {
    "connection": "It is for people who log in in another way.",
    "user": "It is for certain people only.",
    "email_domain": "It is for people with a verified email address of certain organizations.",
    "group": "It is for members of certain groups.",
    "claim": "It is for accounts with certain attributes.",
}
"""What a rule asks for, by its word: the kind of it, never the values that the operator wrote."""


@dataclass(frozen=True)
class Shown:
    """Makes answers; ``render`` makes pages."""

    render: Render

    def page(
        self,
        template: str,
        status: int,
        values: Mapping[str, Any],
        *,
        script: str = "",
        leads_away: bool = False,
        headers: Headers = (),
    ) -> Reply:
        """A page."""
        text, policy = self.render(template, values, script, leads_away)
        return Reply(status, (HTML, ("Content-Security-Policy", policy), *headers), text.encode("utf-8"))

    def problem(
        self,
        status: int,
        reference: str,
        *,
        title: str = "",
        detail: str = "",
        again: str = "",
        new_tab: bool = False,
    ) -> Reply:
        """The page for a status, or with a ``title`` and ``detail`` of its own; ``again`` is where a person goes on, or
        where they log in in a ``new_tab``."""
        usual, message = TOLD.get(status, TOLD[400 if status < 500 else 500])
        values = {"title": title or usual, "message": detail or message, "again": again, "new_tab": new_tab}
        return self.page("gateway_problem.html", status, {**values, "reference": reference})

    def forbidden(self, asked: Asked, reason: str, again: str) -> Reply:
        """What is told to a person whom a rule, by its word, does not let in; ``again`` is where they log out."""
        needed = NEEDED.get(reason, "")
        if is_program(asked):
            return told(403, f"{TOLD[403][0]}. {needed}".strip())
        return self.page("gateway_forbidden.html", 403, {"needed": needed, "again": again, "reference": asked.id})

    def trouble(
        self,
        asked: Asked | None,
        status: int,
        *,
        title: str = "",
        detail: str = "",
        again: str = "",
        headers: Headers = (),
    ) -> Reply:
        """What is wrong with a request, as whoever asks can read it: a page, or JSON for a program."""
        if asked is None or is_program(asked):
            return told(status, detail, headers)
        reply = self.problem(status, asked.id, title=title, detail=detail, again=again)
        return replace(reply, headers=(*reply.headers, *headers))


def told(status: int, text: str = "", headers: Headers = (), **more: Any) -> Reply:
    """The same for a program."""
    said = text or TOLD.get(status, TOLD[400 if status < 500 else 500])[0]
    code = CODES.get(status, "invalid_request" if status < 500 else "server_error")
    body = {"error": code, "error_description": said, **more}
    return Reply(status, (JSON, *headers), json.dumps(body).encode("utf-8"))


def redirect(location: str, *cookies: str) -> Reply:
    """On to another address, with cookies."""
    return Reply(303, (("Location", location), *(("Set-Cookie", cookie) for cookie in cookies)))
