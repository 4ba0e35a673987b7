"""What a tenant of the lab reads from a request, and how it answers: pages, redirects, errors."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qsl, unquote

from aiohttp import web

from proxy.lab import pages
from proxy.oidc import params as parameters
from proxy.oidc.errors import ProtocolError

FOR_PROGRAMS = ("/token", "/par", "/register", "/userinfo")
JSON_HEADERS = {"Cache-Control": "no-store", "Pragma": "no-cache"}


@web.middleware
async def errors(request: web.Request, handler: Callable[[web.Request], Any]) -> web.StreamResponse:
    """Tell a program in JSON (RFC 6749 5.2), a person on a page."""
    try:
        answer: web.StreamResponse = await handler(request)
        return answer
    except ProtocolError as error:
        if not request.path.endswith(FOR_PROGRAMS):
            return page(pages.message("This does not work", f"{error.description}."), status=error.status)
        challenge = {"WWW-Authenticate": "Basic"} if error.status == 401 else {}
        body = {"error": error.code, "error_description": error.description}
        return web.json_response(body, status=error.status, headers={**JSON_HEADERS, **challenge})


async def read(request: web.Request) -> parameters.Params:
    """The parameters: of the query, or of the form of a POST. Raises ``Shown``."""
    return parameters.parse(await request.text() if request.method == "POST" else request.query_string)


async def everything(request: web.Request) -> Mapping[str, str]:
    """All that a request brought, to be written down: its query and its form, whatever they are."""
    text = await request.text() if request.content_type == "application/x-www-form-urlencoded" else ""
    return dict([*request.query.items(), *parse_qsl(text, keep_blank_values=True)])


def basic(header: str) -> tuple[str, str]:
    """Name and secret of a Basic header (RFC 6749 2.3.1); both empty if there is none."""
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic":
        return "", ""
    try:
        name, _, secret = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    return unquote(name.replace("+", " ")), unquote(secret.replace("+", " "))


def unb64(text: str) -> bytes:
    """The bytes of base64url without padding. Raises ``ValueError``."""
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def page(html: str, headers: Mapping[str, str] = pages.HEADERS, status: int = 200) -> web.Response:
    """A page."""
    return web.Response(text=html, content_type="text/html", headers=headers, status=status)


def found(url: str) -> web.Response:
    """A redirect that is a GET, whatever came (RFC 9110 15.4.4)."""
    return web.Response(status=303, headers={"Location": url, "Cache-Control": "no-store"})
