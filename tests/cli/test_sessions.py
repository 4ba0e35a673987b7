"""``isthmus sessions``: who is logged in is shown and ended, and the notices of it can be followed."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from proxy.bridge.session import Sessions, Ticket
from proxy.cli import sessions
from proxy.downstream.deliveries import Deliveries, Delivery
from proxy.downstream.grant import Grant, grant_key, listed_under, session_key
from proxy.downstream.participants import Participants
from proxy.models import Client, Session
from proxy.store import Key, Op, Put
from proxy.store.memory import MemoryStore
from tests.bridge.test_session import CORP, a_session
from tests.cli.conftest import Run, configure
from tests.kit.memory_command import remembered

NOW = time.time()
TAIL = """
[[clients]]
client_id = "wiki"
token_endpoint_auth_method = "none"
redirect_uris = ["http://127.0.0.1:9003/callback"]
"""
WIKI = Client.model_validate({"client_id": "wiki", "backchannel_logout_uri": "https://wiki.example/out"})


def person(sid: str, user: str, connection: str = "corp", age: int = 0) -> Session:
    """A session as a login leaves it."""
    at = int(NOW) - age
    name = sid.ljust(22, "x")
    found = a_session(sid=name, user_id=user, connection=connection, auth_time=at, created_at=at)
    return replace(found, expires_at=int(NOW) + 1000)


ADA, ADA_TOO = person("ada-1", "oidc|corp|ada", age=30), person("ada-2", "oidc|corp|ada", age=20)
BOB = person("bob", "oidc|acme|bob", "acme", age=10)


def a_grant(id: str, session: Session, client: str, *, offline: bool) -> Grant:
    """What a client was granted in a session."""
    return Grant(
        id=id, client_id=client, user_id=session.user_id, sid=session.sid, connection=session.connection,
        scopes=("openid",), auth_time=int(NOW), created_at=int(NOW), expires_at=int(NOW) + 900, profile={},
        offline=offline,
    )  # fmt: skip


GRANTS = (
    a_grant("of-ada", ADA, "webapp", offline=True),
    a_grant("of-ada-too", ADA_TOO, "wiki", offline=True),
    a_grant("short", ADA_TOO, "webapp", offline=False),
    a_grant("of-bob", BOB, "webapp", offline=True),
)


@pytest.fixture
def store() -> MemoryStore:
    """Three sessions of two people; the first is known to the wiki, which hears of logouts."""
    made = MemoryStore()
    kept = Sessions(made, {"corp": CORP}, idle=1000, absolute=10_000)
    begun = [kept.begin(one, Ticket.new(one.sid), NOW) for one in (ADA, ADA_TOO, BOB)]
    granted = [Put(grant_key(one.id), one.as_value(), 900, listed_under(one)) for one in GRANTS]
    noted = Participants().accompany(None, WIKI, ADA, NOW)[1]
    ops: list[Op] = [*begun, *granted, *noted]
    asyncio.run(made.run(*ops))
    return made


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, store: MemoryStore) -> Path:
    """A configuration, on that store."""
    remembered(monkeypatch, sessions, store)
    return configure(tmp_path, tail=TAIL)


def listed(run: Run, file: Path, *more: str) -> list[str]:
    """The sids that are shown."""
    said = run("sessions", "list", *more, "--json", "--config", file)
    assert said.status == 0, said.err
    return [row["sid"][:5].rstrip("x") for row in json.loads(said.out)["sessions"]]


def there(store: MemoryStore, key: Key) -> bool:
    """Whether a record lives, and is no tombstone."""
    record = asyncio.run(store.get(key))
    return record is not None and not record.value.get("revoked")


@pytest.mark.parametrize(
    ("more", "sids"),
    [
        ((), ["bob", "ada-2", "ada-1"]),
        (("--user", "oidc|corp|ada"), ["ada-2", "ada-1"]),
        (("--user", "oidc|corp|nobody"), []),
        (("--connection", "acme"), ["bob"]),
        (("--client", "wiki"), ["ada-2", "ada-1"]),  # one has tokens, of the other it is known that it hears
        (("--client", "wiki", "--connection", "acme"), []),
        (("--user", "oidc|acme|bob", "--client", "webapp"), ["bob"]),
    ],
)
def test_sessions_are_listed_newest_first(run: Run, file: Path, more: tuple[str, ...], sids: list[str]) -> None:
    """All, or those of a person, a client, a connection, or of several of these together."""
    assert listed(run, file, *more) == sids


def test_a_list_for_people_is_bounded_and_shows_no_secret(
    run: Run, file: Path, store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A table with one line each, at most so many, and how many there are besides; no hash, no profile."""
    monkeypatch.setattr(sessions, "MOST_SHOWN", 2)
    said = run("sessions", "list", "--config", file)
    lines = said.out.splitlines()
    assert lines[0].split() == ["SID", "USER", "CONNECTION", "LOGIN", "ENDS", "AT", "LATEST"]
    assert len(lines) == 4 and lines[-1].startswith("and 1 more")
    whole = run("sessions", "list", "--json", "--config", file).out
    record = asyncio.run(store.get(session_key(BOB.sid)))
    assert record is not None and record.value["secret"] not in whole and "profile" not in whole
    assert json.loads(whole)["total"] == 3


@pytest.mark.parametrize(
    ("which", "left"),
    [
        ((ADA.sid,), ["bob", "ada-2"]),
        (("--user", "oidc|corp|ada"), ["bob"]),
        (("--client", "wiki"), ["bob"]),
        (("--connection", "acme"), ["ada-2", "ada-1"]),
        (("no-such-session",), ["bob", "ada-2", "ada-1"]),
    ],
)
def test_sessions_are_ended(run: Run, file: Path, which: tuple[str, ...], left: list[str]) -> None:
    """TK-17: those that fit and no others; the answer says how many."""
    said = run("sessions", "revoke", *which, "--config", file)
    assert (said.status, said.out) == (0, f"{3 - len(left)} sessions ended\n")
    assert listed(run, file) == left


def test_nothing_named_ends_nothing(run: Run, file: Path) -> None:
    """Everybody is never meant by saying nothing."""
    said = run("sessions", "revoke", "--config", file)
    assert said.status == 2 and said.err.startswith("sessions: SID: name a session")
    assert len(listed(run, file)) == 3


def test_tk_17_refresh_tokens_that_outlive_a_session_end_if_asked(run: Run, file: Path, store: MemoryStore) -> None:
    """TK-17: without ``--tokens`` they live, with it those of the same choice end, and nobody else's."""
    run("sessions", "revoke", ADA.sid, "--config", file)
    assert there(store, grant_key("of-ada"))
    said = run("sessions", "revoke", "--user", "oidc|corp|ada", "--tokens", "--json", "--config", file)
    assert json.loads(said.out) == {"sessions": 1, "grants": 2}
    assert [there(store, grant_key(one.id)) for one in GRANTS] == [False, False, True, True]


def test_clients_hear_of_it_and_what_became_of_it_is_seen(run: Run, file: Path, store: MemoryStore) -> None:
    """A notice for the client that wants one waits for a server; once carried, its outcome is shown."""
    run("sessions", "revoke", "--user", "oidc|corp|ada", "--config", file)
    (waiting,) = json.loads(run("sessions", "deliveries", "--json", "--config", file).out)
    assert (waiting["client_id"], waiting["sid"], waiting["state"]) == ("wiki", ADA.sid, "pending")

    async def carried(says: str) -> None:
        async def carry(delivery: Delivery, now: float) -> str:
            return says

        queue = Deliveries(store, carry, time.time)
        await queue.look()
        await asyncio.gather(*queue._tasks)

    asyncio.run(carried("status_500"))
    table = run("sessions", "deliveries", "--config", file).out
    head, line = table.splitlines()
    assert head.split() == ["CLIENT", "SID", "STATE", "ATTEMPTS", "LAST", "NEXT", "TRY"]
    assert line.split()[:5] == ["wiki", ADA.sid, "pending", "1", "status_500"] and line.endswith("UTC")


def test_a_session_past_its_end_is_not_shown(run: Run, file: Path, store: MemoryStore) -> None:
    """The absolute end counts, whatever the record's life."""
    record = asyncio.run(store.get(session_key(BOB.sid)))
    assert record is not None
    ended: dict[str, Any] = {**record.value, "expires_at": int(NOW) - 1}
    asyncio.run(store.put(session_key(BOB.sid), ended, 900))
    assert listed(run, file) == ["ada-2", "ada-1"]


def test_a_redis_that_does_not_answer_is_status_1(run: Run, tmp_path: Path) -> None:
    """One line, no traceback."""
    file = configure(tmp_path, tail=f'[redis]\nurl = "unix://{tmp_path}/none"\n')
    for words in (["list"], ["revoke", "x"], ["deliveries"]):
        said = run("sessions", *words, "--config", file)
        assert (said.status, said.err.count("\n")) == (1, 1) and said.err.startswith("no answer: ")
