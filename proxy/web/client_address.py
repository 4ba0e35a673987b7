"""The client's address, as the gate found it (``proxy.http.client_address``), kept on the request."""

from __future__ import annotations

from aiohttp import web

CLIENT = web.RequestKey("client", str)


def peer_of(request: web.BaseRequest) -> str:
    """The address at the other end of the connection; empty for a Unix socket."""
    name = request._transport_peername
    return str(name[0]) if isinstance(name, (list, tuple)) and name else ""


def of(request: web.BaseRequest) -> str:
    """The client's address, as the gate found it; empty without a gate."""
    found: str = request.get(CLIENT, "")
    return found
