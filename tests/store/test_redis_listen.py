"""The link on which nodes hear each other: lost in every way there is, noticed within a second, and made anew."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import pytest

from proxy.store import Tell
from proxy.store.redis import RedisStore
from proxy.store.redis_listen import LATEST, PING_EVERY, UNANSWERED
from proxy.store.sealing import Seal
from proxy.web.background import running
from tests.kit.line import Line, line
from tests.kit.valkey import Valkey, valkey
from tests.kit.waiting import eventually
from tests.store.test_store import Ear

ENDED = ("ended", "s1")


@asynccontextmanager
async def listening(port: int, seal: Seal) -> AsyncIterator[Ear]:
    """An ear at the server behind ``port``."""
    store, ear = RedisStore(f"redis://127.0.0.1:{port}/0", seal), Ear()
    async with running(store.listen(("ended", "changed"), ear.heard, ear.link)):
        yield ear
    await store.close()


@pytest.fixture
async def way(server: Valkey) -> AsyncIterator[Line]:
    """A line to the real server."""
    async with line(server.socket_path) as made:
        yield made


async def heard_anew(ear: Ear, redis_store: RedisStore, *before: bool | tuple[str, str]) -> None:
    """The link comes back, and what is told then is heard."""
    await ear.saw(*before, True)
    await redis_store.run(Tell(*ENDED))
    await ear.saw(*before, True, ENDED)


def test_a_lost_link_is_noticed_within_a_second() -> None:
    """P1: the figures say so; a server that is merely slow has three questions to answer one of."""
    assert (UNANSWERED + 1) * PING_EVERY <= 1.0 and UNANSWERED >= 3 and LATEST <= 1.0


async def test_a_process_that_is_held_up_has_not_lost_its_link(way: Line, seal: Seal, redis_store: RedisStore) -> None:
    """P9: what stands in its way stands in the way of the answers, too: they are heard before anybody despairs."""
    async with listening(way.port, seal) as ear:
        await ear.saw(True)
        for _ in range(3):
            time.sleep(2 * UNANSWERED * PING_EVERY)  # noqa: ASYNC251  # this holds up the loop, as a bad plugin does
            await asyncio.sleep(0.1)
        await redis_store.run(Tell(*ENDED))
        await ear.saw(True, ENDED)


async def test_ft_18_a_killed_subscription_is_noticed_and_made_anew(
    server: Valkey, seal: Seal, redis_store: RedisStore
) -> None:
    """FT-18: the server ends pub/sub connections alone."""
    assert server.port is not None
    async with listening(server.port, seal) as ear:
        await ear.saw(True)
        server.command("CLIENT", "KILL", "TYPE", "pubsub")
        await heard_anew(ear, redis_store, True, False)


async def cut(way: Line) -> None:
    """The connection is reset."""
    way.cut()


async def hold(way: Line) -> None:
    """Nothing passes, and nobody says so."""
    way.hold = True


async def shut(way: Line) -> None:
    """Reset, and refused afterwards."""
    await way.shut()


async def mend(way: Line) -> None:
    """All is well again."""
    way.hold = False
    if not way.is_open:
        await way.open()


@pytest.mark.parametrize("fault", [cut, hold, shut])
async def test_ft_18_a_link_that_is_lost_is_made_anew(
    way: Line, seal: Seal, redis_store: RedisStore, fault: Callable[[Line], Awaitable[None]]
) -> None:
    """FT-18, FT-02: reset, refused, or a black hole: down within a second, once; up when there is a way again."""
    async with listening(way.port, seal) as ear:
        await ear.saw(True)
        before = asyncio.get_running_loop().time()
        await fault(way)
        await ear.saw(True, False)
        assert asyncio.get_running_loop().time() - before < 5.0  # the promise is one; machines are busy
        await mend(way)
        await heard_anew(ear, redis_store, True, False)
    assert ear.noted[-1] is False


async def test_ft_01_a_server_that_is_not_there_yet(way: Line, seal: Seal, redis_store: RedisStore) -> None:
    """FT-01: nothing is said about the link until there is one."""
    await way.shut()
    async with listening(way.port, seal) as ear:

        async def tried() -> bool:
            return way.accepted > 0

        await mend(way)
        await eventually(tried)
        await heard_anew(ear, redis_store)


async def test_a_quiet_link_stays_up(way: Line, seal: Seal) -> None:
    """Many questions and answers later, nothing was noted."""
    async with listening(way.port, seal) as ear:
        await ear.saw(True)
        asked = way.requests

        async def several() -> bool:
            return way.requests > asked + 5

        await eventually(several)
        assert ear.noted == [True] and way.accepted == 1


KNOWN = b"".join(b"*3\r\n$9\r\nsubscribe\r\n$%d\r\n%s\r\n:%d\r\n" % (len(c), c, n)
                 for n, c in enumerate((b"isthmus:{tell}:ended", b"isthmus:{tell}:changed"), 1))  # fmt: skip
GARBAGE = {
    "noise": b"\x00\xff\x13noise\r\n",
    "wrong protocol": b"HTTP/1.1 400 Bad Request\r\n\r\n",
    "error": b"-ERR no\r\n",
    "bad error": b"-\xff\xfe\r\n",
    "huge length": b"$99999999999999999999\r\n",
    "nothing": b"$-1\r\n",
    "number": b":7\r\n",
    "empty list": b"*0\r\n",
    "another channel": b"*3\r\n$7\r\nmessage\r\n$1\r\nx\r\n$2\r\ns1\r\n",
    "not text": b"*3\r\n$7\r\nmessage\r\n$20\r\nisthmus:{tell}:ended\r\n$1\r\n\xff\r\n",
    "list in a list": b"*3\r\n$7\r\nmessage\r\n$20\r\nisthmus:{tell}:ended\r\n*0\r\n",
    "no text": b"*3\r\n$7\r\nmessage\r\n$20\r\nisthmus:{tell}:ended\r\n$-1\r\n",
    "unsubscribed": b"*3\r\n$11\r\nunsubscribe\r\n$20\r\nisthmus:{tell}:ended\r\n:0\r\n",
    "half a message": b"*3\r\n$7\r\nmessage\r\n$20\r\nisthmus:{tell}:ended\r\n$5\r\ns1",
}


@pytest.mark.parametrize("first", [KNOWN, b""], ids=["subscribed", "at once"])
@pytest.mark.parametrize("garbage", GARBAGE.values(), ids=GARBAGE)
async def test_ft_17_garbage_is_no_message_and_no_link(seal: Seal, garbage: bytes, first: bytes) -> None:
    """FT-17: what is no answer and no message is never heard; the connection is given up, and another one made."""
    accepted = left = 0

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal accepted, left
        accepted += 1
        with suppress(OSError):
            await reader.read(65536)
            writer.write(first + garbage)
            while await reader.read(65536):
                pass
        writer.transport.abort()
        left += 1

    async def again() -> bool:
        return accepted > 2

    async def done() -> bool:
        return accepted == left

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    async with listening(server.sockets[0].getsockname()[1], seal) as ear:
        await eventually(again)
    assert set(ear.noted) <= {True, False} and ear.noted[:2] == ([True, False] if first else [])
    await eventually(done)
    server.close()


async def test_ft_15_a_server_that_wants_a_password(seal: Seal) -> None:
    """FT-15: no link, no message, and no end of trying."""
    with valkey(tcp=True) as own:
        own.command("CONFIG", "SET", "requirepass", "swordfish")
        assert own.port is not None
        async with line(own.port) as way, listening(way.port, seal) as ear:

            async def several() -> bool:
                return way.accepted > 1

            await eventually(several)
            assert ear.noted == []
