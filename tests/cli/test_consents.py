"""``isthmus consents``: what people allowed is shown and taken back."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from proxy.cli import consents
from proxy.downstream.consents import Consents
from proxy.store.memory import MemoryStore
from tests.cli.conftest import Run, configure
from tests.kit.memory_command import remembered

ADA, BOB = "oidc|corp|ada", "oidc|corp|bob"
NOW = 1_767_225_600.0


@pytest.fixture
def store() -> MemoryStore:
    """Ada allowed two applications something, Bob one."""
    made = MemoryStore()

    async def fill() -> None:
        for user, client in ((ADA, "reg_one"), (ADA, "reg_two"), (BOB, "reg_one")):
            await Consents(made).allow(user, client, ["scope openid", "scope email"], NOW)

    asyncio.run(fill())
    return made


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, store: MemoryStore) -> Path:
    """A configuration, on that store."""
    remembered(monkeypatch, consents, store)
    return configure(tmp_path)


def allowed(run: Run, file: Path, user: str) -> list[str]:
    """The applications that are shown."""
    said = run("consents", "list", "--user", user, "--json", "--config", file)
    assert said.status == 0, said.err
    return [each["client_id"] for each in json.loads(said.out)]


def test_what_somebody_allowed_is_shown(run: Run, file: Path) -> None:
    """Each application, since when, and what; nothing of others."""
    head, *rows = run("consents", "list", "--user", ADA, "--config", file).out.splitlines()
    assert head.split() == ["CLIENT", "SINCE", "ALLOWED"]
    assert [row.split()[0] for row in rows] == ["reg_one", "reg_two"] and "scope email" in rows[0]
    assert run("consents", "list", "--user", "oidc|corp|eve", "--config", file).out == "oidc|corp|eve allowed nothing\n"


@pytest.mark.parametrize(("which", "left"), [(("--client", "reg_one"), ["reg_two"]), ((), [])])
def test_az_23_a_consent_is_taken_back(run: Run, file: Path, which: tuple[str, ...], left: list[str]) -> None:
    """AZ-23: one or all of a person's, and nobody else's."""
    said = run("consents", "revoke", "--user", ADA, *which, "--config", file)
    assert (said.status, said.out) == (0, f"{2 - len(left)} consents taken back\n")
    assert allowed(run, file, ADA) == left and allowed(run, file, BOB) == ["reg_one"]


def test_a_consent_that_is_not_there_is_told(run: Run, file: Path) -> None:
    """A mistyped application is no silent success."""
    said = run("consents", "revoke", "--user", ADA, "--client", "wiki", "--config", file)
    assert said.status == 2 and said.err.count("\n") == 1 and "wiki" in said.err


def test_a_redis_that_does_not_answer_is_status_1(run: Run, tmp_path: Path) -> None:
    """One line, no traceback."""
    file = configure(tmp_path, tail=f'[redis]\nurl = "unix://{tmp_path}/none"\n')
    for words in (["list"], ["revoke"]):
        said = run("consents", *words, "--user", ADA, "--config", file)
        assert (said.status, said.err.count("\n")) == (1, 1) and said.err.startswith("no answer: ")
