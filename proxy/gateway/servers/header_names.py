"""Header names as servers in front of apps must treat them: removed, set anew, or part of a question.

Isthmus itself removes whole families (``gateway.names``). Some servers can only remove what is named, so the names in
use are listed here.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, product, zip_longest
from typing import Final

IDENTITY: Final = (
    "Remote-User", "Remote-Name", "Remote-Email", "Remote-Groups", "X-Remote-User", "X-Remote-Email", "X-Remote-Groups",
    "X-Auth-User", "X-Auth-Email", "X-Auth-Groups", "X-Auth-Request-User", "X-Auth-Request-Email",
    "X-Auth-Request-Groups", "X-Auth-Request-Preferred-Username", "X-Auth-Request-Access-Token", "X-Authenticated-User",
    "X-Forwarded-User", "X-Forwarded-Email", "X-Forwarded-Groups", "X-Forwarded-Preferred-Username",
    "X-Forwarded-Access-Token", "X-WebAuth-User", "X-WebAuth-Email", "X-WebAuth-Groups",
    "Cf-Access-Authenticated-User-Email", "Cf-Access-Jwt-Assertion",
)  # fmt: skip
"""In which apps are told who somebody is. Servers that cannot remove whole families of names remove these."""
CHANGING: Final = ("X-Http-Method-Override", "X-Http-Method", "X-Method-Override", "X-Rewrite-Url", "Proxy")
"""With which a client makes another request of the one that was decided on."""
ORIGIN: Final = (
    "Forwarded", "X-Forwarded-Uri", "X-Forwarded-Method", "X-Forwarded-Port", "X-Forwarded-Prefix",
    "X-Forwarded-Server", "X-Forwarded-Ssl", "X-Forwarded-Scheme", "X-Original-Url", "X-Original-Uri",
    "X-Original-Method", "X-Original-Host", "X-Client-Ip", "X-Cluster-Client-Ip", "True-Client-Ip",
)  # fmt: skip
"""In which proxies say where a request came from. X-Forwarded-For, -Host, -Proto and X-Real-IP are set anew."""

ASKED: Final = (
    "Accept", "Accept-Language", "Access-Control-Request-Method", "Authorization", "Content-Type", "Cookie", "Origin",
    "Sec-Fetch-Dest", "Sec-Fetch-Mode", "Sec-Fetch-Site", "Sec-Fetch-User", "Sec-Websocket-Key", "X-Requested-With",
)  # fmt: skip
"""What tells a page from a program, and what decisions read."""


def spellings(name: str) -> Iterator[str]:
    """The name in every spelling that apps which fold names (CGI, WSGI, PHP) take for it."""
    words = name.split("-")
    for between in product("-_.", repeat=len(words) - 1):
        yield "".join(chain(*zip_longest(words, between, fillvalue="")))
