"""Ask a person before a third-party client is answered (OpenID Connect Core 3.1.2.4, RFC 6819 4.4.1.4, ASVS 10.7.1).

The checked request waits in the store for the answer of the session it was made in: once, for ten minutes. What is
allowed is what was shown, never what a form says. First-party clients, those of the operator, are answered without.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlencode, urlsplit

from proxy.downstream.answers import IN_A_POPUP
from proxy.downstream.authorize import AuthorizeRequest, check_stored
from proxy.downstream.authorize_endpoint import Authorize
from proxy.downstream.clients import Clients
from proxy.downstream.consents import Consents, things
from proxy.downstream.device_codes import DeviceCodes
from proxy.downstream.forms import check_form, form_token
from proxy.features import Answer, Caller, Endpoint, Feature, Pause, Request
from proxy.models import Client, Session
from proxy.oidc.errors import Refused, Shown
from proxy.oidc.urls import origin
from proxy.store import Key, Put, Store, Taken, key

WAITS = 600
"""Seconds a person has to decide."""
MOST_OPEN = 20
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


def waiting_key(sid: str, id: str) -> Key:
    """Where a waiting request lies: found only with the session it was made in."""
    return key("consent_request", id, group=sid)


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
        id = secrets.token_urlsafe(32)
        index = key("consent_requests", "open", group=session.sid)
        write = Put(waiting_key(session.sid, id), Waiting(asked, wanted).as_value(), WAITS, (index,), MOST_OPEN)
        return Answer(redirect=f"{self.issuer}{PATH}?{urlencode({'id': id})}"), (write,)

    async def handle(self, request: Request) -> Answer:
        """The page, or what the person chose on it. Raises ``Shown``, ``Unavailable``."""
        id = request.params.get("id", "")
        session = await request.session() if request.session else None
        if session is None:
            raise ended("no_session")
        if request.method == "POST":
            return await self._decided(request, id, session)
        record = await self.store.get(waiting_key(session.sid, id))
        if record is None:
            raise ended("no_consent_request")
        waiting = Waiting.from_value(record.value)
        return self._page(id, waiting, await self._client(waiting, request.now), session)

    # --- what the person chose ---

    async def _decided(self, request: Request, id: str, session: Session) -> Answer:
        check_form(request, self._form_token(id, session), self.issuer)
        choice = request.params.get("choice", "")
        if choice not in ("allow", "deny"):
            raise Shown("invalid_request", "choose to allow or to deny")
        taken = await self.store.take(waiting_key(session.sid, id))
        if not isinstance(taken, Taken):
            raise ended("no_consent_request" if taken is None else "consent_reuse")
        waiting = Waiting.from_value(taken.value)
        client = await self._client(waiting, request.now)
        try:
            if choice == "deny":
                return await self._denied(waiting, client, request.now)
            return await self._allowed(waiting, client, session, request.now)
        except Refused as error:
            error.about = {"client_id": client.client_id}
            return self.authorize.refuse(waiting.request, error)

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

    def _form_token(self, id: str, session: Session) -> str:
        return form_token(self.form_key, "consent", session.sid, id)

    # --- what the person sees ---

    def _page(self, id: str, waiting: Waiting, client: Client, session: Session) -> Answer:
        values = {
            "action": f"{self.issuer}{PATH}",
            "fields": {"id": id, "form_token": self._form_token(id, session)},
            "client": client,
            "unverified": client.client_id not in self.clients.declared,
            "things": [in_words(thing) for thing in waiting.things],
            "person": session.profile.get("name") or session.profile.get("email") or "",
            "address": session.profile.get("email") or "",
            "destination": destination(waiting.request.redirect_uri),
            "other": self._somebody_else(waiting.request),
        }
        pictures = (origin(client.logo_uri),) if client.logo_uri else ()
        return Answer(page="consent.html", values=values, leads_away=True, image_sources=pictures, headers=IN_A_POPUP)

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


def ended(reason: str) -> Shown:
    """One text for every reason."""
    return Shown("invalid_request", "this page has ended, was used, or belongs to another login", reason=reason)
