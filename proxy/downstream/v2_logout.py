"""``v2/logout``, the logout address of Auth0's SDKs: ``client_id``, ``returnTo``, ``federated``.

``returnTo`` must be listed for the client, or without ``client_id`` for the tenant: origin and path exactly, whatever
query and fragment follow. These SDKs send no ID token, so a navigation of the whole window to an address that is listed
for the client counts as the person's wish; anything else is asked first, as at ``oidc/logout``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from proxy.downstream.clients import Clients
from proxy.downstream.leaving import Leaving, gone, not_done
from proxy.features import Answer, Caller, Endpoint, Feature, Request
from proxy.models import Client
from proxy.oidc.errors import Unavailable

PATH = "v2/logout"
_URI = re.compile(r"[A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=%-]+")


@dataclass(frozen=True)
class V2Logout(Feature):
    """``GET`` and, for the form of the page that asks, ``POST v2/logout``. ``allowed`` is the tenant's own list."""

    clients: Clients
    allowed: tuple[str, ...]
    leaving: Leaving

    def endpoints(self) -> Sequence[Endpoint]:
        return (Endpoint(PATH, ("GET", "POST"), Caller.BROWSER, self.handle),)

    async def handle(self, request: Request) -> Answer:
        """One request to log out. Raises ``Unavailable`` when it could not be done."""
        try:
            return await self._handle(request)
        except Unavailable as error:
            raise not_done(error) from None

    async def _handle(self, request: Request) -> Answer:
        named = request.params.get("client_id", "")
        client = await self.clients.find(named, request.now) if named else None
        target = target_of(request.params, client, self.allowed)
        session = await request.session() if request.session else None
        if session is None:
            return gone(target)
        wanted = client is not None and bool(target) and is_navigation(request.headers)
        if not wanted and not self.leaving.is_confirmed(request, session):
            return self.leaving.ask(request, PATH, client, session, target)
        return await self.leaving.leave(request, session, target)


def is_navigation(headers: Mapping[str, str]) -> bool:
    """Whether a browser says that the whole window goes there, and not ahead of time (Fetch Metadata 2.1, Resource
    Hints)."""
    ahead = headers.get("Sec-Purpose", "") + headers.get("Purpose", "")
    return headers.get("Sec-Fetch-Dest") == "document" and not ahead


def target_of(params: Mapping[str, str], client: Client | None, allowed: tuple[str, ...]) -> str:
    """Where to go afterwards, or empty for our own page. A client that names no address gets its first."""
    if "client_id" in params:
        allowed = client.post_logout_redirect_uris if client else ()
        if "returnTo" not in params:
            return (*allowed, "")[0]
    wanted = params.get("returnTo", "")
    where = place(wanted)
    return wanted if where and where in map(place, allowed) else ""


def place(url: str) -> tuple[str, str, str] | None:
    """Scheme, host with port, and path of a full address; None for text that browsers might read in another way."""
    if not _URI.fullmatch(url):
        return None
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    if not parts.scheme or "@" in parts.netloc:
        return None
    return parts.scheme, parts.netloc.lower(), parts.path
