"""Answers of the layers around the site: short, the same for everybody, and without a word of what was sent."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from typing import Final

from aiohttp import web

from proxy.http.cookies import cookie_name
from proxy.web import cookies

TEXTS: Final[Mapping[int, str]] = {
    400: "This request cannot be read.",
    403: "Not from here.",
    404: "There is nothing here.",
    405: "This method is not known here.",
    408: "The request did not arrive in time.",
    413: "The request is too large.",
    414: "The address is too long.",
    415: "A compressed request is not read here.",
    421: "This server does not answer under that name.",
    431: "The headers are too large. Cookies of this site have been deleted; those of its neighbours may be too many.",
    500: "Something went wrong here. It is not your fault.",
    503: "This service is busy. Nothing is lost; please try again shortly.",
}
CODES: Final[Mapping[int, str]] = {500: "server_error", 503: "temporarily_unavailable"}


def refusal(request: web.BaseRequest, status: int, issuer: str, text: str = "") -> web.Response:
    """A refusal: text for a browser, the OAuth error body (RFC 6749 5.2) for a program.

    503 says when to come again, differently to each, so that not all return at one moment. 431 expires our cookies:
    someone else's cookie bomb must not lock a person out for good.
    """
    text = text or TEXTS[status]
    response = web.Response(status=status, headers={"Cache-Control": "no-store"})
    if "text/html" in request.headers.get("Accept", ""):
        response.text = text
    else:
        response.content_type = "application/json"
        response.text = json.dumps({"error": CODES.get(status, "invalid_request"), "error_description": text})
    if status == 503:
        response.headers["Retry-After"] = str(1 + secrets.randbelow(4))
    if status == 405:
        response.headers["Allow"] = "GET, HEAD, POST"
    if status == 431:
        for role, same_site in cookies.SAME_SITE.items():
            name = cookie_name(role, issuer)
            for rest in {"", *cookies.family_of_request(request, name)}:
                cookies.delete(response, name + rest, same_site=same_site)
    return response
