"""The end of a session: what goes with it, and what stays."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from proxy.bridge import transaction as trips
from proxy.bridge.logout import Logout
from proxy.bridge.session import Sessions, Ticket
from proxy.downstream.clients import Clients
from proxy.downstream.grant import Grant, grant_key, listed_under, session_key
from proxy.downstream.participants import Participants, participant_key
from proxy.features import Doors, Ended, Farewell, Feature, Participant
from proxy.models import Client
from proxy.oidc.errors import Unavailable
from proxy.store import List, Op, Put, Tell
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


def told() -> None:
    """Nobody waits for deliveries here."""


@dataclass(frozen=True)
class Listener(Feature):
    """A feature that hears who is gone."""

    heard: list[str] = field(default_factory=list)

    def farewell(self, ended: Ended, now: float) -> Farewell:
        self.heard.append(ended.sid)
        return Farewell(frames=(f"https://app.example/out?sid={ended.sid}",))


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
    await Logout(store, Clients({}, store), Doors(lambda: (listener,)), told).end(ADA, ("mine",), NOW)
    assert (store.rounds, listener.heard) == (2, [ADA.sid])
    for gone in (session_key(ADA.sid), trips.last_login("mine"), trips.transaction_key("mine", "m")):
        assert await store.get(gone) is None
    assert await store.get(trips.transaction_key("theirs", "t")) is not None


async def test_a_logout_without_a_browser_ends_the_session_alone(store: Counting) -> None:
    """LO-11: no transaction cookie, nobody else's trips."""
    await Logout(store, Clients({}, store), Doors(tuple), told).end(ADA, (), NOW)
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
    await Logout(store, Clients({"webapp": client}, store), Doors(tuple), told).end(ADA, ("mine",), NOW)
    assert (await store.get(grant_key(grant.id)) is not None) is lives


async def test_tk_17_each_clients_wish_counts_for_its_own_grants(store: Counting) -> None:
    """TK-17: of one session's offline grants those of clients that want it end, and those of a client that is gone."""
    await store.run(*map(save, map(a_grant, ("strict", "mild", "gone"))))
    store.rounds = 0
    clients = {
        name: Client.model_validate({"client_id": name, "logout_revokes_offline": name == "strict"})
        for name in ("strict", "mild")
    }
    await Logout(store, Clients(clients, store), Doors(tuple), told).end(ADA, ("mine",), NOW)
    assert store.rounds == 4  # the grants have to be read, and the client that only the store could know
    left = [name for name in ("strict", "mild", "gone") if await store.get(grant_key(a_grant(name).id))]
    assert left == ["mild"]


async def test_every_feature_hears_once_and_a_fault_silences_nobody(store: Counting) -> None:
    """One that fails keeps neither the session alive nor the others from hearing; their pages come in order."""

    class Broken(Feature):
        def farewell(self, ended: Ended, now: float) -> Farewell:
            raise RuntimeError("broken")

    listeners = (Listener(), Broken(), Listener())
    rung: list[bool] = []
    doors = Doors(lambda: listeners)
    frames = await Logout(store, Clients({}, store), doors, lambda: rung.append(True)).end(ADA, (), NOW)
    assert [one.heard for one in listeners if isinstance(one, Listener)] == [[ADA.sid], [ADA.sid]]
    assert (len(frames), rung) == (2, [True]) and await store.get(session_key(ADA.sid)) is None


async def test_participants_of_the_session_are_told_of(store: Counting) -> None:
    """Whoever took part is in the farewell, and forgotten afterwards."""
    app = Client.model_validate({"client_id": "app", "backchannel_logout_uri": "https://app.example/out"})
    _, writes = Participants().accompany(None, app, ADA, NOW)
    await store.run(*writes)
    who: list[Ended] = []

    class Curious(Feature):
        def farewell(self, ended: Ended, now: float) -> Farewell:
            who.append(ended)
            return Farewell()

    await Logout(store, Clients({}, store), Doors(lambda: (Curious(),)), told).end(ADA, (), NOW)
    assert who == [Ended(ADA.sid, ADA.user_id, (Participant("app", is_called=True),))]
    assert await store.get(participant_key(ADA.sid, "app")) is None


@pytest.mark.parametrize("kind", ["session", "session_grants", "last_login"])
async def test_a_logout_that_could_not_be_done_says_so(store: Counting, kind: str) -> None:
    """LO-18: the store away is 503, never "logged out", and no client hears of an end that may not have come."""
    listener = Listener()

    def fails(op: Op) -> bool:
        return not isinstance(op, Tell) and (op.index if isinstance(op, List) else op.key).kind == kind

    broken = FailingStore(store, fails, Unavailable("store"))
    with pytest.raises(Unavailable):
        await Logout(broken, Clients({}, store), Doors(lambda: (listener,)), told).end(ADA, ("mine",), NOW)
    assert await store.get(session_key(ADA.sid)) is not None or kind == "session"
