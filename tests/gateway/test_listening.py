"""What other nodes say: a session is over, or another one than it was; and what is done while nobody can be heard."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from prometheus_client import generate_latest

from proxy.bridge.session import changed, ends
from proxy.gateway import listening
from proxy.gateway.held import Held
from proxy.gateway.listening import Listening
from proxy.gateway.streams import Streams
from proxy.store import Heard, Link
from proxy.store.memory import MemoryStore
from proxy.telemetry import metrics
from proxy.web.background import running
from tests.bridge.test_session import a_session
from tests.kit.waiting import eventually

HOST = "app.example"
ADA, BOB = a_session(sid="ada"), a_session(sid="bob")


@dataclass
class Noted:
    """Stands for ``Rechecking``: notes what it is told."""

    told: list[str | bool] = field(default_factory=list)

    def link(self, up: bool) -> None:
        """See ``Rechecking.link``."""
        self.told.append(up)

    def changed(self, sid: str) -> None:
        """See ``Rechecking.changed``."""
        self.told.append(sid)


@dataclass
class Node:
    """A node that listens, with two sessions held and open."""

    store: MemoryStore = field(default_factory=MemoryStore)
    held: Held = field(default_factory=Held)
    streams: Streams = field(default_factory=Streams)
    noted: Noted = field(default_factory=Noted)
    cuts: list[str] = field(default_factory=list)

    @property
    def listening(self) -> Listening:
        """With a stand-in for what looks again."""
        return Listening(self.store, self.held, self.streams, self.noted)  # type: ignore[arg-type]  # two methods

    def open(self) -> None:
        """Ada and Bob are here."""
        for session in (ADA, BOB):
            self.held.keep(session.sid, HOST, session, asyncio.get_running_loop().time())
            self.streams.add(session.sid, lambda reason, who=session.sid: self.cuts.append(f"{who} {reason}"))

    def holds(self) -> list[str]:
        """Who is held."""
        now = asyncio.get_running_loop().time()
        return [sid for sid in ("ada", "bob") if self.held.get(sid, HOST, now)]

    async def is_up(self) -> bool:
        """Whether it listens."""
        return self.noted.told[-1:] == [True]


async def test_lo_17_what_ended_elsewhere_ends_here() -> None:
    """LO-17: not held any more, what it has open is cut, and nobody else hears of it."""
    node = Node()
    async with running(node.listening.run()):
        await eventually(node.is_up)
        node.open()
        assert node.holds() == ["ada", "bob"]
        await node.store.run(*ends("ada"))
        assert (node.holds(), node.cuts) == (["bob"], ["ada session_ended"])
        assert list(node.streams.sids()) == ["bob"]


async def test_se_13_se_14_what_was_changed_elsewhere_is_read_again() -> None:
    """SE-13, SE-14: the older one is not held any more; what is open goes on, and is looked at soon."""
    node = Node()
    async with running(node.listening.run()):
        await eventually(node.is_up)
        node.open()
        await node.store.run(changed("ada"))
        assert (node.holds(), node.cuts, node.noted.told) == (["bob"], [], [True, "ada"])


async def test_ft_18_when_the_link_is_lost_nothing_is_held() -> None:
    """FT-18: all who must know are told, once it is lost and once it is back; the gauge says so, too."""
    node = Node()
    async with running(node.listening.run()):
        await eventually(node.is_up)
        node.open()
        assert b"isthmus_node_link 1.0" in generate_latest(metrics.REGISTRY)
    assert node.holds() == [] and node.noted.told == [True, False]
    assert b"isthmus_node_link 0.0" in generate_latest(metrics.REGISTRY)


class Failing(MemoryStore):
    """Listening fails once, in a way that nobody foresaw."""

    failed = False

    async def listen(self, topics: Sequence[str], heard: Heard, link: Link) -> None:
        """See ``Store.listen``."""
        if not self.failed:
            self.failed = True
            link(True)
            raise RuntimeError("unforeseen")
        await super().listen(topics, heard, link)


async def test_ft_29_listening_that_fails_begins_anew() -> None:
    """FT-29: and until then nothing is held."""
    node = Node(Failing())
    async with running(node.listening.run()):

        async def lost() -> bool:
            return node.noted.told == [True, False]

        async def back() -> bool:
            return node.noted.told == [True, False, True]

        await eventually(lost)
        assert not node.held.keep("c", HOST, ADA, asyncio.get_running_loop().time())
        await eventually(back)
    assert listening.AGAIN <= 1.0
