"""Asking the tenant whether it still knows a person: who stays, who is out, and when nothing is decided."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from proxy.bridge import transaction as trips
from proxy.bridge.logout import Logout
from proxy.bridge.recheck import Recheck
from proxy.bridge.session import CHANGED, Sessions, Ticket, sessions_of_upstream
from proxy.downstream.clients import Clients
from proxy.downstream.frontchannel_logout import FrontChannelLogout
from proxy.downstream.grant import session_key
from proxy.downstream.participants import Participants
from proxy.features import Answer, Doors, Request
from proxy.models import Client, Connection, Identity, Session, Transaction, Wishes
from proxy.oidc.errors import Shown, UpstreamError
from proxy.store.memory import MemoryStore
from proxy.upstream.relying_party import Departure
from proxy.web.background import running
from tests.bridge.test_session import CORP, NOW, a_session

MINE = "m" * 43
IDP = "https://idp.example"
SAME = Identity("corp", IDP, "ada", {}, sid="up-2", id_token="new.id.token", session_state="new.salt")


def no(reason: str) -> UpstreamError:
    return UpstreamError("x", "y", reason=reason)


@dataclass
class Tenant:
    """Stands for the other shore."""

    says: Identity | Exception = SAME
    wishes: Wishes | None = None

    async def begin(self, connection: Connection, wishes: Wishes, *, state: str, now: float) -> Departure:
        self.wishes = wishes
        return Departure(f"{IDP}/authorize?state={state}", "nonce", "verifier", IDP)

    async def finish(self, *args: object, **kwargs: object) -> Identity:
        if isinstance(self.says, Exception):
            raise self.says
        return self.says


@dataclass
class Desk:
    """Everything around it: a session, its browser."""

    tenant: Tenant = field(default_factory=Tenant)
    connections: dict[str, Connection] = field(default_factory=lambda: {"corp": CORP})
    store: MemoryStore = field(default_factory=MemoryStore)
    session: Session = field(default_factory=lambda: a_session(id_token="old.id.token", session_state="old.salt"))
    cookie: str = ""

    @property
    def sessions(self) -> Sessions:
        return Sessions(self.store, self.connections, idle=1000, absolute=10_000)

    def recheck(self) -> Recheck:
        doors = Doors(lambda: (FrontChannelLogout("https://sso.example/"),))
        logout = Logout(self.store, Clients({}, self.store), doors, lambda: None)
        tenant: Any = self.tenant
        watching = "https://sso.example/login/session"
        return Recheck("https://sso.example/", self.store, self.sessions, tenant, self.connections, logout, watching)

    async def trip(self) -> Transaction:
        """The browser has asked: what was kept of it."""
        ticket = Ticket.new(self.session.sid)
        self.cookie = ticket.cookie
        await self.store.run(self.sessions.begin(self.session, ticket, NOW))
        away = await self.recheck().depart(self.session, self.connections["corp"], request())
        state = away.redirect.rpartition("=")[2]
        record = await self.store.get(trips.transaction_key(MINE, state))
        assert record is not None
        return trips.from_value(record.value)

    async def arrive(self, **changes: Any) -> Answer:
        return await self.recheck().arrive(replace(request(), **changes), await self.trip())

    async def lives(self) -> Session | None:
        return await self.sessions.load(self.cookie, NOW)


def request() -> Request:
    return Request("GET", "/login/callback", {"code": "c"}, {}, NOW, browsers=(MINE,))


async def test_the_tenant_is_asked_without_a_word_to_the_person() -> None:
    """Core 3.1.2.1: ``prompt=none`` and the ID token as a hint; the trip belongs to this browser and to no client."""
    desk = Desk()
    trip = await desk.trip()
    assert desk.tenant.wishes is not None and desk.tenant.wishes.prompt == ("none",)
    assert desk.tenant.wishes.passed_on == {"id_token_hint": "old.id.token"}
    assert (trip.client_id, trip.nonce, trip.verifier) == ("", "nonce", "verifier")
    assert trip.previous["sid"] == desk.session.sid


async def test_the_same_person_goes_on_with_what_is_new() -> None:
    """Our session stays, its cookie too; the tenant's new session is the one that its notices will name."""
    desk, heard = Desk(), list[tuple[str, str]]()
    async with running(desk.store.listen((CHANGED,), lambda *said: heard.append(said), lambda up: None)):
        await asyncio.sleep(0)
        answer = await desk.arrive()
    assert answer.redirect == "https://sso.example/login/session?checked=1" and not answer.sign_out
    assert heard == [(CHANGED, desk.session.sid)]  # no node goes on with what it was
    session = await desk.lives()
    assert session is not None
    assert (session.upstream_sid, session.id_token, session.session_state) == ("up-2", "new.id.token", "new.salt")
    assert (session.sid, session.auth_time) == (desk.session.sid, desk.session.auth_time)
    assert await desk.store.list(sessions_of_upstream(IDP, "corp", "up-2")) == (session_key(session.sid),)


@pytest.mark.parametrize(
    "says",
    [no("upstream_login_required"), replace(SAME, subject="eve"), replace(SAME, issuer="https://other.example")],
    ids=["nobody", "somebody else", "elsewhere"],
)
async def test_a_person_whom_the_tenant_does_not_know_any_more_is_out(says: Identity | Exception) -> None:
    """Session Management 3.1: our session ends, its cookie goes, and our clients hear."""
    desk = Desk(Tenant(says))
    app = Client.model_validate({"client_id": "app", "frontchannel_logout_uri": "https://app.example/out"})
    await desk.store.run(*Participants().accompany(None, app, desk.session, NOW)[1])
    answer = await desk.arrive()
    assert answer.sign_out and answer.page == "farewell.html" and answer.event == "tenant_logout"
    assert await desk.lives() is None


@pytest.mark.parametrize(
    "reason", ["upstream_interaction_required", "upstream_server_error", "timeout", "bad_signature", "iss_mismatch"]
)
async def test_any_other_answer_decides_nothing(reason: str) -> None:
    """The person is asked; nobody is logged out by an answer that is broken or forged."""
    desk = Desk(Tenant(no(reason)))
    answer = await desk.arrive()
    assert (answer.page, answer.sign_out) == ("session_changed.html", False) and await desk.lives() is not None


@pytest.mark.parametrize("path", ["/login/callback/corp", "/login/callback/other"])
async def test_an_answer_at_another_address_is_refused(path: str) -> None:
    """As with a login: each connection has one address."""
    with pytest.raises(Shown):
        await Desk().arrive(path=path)


async def test_lo_06_a_session_that_ended_meanwhile_is_not_revived() -> None:
    """LO-06: logged out in another tab while the tenant was asked."""
    desk = Desk()
    trip = await desk.trip()
    await desk.store.drop(session_key(desk.session.sid))
    answer = await desk.recheck().arrive(request(), trip)
    assert answer.page == "logged_out.html" and await desk.lives() is None
