"""The doctor's rounds: one node at a time, all connections, beside all requests."""

from __future__ import annotations

import asyncio

import pytest

from proxy.oidc.errors import Unavailable
from proxy.oidc.messages import HttpRequest, HttpResponse
from proxy.store.memory import MemoryStore
from proxy.upstream import rounds as module
from proxy.upstream.connections import Connections
from proxy.upstream.rounds import Rounds
from proxy.upstream.status import Statuses
from proxy.upstream.visit import Doctor
from tests.upstream.conftest import Clock, FakeTenant, front


class Fleet:
    """A store, its clock, and nodes that share a dozen connections."""

    def __init__(self) -> None:
        self.clock, self.tenant = Clock(), FakeTenant()
        self.store = MemoryStore(self.clock)
        self.at_once, self.most = 0, 0
        self.known = {f"c{n}": front().model_copy(update={"name": f"c{n}"}) for n in range(12)}

    async def send(self, request: HttpRequest) -> HttpResponse:
        self.at_once += 1
        self.most = max(self.most, self.at_once)
        await asyncio.sleep(0)
        self.at_once -= 1
        return await self.tenant.send(request)

    def node(self) -> Rounds:
        doctor = Doctor(Connections(self.known, self.send, self.clock), self.known, self.clock)
        return Rounds(self.known, doctor, Statuses(self.store), self.store)


async def test_one_node_makes_the_round_and_all_know() -> None:
    """Of two nodes one; each connection has a status then, and few tenants are visited at the same time."""
    fleet = Fleet()
    one, two = fleet.node(), fleet.node()
    assert [await one.turn(), await two.turn(), await one.turn()] == [True, False, False]
    assert fleet.tenant.calls == {"discovery": 12, "jwks": 12}
    assert 1 < fleet.most <= module.AT_ONCE
    for connection in fleet.known.values():
        found = await two.statuses.find(connection)
        assert found is not None and found["status"] == "green"


async def test_the_next_round_comes_after_about_an_hour() -> None:
    """Not before fifty minutes, and at seventy at the latest, whoever looks."""
    fleet = Fleet()
    assert await fleet.node().turn()
    fleet.clock.now += 2990
    assert not await fleet.node().turn()
    fleet.clock.now += 1210
    assert await fleet.node().turn()


async def test_a_status_is_looked_for_once() -> None:
    """The first question visits the tenant, the next ones read the record; a change of options asks again."""
    fleet = Fleet()
    node = fleet.node()
    for _ in range(3):
        assert (await node.status(fleet.known["c1"]))["status"] == "green"
    assert fleet.tenant.calls["discovery"] == 1
    await node.status(front(client_id="other").model_copy(update={"name": "c1"}))
    assert fleet.tenant.calls["discovery"] == 2


async def test_a_store_that_is_away_ends_the_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody is visited without the lock."""
    fleet = Fleet()

    async def away(*ops: object) -> None:
        raise Unavailable("away")

    monkeypatch.setattr(fleet.store, "run", away)
    with pytest.raises(Unavailable):
        await fleet.node().turn()
    assert not fleet.tenant.calls
