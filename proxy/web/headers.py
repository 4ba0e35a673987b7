"""Headers that every answer carries, whoever made it: the site, the gate, or the parser that gave up on a request.

aiohttp's own signal does not run for answers without a route, so this hangs on the request: it sees all of them.
"""

from __future__ import annotations

from typing import Any, Final

from aiohttp import web

NOTHING: Final = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
"""The content security policy of an answer that is no page. Pages bring their own."""
DEFAULTS: Final = (
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
    ("Content-Security-Policy", NOTHING),
    ("Cache-Control", "no-store"),
)
FOR_NOBODYS_FRAME: Final = ("X-Frame-Options", "DENY")
"""What older browsers read in place of ``frame-ancestors 'none'``. It knows no other value that they agree on."""
ALONE: Final = ("Cross-Origin-Opener-Policy", "same-origin")
"""A page has nothing to do with the window that opened it, unless it says so. On a redirect the header would part the
two as well, and with them an application from the login it shows in a window of its own (HTML, section 7.1.3)."""
HSTS: Final = ("Strict-Transport-Security", "max-age=31536000")


def dress(response: web.StreamResponse, https: bool) -> None:
    """Take away what tells about the server, add what is missing for safety."""
    headers = response.headers
    headers.pop("Server", None)
    for name, value in DEFAULTS:
        if name not in headers:
            headers[name] = value
    if "frame-ancestors 'none'" in headers["Content-Security-Policy"]:
        headers[FOR_NOBODYS_FRAME[0]] = FOR_NOBODYS_FRAME[1]
    if ALONE[0] not in headers and headers.get("Content-Type", "").startswith("text/html"):
        headers[ALONE[0]] = ALONE[1]
    if https:
        headers[HSTS[0]] = HSTS[1]
    if isinstance(response, web.Response) and not response.body:
        headers.pop("Content-Type", None)


class Request(web.Request):
    """A request whose answer is dressed, on a site with a plain issuer."""

    https = False

    async def _prepare_hook(self, response: web.StreamResponse) -> None:
        await super()._prepare_hook(response)
        dress(response, self.https)


class SecureRequest(Request):
    """The same on a site with an https issuer: browsers shall not come back without TLS (RFC 6797)."""

    https = True


def request_class(https: bool) -> Any:
    """The request class for a site."""
    return SecureRequest if https else Request
