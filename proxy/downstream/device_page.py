"""The device flow (RFC 8628), as the person sees it: a page for the code, a login, and a page that asks.

A code proves nothing about who typed it: whoever sends it to somebody else, in a link even, is let in as them (5.4). So
the last page always asks, a known session and an earlier yes notwithstanding, and names client, code and what is given.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from proxy.downstream.authorization_code import Code, login_of
from proxy.downstream.authorize import ACTIVATE, AuthorizeRequest, granted_scopes
from proxy.downstream.authorize_endpoint import Authorize
from proxy.downstream.authorize_rules import check_device_allowed
from proxy.downstream.clients import Clients
from proxy.downstream.consent import in_words
from proxy.downstream.consents import things
from proxy.downstream.device_codes import LONGEST_TYPED, DeviceCodes, Waiting, user_code_of
from proxy.downstream.question import Asked, Question, ended
from proxy.features import Answer, Caller, Endpoint, Feature, Pause, Request
from proxy.models import Client, Session
from proxy.models.client import DEVICE_CODE
from proxy.oidc.errors import Refused, Shown

CONFIRM = f"{ACTIVATE}/confirm"
SOMEBODY_ELSE = "select_account"


class Guesses(Protocol):
    """Counts codes that were none, by source. ``check`` raises ``Refused`` when there were too many."""

    def check(self, key: tuple[str, ...], now: float) -> None: ...
    def failed(self, key: tuple[str, ...], now: float) -> None: ...


def request_of(waiting: Waiting, user_code: str, client: Client, prompt: str) -> AuthorizeRequest:
    """The request that a device makes by the hand of a person, within what its client may now."""
    return AuthorizeRequest(
        client_id=client.client_id,
        redirect_uri="",
        scopes=granted_scopes(waiting.scopes, client, waiting.audiences),
        audiences=waiting.audiences,
        prompt=(SOMEBODY_ELSE,) if prompt == SOMEBODY_ELSE else (),
        max_age=client.default_max_age,
        acr_values=client.default_acr_values,
        response_type="none",
        device=user_code,
    )


@dataclass(frozen=True)
class Activation(Feature):
    """``activate`` and ``activate/confirm``. Stands after consent in the list of features, since it asks last.
    ``form_key`` signs form tokens."""

    issuer: str
    codes: DeviceCodes
    clients: Clients
    authorize: Authorize
    form_key: bytes
    guesses: Guesses

    def endpoints(self) -> Sequence[Endpoint]:
        methods = ("GET", "POST")
        return (
            Endpoint(ACTIVATE, methods, Caller.BROWSER, self.enter),
            Endpoint(CONFIRM, methods, Caller.BROWSER, self.confirm),
        )

    # --- the code ---

    async def enter(self, request: Request) -> Answer:
        """The page for the code, or the way on from it. A code in the address only fills the page in (3.3.1). Raises
        ``Shown``, ``Refused``, ``Unavailable``."""
        typed, prompt = request.params.get("user_code", ""), request.params.get("prompt", "")
        code, source = user_code_of(typed), (request.source,)
        if request.method != "POST":
            return code_page(self.issuer, code, prompt)
        self.guesses.check(source, request.now)
        waiting = await self.codes.find(code) if code else None
        client = await self.clients.find(waiting.client_id, request.now) if waiting else None
        if waiting is None or client is None or DEVICE_CODE not in client.grant_types:
            self.guesses.failed(source, request.now)
            return code_page(self.issuer, typed[:LONGEST_TYPED], prompt, unknown=True)
        asked = request_of(waiting, code, client, prompt)
        try:
            return await self.authorize.pursue(request, asked, client)
        except Refused as error:
            return self.authorize.refuse(asked, error)

    # --- the question ---

    async def interpose(self, asked: AuthorizeRequest, client: Client, session: Session, now: float) -> Pause | None:
        """The way to the page that asks: for a device, always. Raises ``Refused``."""
        if not asked.device:
            return None
        check_device_allowed(asked.audiences, client)
        return self._question.ask(session, {"request": asked.as_value()})

    @property
    def _question(self) -> Question:
        return Question("device", f"{self.issuer}{CONFIRM}", self.issuer, self.authorize.shore.store, self.form_key)

    async def confirm(self, request: Request) -> Answer:
        """The page, or what the person chose on it. Raises ``Shown``, ``Unavailable``."""
        question = await self._question.asked(request)
        asked = AuthorizeRequest.from_value(question.value["request"])
        client = await self._client(asked, request.now)
        if not question.choice:
            return self._page(question, asked, client)
        if question.choice == "allow":
            return await self._allowed(asked, client, question.session, request.now)
        if not await self.codes.deny(asked.device, request.now):
            raise ended("device_code_ended")
        return done(client, allowed=False)

    async def _allowed(self, asked: AuthorizeRequest, client: Client, session: Session, now: float) -> Answer:
        """What a code would hold is kept for the device; what goes along with every answer is written, too."""
        _, writes = self.authorize.along(asked, client, session, now)
        person = login_of(asked, client, session, self.authorize.shore.subjects)
        kept = Code.of(asked, session, person).as_value()
        alive = self.authorize.keep_alive(session, now)
        if not await self.codes.allow(asked.device, kept, now, *writes, alive):
            raise ended("device_code_ended")
        about = {"client_id": client.client_id, "user_id": session.user_id}
        return replace(done(client, allowed=True), browser_state=session.browser_state, event="device", about=about)

    async def _client(self, asked: AuthorizeRequest, now: float) -> Client:
        """The client as it is now: it may have gone while the person was thinking."""
        client = await self.clients.find(asked.client_id, now)
        if client is None or DEVICE_CODE not in client.grant_types:
            raise Shown("invalid_request", "the application is no longer registered", reason="unknown_client")
        return client

    def _page(self, question: Asked, asked: AuthorizeRequest, client: Client) -> Answer:
        return self._question.page(
            "activate_confirm.html",
            question,
            client,
            is_declared=client.client_id in self.clients.declared,
            code=asked.device,
            things=[in_words(thing) for thing in things(asked, client)],
            other=replace(asked, prompt=(SOMEBODY_ELSE,)).address(self.issuer),
        )


def code_page(issuer: str, typed: str, prompt: str, *, unknown: bool = False) -> Answer:
    """The page for the code. Its form leads on to whatever tenant the person logs in at."""
    values = {
        "action": f"{issuer}{ACTIVATE}",
        "typed": typed,
        "prompt": SOMEBODY_ELSE if prompt == SOMEBODY_ELSE else "",
        "unknown": unknown,
    }
    return Answer(status=400 if unknown else 200, page="activate.html", values=values, leads_away=True)


def done(client: Client, *, allowed: bool) -> Answer:
    """The last page: the rest happens on the device."""
    return Answer(page="activate_done.html", values={"client": client.label, "allowed": allowed})
