"""The Redis store against a real server: what lies in it, who may use it, nodes that disagree."""

from __future__ import annotations

import traceback

import pytest

from proxy.oidc.errors import Misconfigured, Unavailable
from proxy.store import Add, Drop, Get, Key, List, Put, Record, Store, Swap, Take, Taken, Touch, key
from proxy.store.records import Unreadable
from proxy.store.redis import CLAIM, Limits, RedisStore, connector
from proxy.store.sealing import Seal
from tests.kit.valkey import Valkey, valkey
from tests.store.conftest import SECRET

MARK = "MARKER-SECRET-7c1f"
CODE = key("code", MARK)
INDEX = key("sessions", MARK)


def everything(server: Valkey) -> bytes:
    """Every key and every value of the server, raw."""
    names = [line for line in server.command("KEYS", "*").split(b"\r\n") if line.startswith(b"isthmus:")]
    assert names
    dump = [name + server.command("GET", name) + server.command("ZRANGE", name, "0", "-1") for name in names]
    return b"".join(dump)


async def fill(store: Store) -> None:
    """Write the mark in every way there is."""
    value = {"access_token": MARK, MARK: [MARK]}
    await store.run(Put(CODE, value, 60, (INDEX,)), Add(key("user", MARK, group=MARK), value, None, (INDEX,)))
    await store.put(key("used", MARK), value, 60)
    await store.take(key("used", MARK), led_to=MARK)
    await store.run(Swap(CODE, value, 60, None))


async def test_rs_05_a_dump_holds_no_secret(redis_store: RedisStore, server: Valkey) -> None:
    """RS-05: neither keys nor values of the server show a code, a token or what a use led to."""
    await fill(redis_store)
    dump = everything(server)
    assert MARK.encode() not in dump
    assert b"access_token" not in dump


async def test_se_03_a_key_is_not_the_secret(redis_store: RedisStore, server: Valkey) -> None:
    """SE-03: a key read from the server, used as a session's id, finds nothing."""
    await fill(redis_store)
    for name in server.command("KEYS", "*").decode().split():
        assert await redis_store.get(key("code", name)) is None


async def test_se_03_a_record_moved_under_another_key_does_not_open(redis_store: RedisStore, server: Valkey) -> None:
    """SE-03: who can write to the server cannot make another's record his own by copying it."""
    mine = key("code", "mine")
    await redis_store.put(CODE, {"user": "victim"}, 60)
    server.command("COPY", CODE.name, mine.name)
    with pytest.raises(Unreadable):
        await redis_store.get(mine)


async def test_rs_14_slow_log_and_monitor_see_hashes_only(redis_store: RedisStore, server: Valkey) -> None:
    """RS-14: what the server logs of our commands names no id and shows no value."""
    server.command("CONFIG", "SET", "slowlog-log-slower-than", "0")
    await fill(redis_store)
    log = server.command("SLOWLOG", "GET", "100")
    server.command("CONFIG", "SET", "slowlog-log-slower-than", "10000")
    assert b"isthmus:" in log
    assert MARK.encode() not in log


async def test_rs_14_errors_name_no_value(redis_store: RedisStore, server: Valkey) -> None:
    """RS-14: an error's text, with all that a traceback shows, holds no key's value and no password."""
    server.command("SADD", INDEX.name, MARK)
    with pytest.raises(Unavailable) as caught:
        await redis_store.run(Put(CODE, {"token": MARK}, 60, (INDEX,)))
    assert MARK not in "".join(traceback.format_exception(caught.value))
    locked = RedisStore(f"redis://:{MARK}@127.0.0.1:{server.port}/0", Seal([SECRET]))
    with pytest.raises(Unavailable) as caught:
        await locked.get(CODE)
    assert MARK not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("redis://redis.example:6379/0", "password"),
        ("redis://10.1.2.3", "password"),
        (f"rediss://{MARK}@redis.example", "password"),
        (f"redis+sentinel://:{MARK}@127.0.0.1", "one of"),
        (f"http://:{MARK}@127.0.0.1", "one of"),
        (f"redis://:{MARK}@127.0.0.1:port", "not a URL"),
        (f"rediss://:{MARK}@redis.example?ssl_cert_reqs=none", "ssl_cert_reqs"),
        (f"redis://:{MARK}@redis.example/zero", "number"),
    ],
)
def test_rs_01_an_open_server_elsewhere_is_refused(url: str, words: str) -> None:
    """RS-01: no password for another machine, an unknown scheme or option stop the start, in words without secrets."""
    with pytest.raises(Misconfigured, match=words) as caught:
        connector(url, Limits())
    assert MARK not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize(
    ("url", "allow_open"),
    [
        ("redis://redis.example", True),
        ("redis://:secret@redis.example/1", False),
        ("rediss://user:secret@redis.example?db=1", False),
        ("rediss://redis.example?ssl_certfile=a&ssl_keyfile=b", False),
        ("redis://localhost", False),
        ("redis://[::1]:6379", False),
        ("unix:///run/redis.sock?db=2", False),
        ("/run/redis.sock", False),
    ],
)
def test_rs_01_a_guarded_server_is_taken(url: str, allow_open: bool) -> None:
    """RS-01: a password, a client certificate, this machine, or the operator's word will do."""
    assert connector(url, Limits(), allow_open=allow_open)() is not None


async def test_rs_01_the_password_is_sent(seal: Seal) -> None:
    """RS-01: with user and password in the address the store works, with a wrong one it is unavailable."""
    with valkey(tcp=True) as server:
        server.command("ACL", "SETUSER", "app", "on", ">right", "~isthmus:*", "+@all")
        right = RedisStore(f"redis://app:right@127.0.0.1:{server.port}/0", seal)
        await right.put(CODE, {"n": 1}, 60)
        wrong = RedisStore(f"redis://app:wrong@127.0.0.1:{server.port}/0", seal)
        with pytest.raises(Unavailable):
            await wrong.get(CODE)
        await right.close()


async def test_rs_06_a_server_that_evicts_is_named(redis_store: RedisStore, server: Valkey) -> None:
    """RS-06: a server that may evict records fails the check, one that refuses writes instead passes."""
    assert await redis_store.check() == await redis_store.check()
    assert not (await redis_store.check()).problems
    server.command("CONFIG", "SET", "maxmemory", "100mb")
    assert not (await redis_store.check()).problems
    server.command("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    found = await redis_store.check()
    server.command("CONFIG", "SET", "maxmemory-policy", "noeviction")
    server.command("CONFIG", "SET", "maxmemory", "0")
    assert [p.key for p in found.problems] == ["redis.url"]
    assert "allkeys-lru" in str(found.problems[0])


async def test_rs_06_not_allowed_to_look_is_a_warning(seal: Seal) -> None:
    """RS-06: where the account may not ask the server, the check says that it could not see."""
    with valkey(tcp=True) as server:
        server.command("ACL", "SETUSER", "app", "on", ">right", "~*", "&isthmus:*", "+@all", "-info")
        store = RedisStore(f"redis://app:right@127.0.0.1:{server.port}/0", seal)
        found = await store.check()
        await store.close()
    assert not found.problems
    assert "cannot see" in found.warnings[0]


async def test_ft_15_an_account_that_may_use_no_channels_is_named(seal: Seal) -> None:
    """FT-15: nodes could not tell each other that a session ended, and a logout could not be done: said at the start,
    with what to change."""
    with valkey(tcp=True) as server:
        server.command("ACL", "SETUSER", "app", "on", ">right", "~*", "resetchannels", "+@all")
        store = RedisStore(f"redis://app:right@127.0.0.1:{server.port}/0", seal)
        (found,) = (await store.check()).problems
        assert found.key == "redis.url" and "&isthmus:*" in str(found)
        server.command("ACL", "SETUSER", "app", "&isthmus:*")
        assert not (await store.check()).problems
        await store.close()


async def test_rs_06_a_full_server_refuses_and_keeps(redis_store: RedisStore, server: Valkey) -> None:
    """RS-06: a full server makes new writes unavailable; a used code stays used, reads and drops still work."""
    other = key("code", "other")
    await redis_store.put(CODE, {"n": 1}, 60)
    await redis_store.put(other, {"n": 2}, 60)
    assert await redis_store.take(CODE, led_to="x") == Taken({"n": 1})
    server.command("CONFIG", "SET", "maxmemory", "1")
    try:
        with pytest.raises(Unavailable, match="OOM"):
            await redis_store.put(key("code", "new"), {}, 60)
        assert await redis_store.get(CODE) is None
        assert await redis_store.get(other) is not None
        assert await redis_store.drop(other) == 1
    finally:
        server.command("CONFIG", "SET", "maxmemory", "0")
    assert await redis_store.take(CODE) is not None


async def test_cf_15_nodes_that_disagree_are_told(server: Valkey, redis_store: RedisStore) -> None:
    """CF-15: a node with another issuer, or with secrets that cannot read the claim, is told so; the rest agree."""
    issuer = "https://login.example.com/"
    stranger = RedisStore(server.socket_path, Seal([b"another secret of 32 bytes or more"]))
    assert await redis_store.claim(issuer) is None
    assert await redis_store.claim(issuer) is None
    other = await redis_store.claim("https://other.example.com/")
    assert other is not None
    assert other.key == "tenant.issuer"
    assert issuer in other.remedy
    unread = await stranger.claim(issuer)
    assert unread is not None
    assert unread.key == "tenant.secrets"
    await stranger.close()


async def test_cf_15_a_rolled_over_secret_takes_the_claim_along(server: Valkey, redis_store: RedisStore) -> None:
    """CF-15: when every node knows the new secret it may seal; a node that does not know it is told."""
    issuer, new = "https://login.example.com/", b"the new secret of 32 bytes or more"
    both, only_new = (RedisStore(server.socket_path, Seal(s)) for s in ([new, SECRET], [new]))
    assert await redis_store.claim(issuer) is None
    assert await both.claim(issuer) is None
    assert await only_new.claim(issuer) is None
    late = await redis_store.claim(issuer)
    assert late is not None
    assert late.key == "tenant.secrets"
    assert 0 < int(server.command("TTL", CLAIM.name)[1:].strip()) <= 86_400
    await both.close()
    await only_new.close()


async def test_an_unknown_secret_is_refused(server: Valkey, redis_store: RedisStore) -> None:
    """A record sealed with a secret that is not configured is never taken for an absent one."""
    await redis_store.put(CODE, {"n": 1}, 60)
    both, stranger = (RedisStore(server.socket_path, Seal(s)) for s in ([b"n" * 32, SECRET], [b"n" * 32]))
    assert await both.get(CODE) == await redis_store.get(CODE)
    with pytest.raises(Unavailable):
        await stranger.get(CODE)
    await both.close()
    await stranger.close()


@pytest.mark.parametrize("op", [Get(CODE), Take(CODE), Add(CODE, {}, 60)], ids=["get", "take", "add"])
async def test_a_newer_record_is_left_alone(redis_store: RedisStore, server: Valkey, op: Get | Take | Add) -> None:
    """A record that a newer version wrote is refused, not read, not used up, not deleted."""
    newer = b"\x02Lwhatever it may be"
    server.command("SET", CODE.name, newer, "EX", "60")
    with pytest.raises(Unavailable, match="another version"):
        await redis_store.run(op)
    assert list(await redis_store.run(Touch(CODE, 9), Swap(CODE, {}, 9, None))) == [False, False]
    assert newer in server.command("GET", CODE.name)


async def test_forgotten_scripts_are_sent_again(redis_store: RedisStore, server: Valkey) -> None:
    """When the server forgot its scripts, what did not run is sent in full, and nothing runs twice."""
    await redis_store.put(CODE, {"n": 1}, 60)
    server.command("SCRIPT", "FLUSH")
    server.command("CONFIG", "RESETSTAT")
    answers = await redis_store.run(Get(CODE), Take(CODE), Drop(key("code", "none")))
    assert isinstance(answers[0], Record)
    assert list(answers[1:]) == [Taken({"n": 1}), False]
    assert (server.calls("eval"), server.calls("get"), server.calls("del")) == (1, 2, 1)


async def test_an_index_ends_with_its_last_entry(redis_store: RedisStore, server: Valkey) -> None:
    """No index outlives what it lists, and entries that ended are trimmed when it is written."""
    await redis_store.run(Put(CODE, {}, 50, (INDEX,)), Put(key("code", "b"), {}, 10, (INDEX,)))
    assert 48 <= int(server.command("TTL", INDEX.name)[1:].strip()) <= 51
    server.command("ZADD", INDEX.name, "1", "isthmus:{old}:code")
    assert Key("isthmus:{old}:code") in await redis_store.list(INDEX)
    await redis_store.put(CODE, {}, 50, under=(INDEX,))
    assert await redis_store.list(INDEX) == (key("code", "b"), CODE)


async def test_one_run_is_one_round_trip(redis_store: RedisStore, server: Valkey) -> None:
    """However many operations, on one connection."""
    await redis_store.run(*(Put(key("code", str(n)), {}, 60, (INDEX,)) for n in range(50)), List(INDEX))
    assert (len(redis_store.pool.idle), redis_store.pool.in_use) == (1, 0)
