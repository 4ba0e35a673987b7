"""The Redis store when the server, or the way to it, fails. Deadlines are short here; the rules are the same."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from proxy.oidc.errors import Unavailable
from proxy.store import Add, Get, Op, Put, Swap, Take, Taken, Touch, key
from proxy.store.commands import SCRIPTS
from proxy.store.redis import Limits, RedisStore
from proxy.store.sealing import Seal
from tests.kit.faults import FaultProxy, fault_proxy
from tests.kit.valkey import Valkey, free_port, valkey
from tests.kit.waiting import eventually

CODE = key("code", "c0de")
QUICK = Limits(connect=0.1, command=0.15, total=0.3, pool=8, wait=0.05)
ROUNDS = 2000

Make = Callable[..., RedisStore]


@pytest.fixture
async def proxy(server: Valkey) -> AsyncIterator[FaultProxy]:
    """A fault proxy before the real server."""
    async with fault_proxy(server.socket_path) as running:
        yield running


@pytest.fixture
async def make(seal: Seal) -> AsyncIterator[Make]:
    """Makes stores that reach the server through a port."""
    made: list[RedisStore] = []

    def store(port: int, limits: Limits = QUICK) -> RedisStore:
        made.append(RedisStore(f"redis://127.0.0.1:{port}/0", seal, limits=limits))
        return made[-1]

    yield store
    for each in made:
        await each.close()


def keyed(n: int) -> Op:
    """A read of record ``n``."""
    return Get(key("code", str(n)))


async def test_rs_02_ft_11_cancelled_reads_never_cross(proxy: FaultProxy, make: Make) -> None:
    """RS-02, FT-11: in a storm of cancelled reads and runs everyone gets his own record or nothing; no leak."""
    store = make(proxy.port, Limits(pool=16, wait=30.0, command=30.0, total=60.0, connect=30.0))
    await store.run(*(Put(key("code", str(n)), {"n": n}, 600) for n in range(100)))
    proxy.latency = 0.001
    seen = {"own": 0, "cancelled": 0}

    async def one(n: int) -> None:
        try:
            async with asyncio.timeout(secrets.randbelow(40) / 10_000 + 0.0005):
                found = await store.run(keyed(n), keyed(n + 1))
        except TimeoutError:
            seen["cancelled"] += 1
        else:
            assert [record.value["n"] for record in found] == [n, n + 1]
            seen["own"] += 1

    async def worker(w: int) -> None:
        for r in range(ROUNDS // 16):
            await one((w * 31 + r) % 99)

    await asyncio.gather(*(worker(w) for w in range(16)))
    proxy.latency = 0.0
    assert seen["cancelled"] > 50
    assert seen["own"] + seen["cancelled"] == ROUNDS
    assert store.pool.in_use == 0
    found = await store.run(*map(keyed, range(100)))
    assert [record.value["n"] for record in found] == list(range(100))
    await eventually(lambda: _is(lambda: proxy.connections == len(store.pool.idle)))
    assert len(store.pool.idle) <= 16


async def _is(holds: Callable[[], bool]) -> bool:
    return holds()


async def test_ft_11_a_cancelled_call_closes_its_connection(proxy: FaultProxy, make: Make) -> None:
    """FT-11: the connection of a cancelled call is closed and its slot is free again."""
    store = make(proxy.port, Limits(pool=1))
    await store.put(CODE, {"n": 1}, 60)
    proxy.latency = 0.1
    call = asyncio.create_task(store.get(CODE))
    await eventually(lambda: _is(lambda: proxy.requests == 3))
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert (store.pool.in_use, len(store.pool.idle)) == (0, 0)
    proxy.latency = 0.0
    assert (await store.get(CODE)) is not None
    assert proxy.accepted == 2


@pytest.mark.parametrize(
    "op",
    [Take(CODE, "x"), Add(CODE, {}, 60), Swap(CODE, {}, 60, None), Touch(CODE, 60), Put(CODE, {}, 60)],
    ids=["take", "add", "swap", "touch", "put"],
)
async def test_rs_09_ft_10_a_lost_answer_is_never_asked_for_again(
    proxy: FaultProxy, make: Make, server: Valkey, op: Op
) -> None:
    """RS-09, FT-10: when the answer to a write is lost, the outcome is unknown, and the server sees it once."""
    store = make(proxy.port)
    await store.put(CODE, {"n": 1}, 60)
    server.command("CONFIG", "RESETSTAT")
    proxy.swallow = 1
    with pytest.raises(Unavailable):
        await store.run(op, keyed(0))
    assert server.calls("evalsha") + server.calls("eval") == (0 if isinstance(op, Put) else 1)
    assert server.calls("set") <= 1


async def test_ft_10_a_taken_code_stays_taken(proxy: FaultProxy, make: Make) -> None:
    """FT-10: after a take whose answer was lost the code is used, for everyone."""
    store = make(proxy.port)
    await store.put(CODE, {"n": 1}, 60)
    proxy.swallow = 1
    with pytest.raises(Unavailable):
        await store.take(CODE, led_to="grant")
    assert not isinstance(await store.take(CODE), Taken)
    assert await store.get(CODE) is None


async def test_a_read_is_asked_once_more_on_a_new_connection(proxy: FaultProxy, make: Make) -> None:
    """A run that only reads survives one cut connection; two cuts are too many."""
    store = make(proxy.port)
    await store.put(CODE, {"n": 1}, 60)
    proxy.swallow = 1
    found = await store.get(CODE)
    assert found is not None
    assert proxy.accepted == 2
    proxy.swallow = 2
    with pytest.raises(Unavailable):
        await store.get(CODE)
    assert proxy.swallow == 0


async def test_a_write_after_the_server_closed_idle_connections_works(proxy: FaultProxy, make: Make) -> None:
    """Connections that were closed while idle are noticed before a write is sent on them."""
    store = make(proxy.port)
    await asyncio.gather(*(store.put(key("code", str(n)), {}, 60) for n in range(8)))
    assert len(store.pool.idle) > 1
    proxy.cut()
    await eventually(lambda: _is(lambda: proxy.connections == 0))
    await asyncio.sleep(0)
    await store.put(CODE, {"n": 1}, 60)
    assert len(store.pool.idle) == 1


async def test_ft_01_refused_is_unavailable(make: Make) -> None:
    """FT-01: a closed port is Unavailable for every verb, never absent, and no slot is lost."""
    store = make(free_port())
    for op in (Get(CODE), Take(CODE), Put(CODE, {}, 60)):
        with pytest.raises(Unavailable):
            await store.run(op)
    with pytest.raises(Unavailable):
        await store.ping()
    with pytest.raises(Unavailable):
        await store.check()
    assert store.pool.in_use == 0


async def test_ft_01_recovers_by_itself(proxy: FaultProxy, make: Make) -> None:
    """FT-01: when the server is back the next call works, without a restart of ours."""
    store = make(proxy.port)
    await store.put(CODE, {"n": 1}, 60)
    proxy.refuse = True
    proxy.cut()
    with pytest.raises(Unavailable):
        await store.get(CODE)
    proxy.refuse = False
    assert await store.get(CODE) is not None


async def test_ft_02_black_hole_is_unavailable_in_time(proxy: FaultProxy, make: Make) -> None:
    """FT-02: before a server that accepts and says nothing, 200 calls end by our deadlines with few sockets."""
    store = make(proxy.port)
    await store.put(CODE, {"n": 1}, 60)
    proxy.hold = True
    async with asyncio.timeout(10):
        answers = await asyncio.gather(*(store.get(CODE) for _ in range(200)), return_exceptions=True)
    assert {type(answer) for answer in answers} == {Unavailable}
    assert store.pool.in_use == 0
    await eventually(lambda: _is(lambda: proxy.connections <= QUICK.pool))
    proxy.hold = False
    assert await store.get(CODE) is not None


async def test_ft_03_a_server_that_restarts_empty(make: Make) -> None:
    """FT-03: after a restart without data records are absent, scripts are known again, and writes work."""
    with valkey(tcp=True) as own:
        assert own.port is not None
        store = make(own.port)
        await store.put(CODE, {"n": 1}, 60)
        own.stop()
        with pytest.raises(Unavailable):
            await store.get(CODE)
        own.start()
        assert await store.get(CODE) is None
        assert await store.take(CODE) is None
        assert await store.add(CODE, {"n": 2}, 60) is None
        await store.close()


async def test_ft_13_a_full_pool_waits_a_moment_only(proxy: FaultProxy, make: Make) -> None:
    """FT-13: with every connection busy the rest is Unavailable after the short wait; then all is well again."""
    limits = Limits(pool=4, wait=0.05, command=5.0, total=10.0, connect=5.0)
    store = make(proxy.port, limits)
    await asyncio.gather(*(store.put(CODE, {"n": 1}, 60) for _ in range(4)))
    proxy.latency = 0.3
    answers = await asyncio.gather(*(store.get(CODE) for _ in range(100)), return_exceptions=True)
    served = [answer for answer in answers if not isinstance(answer, BaseException)]
    assert len(served) == 4
    assert {str(a) for a in answers if isinstance(a, BaseException)} == {"redis: every connection is busy"}
    assert proxy.accepted <= 4
    proxy.latency = 0.0
    assert await store.get(CODE) is not None


KNOWN = b"+OK\r\n" * len(SCRIPTS)
GARBAGE = {
    "noise": b"\x00\xff\x13noise\r\n",
    "wrong protocol": b"HTTP/1.1 400 Bad Request\r\n\r\n",
    "bad error": b"-\xff\xfe\r\n",
    "half a string": b"$100\r\nabc",
    "huge length": b"$99999999999999999999\r\n",
}


class Scripted:
    """A server that answers the first request of each connection (the scripts) well, and the rest with ``answer``."""

    def __init__(self, answer: bytes) -> None:
        self.answer = answer
        self.accepted = self.left = self.port = 0

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, until the other side ends it."""
        self.accepted += 1
        await reader.read(65536)
        writer.write(KNOWN)
        while await reader.read(65536):
            writer.write(self.answer)
        writer.close()
        self.left += 1

    async def done(self) -> bool:
        """Whether every connection has ended."""
        return self.accepted == self.left


@asynccontextmanager
async def scripted(answer: bytes) -> AsyncIterator[Scripted]:
    """A running ``Scripted`` server."""
    fake = Scripted(answer)
    server = await asyncio.start_server(fake.talk, "127.0.0.1", 0)
    fake.port = server.sockets[0].getsockname()[1]
    yield fake
    server.close()
    await eventually(fake.done)


@pytest.mark.parametrize("answer", GARBAGE.values(), ids=GARBAGE)
async def test_ft_17_garbage_is_unavailable(make: Make, answer: bytes) -> None:
    """FT-17: what is no reply is never a value, and no slot is lost to it."""
    async with scripted(answer) as fake:
        store = make(fake.port)
        with pytest.raises(Unavailable):
            await store.take(CODE)
        assert store.pool.in_use == 0
        await store.close()


async def test_ft_17_bytes_nobody_asked_for_are_never_read_as_an_answer(make: Make) -> None:
    """FT-17: a connection that says more than it was asked is not used again."""
    async with scripted(b"$-1\r\n$3\r\nabc\r\n") as fake:
        store = make(fake.port)
        assert [await store.get(CODE) for _ in range(3)] == [None] * 3
        assert fake.accepted == 3
        await store.close()


async def test_ft_15_a_changed_password(seal: Seal) -> None:
    """FT-15: without the password of the day the store is unavailable, in a word that holds no secret."""
    with valkey(tcp=True) as own:
        own.command("CONFIG", "SET", "requirepass", "swordfish")
        store = RedisStore(own.url, seal, limits=QUICK)
        with pytest.raises(Unavailable, match=r"^redis: (NOAUTH|AuthenticationError)$"):
            await store.get(CODE)
        with pytest.raises(Unavailable, match=r"^redis: (NOAUTH|AuthenticationError)$"):
            await store.take(CODE)
        own_word = RedisStore(f"redis://:swordfish@127.0.0.1:{own.port}/0", seal, limits=QUICK)
        assert await own_word.get(CODE) is None
        await own_word.close()
        await store.close()
