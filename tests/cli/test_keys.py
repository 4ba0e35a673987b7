"""``isthmus keys``: list, rotate, revoke, each a process that leaves the store as the next one finds it."""

from __future__ import annotations

import json
from pathlib import Path

from tests.cli.conftest import Run, configure


def test_keys_are_listed_rotated_and_revoked(run: Run, tmp_path: Path) -> None:
    """The next key is there from the start; a rotation plans it and adds another; a revoked key says so."""
    file = configure(tmp_path)
    first = json.loads(run("keys", "list", "--json", "--config", file).out)
    assert [entry["state"] for entry in first] == ["current", "next"]
    rotated = json.loads(run("keys", "rotate", "--json", "--config", file).out)
    assert [entry["kid"] for entry in rotated][:2] == [entry["kid"] for entry in first]
    assert len(rotated) == 3
    said = run("keys", "revoke", first[0]["kid"], "--json", "--config", file)
    states = {entry["kid"]: entry["state"] for entry in json.loads(said.out)}
    assert said.status == 0
    assert states[first[0]["kid"]] == "revoked"
    assert "current" in states.values()
    assert json.loads(run("keys", "list", "--json", "--config", file).out) == json.loads(said.out)
    table = run("keys", "list", "--config", file).out
    assert table.splitlines()[0].split() == ["STATE", "KID", "ALG", "SINCE"]
    assert "BEGIN" not in table + said.out


def test_a_key_that_is_not_there_cannot_be_revoked(run: Run, tmp_path: Path) -> None:
    """One line, status 2, and nothing changed."""
    file = configure(tmp_path)
    before = run("keys", "list", "--json", "--config", file).out
    said = run("keys", "revoke", "no-such-key", "--config", file)
    assert (said.status, said.err) == (2, "keys: KID: there is no such key; see isthmus keys list\n")
    assert run("keys", "list", "--json", "--config", file).out == before


def test_a_redis_that_does_not_answer_is_status_1(run: Run, tmp_path: Path) -> None:
    """One line, no traceback."""
    file = configure(tmp_path, tail=f'[redis]\nurl = "unix://{tmp_path}/none"\n')
    said = run("keys", "list", "--config", file)
    assert said.status == 1
    assert len(said.err.splitlines()) == 1
    assert said.err.startswith("no answer:")
