"""``GET`` and ``POST authorize``: the checks and the answer of ``authorize``, with ``next_step`` between them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from proxy.downstream.authorization_code import AuthorizationCode
from proxy.downstream.authorize import (
    AuthorizeRequest,
    build_error,
    check_client,
    check_redirect_uri,
    check_request,
)
from proxy.downstream.next_step import Step, next_step
from proxy.features import Answer, Caller, Endpoint, Feature, Request
from proxy.models import Client, Connection, Session
from proxy.models.client import STANDARD_SCOPES
from proxy.oidc.errors import Refused
from proxy.store import Op, Store

LogIn = Callable[[Request, AuthorizeRequest, Client, Session | None], Awaitable[Answer]]


@dataclass(frozen=True)
class Authorize(Feature):
    """The authorization endpoint. ``log_in`` crosses the bridge; ``keep_alive`` says how a used session lives on."""

    issuer: str
    clients: Mapping[str, Client]
    connections: Mapping[str, Connection]
    store: Store
    code: AuthorizationCode
    log_in: LogIn
    keep_alive: Callable[[Session, float], Op]

    def endpoints(self) -> Sequence[Endpoint]:
        return (Endpoint("authorize", ("GET", "POST"), Caller.BROWSER, self.handle),)

    def metadata(self) -> Mapping[str, Any]:
        return {
            "authorization_endpoint": f"{self.issuer}authorize",
            "response_types_supported": ["code"],
            "response_modes_supported": ["query"],
            "scopes_supported": list(STANDARD_SCOPES),
            "authorization_response_iss_parameter_supported": True,
            "request_parameter_supported": False,
            "request_uri_parameter_supported": False,
        }

    async def handle(self, request: Request) -> Answer:
        """One authorization request. Raises ``Shown`` while the client and its address are not sure; after that every
        refusal goes to the client."""
        client = check_client(request.params, self.clients)
        redirect_uri = check_redirect_uri(request.params, client)
        try:
            return await self._answer(request, check_request(request.params, client, redirect_uri), client)
        except Refused as error:
            return self.refuse(redirect_uri, request.params.get("state", ""), error)

    async def _answer(self, request: Request, asked: AuthorizeRequest, client: Client) -> Answer:
        session = await request.session() if request.session else None
        usable = session if session and self._may_use(session, client) else None
        step = next_step(asked, usable, request.now)
        if step is Step.ISSUE and usable is not None:
            url, writes = self.code.answer(asked, usable)
            await self.store.run(*writes, self.keep_alive(usable, request.now))
            return Answer(redirect=url)
        if step is Step.REFUSE:
            raise Refused("login_required", "the person is not logged in, or must log in again")
        return await self.log_in(request, asked, client, session)

    def _may_use(self, session: Session, client: Client) -> bool:
        """A session opens only the applications that its connection is enabled for."""
        connection = self.connections.get(session.connection)
        return connection is not None and client.client_id in connection.enabled_clients

    def refuse(self, redirect_uri: str, state: str, error: Refused) -> Answer:
        """Tell the client."""
        return Answer(redirect=build_error(redirect_uri, state, error, self.issuer))
