"""plugins/README.md is the manual of the hooks: complete, true, and its examples run."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from types import SimpleNamespace

import pytest

from proxy import hooks
from proxy.plugins import load

PLUGINS = Path(__file__).parent.parent / "plugins"
MANUAL = (PLUGINS / "README.md").read_text(encoding="utf-8")
HOOKS = [name for name, hook in vars(hooks).items() if hasattr(hook, "isthmus_spec")]
EXAMPLES = re.findall(r"```python\n(.*?)```", MANUAL, re.DOTALL)


def test_there_are_hooks() -> None:
    """The tables below are not empty."""
    assert len(HOOKS) >= 3
    assert len(EXAMPLES) >= len(HOOKS)


@pytest.mark.parametrize("hook", HOOKS)
def test_every_hook_has_a_section_with_its_arguments(hook: str) -> None:
    """The heading is the signature; the section says when, what it gets, what it may return, and what nothing means."""
    arguments = ", ".join(inspect.signature(getattr(hooks, hook)).parameters)
    heading = f"### {hook}({arguments})\n"
    assert heading in MANUAL
    section = MANUAL.partition(heading)[2].partition("\n### ")[0]
    assert all(f"**{word}:**" in section for word in ("When", "Gets", "May return", "Nothing means"))
    assert "```python" in section


@pytest.mark.parametrize("hook", HOOKS)
def test_every_hook_has_a_user(hook: str) -> None:
    """A plugin in plugins/ implements it: a hook that nobody uses is a guess."""
    assert any(f"def {hook}(" in file.read_text(encoding="utf-8") for file in PLUGINS.rglob("src/*.py"))


@pytest.mark.parametrize("example", EXAMPLES, ids=range(len(EXAMPLES)))
def test_every_example_is_a_plugin(example: str, tmp_path: Path) -> None:
    """It loads as it stands."""
    (tmp_path / "example.py").write_text(example, encoding="utf-8")
    settings = SimpleNamespace(enabled=("example",), folder=tmp_path, on_error="fail", settings={}, time_limit=2.0)
    assert load(settings).listing()[-1].hooks


def test_plugins_is_no_package() -> None:
    """A package there would hide the distributions, which are installed."""
    assert not list(PLUGINS.glob("__init__.py"))
