"""What each operation says to Redis, and what the reply means. Pure: bytes in, bytes out.

Scripts are fixed text with arguments, never built from input. They read the head of a record (``store.records``) and
need Redis 6.2. Every key of one script lies in one hash slot; an index elsewhere is written by a command of its own.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from proxy.store import PREFIX, Add, Count, Drop, Get, Key, List, Op, Put, Scan, Scanned, Swap, Take, Tell, Touch
from proxy.store.records import LIVE, Records

Command = tuple[str | bytes | int, ...]
AT_ONCE = 500
"""Keys that one step of a scan looks at, so that nobody else has to wait for it."""


@dataclass(frozen=True, slots=True)
class Script:
    """A Lua script and the SHA-1 that Redis knows it by."""

    text: str
    sha: str = field(init=False)

    def __post_init__(self) -> None:
        sha = hashlib.sha1(self.text.encode(), usedforsecurity=False).hexdigest()
        object.__setattr__(self, "sha", sha)

    def __call__(self, keys: tuple[str, ...], *args: str | bytes | int) -> Command:
        return ("EVALSHA", self.sha, len(keys), *keys, *args)


# Scores are the end of life in microseconds, so that entries of one second keep their order. The index ends with its
# last entry.
_LINK = """
local function link(index, name, ttl)
  local t = redis.call('TIME')
  local now = t[1] * 1000000 + t[2]
  redis.call('ZREMRANGEBYSCORE', index, '-inf', string.format('%.0f', now))
  local ends = '+inf'
  if ttl ~= '' then ends = string.format('%.0f', now + ttl * 1000000) end
  redis.call('ZADD', index, ends, name)
  local last = redis.call('ZREVRANGE', index, 0, 0, 'WITHSCORES')[2]
  if last == 'inf' then redis.call('PERSIST', index)
  else redis.call('EXPIREAT', index, string.format('%.0f', math.ceil(last / 1000000))) end
end
"""

LINK = Script(_LINK + "link(KEYS[1], ARGV[1], ARGV[2]) return 1")

# Records that ended or were dropped do not count; of the others the oldest go.
PUT_CAPPED = Script(
    _LINK
    + """
redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2])
link(KEYS[2], KEYS[1], ARGV[2])
local cap = tonumber(ARGV[3])
if redis.call('ZCARD', KEYS[2]) <= cap then return 0 end
local live = {}
for _, name in ipairs(redis.call('ZRANGE', KEYS[2], 0, -1)) do
  if redis.call('EXISTS', name) == 1 then live[#live + 1] = name else redis.call('ZREM', KEYS[2], name) end
end
for i = 1, #live - cap do
  redis.call('DEL', live[i])
  redis.call('ZREM', KEYS[2], live[i])
end
return 0
"""
)

# Not SET NX GET: Redis has allowed the two together only since 7.0.
ADD = Script("""
local there = redis.call('GET', KEYS[1])
if there then return there end
if ARGV[2] == '' then redis.call('SET', KEYS[1], ARGV[1]) else redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2]) end
return false
""")

# Answers what was there: the head tells the winner (live) from the late (used). A layout of another version stays.
TAKE = Script("""
local there = redis.call('GET', KEYS[1])
if there and string.sub(there, 1, 2) == ARGV[1] then redis.call('SET', KEYS[1], ARGV[2], 'EX', ARGV[3]) end
return there
""")

# ARGV[1] is the head the record must still have: version and state, and the revision unless any will do.
SWAP = Script("""
if redis.call('GETRANGE', KEYS[1], 0, #ARGV[1] - 1) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'EX', ARGV[3])
return 1
""")

TOUCH = Script("""
if redis.call('GETRANGE', KEYS[1], 0, 1) ~= ARGV[1] then return 0 end
return redis.call('EXPIRE', KEYS[1], ARGV[2])
""")

COUNT = Script("""
local sum = redis.call('INCRBY', KEYS[1], ARGV[1])
redis.call('EXPIRE', KEYS[1], ARGV[2])
return sum
""")

SCRIPTS = (LINK, PUT_CAPPED, ADD, TAKE, SWAP, TOUCH, COUNT)
_TEXT = {script.sha: script.text for script in SCRIPTS}

_LISTED = (Put, Add, Swap, Touch)


def in_full(command: Command) -> Command:
    """The EVALSHA ``command`` with its script's text, for a server that does not know the script yet."""
    return ("EVAL", _TEXT[str(command[1])], *command[2:])


def channel(topic: str) -> str:
    """Where nodes hear of ``topic``. Channels belong to no database: who shares a server hears of strange ids."""
    return f"{PREFIX}{{tell}}:{topic}"


def _ttl(ttl: int) -> int:
    return max(1, ttl)


class Commands:
    """Operations to commands and replies to answers."""

    def __init__(self, records: Records) -> None:
        self._records = records
        self._say: dict[type[Any], Callable[[Any], Command]] = {
            Get: lambda op: ("GET", op.key.name),
            Put: self._put,
            Add: lambda op: ADD((op.key.name,), records.live(op.key, op.value), _or_never(op.ttl)),
            Take: lambda op: TAKE((op.key.name,), LIVE, records.used(op.key, op.led_to), _ttl(op.keep)),
            Swap: self._swap,
            Touch: lambda op: TOUCH((op.key.name,), LIVE, _ttl(op.ttl)),
            Count: lambda op: COUNT((op.key.name,), op.step, _ttl(op.ttl)),
            Drop: lambda op: ("DEL", op.key.name),
            List: lambda op: ("ZRANGE", op.index.name, 0, -1),
            Tell: lambda op: ("PUBLISH", channel(op.topic), op.text),
            Scan: lambda op: ("SCAN", op.cursor, "MATCH", f"{PREFIX}*:{op.kind}*", "COUNT", AT_ONCE),
        }
        self._hear: dict[type[Any], Callable[[Any, Any], Any]] = {
            Get: lambda op, reply: records.record(op.key, reply),
            Put: lambda op, reply: None,
            Add: lambda op, reply: records.added(op.key, reply),
            Take: lambda op, reply: records.taken(op.key, reply),
            Swap: lambda op, reply: bool(reply),
            Touch: lambda op, reply: bool(reply),
            Count: lambda op, reply: int(reply),
            Drop: lambda op, reply: bool(reply),
            List: lambda op, reply: tuple(Key(name.decode()) for name in reply),
            Tell: lambda op, reply: None,
            Scan: _scanned,
        }

    def commands(self, op: Op) -> list[Command]:
        """What to send, in order; the reply to the first is the one for ``answer``."""
        first = self._say[type(op)](op)
        if not isinstance(op, _LISTED) or not op.under or first[1] == PUT_CAPPED.sha:
            return [first]
        return [first, *(LINK((index.name,), op.key.name, _or_never(op.ttl)) for index in op.under)]

    def answer(self, op: Op, reply: Any) -> Any:
        """What the reply to ``op`` means. Raises ``Unreadable``."""
        return self._hear[type(op)](op, reply)

    def _put(self, op: Put) -> Command:
        value, ttl = self._records.live(op.key, op.value), _ttl(op.ttl)
        if op.cap is None:
            return ("SET", op.key.name, value, "EX", ttl)
        return PUT_CAPPED((op.key.name, op.under[0].name), value, ttl, op.cap)

    def _swap(self, op: Swap) -> Command:
        head = LIVE if op.revision is None else LIVE + op.revision
        return SWAP((op.key.name,), head, self._records.live(op.key, op.value), _ttl(op.ttl))


def _or_never(ttl: int | None) -> str | int:
    return "" if ttl is None else _ttl(ttl)


def _scanned(op: Scan, reply: Any) -> Scanned:
    cursor, names = reply
    found = (Key(name.decode()) for name in names)
    cursor = cursor.decode() if isinstance(cursor, bytes) else str(cursor)
    return Scanned(tuple(key for key in found if key.kind == op.kind), "" if cursor == "0" else cursor)
