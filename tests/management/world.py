"""The Management API as a program meets it: real wrapper, real tokens, a store in memory, a tenant that is asked."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from pydantic import SecretStr

from proxy.cli.token import SUBJECT
from proxy.downstream import grant as grants
from proxy.downstream.access_token import AccessTokens
from proxy.downstream.clients import Clients
from proxy.downstream.dpop import Proofs
from proxy.downstream.grant import Lifetimes
from proxy.downstream.keys import KeyRing
from proxy.features import Endpoint
from proxy.management.connections import ManagedConnections
from proxy.management.connections_api import ROUTES, ConnectionsApi
from proxy.management.diagnosis import as_json
from proxy.models import Client, Connection
from proxy.models.client import ApiGrant
from proxy.roster import Roster
from proxy.store import Put
from proxy.store.memory import MemoryStore
from proxy.upstream.connection_keys import ConnectionKeys
from proxy.upstream.health import ERROR, Finding, Health
from proxy.upstream.metadata import Metadata
from proxy.web.callers import Callers
from proxy.web.callers_operator import COMMAND
from proxy.web.pages import Pages
from tests.kit.isthmus import borrow_keys, lend_keys
from tests.kit.signing_client import authenticator

ISSUER = "https://sso.example/"
AUDIENCE = f"{ISSUER}api/v2/"
SCOPES = tuple(sorted({word for _, _, scope, _ in ROUTES for word in scope.split()}))
ALL_SCOPES = (*SCOPES, "read:connections_options", "update:connections_options")
SECRET = "what-only-the-tenant-should-know"
OPTIONS = {"type": "back_channel", "discovery_url": "https://idp.example", "client_id": "isthmus"}
BODY = {"name": "corp", "strategy": "oidc", "options": {**OPTIONS, "client_secret": SECRET, "scope": "openid"}}
DECLARED = {
    "from-file": Connection.model_validate(
        {
            "name": "from-file",
            "enabled_clients": ("webapp",),
            "options": {
                "discovery_url": "https://file.example",
                "client_id": "isthmus",
                "client_secret": SecretStr(SECRET),
                "domain_aliases": ("file.example",),
                "allow_private": ("10.0.0.0/8",),
            },
        }
    )
}
CLIENTS = {
    "webapp": Client(client_id="webapp"),
    "wiki": Client(client_id="wiki"),
    "script": Client(
        client_id="script",
        client_secret=SecretStr("s" * 40),
        grants=(ApiGrant(audience=AUDIENCE, scopes=("read:connections",)),),
    ),
}
FOUND = Metadata("https://idp.example", "https://idp.example/a", "https://idp.example/j", "https://idp.example/t")
NOT_FOUND = Health((Finding(ERROR, "not_found", "no document could be had", "", "nobody answers there"),))
LACKING = Health((Finding(ERROR, "missing", "token_endpoint", "set it"),))


@dataclass
class World:
    """The site, and what is behind it. ``tenant`` is what the next tenant asked looks like; ``asked`` those asked."""

    store: MemoryStore
    roster: Roster
    tokens: AccessTokens
    site: Any = None
    token: str = ""
    tenant: Health = field(default_factory=lambda: Health(metadata=FOUND))
    asked: list[str] = field(default_factory=list)
    ended: list[tuple[str, str | None]] = field(default_factory=list)

    async def diagnose(self, connection: Connection) -> Health:
        """What the tenant says."""
        self.asked.append(connection.name)
        return self.tenant

    async def concerned(self, before: Connection, after: Connection | None) -> None:
        """Somebody who wants to hear of changes."""
        self.ended.append((before.name, after.name if after else None))

    async def issue(self, *scopes: str, client_id: str = COMMAND, user_id: str = "", audience: str = AUDIENCE) -> str:
        """A token with these scopes."""
        now = time.time()
        grant = grants.Grant(
            grants.new_id(), client_id, user_id, "", "", scopes, 0, int(now), int(now) + 600, {}, offline=True,
            subject=SUBJECT if client_id == COMMAND else user_id, audiences=(audience,) if audience else (),
        )  # fmt: skip
        token, writes = self.tokens.issue(grant, scopes, now)
        await self.store.run(Put(grants.grant_key(grant.id), grant.as_value(), 600), *writes)
        return token

    async def ask(
        self, method: str, path: str, body: Any = None, *, token: str | None = None, **headers: str
    ) -> tuple[int, Any]:
        """The status and the JSON of an answer. Header names are written with underscores."""
        status, told, _ = await self.asking(method, path, body, token=token, **headers)
        return status, told

    async def asking(
        self, method: str, path: str, body: Any = None, *, token: str | None = None, **headers: str
    ) -> tuple[int, Any, Any]:
        """The same with the answer's headers."""
        sent = {"Authorization": f"Bearer {self.token if token is None else token}"}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        extra = {"json": body} if body is not None else {}
        async with self.site.request(method, f"/api/v2/{path}", headers=sent, **extra) as answer:
            told = await answer.json() if answer.content_type == "application/json" and answer.status != 204 else None
            return answer.status, told, answer.headers

    async def make(self, name: str = "corp", **changes: Any) -> dict[str, Any]:
        """A connection made over HTTP."""
        options = {**BODY["options"], **changes.pop("options", {})}  # type: ignore[dict-item]
        status, told = await self.ask("POST", "connections", {**BODY, "name": name, "options": options, **changes})
        if status != 201:
            raise AssertionError(told)
        made: dict[str, Any] = told
        return made


@asynccontextmanager
async def world(*more: Endpoint) -> AsyncIterator[World]:
    """All of it, with a token that may do everything; ``more`` are further endpoints."""
    store, clients = MemoryStore(), CLIENTS
    await lend_keys(store, ("RS256", "PS256"))
    keys = KeyRing(store)
    await keys.load(time.time())
    await borrow_keys(store)
    tokens = AccessTokens(ISSUER, store, keys, Lifetimes(access_token=600))
    roster = Roster(DECLARED, store)
    callers = Callers(
        ISSUER,
        Pages(ISSUER, "Acme"),
        authenticator(ISSUER, clients, store),
        tokens,
        Proofs(ISSUER, store, b"n" * 32, True),
    )
    made = World(store, roster, tokens)
    managed = ManagedConnections(ISSUER, roster, Clients(clients, store), made.diagnose, made.concerned)

    async def status(connection: Connection) -> dict[str, Any]:
        return as_json(await made.diagnose(connection))

    site = web.Application()
    api = ConnectionsApi(managed, ConnectionKeys(store), status)
    endpoints: Sequence[Endpoint] = (*api.endpoints(), *more)
    for endpoint in endpoints:
        for method in endpoint.methods:
            site.router.add_route(method, f"/{endpoint.path}", callers.wrap(endpoint))
    async with TestClient(TestServer(site)) as client:
        made.site = client
        made.token = await made.issue(*ALL_SCOPES)
        yield made
