"""The store in Redis (6.2 or newer, or Valkey): one ``run`` is one round trip.

Connections are redis-py's, made, authenticated and parsed by it. The pool, the deadlines and the repeats are ours:
the library's own would wait for a minute and send a ``take`` twice. Nothing is repeated but runs that only read, once,
on a new connection. A connection whose replies were not all read (an error, a deadline, a cancelled task) is closed,
never given to the next caller.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import parse_qs, urlsplit

import hiredis
from redis.asyncio.connection import AbstractConnection, Connection, UnixDomainSocketConnection, parse_url
from redis.exceptions import NoScriptError, RedisError, ResponseError

from proxy.oidc.errors import Misconfigured, Problem, Unavailable
from proxy.oidc.urls import is_loopback
from proxy.store import PREFIX, Add, Get, Heard, Link, List, Op, Put, Scan, Store, key
from proxy.store.commands import SCRIPTS, Command, Commands, channel, in_full
from proxy.store.records import Records, Unreadable
from proxy.store.redis_listen import Ear
from proxy.store.sealing import Seal

_pack = cast("Callable[[Command], bytes]", hiredis.pack_command)
_LOAD = b"".join(_pack(("SCRIPT", "LOAD", script.text)) for script in SCRIPTS)
# UnicodeError: an error reply that is not text.
_FAULTS = (RedisError, OSError, UnicodeError)
_READS = frozenset((Get, List, Scan))
SCHEMES = ("redis", "rediss", "unix")
OPTIONS = {"db", "ssl_ca_certs", "ssl_certfile", "ssl_keyfile"}
CLAIM = key("claim", "issuer")
CLAIM_SECONDS = 86_400


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds for: a connection, one exchange, a whole run; how many connections, and how long to wait for one."""

    connect: float = 0.3
    command: float = 0.5
    total: float = 1.0
    pool: int = 64
    wait: float = 0.2


@dataclass(frozen=True, slots=True)
class Checked:
    """What ``RedisStore.check`` found: mistakes that stop the start, and what it could not see."""

    problems: tuple[Problem, ...] = ()
    warnings: tuple[str, ...] = ()


def _problem(remedy: str) -> Misconfigured:
    return Misconfigured(Problem("configuration", "redis.url", remedy))


def connector(url: str, limits: Limits, *, allow_open: bool = False) -> Callable[[], AbstractConnection]:
    """What makes a connection to ``url`` (redis, rediss, unix, or a socket's absolute path).

    Raises ``Misconfigured``, also for a server on another machine that asks no password, unless ``allow_open``. The
    text never holds the url: it may hold a password.
    """
    if url.startswith("/"):
        arguments: dict[str, Any] = {"path": url, "connection_class": UnixDomainSocketConnection}
    else:
        arguments = _read_url(url)
        _check_open(url, arguments, allow_open)
    kind = arguments.pop("connection_class", Connection)
    # RESP2 needs no handshake. One deadline for the whole exchange is ours, hence none for each read.
    common = {"socket_timeout": None, "socket_connect_timeout": limits.connect, "protocol": 2, "driver_info": None}
    return lambda: cast(AbstractConnection, kind(**arguments, **common))


def _read_url(url: str) -> dict[str, Any]:
    try:
        parts = urlsplit(url)
        if parts.scheme not in SCHEMES:
            raise _problem(f"use one of {', '.join(s + '://' for s in SCHEMES)}")
        if unknown := set(parse_qs(parts.query)) - OPTIONS:
            raise _problem(f"remove the unknown options: {', '.join(sorted(unknown))}")
        if parts.scheme != "unix" and not (parts.path.strip("/") or "0").isdecimal():
            raise _problem("end it with the number of the database, or nothing")
        return dict(parse_url(url))
    except ValueError:
        raise _problem("not a URL; percent-encode special characters of the password") from None


def _check_open(url: str, arguments: dict[str, Any], allow_open: bool) -> None:
    known = "password" in arguments or "ssl_certfile" in arguments
    if not (known or allow_open or url.startswith("unix:") or is_loopback(url)):
        raise _problem("give the server on another machine a password, and write it here: redis://:PASSWORD@HOST/0")


class Pool:
    """At most ``limits.pool`` connections, each used by one task at a time, the warmest first."""

    def __init__(self, make: Callable[[], AbstractConnection], limits: Limits) -> None:
        self._make = make
        self._limits = limits
        self._slots = asyncio.Semaphore(limits.pool)
        self._closed = False
        self.idle: list[AbstractConnection] = []
        self.in_use = 0

    async def exchange(self, packed: bytes, count: int, until: float, *, fresh: bool = False) -> list[Any]:
        """Send, and read ``count`` replies (an error reply is one of them). ``fresh``: on a new connection.

        Raises ``Unavailable`` when no connection comes free, else what redis-py and the system raise.
        """
        await self._enter()
        self.in_use += 1
        try:
            connection = await self._connection(until, fresh)
            return await self._talk(connection, packed, count, until)
        finally:
            self.in_use -= 1
            self._slots.release()

    async def close(self) -> None:
        """Close what is idle; what is in use closes when its task is done."""
        self._closed = True
        await self._flush()

    async def _enter(self) -> None:
        if not self._slots.locked():
            await self._slots.acquire()
            return
        try:
            async with asyncio.timeout(self._limits.wait):
                await self._slots.acquire()
        except TimeoutError:
            raise Unavailable("redis: every connection is busy") from None

    async def _connection(self, until: float, fresh: bool) -> AbstractConnection:
        if fresh:
            await self._flush()
        while self.idle:
            connection = self.idle.pop()
            # True means: closed by the server, or bytes nobody asked for.
            if not await connection.can_read():
                return connection
            await connection.disconnect(nowait=True)
        return await self._connect(until)

    async def _connect(self, until: float) -> AbstractConnection:
        connection = self._make()
        connect: Callable[[], Awaitable[None]] = connection.connect  # has no types of its own
        try:
            async with asyncio.timeout_at(min(_now() + self._limits.connect, until)):
                await connect()
                # Scripts are known before their first use: one that is not runs late, after what follows it. A server
                # that forbids SCRIPT takes them in full each time.
                await connection.send_packed_command(_LOAD, check_health=False)
                for _ in SCRIPTS:
                    await _reply(connection)
        except BaseException:
            await connection.disconnect(nowait=True)
            raise
        return connection

    async def _talk(self, connection: AbstractConnection, packed: bytes, count: int, until: float) -> list[Any]:
        done = False
        try:
            async with asyncio.timeout_at(min(_now() + self._limits.command, until)):
                await connection.send_packed_command(packed, check_health=False)
                replies = [await _reply(connection) for _ in range(count)]
            done = True
            return replies
        finally:
            if done and not self._closed:
                self.idle.append(connection)
            else:
                await connection.disconnect(nowait=True)

    async def _flush(self) -> None:
        while self.idle:
            await self.idle.pop().disconnect(nowait=True)


async def _reply(connection: AbstractConnection) -> Any:
    try:
        return await connection.read_response()
    except ResponseError as error:
        return error


def _now() -> float:
    return asyncio.get_running_loop().time()


class RedisStore(Store):
    """See the module. Raises ``Misconfigured`` for a ``url`` that cannot or must not be used (``connector``)."""

    def __init__(self, url: str, seal: Seal, *, allow_open: bool = False, limits: Limits = Limits()) -> None:
        self._limits = limits
        self._commands = Commands(Records(seal))
        self._make = connector(url, limits, allow_open=allow_open)
        self.pool = Pool(self._make, limits)

    async def run(self, *ops: Op) -> Sequence[Any]:
        """See ``Store.run``."""
        plans = [self._commands.commands(op) for op in ops]
        replies = await self._ask([c for plan in plans for c in plan], again=_only_reads(ops))
        answers, at = [], 0
        for op, plan in zip(ops, plans, strict=True):
            answers.append(self._commands.answer(op, replies[at]))
            at += len(plan)
        return answers

    async def ping(self) -> float:
        """See ``Store.ping``."""
        seconds, micros = (await self._ask([("TIME",)], again=True))[0]
        return int(seconds) + int(micros) / 1e6

    async def listen(self, topics: Sequence[str], heard: Heard, link: Link) -> None:
        """See ``Store.listen``."""
        await Ear(self._make, topics, heard, link, self._limits.connect).run()

    async def close(self) -> None:
        """See ``Store.close``."""
        await self.pool.close()

    async def check(self) -> Checked:
        """Whether the server keeps what it was given, and lets nodes tell each other. Raises ``Unavailable``."""
        kept = await self._check_memory()
        try:
            await self._ask([("PUBLISH", channel("check"), "")], again=True)
        except Refusal as refusal:
            remedy = f"let its account use channels: ACL SETUSER … &{PREFIX}* +publish +subscribe ({refusal.what})"
            return Checked((*kept.problems, Problem("configuration", "redis.url", remedy)), kept.warnings)
        return kept

    async def _check_memory(self) -> Checked:
        """One that evicts forgets used codes and revocations."""
        try:
            memory = (await self._ask([("INFO", "memory")], again=True))[0].decode()
        except Refusal as refusal:
            return Checked(warnings=(f"cannot see whether the server evicts records: {refusal.what}",))
        facts = dict(line.split(":", 1) for line in memory.splitlines() if ":" in line)
        if facts.get("maxmemory", "0") == "0" or facts.get("maxmemory_policy") == "noeviction":
            return Checked()
        remedy = f"set maxmemory-policy to noeviction (it is {facts.get('maxmemory_policy')}), or use another server"
        return Checked(problems=(Problem("configuration", "redis.url", remedy),))

    async def claim(self, issuer: str) -> Problem | None:
        """Say that this Redis belongs to ``issuer`` and our secrets; answers what is wrong if another node said so.

        The claim lasts a day: renew it at every start, and now and then. Raises ``Unavailable``.
        """
        value = {"issuer": issuer}
        try:
            there = (await self.run(Add(CLAIM, value, CLAIM_SECONDS)))[0]
        except Unreadable:
            return Problem("configuration", "tenant.secrets", "another node here has other secrets, or is newer")
        if there is not None and there.value.get("issuer") != issuer:
            remedy = f"this Redis belongs to {there.value.get('issuer')}; use another database, or delete {CLAIM.name}"
            return Problem("configuration", "tenant.issuer", remedy)
        # Written again by the first secret, which those that follow must be able to read.
        await self.run(Put(CLAIM, value, CLAIM_SECONDS))
        return None

    async def _ask(self, commands: list[Command], *, again: bool) -> list[Any]:
        """The replies to ``commands``. Raises ``Unavailable``, and ``Refusal`` if the server refused one."""
        if not commands:
            return []
        until = _now() + self._limits.total
        replies = await self._exchange(commands, until, again)
        unknown = [i for i, reply in enumerate(replies) if isinstance(reply, NoScriptError)]
        if unknown:
            # These did not run, so this is no repeat.
            late = await self._exchange([in_full(commands[i]) for i in unknown], until, again=False)
            for i, reply in zip(unknown, late, strict=True):
                replies[i] = reply
        for reply in replies:
            if isinstance(reply, ResponseError):
                raise Refusal(f"redis: {_name(reply)}")
        return replies

    async def _exchange(self, commands: list[Command], until: float, again: bool) -> list[Any]:
        packed = b"".join(map(_pack, commands))
        try:
            try:
                return await self.pool.exchange(packed, len(commands), until)
            except _FAULTS:
                if not again:
                    raise
            await asyncio.sleep(secrets.randbelow(20) / 1000)
            return await self.pool.exchange(packed, len(commands), until, fresh=True)
        except _FAULTS as error:
            # From None: redis-py's texts can hold values.
            raise Unavailable(f"redis: {_name(error)}") from None


class Refusal(Unavailable):
    """The server answered, and would not do it."""


def _name(error: BaseException) -> str:
    """What kind of error it is: the server's code where it is a plain word, else the type. Never its text."""
    code = getattr(error, "status_code", None)
    return code if isinstance(code, str) and code.isalpha() else type(error).__name__


def _only_reads(ops: Sequence[Op]) -> bool:
    return _READS.issuperset(map(type, ops))
