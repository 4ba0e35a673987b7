"""``isthmus users``: who came is shown, let in no more, let in again, forgotten."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from proxy.bridge.session import sessions_of_user
from proxy.cli import users
from proxy.downstream.grant import session_key
from proxy.models import Identity, Session
from proxy.store import Store
from tests.bridge.test_arrival import World
from tests.cli.conftest import Run, configure
from tests.kit.memory_command import remembered

ADA = "oidc|corp|ada"


@pytest.fixture
def house() -> tuple[Store, Session]:
    """Ada is logged in through the connection corp."""

    async def moved_in() -> tuple[Store, Session]:
        world = World()
        world.tenant.says = Identity("corp", "https://idp.example", "ada", {"name": "Ada\x1b[31m"})
        return world.store, await world.login()

    return asyncio.run(moved_in())


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, house: tuple[Store, Session]) -> Path:
    """A configuration, on that store."""
    remembered(monkeypatch, users, house[0])
    return configure(tmp_path)


def is_blocked(run: Run, file: Path) -> bool:
    """What is shown of Ada."""
    said = run("users", "show", ADA, "--json", "--config", file)
    assert said.status == 0, said.err
    return bool(json.loads(said.out)["blocked"])


def test_who_came_is_shown(run: Run, file: Path) -> None:
    """By connection, each with name and last login, without the terminal codes that a tenant may send (MG-13)."""
    head, row = run("users", "list", "--connection", "corp", "--config", file).out.splitlines()
    assert head.split()[:2] == ["USER", "NAME"] and row.split()[0] == ADA and "\x1b" not in row
    told = json.loads(run("users", "list", "--connection", "corp", "--json", "--config", file).out)
    assert told["total"] == 1 and told["users"][0]["identities"][0]["connection"] == "corp"
    assert run("users", "list", "--connection", "acme", "--config", file).out == "nobody came through acme yet\n"
    assert ADA in run("users", "show", ADA, "--config", file).out


def test_rp_21_a_blocked_person_has_nothing_left(run: Run, file: Path, house: tuple[Store, Session]) -> None:
    """RP-21: the session is gone at once, the change leaves a line, and unblocking is possible once."""
    store, session = house
    said = run("users", "block", ADA, "--config", file)
    assert (said.status, said.out) == (0, "blocked\n") and json.loads(said.err)["event"] == "user_blocked"
    assert asyncio.run(store.get(session_key(session.sid))) is None and is_blocked(run, file)
    assert run("users", "unblock", ADA, "--config", file).out == "unblocked\n" and not is_blocked(run, file)
    again = run("users", "unblock", ADA, "--config", file)
    assert again.status == 2 and again.err == "users: USER-ID: this person is not blocked\n"


def test_somebody_who_never_came_can_be_blocked(run: Run, file: Path) -> None:
    """The answer says that nobody of that id came: it may be mistyped."""
    said = run("users", "block", "oidc|corp|eve", "--config", file)
    assert said.status == 0 and "nobody of that id" in said.out


def test_mg_15_a_deleted_person_is_new(run: Run, file: Path, house: tuple[Store, Session]) -> None:
    """MG-15: record and sessions are gone; a second time there is nobody to delete."""
    assert run("users", "delete", ADA, "--config", file).out == "deleted\n"
    sessions = asyncio.run(house[0].list(sessions_of_user(ADA)))
    assert [asyncio.run(house[0].get(each)) for each in sessions] == [None] * len(sessions)
    for words in (("show", ADA), ("delete", ADA)):
        said = run("users", *words, "--config", file)
        assert said.status == 2 and said.err.startswith("users: USER-ID: nobody of that id is known")
