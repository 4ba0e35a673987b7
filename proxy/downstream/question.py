"""A question to the person who is logged in, on a page of ours: allow or deny.

It waits in the store for the session it was asked in, and is decided once, within ten minutes. What was asked lies in
the store; the form brings only which question it is and the proof that it is our page's.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from proxy.downstream.forms import check_form, form_token
from proxy.features import Answer, Pause, Request
from proxy.models import Client, Session
from proxy.oidc.errors import Shown
from proxy.oidc.urls import origin
from proxy.store import Key, Put, Store, Taken, key

WAITS = 600
"""Seconds a person has to decide."""
MOST_OPEN = 20


@dataclass(frozen=True)
class Asked:
    """A question as the store has it, and what was chosen: ``allow``, ``deny``, or nothing yet."""

    id: str
    session: Session
    value: Mapping[str, Any]
    choice: str = ""


@dataclass(frozen=True)
class Question:
    """A ``kind`` of question, on the page at ``url``. ``form_key`` signs form tokens."""

    kind: str
    url: str
    issuer: str
    store: Store
    form_key: bytes

    def ask(self, session: Session, value: Mapping[str, Any]) -> Pause:
        """The way to the page, and what writes the question."""
        id = secrets.token_urlsafe(32)
        index = key(f"{self.kind}_requests", "open", group=session.sid)
        write = Put(self._place(session, id), value, WAITS, (index,), MOST_OPEN)
        return Answer(redirect=f"{self.url}?{urlencode({'id': id})}"), (write,)

    async def asked(self, request: Request) -> Asked:
        """The question that a request is about, taken if it brings the choice. Raises ``Shown``, ``Unavailable``."""
        id = request.params.get("id", "")
        session = await request.session() if request.session else None
        if session is None:
            raise ended("no_session")
        if request.method == "POST":
            return await self._decided(request, id, session)
        record = await self.store.get(self._place(session, id))
        if record is None:
            raise ended(f"no_{self.kind}_request")
        return Asked(id, session, record.value)

    async def _decided(self, request: Request, id: str, session: Session) -> Asked:
        check_form(request, self._token(session, id), self.issuer)
        choice = request.params.get("choice", "")
        if choice not in ("allow", "deny"):
            raise Shown("invalid_request", "choose to allow or to deny")
        taken = await self.store.take(self._place(session, id))
        if not isinstance(taken, Taken):
            raise ended(f"no_{self.kind}_request" if taken is None else f"{self.kind}_reuse")
        return Asked(id, session, taken.value, choice)

    def page(self, template: str, asked: Asked, client: Client, *, is_declared: bool, **more: Any) -> Answer:
        """The page that asks, in the name of ``client``."""
        profile = asked.session.profile
        values = {
            "action": self.url,
            "fields": {"id": asked.id, "form_token": self._token(asked.session, asked.id)},
            "client": client,
            "unverified": not is_declared,
            "person": profile.get("name") or profile.get("email") or "",
            "address": profile.get("email") or "",
            **more,
        }
        pictures = (origin(client.logo_uri),) if client.logo_uri else ()
        return Answer(page=template, values=values, image_sources=pictures)

    def _place(self, session: Session, id: str) -> Key:
        return key(f"{self.kind}_request", id, group=session.sid)

    def _token(self, session: Session, id: str) -> str:
        return form_token(self.form_key, self.kind, session.sid, id)


def ended(reason: str) -> Shown:
    """One text for every reason."""
    return Shown("invalid_request", "this page has ended, was used, or belongs to another login", reason=reason)
