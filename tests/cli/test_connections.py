"""``isthmus connections``: what is in the file is shown, what is in the store can be changed, by the API's rules."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path
from typing import Any

import pytest

from proxy.cli import connections
from proxy.store.memory import MemoryStore
from tests.cli.conftest import Run, Said, configure
from tests.kit.memory_command import remembered
from tests.kit.tenant import ScriptedTenant

SECRET = "what-only-the-tenant-should-know"
NOWHERE = "http://127.0.0.1:9/"


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A configuration, on a store in memory that outlives each command."""
    remembered(monkeypatch, connections, MemoryStore())
    return configure(tmp_path)


def added(run: Run, file: Path, *more: object, name: str = "two") -> dict[str, Any]:
    """A connection added; what was printed."""
    words = ("--discovery-url", NOWHERE, "--client-id", "isthmus", *more, "--json", "--config", file)
    said = run("connections", "add", name, *words)
    assert said.status == 0, said.err
    made: dict[str, Any] = json.loads(said.out)
    return made


def audit(said: Said) -> list[str]:
    """The events of the lines on standard error."""
    return [json.loads(line)["event"] for line in said.err.splitlines()]


def shown(run: Run, file: Path, name: str = "two") -> dict[str, Any]:
    """What is there of a connection."""
    said = run("connections", "show", name, "--json", "--config", file)
    assert said.status == 0, said.err
    found: dict[str, Any] = json.loads(said.out)
    return found


def test_a_connection_is_added_shown_changed_and_removed(run: Run, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The callback URL to register is printed, the secret never; a change leaves alone what it does not name."""
    monkeypatch.setenv("TWO_SECRET", SECRET)
    made = added(run, file, "--type", "back_channel", "--client-secret", "$TWO_SECRET", "--enable", "webapp",
                 "--display-name", "Two login", "--option", "own_callback=true")  # fmt: skip
    assert made["callback_url"] == "http://127.0.0.1:9000/login/callback/two" and made["from"] == "added"
    assert made["options"]["own_callback"] is True and made["enabled_clients"] == ["webapp"]
    assert shown(run, file) == shown(run, file, made["id"]) == made
    said = run("connections", "update", "two", "--option", "own_callback=null", "--option", "tenant_domain=t.example",
               "--disable", "webapp", "--json", "--config", file)  # fmt: skip
    assert said.status == 0 and audit(said) == ["connection_changed"], said.err
    changed = json.loads(said.out)
    assert changed["options"]["tenant_domain"] == "t.example" and "own_callback" not in changed["options"]
    assert (changed["display_name"], changed["enabled_clients"]) == ("Two login", [])
    assert changed["callback_url"] == "http://127.0.0.1:9000/login/callback"
    assert SECRET not in json.dumps([made, changed]) + run("connections", "list", "--json", "--config", file).out
    said = run("connections", "remove", "two", "--config", file)
    assert (said.status, said.out, audit(said)) == (0, "", ["connection_removed"])
    said = run("connections", "show", "two", "--config", file)
    assert (said.status, said.err) == (
        2,
        "connections: NAME: there is no such connection; see isthmus connections list\n",
    )


def test_the_list_says_where_each_connection_comes_from(run: Run, file: Path) -> None:
    """Those of the file and those of the store, for people and for programs."""
    added(run, file)
    listed = json.loads(run("connections", "list", "--json", "--config", file).out)
    assert [(row["name"], row["from"]) for row in listed] == [("corp", "file"), ("two", "added")]
    table = run("connections", "list", "--config", file).out.splitlines()
    assert table[0].split() == ["NAME", "ID", "FROM", "CHANNEL", "TENANT", "CLIENTS"] and len(table) == 3
    text = run("connections", "show", "corp", "--config", file).out
    assert "callback_url" in text and "http://127.0.0.1:9000/login/callback" in text and "discovery_url" in text


def test_what_the_file_says_is_changed_there(run: Run, file: Path) -> None:
    """To change it is an error that names the file."""
    for words in (("update", "corp", "--display-name", "x"), ("remove", "corp")):
        said = run("connections", *words, "--config", file)
        assert (said.status, said.err) == (2, f"{file}: connections[corp]: is in this file; change it there\n")


def test_a_secret_goes_with_another_address(run: Run, file: Path, tmp_path: Path) -> None:
    """MG-03: it must be given again, and can be, from a file or standard input."""
    secret = tmp_path / "secret"
    secret.write_text(f"{SECRET}\n")
    added(run, file, "--type", "back_channel", "--client-secret", f"file:{secret}")
    moved = ("connections", "update", "two", "--discovery-url", "http://127.0.0.1:8/", "--config", file)
    said = run(*moved)
    assert (said.status, said.out, len(said.err.splitlines())) == (2, "", 1)
    assert "options.client_secret is needed again" in said.err
    assert run(*moved, "--client-secret", f"file:{secret}").status == 0


def test_a_secret_can_come_from_standard_input(run: Run, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One line of it."""
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{SECRET}\n"))
    made = added(run, file, "--type", "back_channel", "--client-secret", "-")
    said = run("connections", "update", made["id"], "--option", "client_secret=null", "--config", file)
    assert said.status == 0 and "client_secret is missing" in said.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--scope", "profile"], 'invalid_body: options.scope must contain "openid"'),
        (["--enable", "nobody"], "enabled_clients[0] names no client"),
        (["--type", "side"], "options.type must be"),
        (["--option", "allow_private=[]"], "options.allow_private can be set in the configuration file alone"),
        (["--option", "nonsense"], "--option: must be NAME=VALUE"),
        (["--option", f"client_secret={SECRET}"], "does not belong on a command line"),
        (["--client-secret", SECRET], '--client-secret: must be "$NAME", "file:/path" or "-"'),
        (["--client-secret", "$NOT_THERE"], "no variable NOT_THERE"),
        (["--client-secret", "file:/not/there"], "the file cannot be read"),
        (["--options", "/not/there.json"], "--options: /not/there.json cannot be read"),
    ],
)
def test_bad_input_is_one_line(run: Run, file: Path, words: list[str], said: str) -> None:
    """The rules of file and API; nothing is stored, and no secret repeated."""
    answer = run("connections", "add", "two", "--discovery-url", NOWHERE, "--client-id", "x", *words, "--config", file)
    assert (answer.status, answer.out, len(answer.err.splitlines())) == (2, "", 1)
    assert said in answer.err and SECRET not in answer.err
    assert len(json.loads(run("connections", "list", "--json", "--config", file).out)) == 1


def test_a_name_is_given_once(run: Run, file: Path) -> None:
    """Neither that of the file nor one that was added."""
    added(run, file)
    for name in ("corp", "two"):
        said = run("connections", "add", name, "--discovery-url", NOWHERE, "--client-id", "x", "--config", file)
        assert (said.status, len(said.err.splitlines())) == (2, 1) and "already" in said.err


@pytest.mark.parametrize(
    "words", [("show", "no"), ("update", "no", "--scope", "openid"), ("remove", "no"), ("test", "no")]
)
def test_an_unknown_connection_is_one_line(run: Run, file: Path, words: tuple[str, ...]) -> None:
    """Status 2, and where the list is."""
    said = run("connections", *words, "--config", file)
    assert (said.status, said.err.splitlines()) == (
        2,
        ["connections: NAME: there is no such connection; see isthmus connections list"],
    )


async def test_tenants_are_asked(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A green check and status 0; with a tenant that is not there a red mark and status 1."""
    import asyncio

    remembered(monkeypatch, connections, MemoryStore())
    async with ScriptedTenant() as tenant:
        file = configure(tmp_path, tenant.base)
        said = await asyncio.to_thread(run, "connections", "test", "--config", file)
        assert (said.status, said.out.split()) == (0, ["✓", "found", "corp"])
        text = await asyncio.to_thread(run, "connections", "show", "corp", "--metadata", "--json", "--config", file)
        whole = json.loads(text.out)
        used = whole["discovery"]["jwks_uri"]
        assert (whole["health"]["status"], used["used"], used["source"]) == (
            "green",
            f"{tenant.base}/jwks",
            "published",
        )
        text = await asyncio.to_thread(run, "connections", "show", "corp", "--metadata", "--config", file)
        assert text.out.splitlines()[-1].split()[:3] == ["callback_url", "-", "http://127.0.0.1:9000/login/callback"]
        await asyncio.to_thread(added, run, file)
        said = await asyncio.to_thread(run, "connections", "test", "--json", "--config", file)
        assert said.status == 1
        assert [(row["name"], row["status"]) for row in json.loads(said.out)] == [("corp", "green"), ("two", "red")]
        said = await asyncio.to_thread(run, "connections", "test", "two", "--config", file)
        assert (
            said.status == 1
            and "✗ not found  two: no discovery document could be had (nobody answers there)" in said.out
        )


def test_mg_13_every_change_leaves_a_line_without_a_value(
    run: Run, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """MG-13: a server logs what is changed over HTTP; what is changed here is told on standard error, in the same form:
    who, what, which keys. Looking leaves none."""
    monkeypatch.setenv("TWO_SECRET", SECRET)
    words = ("--discovery-url", NOWHERE, "--client-id", "isthmus", "--type", "back_channel")
    said = run("connections", "add", "two", *words, "--client-secret", "$TWO_SECRET", "--json", "--config", file)
    line = json.loads(said.err)
    assert (line["event"], line["operator"], line["connection"]) == ("connection_created", "isthmus connections", "two")
    assert line["id"] == json.loads(said.out)["id"] and line["uid"] == os.getuid() and line["time"] > 0
    assert line["changed"] == ["name", "options", "strategy"] and SECRET not in said.err
    assert run("connections", "show", "two", "--config", file).err == ""
    assert run("connections", "list", "--config", file).err == ""


def test_the_remedy_keeps_its_quotes(run: Run, file: Path) -> None:
    """What the API puts into quotes loses them, and no others."""
    added(run, file)
    said = run("connections", "update", "two", "--option", "type=zzz", "--config", file)
    assert said.err == "connections: invalid_body: options.type must be 'front_channel' or 'back_channel'\n"
