"""Ask a person before a third-party client is answered (OpenID Connect Core 3.1.2.4, RFC 6819 4.4.1.4, ASVS 10.7.1).

What is allowed is what was shown, never what a form says. First-party clients, those of the operator, are answered
without.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit

from proxy.downstream.answers import IN_A_POPUP
from proxy.downstream.authorize import AuthorizeRequest, check_stored
from proxy.downstream.authorize_endpoint import Authorize
from proxy.downstream.clients import Clients
from proxy.downstream.consents import Consents, things
from proxy.downstream.device_codes import DeviceCodes
from proxy.downstream.question import Asked, Question
from proxy.features import Answer, Caller, Endpoint, Feature, Pause, Request
from proxy.models import Client, Session
from proxy.oidc.errors import Refused, Shown
from proxy.store import Store

PATH = "login/consent"
WORDS: Mapping[str, str] = {
    "scope openid": "Know who you are here",
    "scope profile": "See your name, picture and what else your profile says",
    "scope email": "See your email address",
    "scope address": "See your postal address",
    "scope phone": "See your phone number",
    "scope offline_access": "Keep this access while you are away",
}


def in_words(thing: str) -> str:
    """A thing that a consent covers, for people."""
    kind, _, what = thing.partition(" ")
    if kind == "api":
        api, _, scope = what.partition(" ")
        return f"Use {api} for you: {scope}" if scope else f"Use {api} for you"
    return WORDS.get(thing) or f"See your {what.replace('_', ' ')}"


@dataclass(frozen=True)
class Waiting:
    """A request that waits for the person, and what they are shown."""

    request: AuthorizeRequest
    things: tuple[str, ...]

    def as_value(self) -> Mapping[str, Any]:
        """As plain values, for the stored record."""
        return {"request": self.request.as_value(), "things": self.things}

    @classmethod
    def from_value(cls, value: Mapping[str, Any]) -> Waiting:
        """Back from the stored record."""
        return cls(AuthorizeRequest.from_value(value["request"]), tuple(value["things"]))


@dataclass(frozen=True)
class Consent(Feature):
    """``GET`` and ``POST login/consent``. ``form_key`` signs form tokens."""

    issuer: str
    store: Store
    clients: Clients
    consents: Consents
    authorize: Authorize
    form_key: bytes

    def endpoints(self) -> Sequence[Endpoint]:
        return (Endpoint(PATH, ("GET", "POST"), Caller.BROWSER, self.handle),)

    async def interpose(self, asked: AuthorizeRequest, client: Client, session: Session, now: float) -> Pause | None:
        """The way to the consent page, unless what is asked was allowed before and the client does not insist."""
        if client.is_first_party:
            return None
        wanted = things(asked, client)
        if "consent" not in asked.prompt and await self.consents.covers(session.user_id, client.client_id, wanted):
            return None
        if "none" in asked.prompt:
            raise Refused("consent_required", "the person has not allowed this yet")
        return self._question.ask(session, Waiting(asked, wanted).as_value())

    @property
    def _question(self) -> Question:
        return Question("consent", f"{self.issuer}{PATH}", self.issuer, self.store, self.form_key)

    async def handle(self, request: Request) -> Answer:
        """The page, or what the person chose on it. Raises ``Shown``, ``Unavailable``."""
        asked = await self._question.asked(request)
        waiting = Waiting.from_value(asked.value)
        client = await self._client(waiting, request.now)
        if not asked.choice:
            return self._page(asked, waiting, client)
        try:
            if asked.choice == "deny":
                return await self._denied(waiting, client, request.now)
            return await self._allowed(waiting, client, asked.session, request.now)
        except Refused as error:
            error.about = {"client_id": client.client_id}
            return self.authorize.refuse(waiting.request, error)

    # --- what the person chose ---

    async def _denied(self, waiting: Waiting, client: Client, now: float) -> Answer:
        """A device has no address to be told at: it hears when it asks."""
        if not waiting.request.device:
            raise Refused("access_denied", "the person did not allow this")
        await DeviceCodes(self.store).deny(waiting.request.device, now)
        return Answer(page="activate_done.html", values={"client": client.label, "allowed": False})

    async def _allowed(self, waiting: Waiting, client: Client, session: Session, now: float) -> Answer:
        """The consent is kept first; then the request is answered as if it had been there all along, with whatever
        else may stand between."""
        await self.consents.allow(session.user_id, client.client_id, waiting.things, now)
        asked = waiting.request
        settled = replace(asked, prompt=tuple(word for word in asked.prompt if word != "consent"))
        answer, writes = await self.authorize.answer(settled, client, session, now)
        await self.store.run(*writes, self.authorize.keep_alive(session, now))
        return replace(answer, event="consent", about={"client_id": client.client_id, "user_id": session.user_id})

    async def _client(self, waiting: Waiting, now: float) -> Client:
        """The client as it is now: it, or its address, may have gone while the person was thinking."""
        client = await self.clients.find(waiting.request.client_id, now)
        if client is None:
            raise Shown("invalid_request", "the application is no longer registered", reason="unknown_client")
        check_stored(waiting.request.as_value(), client)
        return client

    # --- what the person sees ---

    def _page(self, asked: Asked, waiting: Waiting, client: Client) -> Answer:
        page = self._question.page(
            "consent.html",
            asked,
            client,
            is_declared=client.client_id in self.clients.declared,
            things=[in_words(thing) for thing in waiting.things],
            destination=destination(waiting.request.redirect_uri),
            other=self._somebody_else(waiting.request),
        )
        return replace(page, leads_away=True, headers=IN_A_POPUP)

    def _somebody_else(self, asked: AuthorizeRequest) -> str:
        """Where the same request begins with another person; one that was pushed or signed cannot be changed, and one
        that means somebody is about nobody else."""
        if asked.pushed or asked.sealed or asked.subject:
            return ""
        prompt = (*(word for word in asked.prompt if word not in ("login", "select_account")), "select_account")
        return replace(asked, prompt=prompt).address(self.issuer)


def destination(redirect_uri: str) -> str:
    """Where the answer goes, as a person can check it: the host, or of an installed app its own scheme."""
    parts = urlsplit(redirect_uri)
    return parts.netloc or parts.scheme
