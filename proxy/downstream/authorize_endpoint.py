"""``GET`` and ``POST authorize``: the checks and the answer of ``authorize``, with ``next_step`` between them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from proxy.downstream.answers import send, send_error
from proxy.downstream.authorize import AuthorizeRequest, check_client, check_redirect_uri, check_request
from proxy.downstream.authorize_rules import MODES, mode_of
from proxy.downstream.next_step import Step, next_step
from proxy.features import Answer, Caller, Endpoint, Feature, Request, Respond
from proxy.models import Client, Connection, Session
from proxy.models.client import STANDARD_SCOPES
from proxy.models.connection import serves
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
    respond: Mapping[str, Respond]
    log_in: LogIn
    keep_alive: Callable[[Session, float], Op]

    def endpoints(self) -> Sequence[Endpoint]:
        return (Endpoint("authorize", ("GET", "POST"), Caller.BROWSER, self.handle),)

    def metadata(self) -> Mapping[str, Any]:
        return {
            "authorization_endpoint": f"{self.issuer}authorize",
            "response_types_supported": list(self.respond),
            "response_modes_supported": list(dict.fromkeys(mode for one in self.respond for mode in MODES[one])),
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
            state = request.params.get("state", "")
            return send_error(redirect_uri, mode_of(request.params), state, error, self.issuer)

    async def _answer(self, request: Request, asked: AuthorizeRequest, client: Client) -> Answer:
        session = await request.session() if request.session else None
        # A session opens only the applications that its connection is enabled for.
        usable = session if session and serves(self.connections, session.connection, client.client_id) else None
        step = next_step(asked, usable, request.now)
        if step is Step.ISSUE and usable is not None:
            answer, writes = self.answer(asked, usable, request.now)
            await self.store.run(*writes, self.keep_alive(usable, request.now))
            return answer
        if step is Step.REFUSE:
            raise Refused("login_required", "the person is not logged in, or must log in again")
        return await self.log_in(request, asked, client, session)

    def answer(self, asked: AuthorizeRequest, session: Session, now: float) -> tuple[Answer, tuple[Op, ...]]:
        """The answer to a checked request, with ``state`` and ``iss`` (RFC 6749 4.1.2, RFC 9207 2), and what must be
        written for it to count."""
        fields, writes = self.respond[asked.response_type](asked, session, now)
        state = {"state": asked.state} if asked.state else {}
        return send(asked.redirect_uri, asked.response_mode, {**fields, **state, "iss": self.issuer}), writes

    def refuse(self, asked: AuthorizeRequest, error: Refused) -> Answer:
        """Tell the client of a checked request why it gets no answer."""
        return send_error(asked.redirect_uri, asked.response_mode, asked.state, error, self.issuer)
