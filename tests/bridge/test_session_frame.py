"""The page that watches the tenant's session: what it frames, what it says, and when there is nothing to watch."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from proxy.bridge.federated_logout import watched_last
from proxy.bridge.session_frame import SessionFrame
from proxy.features import Answer, Request
from proxy.models import Connection, Session
from proxy.oidc.errors import Shown, UpstreamError
from proxy.store.memory import MemoryStore
from proxy.upstream.connections import Connections
from proxy.web.pages import SCRIPTS, Pages
from tests.bridge.test_session import a_session
from tests.upstream.conftest import DOCUMENT, NOW, Clock, FakeTenant, connection

MINE = "m" * 43
CHECK = "https://idp.example/check?a=b"


@dataclass
class Desk:
    """The feature, a tenant with a page that watches, a store."""

    document: dict[str, Any] = field(default_factory=lambda: {**DOCUMENT, "check_session_iframe": CHECK})
    connections: dict[str, Connection] = field(default_factory=lambda: {"corp": connection()})
    store: MemoryStore = field(default_factory=MemoryStore)
    tenant: FakeTenant = field(default_factory=FakeTenant)
    silent: bool = False

    def frame(self) -> SessionFrame:
        self.tenant.document = self.document
        tenants = Connections(self.connections, self.tenant.send, Clock())
        return SessionFrame("https://sso.example/", self.store, tenants, self.connections, self.ask)

    async def ask(self, session: Session, connection: Connection, request: Request) -> Answer:
        """Stands for the way to the tenant."""
        if self.silent:
            raise UpstreamError("server_error", "x", reason="timeout", status=504)
        return Answer(redirect="https://idp.example/authorize?prompt=none")

    async def watch(self, session: Session | None) -> Answer:
        return await self.frame().watch(request(session))


def request(session: Session | None) -> Request:
    async def own() -> Session | None:
        return session

    return Request("GET", "/login/session", {}, {}, NOW, browsers=(MINE,), session=own)


WATCHED = a_session(session_state="hash.salt")


async def test_the_tenants_page_is_framed_and_asked_about_our_session() -> None:
    """Session Management 3.1: ``client_id session_state``, to that origin and no other; framed by our pages alone.
    Just after the tenant was asked, a first *changed* is no news."""
    desk = Desk()
    answer = await desk.watch(WATCHED)
    assert answer.values["frame"] == CHECK and answer.values["origin"] == "https://idp.example"
    assert answer.values["message"] == "isthmus hash.salt"
    assert answer.values["changed"] == "https://sso.example/login/session/changed"
    assert answer.frame_sources == ("https://idp.example",) and answer.framed_by == ("'self'",)
    text = Pages("https://sso.example/", "Acme").render(answer.page, answer.values)
    assert 'src="https://idp.example/check?a=b"' in text and SCRIPTS["session"] in text and "data-checked" not in text
    again = await desk.frame().watch(replace(request(WATCHED), params={"checked": "1"}))
    assert " data-checked" in Pages("https://sso.example/", "Acme").render(again.page, again.values)


async def test_after_a_logout_the_browser_may_look_once_more() -> None:
    """The session it had until a moment ago is watched, and leads nowhere."""
    desk = Desk()
    await desk.store.put(watched_last(MINE), {"connection": "corp", "session_state": "old.salt"}, 600)
    answer = await desk.watch(None)
    assert (answer.values["message"], answer.values["changed"]) == ("isthmus old.salt", "")


@pytest.mark.parametrize(
    ("session", "document"),
    [
        (None, {}),
        (a_session(), {}),
        (a_session(session_state="h.s", connection="gone"), {}),
        (WATCHED, {"check_session_iframe": None}),
        (WATCHED, {"check_session_iframe": "http://idp.example/check"}),
        (WATCHED, {"check_session_iframe": "javascript:alert(1)"}),
        (WATCHED, {"check_session_iframe": 7}),
    ],
)
async def test_where_nothing_can_be_watched_the_page_says_so(session: Session | None, document: dict[str, Any]) -> None:
    """No session, no state, no connection, no page of the tenant that may be framed."""
    with pytest.raises(Shown) as refused:
        await Desk({**DOCUMENT, "check_session_iframe": CHECK, **document}).watch(session)
    assert refused.value.reason == "nothing_to_watch"


async def test_a_tenant_that_is_away_cannot_be_watched() -> None:
    """A page that says so, not an error of ours."""
    desk = Desk()
    desk.tenant.down.add("discovery")
    with pytest.raises(Shown):
        await desk.watch(WATCHED)


async def test_a_change_asks_the_tenant_and_ends_nothing() -> None:
    """A browser without third-party cookies sees a change always; without a session there is nobody to ask about."""
    desk = Desk()
    assert (await desk.frame().changed(request(WATCHED))).redirect == "https://idp.example/authorize?prompt=none"
    assert (await desk.frame().changed(request(None))).page == "logged_out.html"
    assert (await Desk(connections={}).frame().changed(request(WATCHED))).page == "logged_out.html"


async def test_where_the_tenant_cannot_be_asked_the_person_is() -> None:
    """The choice is theirs; the page is framed by our own alone."""
    answer = await Desk(silent=True).frame().changed(request(WATCHED))
    assert answer.page == "session_changed.html" and not answer.sign_out
    text = Pages("https://sso.example/", "Acme").render(answer.page, answer.values)
    assert 'href="https://sso.example/oidc/logout"' in text and answer.framed_by == ("'self'",)
