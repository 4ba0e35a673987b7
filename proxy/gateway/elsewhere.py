"""What pages of other sites may ask an app for, with the cookies of a person who knows nothing of it (GW-13, GW-18).

A WebSocket, and a stream of events, may be opened from anywhere (RFC 6455 10.2): only the app's own pages, and those
whose origin the route names, get one. A CORS preflight (Fetch 4.8) asks about a request and is none, so it carries no
cookie; it gets through as nobody on a route whose app answers them itself.
"""

from __future__ import annotations

from collections.abc import Container

from proxy.gateway.asker import EVENTS
from proxy.gateway.request import Asked
from proxy.models.route import Route


def lasts(asked: Asked) -> bool:
    """Whether the request is for something that stays open."""
    return bool(asked.upgrade) or EVENTS in asked.seen.get(b"accept", b"").lower()


def refusal(asked: Asked, route: Route, origins: Container[str]) -> str:
    """Why a request for something that stays open is refused; empty if it is fine. ``origins`` are those whose pages
    may ask."""
    sender = asked.seen.get(b"origin", b"").decode("latin-1")
    if not asked.upgrade:
        return "" if not sender or sender in origins else "origin"
    if not route.websocket:
        return "websocket_off"
    return "" if sender in origins else "origin"


def is_preflight(asked: Asked, route: Route) -> bool:
    """Whether the request is a CORS preflight that the app of the route answers."""
    return (
        route.cors_preflight
        and asked.method == b"OPTIONS"
        and b"access-control-request-method" in asked.seen
        and b"origin" in asked.seen
        and not asked.has_body
        and not asked.upgrade
    )
