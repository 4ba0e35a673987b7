"""Our cookies in the site's requests and answers (``proxy.http.cookies``)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from aiohttp import web

from proxy.http import cookies
from proxy.http.cookies import SameSite

SAME_SITE: Final[Mapping[str, SameSite]] = {"session": "Lax", "login": "None"}
"""What our cookies are for, and which other sites may make a browser send them."""


def _sent(request: web.BaseRequest) -> Iterator[bytes]:
    return (raw for header, raw in request.raw_headers if header.lower() == b"cookie")


def of_request(request: web.BaseRequest, name: str) -> str:
    """The cookie's value in a request; empty if it is missing or tossed."""
    value = cookies.read(_sent(request), name)
    return value if isinstance(value, str) else ""


def family_of_request(request: web.BaseRequest, prefix: str) -> Mapping[str, str]:
    """The cookies of a request whose names begin with ``prefix`` (``cookies.family``)."""
    return cookies.family(_sent(request), prefix)


def set_cookie(
    response: web.StreamResponse,
    name: str,
    value: str,
    *,
    max_age: int | None,
    same_site: SameSite,
    for_scripts: bool = False,
) -> None:
    """Set a cookie of ours (``cookies.line``)."""
    line = cookies.line(name, value, max_age=max_age, same_site=same_site, for_scripts=for_scripts)
    response.headers.add("Set-Cookie", line)


def delete(response: web.StreamResponse, name: str, *, same_site: SameSite, for_scripts: bool = False) -> None:
    """Expire a cookie with the attributes it was set with: a browser drops a ``__Host-`` cookie only so."""
    set_cookie(response, name, "", max_age=0, same_site=same_site, for_scripts=for_scripts)
