"""The end of a session: what goes with it, and what stays."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from proxy.bridge import transaction as trips
from proxy.bridge.logout import Logout
from proxy.bridge.session import Sessions, Ticket
from proxy.downstream.grant import Grant, grant_key, listed_under, session_key
from proxy.features import Feature
from proxy.models import Client, Session
from proxy.oidc.errors import Unavailable
from proxy.store import List, Op, Put
from proxy.store.memory import MemoryStore
from tests.bridge.test_session import CORP, NOW, a_session
from tests.bridge.test_transaction import a_trip
from tests.downstream.world import FailingStore

ADA = a_session()


class Counting(MemoryStore):
    """Counts round trips."""

    rounds = 0

    async def run(self, *ops: Op) -> Any:
        self.rounds += 1
        return await super().run(*ops)


@dataclass(frozen=True)
class Listener(Feature):
    """A feature that hears who is gone."""

    heard: list[str] = field(default_factory=list)

    async def farewell(self, session: Session) -> None:
        self.heard.append(session.sid)


@pytest.fixture
async def store() -> Counting:
    """A session, its last login, a trip of its browser and one of another."""
    made = Counting()
    sessions = Sessions(made, {"corp": CORP}, idle=1000, absolute=10_000)
    begin = sessions.begin(ADA, Ticket.new(ADA.sid), NOW)
    note = trips.note_login("mine", ADA)
    await made.run(begin, note, trips.save("mine", a_trip("m")), trips.save("theirs", a_trip("t")))
    made.rounds = 0
    return made


async def test_lo_18_a_logout_cancels_the_browsers_open_trips(store: Counting) -> None:
    """LO-18: afterwards none of them can finish, another browser's can; two round trips; features hear."""
    listener = Listener()
    await Logout(store, {}, lambda: (listener,)).end(ADA, ("mine",))
    assert (store.rounds, listener.heard) == (2, [ADA.sid])
    for gone in (session_key(ADA.sid), trips.last_login("mine"), trips.transaction_key("mine", "m")):
        assert await store.get(gone) is None
    assert await store.get(trips.transaction_key("theirs", "t")) is not None


async def test_a_logout_without_a_browser_ends_the_session_alone(store: Counting) -> None:
    """LO-11: no transaction cookie, nobody else's trips."""
    await Logout(store, {}, tuple).end(ADA, ())
    assert await store.get(session_key(ADA.sid)) is None
    assert await store.get(trips.transaction_key("mine", "m")) is not None


def a_grant(client: str) -> Grant:
    """An offline grant of Ada's session."""
    return Grant(
        id=f"grant-{client}", client_id=client, sid=ADA.sid, scopes=("openid",), created_at=int(NOW), seed="s",
        expires_at=int(NOW) + 100, offline=True, user_id="u", connection="corp", auth_time=int(NOW), profile={},
    )  # fmt: skip


def save(grant: Grant) -> Op:
    """What writes a grant."""
    return Put(grant_key(grant.id), grant.as_value(), 100, listed_under(grant))


@pytest.mark.parametrize(("revokes", "lives"), [(False, True), (True, False)])
async def test_offline_grants_outlive_a_logout_unless_the_client_says_so(
    store: Counting, revokes: bool, lives: bool
) -> None:
    """``logout_revokes_offline``: that client's offline grants of this session end with it."""
    grant = a_grant("webapp")
    await store.run(save(grant))
    client = Client.model_validate({"client_id": "webapp", "logout_revokes_offline": revokes})
    await Logout(store, {"webapp": client}, tuple).end(ADA, ("mine",))
    assert (await store.get(grant_key(grant.id)) is not None) is lives


async def test_tk_17_each_clients_wish_counts_for_its_own_grants(store: Counting) -> None:
    """TK-17: of one session's offline grants those of clients that want it end, and those of a client that is gone."""
    await store.run(*map(save, map(a_grant, ("strict", "mild", "gone"))))
    store.rounds = 0
    clients = {
        name: Client.model_validate({"client_id": name, "logout_revokes_offline": name == "strict"})
        for name in ("strict", "mild")
    }
    await Logout(store, clients, tuple).end(ADA, ("mine",))
    assert store.rounds == 3  # the grants have to be read
    left = [name for name in ("strict", "mild", "gone") if await store.get(grant_key(a_grant(name).id))]
    assert left == ["mild"]


async def test_every_feature_hears_once_the_session_is_gone(store: Counting) -> None:
    """Clients are told of an end that is already true: whoever asks then finds no session."""
    found: list[object] = []

    class Curious(Feature):
        async def farewell(self, session: Session) -> None:
            found.append(await store.get(session_key(session.sid)))

    listeners = (Listener(), Curious(), Listener())
    await Logout(store, {}, lambda: listeners).end(ADA, ())
    assert ([one.heard for one in listeners if isinstance(one, Listener)], found) == ([[ADA.sid], [ADA.sid]], [None])


@pytest.mark.parametrize("kind", ["session", "session_grants", "last_login"])
async def test_a_logout_that_could_not_be_done_says_so(store: Counting, kind: str) -> None:
    """LO-18: the store away is 503, never "logged out", and no client hears of an end that may not have come."""
    listener = Listener()

    def fails(op: Op) -> bool:
        return (op.index if isinstance(op, List) else op.key).kind == kind

    broken = FailingStore(store, fails, Unavailable("store"))
    with pytest.raises(Unavailable):
        await Logout(broken, {}, lambda: (listener,)).end(ADA, ("mine",))
    assert listener.heard == []
