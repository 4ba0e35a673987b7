"""A tenant's page in a frame: whose session ends, and whose does not."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from proxy.bridge.frontchannel_notice import FrontChannelNotices
from proxy.bridge.logout import Logout
from proxy.bridge.session import Sessions, Ticket
from proxy.downstream.clients import Clients
from proxy.downstream.frontchannel_logout import FrontChannelLogout
from proxy.downstream.grant import session_key
from proxy.downstream.participants import Participants
from proxy.features import Answer, Doors, Request
from proxy.models import Client, Connection, Session
from proxy.oidc.errors import Refused, Shown
from proxy.store.memory import MemoryStore
from proxy.upstream.connections import Connections
from tests.bridge.test_session import a_session
from tests.upstream.conftest import DOCUMENT, ISSUER, NOW, Clock, FakeTenant, connection


@dataclass
class Desk:
    """The endpoint with everything around it."""

    store: MemoryStore = field(default_factory=MemoryStore)
    connections: dict[str, Connection] = field(default_factory=lambda: {"corp": connection()})
    tenant: FakeTenant = field(
        default_factory=lambda: FakeTenant(document={**DOCUMENT, "end_session_endpoint": "https://bye.idp.example/out"})
    )
    failures: list[str] = field(default_factory=list)
    full: bool = False

    async def hear(self, session: Session | None = None, **params: str) -> Answer:
        tenants = Connections(self.connections, self.tenant.send, Clock())
        doors = Doors(lambda: (FrontChannelLogout("https://sso.example/"),))
        logout = Logout(self.store, Clients({}, self.store), doors, lambda: None)
        feature = FrontChannelNotices(
            self.store, tenants, self.connections, logout, self.check, lambda source, now: self.failures.append(source)
        )

        async def own() -> Session | None:
            return session

        request = Request("GET", "/login/frontchannel-logout", params, {}, NOW, session=own, source="192.0.2.1")
        return await feature.hear(request)

    def check(self, source: str, now: float) -> None:
        if self.full:
            raise Refused("slow_down", "x", status=429)

    async def log_in(self, **changes: Any) -> Session:
        session = a_session(**{"issuer": ISSUER, "upstream_sid": "s-1", "expires_at": int(NOW) + 1000, **changes})
        sessions = Sessions(self.store, self.connections, idle=1000, absolute=10_000)
        await self.store.run(sessions.begin(session, Ticket.new(session.sid), NOW))
        return session

    async def lives(self, session: Session) -> bool:
        return await self.store.get(session_key(session.sid)) is not None


async def test_without_a_cookie_the_named_session_ends() -> None:
    """Front-Channel Logout 2: browsers keep our cookie out of the tenant's frame; ``iss`` and ``sid`` name it. The page
    may be framed by the tenant's pages alone."""
    desk = Desk()
    named, other = await desk.log_in(), await desk.log_in(upstream_sid="s-2")
    answer = await desk.hear(iss=ISSUER, sid="s-1")
    assert not await desk.lives(named) and await desk.lives(other)
    assert (answer.page, answer.sign_out) == ("logged_out.html", False)
    assert answer.framed_by == ("https://bye.idp.example", "https://idp.example")


async def test_the_browsers_own_cookie_goes_with_its_session() -> None:
    """If it came along, and the session is the one that is named."""
    desk = Desk()
    own = await desk.log_in()
    assert (await desk.hear(own, iss=ISSUER, sid="s-1")).sign_out
    stays = await desk.log_in(upstream_sid="s-2")
    assert not (await desk.hear(stays, iss=ISSUER, sid="s-1")).sign_out and await desk.lives(stays)


async def test_our_own_clients_pages_are_loaded_in_turn() -> None:
    """A chain of tenants hears to its end: the farewell's frames are in our page."""
    desk = Desk()
    session = await desk.log_in()
    app = Client.model_validate({"client_id": "app", "frontchannel_logout_uri": "https://app.example/out"})
    await desk.store.run(*Participants().accompany(None, app, session, NOW)[1])
    answer = await desk.hear(iss=ISSUER, sid="s-1")
    assert answer.page == "farewell.html" and answer.frame_sources == ("https://app.example",)
    assert answer.values["frames"][0].startswith("https://app.example/out?iss=https%3A%2F%2Fsso.example%2F&sid=")
    assert "https://idp.example" in answer.framed_by


@pytest.mark.parametrize(
    "params",
    [{}, {"iss": ISSUER}, {"sid": "s-1"}, {"iss": "", "sid": ""}, {"iss": "https://evil.example", "sid": "s-1"}],
)
async def test_lo_03_a_request_that_names_no_session_ends_none(params: dict[str, str]) -> None:
    """LO-03: any page can make a browser send it, with the cookie too."""
    desk = Desk()
    own = await desk.log_in()
    with pytest.raises(Shown):
        await desk.hear(own, **params)
    assert await desk.lives(own)


async def test_lo_11_a_sid_of_another_issuer_is_another_session() -> None:
    """LO-11: and a guess is counted."""
    desk = Desk()
    other = await desk.log_in(issuer="https://other.example")
    answer = await desk.hear(other, iss=ISSUER, sid="s-1")
    assert await desk.lives(other) and not answer.sign_out and answer.event == ""
    assert desk.failures == ["192.0.2.1"]


async def test_an_address_that_guesses_is_slowed_down() -> None:
    """429, before anything is looked up."""
    desk = Desk(full=True)
    session = await desk.log_in()
    with pytest.raises(Refused):
        await desk.hear(iss=ISSUER, sid="s-1")
    assert await desk.lives(session)


async def test_a_tenant_that_is_away_frames_us_by_its_issuers_origin() -> None:
    """Its document says where its other pages are; the session ends all the same."""
    desk = Desk()
    session = await desk.log_in()
    desk.tenant.down.add("discovery")
    assert (await desk.hear(iss=ISSUER, sid="s-1")).framed_by == ("https://idp.example",)
    assert not await desk.lives(session)
