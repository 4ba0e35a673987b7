"""What must hold after every fault, whatever it was."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import redis

from tests.kit.isthmus import CLIENT_SECRET, OWN_SECRET
from tests.kit.plain_app import SECRET
from tests.kit.valkey import Valkey

OURS = (OWN_SECRET, CLIENT_SECRET, SECRET)
FORBIDDEN = ("Traceback", "never retrieved", "unclosed", "was never awaited", '"exception":', '"status": 500, "ms"')


def held(server: Valkey) -> dict[bytes, tuple[int, bytes]]:
    """Every key of the store: its lifetime in seconds (-1: for ever) and all bytes of its value."""
    found = {}
    with redis.Redis(unix_socket_path=server.socket_path) as link:
        for key in link.scan_iter(count=1000):
            found[key] = (int(link.ttl(key)), _value(link, key))
    return found


def _value(link: Any, key: bytes) -> bytes:
    kind = link.type(key)
    if kind == b"string":
        return bytes(link.get(key) or b"")
    if kind == b"hash":
        return b" ".join(part for pair in link.hgetall(key).items() for part in pair)
    return b" ".join(link.zrange(key, 0, -1) if kind == b"zset" else [])


def check_store(server: Valkey, secrets: Iterable[str]) -> None:
    """No record lives for ever, and none holds a secret in the clear."""
    hidden = [secret.encode() for secret in (*OURS, *secrets) if secret]
    for key, (ttl, value) in held(server).items():
        assert key.startswith(b"isthmus:"), key
        assert ttl > 0 or ttl == -2, f"{key!r} has no end"
        assert not any(secret in key or secret in value for secret in hidden), f"{key!r} holds a secret"


def check_log(log: Path | str, secrets: Iterable[str]) -> None:
    """No secret and no accident in the log."""
    text = log.read_text() if isinstance(log, Path) else log
    for secret in (*OURS, *secrets):
        assert not secret or secret not in text, f"the log holds a secret of {len(secret)} characters"
    for word in FORBIDDEN:
        assert word not in text, text[max(0, text.index(word) - 500) :][:1500]


def kinds(server: Valkey) -> dict[str, int]:
    """How many records of each kind the store holds."""
    counts: dict[str, int] = {}
    for key in held(server):
        kind = key.decode().split(":")[2]
        counts[kind] = counts.get(kind, 0) + 1
    return counts
