"""``isthmus clients``: what is in the file is shown, what is in the store can be changed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from proxy.cli import clients
from proxy.store.memory import MemoryStore
from tests.cli.conftest import Run, configure
from tests.kit.memory_command import remembered

CALLBACK = "https://wiki.example/callback"


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A configuration, on a store in memory that outlives each command."""
    remembered(monkeypatch, clients, MemoryStore())
    return configure(tmp_path)


def add(run: Run, file: Path, *more: object) -> dict[str, Any]:
    """A client added; what was printed."""
    said = run("clients", "add", "--redirect-uri", CALLBACK, *more, "--json", "--config", file)
    assert said.status == 0, said.err
    issued: dict[str, Any] = json.loads(said.out)
    return issued


def shown(run: Run, file: Path, client_id: str) -> dict[str, Any]:
    """What is there of a client."""
    said = run("clients", "show", client_id, "--json", "--config", file)
    assert said.status == 0, said.err
    found: dict[str, Any] = json.loads(said.out)
    return found


def test_a_client_is_added_shown_changed_and_removed(run: Run, file: Path) -> None:
    """Id and secret are printed once, never again; a change leaves alone what it does not name."""
    issued = add(run, file, "--name", "Wiki", "--first-party", "--grant-type", "client_credentials")
    id, secret = issued["client_id"], issued["client_secret"]
    assert id.startswith("tpc_") and len(secret) == 43
    whole = shown(run, file, id)
    assert (whole["client_name"], whole["is_first_party"], whole["from"]) == ("Wiki", True, "added")
    said = run("clients", "update", id, "--name", "Other", "--third-party", "--config", file)
    assert (said.status, said.out) == (0, f"client_id  {id}\n")
    changed = {**whole, "client_name": "Other", "is_first_party": False}
    assert shown(run, file, id) == changed
    assert secret not in run("clients", "list", "--config", file).out + json.dumps(changed)
    said = run("clients", "remove", id, "--config", file)
    assert (said.status, said.out) == (0, "")
    assert (json.loads(said.err)["event"], json.loads(said.err)["client_id"]) == ("client_removed", id)
    said = run("clients", "show", id, "--config", file)
    assert (said.status, said.err) == (
        2,
        "clients: CLIENT_ID: there is no such client; see isthmus clients list\n",
    )


def test_the_list_says_where_each_client_comes_from(run: Run, file: Path) -> None:
    """Those of the file and those of the store, for people and for programs."""
    issued = add(run, file, "--method", "none")
    assert "client_secret" not in issued
    listed = json.loads(run("clients", "list", "--json", "--config", file).out)
    assert [(row["client_id"], row["from"]) for row in listed] == [("webapp", "file"), (issued["client_id"], "added")]
    table = run("clients", "list", "--config", file).out.splitlines()
    assert table[0].split() == ["CLIENT_ID", "NAME", "FROM", "METHOD", "PARTY"] and len(table) == 3


def test_what_the_file_says_is_changed_there(run: Run, file: Path) -> None:
    """Shown like any other; to change it is an error that names the file."""
    assert shown(run, file, "webapp")["token_endpoint_auth_method"] == "none"
    assert "redirect_uris" in run("clients", "show", "webapp", "--config", file).out
    for words in (("update", "webapp", "--name", "x"), ("remove", "webapp")):
        said = run("clients", *words, "--config", file)
        assert (said.status, said.err) == (2, f"{file}: clients[webapp]: is in this file; change it there\n")


def test_more_comes_from_a_file(run: Run, file: Path, tmp_path: Path) -> None:
    """Any metadata of RFC 7591, options on top; null removes a key."""
    more = tmp_path / "more.json"
    more.write_text(json.dumps({"client_name": "No", "tos_uri": "https://wiki.example/tos", "default_max_age": 60}))
    id = add(run, file, "--metadata", more, "--name", "Wiki")["client_id"]
    whole = shown(run, file, id)
    assert (whole["client_name"], whole["tos_uri"], whole["default_max_age"]) == (
        "Wiki",
        "https://wiki.example/tos",
        60,
    )
    more.write_text('{"tos_uri": null}')
    assert run("clients", "update", id, "--metadata", more, "--config", file).status == 0
    assert "tos_uri" not in shown(run, file, id)


def test_a_new_secret_is_printed(run: Run, file: Path) -> None:
    """The one before stays good until the next; both are never shown together."""
    issued = add(run, file)
    said = run("clients", "update", issued["client_id"], "--new-secret", "--json", "--config", file)
    renewed = json.loads(said.out)
    assert renewed["client_id"] == issued["client_id"] and renewed["client_secret"] != issued["client_secret"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--redirect-uri", "javascript:alert(1)"], "clients: invalid_redirect_uri: redirect_uris must be https://"),
        ([], "clients: invalid_redirect_uri: redirect_uris is missing"),
        (["--redirect-uri", CALLBACK, "--grant-type", "password"], "clients: invalid_client_metadata: grant_types"),
        (["--redirect-uri", CALLBACK, "--method", "magic"], "invalid_client_metadata: token_endpoint_auth_method"),
        (["--redirect-uri", CALLBACK, "--metadata", "nowhere.json"], "nowhere.json: --metadata: cannot be read"),
        (["--redirect-uri", CALLBACK, "--metadata", "{bad}"], "--metadata: must be a JSON object"),
        (["--redirect-uri", CALLBACK, "--metadata", "{misspelt}"], "client_nam is not a key; did you mean client_name"),
    ],
)
def test_bad_metadata_is_one_line(run: Run, file: Path, tmp_path: Path, words: list[str], said: str) -> None:
    """RG-02, RG-10: the same rules as for those who register themselves; nothing is stored."""
    (tmp_path / "bad.json").write_text("[]")
    (tmp_path / "misspelt.json").write_text('{"client_nam": "x"}')
    named = [word.format(bad=tmp_path / "bad.json", misspelt=tmp_path / "misspelt.json") for word in words]
    answer = run("clients", "add", *named, "--config", file)
    assert (answer.status, answer.out, len(answer.err.splitlines())) == (2, "", 1)
    assert said in answer.err
    assert len(json.loads(run("clients", "list", "--json", "--config", file).out)) == 1


@pytest.mark.parametrize("words", [("show", "nobody"), ("update", "nobody", "--name", "x"), ("remove", "nobody")])
def test_an_unknown_client_is_one_line(run: Run, file: Path, words: tuple[str, ...]) -> None:
    """Status 2, and where the list is."""
    said = run("clients", *words, "--config", file)
    assert (said.status, said.err.splitlines()) == (
        2,
        ["clients: CLIENT_ID: there is no such client; see isthmus clients list"],
    )
