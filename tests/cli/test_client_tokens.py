"""``isthmus clients token``: made, listed, revoked."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from proxy.cli import client_tokens
from proxy.cli.client_tokens import seconds
from proxy.oidc.errors import Misconfigured
from proxy.store.memory import MemoryStore
from tests.cli.conftest import Run, configure
from tests.kit.memory_command import remembered


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A configuration with registration, on a store in memory that outlives each command."""
    remembered(monkeypatch, client_tokens, MemoryStore())
    return configure(tmp_path, tail='[registration]\nmode = "token"\n')


def test_the_token_and_nothing_else_is_printed(run: Run, file: Path) -> None:
    """A script reads it from standard output; lists never show it."""
    said = run("clients", "token", "--uses", "5", "--expires", "12h", "--first-party", "--config", file)
    assert said.status == 0 and re.fullmatch(r"[0-9a-f]{16}\.[A-Za-z0-9_-]{43}\n", said.out)
    line = json.loads(said.err)
    assert (line["event"], line["uses"]) == ("initial_token_issued", 5) and said.out.strip() not in said.err
    run("clients", "token", "--unlimited", "--config", file)
    run("clients", "token", "--config", file)
    rows = json.loads(run("clients", "tokens", "--json", "--config", file).out)
    assert [(row["uses_left"], row["is_first_party"]) for row in rows] == [(5, True), (None, False), (1, False)]
    lives = [row["expires_at"] - row["created_at"] for row in rows]
    assert lives == [12 * 3600, 30 * 86_400, 30 * 86_400]
    table = run("clients", "tokens", "--config", file).out
    assert table.splitlines()[0].split() == ["ID", "USES", "LEFT", "EXPIRES", "PARTY"] and "unlimited" in table
    assert said.out.strip().partition(".")[2] not in table + json.dumps(rows)


def test_a_token_is_revoked_by_its_id(run: Run, file: Path) -> None:
    """Once; then there is none."""
    id = run("clients", "token", "--config", file).out.partition(".")[0]
    assert run("clients", "revoke-token", id, "--config", file).status == 0
    said = run("clients", "revoke-token", id, "--config", file)
    assert (said.status, said.err) == (2, "clients: ID: there is no such token; see isthmus clients tokens\n")
    assert json.loads(run("clients", "tokens", "--json", "--config", file).out) == []


def test_where_registration_is_off_that_is_said(run: Run, file: Path, tmp_path: Path) -> None:
    """On standard error: the token is printed all the same."""
    (tmp_path / "off").mkdir()
    said = run("clients", "token", "--config", configure(tmp_path / "off"))
    assert said.status == 0 and "." in said.out and 'registration.mode is "off"' in said.err


@pytest.mark.parametrize(
    "words", [["--uses", "0"], ["--uses", "-1"], ["--uses", "2", "--unlimited"], ["--uses", "x"], ["--expires", "3y"]]
)
def test_a_wrong_token_is_one_line(run: Run, file: Path, words: list[str]) -> None:
    """Nothing is made."""
    said = run("clients", "token", *words, "--config", file)
    assert (said.status, said.out, len(said.err.splitlines())) == (2, "", 1)
    assert json.loads(run("clients", "tokens", "--json", "--config", file).out) == []


@pytest.mark.parametrize(("text", "length"), [("90s", 90), ("15m", 900), ("12h", 43_200), ("30d", 2_592_000)])
def test_a_length_of_time(text: str, length: int) -> None:
    """A number and a unit."""
    assert seconds(text) == length


@pytest.mark.parametrize("text", ["", "d", "0d", "-1d", "1", "1w", "3651d", "1.5h", " 1h", "99999999999d", "\u0661d"])
def test_what_is_no_length_of_time(text: str) -> None:
    """Anything else is refused, and so is more than ten years."""
    with pytest.raises(Misconfigured):
        seconds(text)
