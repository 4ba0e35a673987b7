"""The command line as a whole: help, exit statuses, one line for each mistake."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from proxy import cli
from proxy.cli import COMMANDS
from proxy.oidc.errors import Unavailable
from tests.cli.conftest import ROOT, Run, configure, isthmus


def test_help_lists_what_works_and_costs_little() -> None:
    """The list of commands is shown without importing what they need."""
    heavy = "{'aiohttp', 'redis', 'pydantic', 'jwt'}"
    code = f"import sys; from proxy.cli import main; main(['--help']); print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.rstrip().endswith("[]")
    for name in ("serve", "demo", "check", "keys", "plugins"):
        assert f" {name} " in done.stdout


@pytest.mark.parametrize("words", [words for words, *_ in COMMANDS])
def test_every_command_has_help_with_an_example(run: Run, words: str) -> None:
    """Help works without a configuration."""
    said = run(*words.split(), "--help")
    assert said.status == 0
    assert f"Example: isthmus {words}" in said.out


@pytest.mark.parametrize("words", [words for words, *_ in COMMANDS if words.endswith(("list", "check"))])
def test_what_lists_can_list_as_json(run: Run, words: str) -> None:
    """Programs read the lists too."""
    assert "--json" in run(*words.split(), "--help").out


@pytest.mark.parametrize(
    "arguments",
    [
        ["chek"],
        ["check", "--nonsense"],
        ["check", "extra"],
        ["--nonsense"],
        ["keys", "nothing"],
        ["keys", "revoke"],
        ["serve", "--workers", "0"],
        ["serve", "--workers", "many"],
        ["plugins", "try"],
        ["check", "--config"],
    ],
)
def test_a_wrong_command_is_one_line_and_status_2(run: Run, arguments: list[str]) -> None:
    """Whatever is wrong with the command: what, and where help is; never a traceback."""
    said = run(*arguments)
    assert (said.status, said.out) == (2, "")
    assert len(said.err.splitlines()) == 1
    assert "isthmus --help" in said.err


def test_mistakes_in_the_file_are_a_line_each_and_status_2(tmp_path: Path) -> None:
    """In a process of its own: the exit status and both streams are what a shell sees."""
    file = configure(tmp_path, more='scope = "email"\nnonsense = 1')
    for command in (["check"], ["serve"], ["keys", "list"], ["plugins", "list"]):
        said = isthmus(*command, "--config", file)
        assert (said.status, said.out) == (2, "")
        assert len(said.err.splitlines()) == 2, said.err
        assert all(line.startswith(f"{file}: connections[corp].options.") for line in said.err.splitlines())


@pytest.mark.parametrize("how", ["before", "before=", "after", "variable"])
def test_the_file_is_named_in_each_way(run: Run, tmp_path: Path, how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """--config before or after the command, or ISTHMUS_CONFIG."""
    missing = tmp_path / "elsewhere.toml"
    command = {
        "before": ["--config", missing, "plugins", "list"],
        "before=": [f"--config={missing}", "plugins", "list"],
        "after": ["plugins", "list", "--config", missing],
        "variable": ["plugins", "list"],
    }[how]
    if how == "variable":
        monkeypatch.setenv("ISTHMUS_CONFIG", str(missing))
    said = run(*command)
    assert said.status == 2
    assert said.err.startswith(f"{missing}: file: cannot be read")


def test_a_store_that_is_down_is_status_1(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Something that does not answer is no mistake of the operator's."""

    def down(*_: object, **__: object) -> None:
        raise Unavailable("the store")

    monkeypatch.setattr(cli, "commands", lambda: down)
    said = run("keys", "list")
    assert (said.status, said.err) == (1, "no answer: the store\n")


def test_a_fault_of_ours_is_one_line_without_values(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """It names the place, not what was in the variables."""

    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("geheimnis")

    monkeypatch.setattr(cli, "commands", lambda: broken)
    said = run("check")
    assert said.status == 1
    assert len(said.err.splitlines()) == 1
    assert "RuntimeError in" in said.err
    assert "geheimnis" not in said.err
