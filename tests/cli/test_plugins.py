"""``isthmus plugins``: what is loaded, and who set which value."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from tests.cli.conftest import Run, configure

PLUGIN = """
from proxy import hookimpl

@hookimpl
def isthmus_request_scopes(scopes):
    return (*scopes, "groups")

@hookimpl
def isthmus_map_profile(claims, profile):
    if "boom" in claims:
        raise RuntimeError("geheimnis")
    return {"department": claims.get("dept", "none")}

@hookimpl
def isthmus_connection_button(button):
    return type(button)("Our " + button.display_name, button.icon_url)
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A configuration with a plugin of one file."""
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "depts.py").write_text(PLUGIN)
    return configure(tmp_path, tail='[plugins]\nfolder = "plugins"\nenabled = ["depts"]\n')


def claims(folder: Path, text: str) -> Path:
    """A file of claims."""
    path = folder / "claims.json"
    path.write_text(text)
    return path


def test_plugins_are_listed_with_their_hooks(run: Run, file: Path) -> None:
    """Ours first, then the operator's, as a table and as JSON."""
    rows = run("plugins", "list", "--config", file).out.splitlines()
    assert [row.split()[0] for row in rows] == ["PLUGIN", "isthmus", "depts"]
    listed = json.loads(run("plugins", "list", "--json", "--config", file).out)
    assert listed[1]["hooks"] == ["isthmus_request_scopes", "isthmus_map_profile", "isthmus_connection_button"]


def test_a_try_shows_who_set_each_value(run: Run, file: Path, tmp_path: Path) -> None:
    """Scopes, profile and button, each with its plugin."""
    facts = claims(tmp_path, '{"sub": "1", "name": "Ada", "dept": "R&D"}')
    arguments = ["plugins", "try", "--connection", "corp", "--claims", facts, "--config", file]
    found = json.loads(run(*arguments, "--json").out)
    assert {"value": "groups", "plugin": "depts"} in found["scopes"]
    assert {"value": "openid", "plugin": "isthmus"} in found["scopes"]
    assert found["profile"]["department"] == {"value": "R&D", "plugin": "depts"}
    assert found["profile"]["name"] == {"value": "Ada", "plugin": "isthmus"}
    assert found["button"]["display_name"] == {"value": "Our corp", "plugin": "depts"}
    table = run(*arguments).out
    assert [line.split() for line in table.splitlines() if line.startswith("department")] == [
        ["department", '"R&D"', "depts"]
    ]


def test_a_try_heeds_the_connections_map(run: Run, tmp_path: Path) -> None:
    """What an ``attribute_map`` makes of claims is tried with the rest; a profile that is too large is told."""
    mapped = """[connections.options.attribute_map]
mapping_mode = "use_map"
attributes = { unit = "${context.tokenset.dept}", tenant = "${context.connection.id}" }
"""
    file = configure(tmp_path, tail=mapped)
    arguments = ["plugins", "try", "--connection", "corp", "--json", "--config", file, "--claims"]
    found = json.loads(run(*arguments, claims(tmp_path, '{"sub": "1", "dept": "R&D", "email": "a@corp.example"}')).out)
    assert set(found["profile"]) == {"name", "unit", "tenant"}
    assert found["profile"]["unit"] == {"value": "R&D", "plugin": "isthmus"}
    assert found["profile"]["tenant"]["value"].startswith("con_")
    said = run(*arguments, claims(tmp_path, json.dumps({"sub": "1", "dept": "x" * 70_000})))
    assert said.status == 1 and "more about this person than can be kept" in said.err


def test_claims_come_from_standard_input(run: Run, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With ``-``."""
    monkeypatch.setattr("sys.stdin", io.StringIO('{"sub": "1", "dept": "Sales"}'))
    said = run("plugins", "try", "--connection", "corp", "--claims", "-", "--client", "webapp", "--config", file)
    assert said.status == 0
    assert "Sales" in said.out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--connection", "none"], "--connection: there is no such connection (there are: corp)"),
        (["--connection", "corp", "--client", "none"], "--client: there is no such client (there are: webapp)"),
    ],
)
def test_a_name_that_is_not_there_is_told(
    run: Run, file: Path, tmp_path: Path, arguments: list[str], said: str
) -> None:
    """With the names that are."""
    answer = run("plugins", "try", *arguments, "--claims", claims(tmp_path, "{}"), "--config", file)
    assert answer.status == 2
    assert said in answer.err


@pytest.mark.parametrize("text", ["", "{", "[]", "5", "\ufeff{}"])
def test_claims_that_are_no_object_are_told(run: Run, file: Path, tmp_path: Path, text: str) -> None:
    """One line, without what the file holds."""
    said = run("plugins", "try", "--connection", "corp", "--claims", claims(tmp_path, text), "--config", file)
    assert said.status == 2
    assert "--claims:" in said.err


def test_a_plugin_that_fails_is_named(run: Run, file: Path, tmp_path: Path) -> None:
    """Status 1, one line, no traceback."""
    facts = claims(tmp_path, '{"sub": "1", "boom": 1}')
    said = run("plugins", "try", "--connection", "corp", "--claims", facts, "--config", file)
    assert said.status == 1
    assert "plugin depts: isthmus_map_profile" in said.err
    assert "Traceback" not in said.err
