"""A tenant's call that a session ended: 200, 400 or 503, and who is out afterwards."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from proxy.bridge.logout import Logout
from proxy.bridge.notices import BackChannelNotices, heard_key
from proxy.bridge.session import Sessions, Ticket
from proxy.downstream.clients import Clients
from proxy.downstream.grant import session_key
from proxy.features import Answer, Doors, Ended, Farewell, Feature, Request
from proxy.models import Connection, Session
from proxy.oidc.errors import Refused, Unavailable
from proxy.store import Op, Put, Store
from proxy.store.memory import MemoryStore
from proxy.upstream.connections import Connections
from tests.bridge.test_session import a_session
from tests.downstream.world import FailingStore
from tests.kit.tenant import CLIENT_ID, jws, signer
from tests.upstream.conftest import ISSUER, NOW, Clock, FakeTenant, connection
from tests.upstream.test_logout_token import claims

KEY = signer("one")


@dataclass(frozen=True)
class Listener(Feature):
    """A feature that hears who is gone."""

    heard: list[str] = field(default_factory=list)

    def farewell(self, ended: Ended, now: float) -> Farewell:
        self.heard.append(ended.sid)
        return Farewell()


@dataclass
class Desk:
    """The endpoint with everything around it."""

    connections: dict[str, Connection] = field(default_factory=lambda: {"corp": connection()})
    store: Store = field(default_factory=MemoryStore)
    tenant: FakeTenant = field(default_factory=FakeTenant)
    listener: Listener = field(default_factory=Listener)
    told: list[int] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    full: bool = False

    def notices(self) -> BackChannelNotices:
        tenants = Connections(self.connections, self.tenant.send, Clock())
        doors = Doors(lambda: (self.listener,))
        logout = Logout(self.store, Clients({}, self.store), doors, lambda: self.told.append(1))
        return BackChannelNotices(
            self.store,
            tenants,
            self.connections,
            logout,
            60,
            self.check,
            lambda source, now: self.failures.append(source),
        )

    def check(self, source: str, now: float) -> None:
        if self.full:
            raise Refused("slow_down", "x", status=429)

    async def hear(self, token: str, **changes: Any) -> Answer:
        request = Request("POST", "/login/backchannel-logout", {"logout_token": token}, {}, NOW, source="192.0.2.1")
        return await self.notices().hear(replace(request, **changes))

    async def log_in(self, **changes: Any) -> Session:
        session = a_session(issuer=ISSUER, upstream_sid="s-1", expires_at=int(NOW) + 1000, **changes)
        sessions = Sessions(self.store, self.connections, idle=1000, absolute=10_000)
        await self.store.run(sessions.begin(session, Ticket.new(session.sid), NOW))
        return session

    async def lives(self, session: Session) -> bool:
        return await self.store.get(session_key(session.sid)) is not None


async def refused(desk: Desk, token: str, **changes: Any) -> Refused:
    with pytest.raises(Refused) as error:
        await desk.hear(token, **changes)
    return error.value


async def test_the_sessions_end_and_our_own_clients_hear() -> None:
    """Both sessions of the tenant's one, by the function that ends every session: features hear, calls are woken."""
    desk = Desk()
    first, second, other = [
        await desk.log_in(),
        await desk.log_in(),
        await desk.log_in(subject="eve", user_id="oidc|corp|eve"),
    ]
    answer = await desk.hear(jws(KEY, claims()))
    assert (answer.status, answer.headers["Cache-Control"]) == (200, "no-store")
    assert answer.about == {"connection": "corp", "sessions": "2"}
    assert not await desk.lives(first) and not await desk.lives(second) and await desk.lives(other)
    assert sorted(desk.listener.heard) == sorted((first.sid, second.sid)) and desk.told == [1, 1]
    assert not desk.failures


async def test_a_session_that_ended_before_is_no_failure() -> None:
    """2.7: nothing left to do is done."""
    assert (await Desk().hear(jws(KEY, claims()))).status == 200


async def test_lo_10_a_token_is_heard_once_and_the_new_session_lives() -> None:
    """LO-10: the second time is 400, also after the person logged in again."""
    desk, token = Desk(), jws(KEY, claims())
    await desk.log_in()
    await desk.hear(token)
    again = await desk.log_in()
    error = await refused(desk, token)
    assert (error.status, error.reason) == (400, "replayed") and await desk.lives(again)
    other = jws(KEY, claims(jti="j-2"))
    assert (await desk.hear(other)).status == 200 and not await desk.lives(again)


@pytest.mark.parametrize(
    "make",
    [
        lambda: jws(signer("stranger"), claims(), {"kid": KEY.kid}),
        lambda: jws(KEY, claims(iss="https://evil.example")),
        lambda: jws(KEY, claims(aud="other")),
        lambda: jws(KEY, claims(nonce="n")),
        lambda: jws(KEY, claims(events=None)),
        lambda: jws(KEY, claims(sub=None, sid=None)),
        lambda: "",
        lambda: "a.b.c",
    ],
    ids=["key", "iss", "aud", "nonce", "events", "nobody", "none", "malformed"],
)
async def test_lo_09_a_bad_token_is_400_and_logs_nobody_out(make: Callable[[], str]) -> None:
    """LO-09: exactly 400; it is counted, and not remembered."""
    desk = Desk()
    session = await desk.log_in()
    error = await refused(desk, make())
    assert error.status == 400 and await desk.lives(session)
    assert desk.failures == ["192.0.2.1"] and not desk.told
    assert await desk.store.get(heard_key(ISSUER, CLIENT_ID, "j-1")) is None


async def test_lo_09_a_token_in_an_address_is_refused() -> None:
    """LO-09: by GET; addresses end up in logs."""
    assert (await refused(Desk(), jws(KEY, claims()), method="GET")).status == 400


async def test_an_address_that_sends_too_many_bad_tokens_is_slowed_down() -> None:
    """Checked before any token is read."""
    desk = Desk(full=True)
    assert (await refused(desk, jws(KEY, claims()))).status == 429 and not desk.tenant.sent


@pytest.mark.parametrize("down", ["discovery", "jwks"])
async def test_keys_that_cannot_be_had_decide_nothing(down: str) -> None:
    """503, and the same token is good later: could not look is never "no"."""
    desk, token = Desk(), jws(KEY, claims())
    session = await desk.log_in()
    desk.tenant.down.add(down)
    error = await refused(desk, token)
    assert error.status == 503 and "Retry-After" in error.headers and await desk.lives(session)
    assert not desk.failures
    desk.tenant.down.clear()
    assert (await desk.hear(token)).status == 200 and not await desk.lives(session)


@pytest.mark.parametrize("kind", ["logout_token", "session", "upstream_sessions", "participants"])
async def test_a_store_that_is_away_decides_nothing(kind: str) -> None:
    """503 wherever it fails; the tenant's second try with the same token succeeds."""
    desk, token = Desk(), jws(KEY, claims())
    session = await desk.log_in()
    whole = desk.store

    def fails(op: Op) -> bool:
        place = getattr(op, "key", None) or getattr(op, "index", None)
        return place is not None and place.kind == kind and not isinstance(op, Put)

    desk.store = FailingStore(whole, fails, Unavailable("store"))
    with pytest.raises(Unavailable):
        await desk.hear(token)
    desk.store = whole
    assert (await desk.hear(token)).status == 200 and not await desk.lives(session)


async def test_the_same_token_at_the_same_moment_decides_nothing() -> None:
    """While one is at work the other is told to come again, since nobody knows yet whether it will be done."""
    desk = Desk()
    await desk.store.put(heard_key(ISSUER, CLIENT_ID, "j-1"), {"done": False}, 20)
    assert (await refused(desk, jws(KEY, claims()))).status == 503


async def test_lo_11_several_connections_may_share_a_tenant() -> None:
    """LO-11: with one client id the notice is for all of them; with another it is for that one alone."""
    twin = connection().model_copy(update={"name": "twin"})
    third = Connection.model_validate(
        {"name": "third", "options": {**connection().options.model_dump(exclude_defaults=True), "client_id": "c-3"}}
    )
    desk = Desk({"corp": connection(), "twin": twin, "third": third})
    ours = [await desk.log_in(connection=name, user_id=f"oidc|{name}|ada") for name in desk.connections]
    answer = await desk.hear(jws(KEY, claims()))
    assert answer.about == {"connection": "corp twin", "sessions": "2"}
    assert [await desk.lives(each) for each in ours] == [False, False, True]
    await desk.hear(jws(KEY, claims(aud="c-3")))
    assert not await desk.lives(ours[2])


async def test_lo_09_of_two_connections_each_takes_its_own_algorithm() -> None:
    """LO-09: the one that agreed to the algorithm hears, the other does not."""
    strict = connection(strict_logout_token=True).model_copy(update={"name": "strict"})
    desk = Desk({"corp": connection(), "strict": strict})
    answer = await desk.hear(jws(KEY, claims()))
    assert answer.about["connection"] == "corp"


@pytest.mark.parametrize("header", [{"kid": None}, {"kid": "unknown"}], ids=["no-kid", "unknown-kid"])
async def test_lo_09_forged_tokens_do_not_make_us_ask_the_tenant_again_and_again(header: dict[str, Any]) -> None:
    """LO-09, LO-13: anybody can send tokens, and a tenant that is asked too often turns away those who log in. A key
    that is new is still found by a token that comes some seconds later."""
    clock, desk = Clock(), Desk()
    tenants = Connections(desk.connections, desk.tenant.send, clock)
    notices = replace(desk.notices(), tenants=tenants)
    for number in range(20):
        clock.now = NOW + number / 10
        forged = jws(signer("stranger"), claims(), header)
        request = Request("POST", "/login/backchannel-logout", {"logout_token": forged}, {}, clock.now, source="x")
        with pytest.raises(Refused):
            await notices.hear(request)
    assert desk.tenant.calls["jwks"] <= 2
    desk.tenant.keys = [signer("two")]
    clock.now = NOW + 20
    token = jws(signer("two"), claims(iat=int(clock.now)), {"kid": None})
    request = Request("POST", "/login/backchannel-logout", {"logout_token": token}, {}, clock.now, source="x")
    assert (await notices.hear(request)).status == 200
