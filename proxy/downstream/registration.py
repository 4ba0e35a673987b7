"""Dynamic client registration and its management (RFC 7591, RFC 7592, OpenID Connect Registration 1.0).

Who may register is the operator's choice: whoever brings an initial access token, or anybody. Each request is checked
as a whole by the same rules. A secret is shown once; the registration access token is good for its own client alone.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from proxy.downstream.client_metadata import House, as_metadata, read, refused
from proxy.downstream.clients import Clients
from proxy.downstream.initial_tokens import InitialTokens
from proxy.downstream.registered import Registered, Registry, hashed, matches, new_id, new_secret
from proxy.features import Answer, Caller, Endpoint, Feature, Request
from proxy.models import Client
from proxy.oidc.errors import Refused, UpstreamError
from proxy.oidc.messages import STRANGERS, HttpRequest, Send

FETCH_SECONDS = 3.0
GROUP = f"{STRANGERS}-sector:all"
"""Under which name the wire counts what we fetch here. No connection can have it."""
PATH = "oidc/register"
NO_STORE = {"Cache-Control": "no-store", "Pragma": "no-cache"}


@dataclass(frozen=True)
class Registration(Feature):
    """``POST oidc/register`` and ``GET``, ``PUT``, ``DELETE oidc/register/{client_id}``. ``for_all``: no token is
    needed; ``admit`` raises ``Refused`` for an address that registers too often without one."""

    house: House
    for_all: bool
    clients: Clients
    registry: Registry
    tokens: InitialTokens
    send: Send
    admit: Callable[[str, float], None]

    def endpoints(self) -> Sequence[Endpoint]:
        return (
            Endpoint(PATH, ("POST",), Caller.ANYONE, self.register),
            Endpoint(f"{PATH}/{{client_id}}", ("GET",), Caller.ANYONE, self.show),
            Endpoint(f"{PATH}/{{client_id}}", ("PUT",), Caller.ANYONE, self.change),
            Endpoint(f"{PATH}/{{client_id}}", ("DELETE",), Caller.ANYONE, self.remove),
        )

    def metadata(self) -> Mapping[str, Any]:
        return {"registration_endpoint": f"{self.house.issuer}{PATH}"}

    # --- RFC 7591 ---

    async def register(self, request: Request) -> Answer:
        """A new client. Raises ``Refused``; an initial access token is spent only when all else is right."""
        token, now = bearer_of(request), request.now
        free = self.for_all and not token
        if free:
            self.admit(request.source, now)
        own = False if free else (await self.tokens.check(token, now)).first_party
        await self.registry.check_room(now)
        client = read(request.body, new_id(), self.house, own=own)
        await self._check_sector(client)
        if not free:
            await self.tokens.spend(token, now)
        access = new_secret()
        entry, secret = Registered(client, int(now), hashed(access)).having(client)
        await self.registry.add(entry)
        about = {"client_id": client.client_id}
        return replace(self._told(entry, access, secret, status=201), event="client_registered", about=about)

    async def _check_sector(self, client: Client) -> None:
        """Every redirect URI is listed at ``sector_identifier_uri`` (OpenID Connect Registration 5)."""
        if not client.sector_identifier_uri:
            return
        try:
            ask = HttpRequest("GET", client.sector_identifier_uri, seconds=FETCH_SECONDS, group=GROUP)
            answer = await self.send(ask)
            listed = json.loads(answer.body) if answer.status == 200 else None
        except (UpstreamError, ValueError, RecursionError):
            listed = None
        if not isinstance(listed, list):
            raise refused("sector_identifier_uri", "must lead to a JSON list of redirect URIs")
        if any(uri not in listed for uri in client.redirect_uris):
            raise refused("sector_identifier_uri", "leads to a list without one of redirect_uris")

    # --- RFC 7592 ---

    async def show(self, request: Request) -> Answer:
        """What is registered (RFC 7592 2.1), but for the secret."""
        entry, _ = await self._known(request)
        return self._told(entry, bearer_of(request))

    async def change(self, request: Request) -> Answer:
        """Other metadata in place of all that was there (RFC 7592 2.2). The secret stays, unless there is none that
        fits."""
        entry, revision = await self._known(request)
        body, client_id = dict(request.body), entry.client.client_id
        if body.pop("client_id", None) != client_id:
            raise refused("client_id", "must be that of this client")
        shown = body.pop("client_secret", None)
        if shown is not None and not (isinstance(shown, str) and matches(shown, entry.hashes)):
            raise refused("client_secret", "is not that of this client")
        client = read(body, client_id, self.house, current=entry.client)
        await self._check_sector(client)
        changed, secret = entry.having(client, shown or "")
        await self.registry.replace(changed, revision)
        self.clients.forget(client_id)
        answer = self._told(changed, bearer_of(request), secret)
        return replace(answer, event="client_changed", about={"client_id": client_id})

    async def remove(self, request: Request) -> Answer:
        """Take the client away, and with it all that needs it: its tokens, its registration access token (RFC 7592
        2.3)."""
        entry, _ = await self._known(request)
        await self.registry.remove(entry.client.client_id)
        self.clients.forget(entry.client.client_id)
        return Answer(204, headers=NO_STORE, event="client_removed", about={"client_id": entry.client.client_id})

    async def _known(self, request: Request) -> tuple[Registered, bytes]:
        """The client whose registration access token came along. An unknown client and a wrong token are answered alike
        (RFC 7592 2)."""
        found = await self.registry.find(request.variables["client_id"])
        right = matches(bearer_of(request), (found[0].token,) if found and found[0].token else ())
        if found is None or not right:
            raise Refused("invalid_token", "the registration access token is not that of this client", status=401)
        return found

    def _told(self, entry: Registered, access: str, secret: str = "", *, status: int = 200) -> Answer:
        """The client information response (RFC 7591 3.2.1, RFC 7592 3)."""
        client_id = entry.client.client_id
        shown = {"client_secret": secret, "client_secret_expires_at": 0} if secret else {}
        issued = {
            "client_id": client_id,
            "client_id_issued_at": entry.issued_at,
            **shown,
            "registration_access_token": access,
            "registration_client_uri": f"{self.house.issuer}{PATH}/{client_id}",
        }
        return Answer(status, json={**issued, **as_metadata(entry.client)}, headers=NO_STORE)


def bearer_of(request: Request) -> str:
    """The token of the Authorization header (RFC 6750 2.1), or empty. Nowhere else is one looked for."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""
