"""``isthmus keys``: list, rotate, revoke, each a process that leaves the store as the next one finds it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.cli.conftest import Run, Said, configure


def listed(said: Said) -> dict[str, list[dict[str, Any]]]:
    """What ``--json`` printed, by algorithm."""
    found: dict[str, list[dict[str, Any]]] = {}
    for entry in json.loads(said.out):
        found.setdefault(entry["alg"], []).append(entry)
    return found


def states(entries: list[dict[str, Any]]) -> list[str]:
    return [entry["state"] for entry in entries]


def test_keys_are_listed_rotated_and_revoked(run: Run, tmp_path: Path) -> None:
    """Each algorithm has a next key from the start; a rotation plans them all and adds others; a revoked key says so,
    and the other algorithm's keys go on."""
    file = configure(tmp_path)
    first = listed(run("keys", "list", "--json", "--config", file))
    assert list(first) == ["RS256", "PS256"]
    assert all(states(entries) == ["current", "next"] for entries in first.values())
    rotated = listed(run("keys", "rotate", "--json", "--config", file))
    for alg, entries in rotated.items():
        assert [entry["kid"] for entry in entries][:2] == [entry["kid"] for entry in first[alg]]
        assert len(entries) == 3
    said = run("keys", "revoke", first["RS256"][0]["kid"], "--json", "--config", file)
    assert said.status == 0
    assert states(listed(said)["RS256"]) == ["revoked", "current", "next"]
    assert listed(said)["PS256"] == rotated["PS256"]
    assert run("keys", "list", "--json", "--config", file).out == said.out
    table = run("keys", "list", "--config", file).out
    assert table.splitlines()[0].split() == ["STATE", "KID", "ALG", "SINCE"]
    assert "BEGIN" not in table + said.out


def test_one_algorithm_is_rotated_alone(run: Run, tmp_path: Path) -> None:
    """``--alg`` leaves the others as they are; one that is not switched on is named, and nothing is changed."""
    file = configure(tmp_path, tail='[keys]\nalgorithms = ["RS256", "ES256"]\n')
    first = listed(run("keys", "list", "--json", "--config", file))
    assert list(first) == ["RS256", "ES256"]
    rotated = listed(run("keys", "rotate", "--alg", "ES256", "--json", "--config", file))
    assert (rotated["RS256"], len(rotated["ES256"])) == (first["RS256"], 3)
    said = run("keys", "rotate", "--alg", "PS256", "--config", file)
    assert (said.status, said.err) == (2, "keys: --alg: must be from keys.algorithms: RS256, ES256\n")
    assert listed(run("keys", "list", "--json", "--config", file)) == rotated


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
