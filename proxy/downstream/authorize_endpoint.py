"""``GET`` and ``POST authorize``: the checks and the answer of ``authorize``, with ``next_step`` between them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from proxy.downstream import acr
from proxy.downstream.answers import send, send_error
from proxy.downstream.authorize import AuthorizeRequest, check_client, check_redirect_uri, check_request
from proxy.downstream.authorize_rules import FORM_POST, FRAGMENT, QUERY, check_still_allowed, mode_of
from proxy.downstream.clients import Clients
from proxy.downstream.id_token_hint import check_hint
from proxy.downstream.keys import KeyRing
from proxy.downstream.next_step import Step, next_step
from proxy.downstream.subjects import Subjects
from proxy.features import Answer, Caller, Doors, Endpoint, Feature, Request, Respond, Response
from proxy.models import Client, Connection, Session
from proxy.models.client import STANDARD_SCOPES
from proxy.models.connection import serves
from proxy.oidc.errors import Refused, Shown
from proxy.store import Op, Store

LogIn = Callable[[Request, AuthorizeRequest, Client, Session | None], Awaitable[Answer]]
FOLDED = ("request", "request_uri")
"""Parameters that stand for others (RFC 9101, RFC 9126)."""
PUSHED = "urn:ietf:params:oauth:request_uri:"
"""How the reference of a pushed request begins (RFC 9126 2.2)."""


@dataclass(frozen=True)
class Shore:
    """What the provider knows of those around it."""

    issuer: str
    clients: Clients
    connections: Mapping[str, Connection]
    store: Store
    keys: KeyRing
    subjects: Subjects
    acr_values: tuple[str, ...] = ()
    require_pushed: bool = False


@dataclass(frozen=True)
class Authorize(Feature):
    """The authorization endpoint. ``log_in`` crosses the bridge; ``keep_alive`` says how a used session lives on;
    ``doors`` are the features with a say in requests and answers."""

    shore: Shore
    respond: Mapping[str, Respond]
    log_in: LogIn
    keep_alive: Callable[[Session, float], Op]
    doors: Doors

    def endpoints(self) -> Sequence[Endpoint]:
        return (Endpoint("authorize", ("GET", "POST"), Caller.BROWSER, self.handle),)

    def metadata(self) -> Mapping[str, Any]:
        return {
            "authorization_endpoint": f"{self.shore.issuer}authorize",
            "response_types_supported": list(self.respond),
            "response_modes_supported": [QUERY, FRAGMENT, FORM_POST],
            "scopes_supported": list(STANDARD_SCOPES),
            "acr_values_supported": [acr.FEDERATED, *self.shore.acr_values],
            "claims_parameter_supported": True,
            "display_values_supported": ["page", "popup", "touch", "wap"],
            "prompt_values_supported": ["none", "login", "consent", "select_account"],
            "ui_locales_supported": ["en"],
            "authorization_response_iss_parameter_supported": True,
            "request_parameter_supported": False,
            "request_uri_parameter_supported": False,
        }

    async def handle(self, request: Request) -> Answer:
        """One authorization request. Raises ``Shown`` while the client and its address are not sure; after that every
        refusal goes to the client."""
        client, params = await check_client(request.params, self.shore.clients, request.now), request.params
        try:
            params = await self.unfolded(params, client, request.now)
            asked = self.check(params, client, request.now)
            if request.params.get("request_uri", "").startswith(PUSHED):
                asked = replace(asked, pushed=request.params["request_uri"], sealed=False)
            elif client.require_pushed_authorization_requests or self.shore.require_pushed:  # RFC 9126 5, 6
                raise Refused("invalid_request", "the application must push its requests", reason="not_pushed")
            return await self.pursue(request, asked, client)
        except Refused as error:
            target = check_redirect_uri(params, client)  # no error goes to an address that was not checked
            return send_error(target, mode_of(params, client), params.get("state", ""), error, self.shore.issuer)

    async def unfolded(self, params: Mapping[str, str], client: Client, now: float) -> Mapping[str, str]:
        """The request with what its ``request`` or ``request_uri`` stands for. Raises ``Shown``, ``Refused``."""
        if client.require_signed_request_object or any(name in params for name in FOLDED):
            for feature in self.doors.unfold:
                params = await feature.unfold(params, client, now)
        return params

    def check(self, params: Mapping[str, str], client: Client, now: float) -> AuthorizeRequest:
        """The whole request, checked. Raises ``Shown`` for a redirect URI that is not sure, ``Refused``."""
        asked = check_request(params, client, check_redirect_uri(params, client))
        if client.require_signed_request_object:
            asked = replace(asked, sealed=True)
        hint = check_hint(params.get("id_token_hint", ""), client, self.shore.keys, self.shore.issuer, now)
        if hint.client_id != client.client_id:
            return asked
        if asked.subject not in ("", hint.subject):
            raise Refused("invalid_request", "id_token_hint and claims name two people")
        return replace(asked, subject=hint.subject)

    async def pursue(self, request: Request, asked: AuthorizeRequest, client: Client) -> Answer:
        """What follows a checked request: its answer, or the way to a login. Raises ``Shown``, ``Refused``."""
        session = await request.session() if request.session else None
        usable = session if session and self._opens(session, asked, client) else None
        step = next_step(asked, usable, request.now, acr_offered=self.shore.acr_values)
        if step is Step.ISSUE and usable is not None:
            answer, writes = await self.answer(asked, client, usable, request.now)
            await self.shore.store.run(*writes, self.keep_alive(usable, request.now))
            return answer
        if step is Step.REFUSE:
            raise Refused("login_required", "the person is not logged in, or must log in again")
        return await self.log_in(request, asked, client, session)

    def _opens(self, session: Session, asked: AuthorizeRequest, client: Client) -> bool:
        """A session opens only the applications that its connection serves, and only for the person they mean."""
        if not serves(self.shore.connections.get(session.connection), client):
            return False
        return not asked.subject or asked.subject == self.shore.subjects.of(client, session.user_id)

    def check_login(self, asked: AuthorizeRequest, client: Client, session: Session) -> None:
        """Whether a fresh login is what the client asked for. Raises ``Refused``."""
        if asked.subject and asked.subject != self.shore.subjects.of(client, session.user_id):
            raise Refused("login_required", "somebody else logged in", reason="other_person")
        if not acr.met(asked.acr_values, session.acr, self.shore.acr_values, essential=asked.essential_acr):
            text = "the login does not meet acr_values"
            raise Refused("unmet_authentication_requirements", text, reason="acr_not_met")

    async def answer(
        self, asked: AuthorizeRequest, client: Client, session: Session, now: float
    ) -> tuple[Answer, tuple[Op, ...]]:
        """The answer to a checked request, or what the person must see before it, and what must be written for it to
        count. Raises ``Shown``, ``Refused``."""
        for feature in self.doors.interpose:
            pause = await feature.interpose(asked, client, session, now)
            if pause is not None:
                return pause
        return self.conclude(asked, client, session, now)

    def conclude(
        self, asked: AuthorizeRequest, client: Client, session: Session, now: float
    ) -> tuple[Answer, tuple[Op, ...]]:
        """The answer with ``state`` and ``iss`` (RFC 6749 4.1.2, RFC 9207 2), and what must be written for it to count:
        nothing stands between any more. Raises ``Refused`` for what the client may not have any more."""
        check_still_allowed(asked.response_type, asked.audiences, client)
        fields, writes = self.respond[asked.response_type](asked, client, session, now)
        more, also = self.along(asked, client, session, now)
        state = {"state": asked.state} if asked.state else {}
        told = {**fields, **more, **state, "iss": self.shore.issuer}
        return send(asked.redirect_uri, asked.response_mode, told, session.browser_state), (*writes, *also)

    def along(self, asked: AuthorizeRequest, client: Client, session: Session, now: float) -> Response:
        """What goes along with an answer, whatever carries it, and what must be written with it."""
        fields: dict[str, str] = {}
        writes: tuple[Op, ...] = ()
        for feature in self.doors.accompany:
            more, also = feature.accompany(asked, client, session, now)
            fields, writes = {**fields, **more}, (*writes, *also)
        return fields, writes

    def refuse(self, asked: AuthorizeRequest, error: Refused) -> Answer:
        """Tell the client of a checked request why it gets no answer. A device hears nothing yet: the person is shown
        why (raises ``Shown``), and may try again while the code lives."""
        if asked.device:
            shown = Shown(error.code, error.description, reason=error.reason)
            shown.about, shown.again = error.about, asked.address(self.shore.issuer)
            raise shown
        return send_error(asked.redirect_uri, asked.response_mode, asked.state, error, self.shore.issuer)
