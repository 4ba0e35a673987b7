"""Who asks: a person who can be sent to a login, or a program that cannot.

The rule is mod_auth_openidc's (OIDCUnAuthAction), and that of the Fetch standard: a navigation is a page's, everything
else a program's. Frames count as pages, a stream of events and a WebSocket do not. A redirect to another site would
reach a script as an error that says nothing.
"""

from __future__ import annotations

from proxy.gateway.request import Asked

PAGES = (b"text/html", b"application/xhtml+xml", b"*/*")
EVENTS = b"text/event-stream"
DOCUMENTS = frozenset((b"document", b"iframe", b"frame"))
SAFE = frozenset((b"GET", b"HEAD"))


def is_program(asked: Asked) -> bool:
    """Whether a program asks."""
    seen = asked.seen
    if asked.upgrade or seen.get(b"x-requested-with", b"").lower() == b"xmlhttprequest":
        return True
    if seen.get(b"sec-fetch-mode", b"navigate") != b"navigate":
        return True
    if seen.get(b"sec-fetch-dest", b"document") not in DOCUMENTS:
        return True
    accept = seen.get(b"accept", b"*/*").lower()
    return EVENTS in accept or not any(kind in accept for kind in PAGES)


def is_document(asked: Asked) -> bool:
    """Whether a browser says that it opens a page: then its scripts run, too."""
    return asked.seen.get(b"sec-fetch-dest") == b"document"


def is_safe(asked: Asked) -> bool:
    """Whether nothing is lost when the request is made again (RFC 9110 9.2.1)."""
    return asked.method in SAFE
