"""From a name to a plugin: entry points of installed distributions, files in the folder, module paths."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from proxy.oidc.errors import Misconfigured
from proxy.plugins.find import find

HOOK = "from proxy import hookimpl\n@hookimpl\ndef isthmus_map_profile(claims): return None\n"


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """``install(distribution, entry, source)``: a distribution on the path, with one entry point ``acme``."""
    monkeypatch.syspath_prepend(tmp_path)

    def put(distribution: str, value: str, source: str, name: str = "acme") -> None:
        info = tmp_path / f"{distribution.replace('-', '_')}-1.5.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.5\n")
        (info / "entry_points.txt").write_text(f"[isthmus]\n{name} = {value}\n")
        (tmp_path / f"{value.partition(':')[0]}.py").write_text(source)
        importlib.invalidate_caches()  # a second distribution within one tick of the folder's clock

    return put


def told(name: str, settings: dict[str, Any] | None = None, folder: Path | None = None) -> str:
    """The one line of the refusal."""
    with pytest.raises(Misconfigured) as caught:
        find(name, settings or {}, folder)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_an_entry_point_is_found_with_its_version(install: Any) -> None:
    """By its name in the group ``isthmus``; the version is the distribution's."""
    install("acme-login", "acme_found", HOOK)
    found = find("acme", {}, None)
    assert (found.version, found.found) == ("1.5", "entry point of acme-login")


def test_a_file_is_found_by_its_stem(tmp_path: Path) -> None:
    """Beside other modules of that name, which it does not hide."""
    (tmp_path / "json.py").write_text(HOOK)
    found = find("json", {}, tmp_path)
    assert found.found == f"file {tmp_path / 'json.py'}"
    assert sys.modules["json"] is not found.plugin


def test_a_module_is_found_by_its_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A dotted path below what Python can import."""
    (tmp_path / "acme_pkg").mkdir()
    (tmp_path / "acme_pkg" / "login.py").write_text("__version__ = '3'\n" + HOOK)
    monkeypatch.syspath_prepend(tmp_path)
    found = find("acme_pkg.login", {}, None)
    assert (found.version, found.found) == ("3", "module acme_pkg.login")


@pytest.mark.parametrize("name", ["nowhere", "no.where", "../evil", "", ".rel", "a b", "isthmus-group"])
def test_a_name_that_is_nowhere_is_told_with_the_remedy(name: str, tmp_path: Path) -> None:
    """Not found, and what to do; a name that climbs out of the folder is only a name."""
    (tmp_path.parent / "evil.py").write_text("raise SystemExit")
    line = told(name, folder=tmp_path)
    assert "not found" in line
    assert "plugins.enabled" in line
    assert ("did you mean isthmus-groups?" in line) == (name == "isthmus-group")


def test_a_name_found_twice_is_refused(install: Any, tmp_path: Path) -> None:
    """Neither wins in silence: not of two distributions, not of a distribution and a file."""
    install("acme-one", "acme_one", HOOK)
    (tmp_path / "acme.py").write_text(HOOK)
    assert "found as entry point of acme-one and as file" in told("acme", folder=tmp_path)
    install("acme-two", "acme_two", HOOK)
    assert "acme-one" in told("acme")
    assert "acme-two" in told("acme")


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("import nothing_like_it", "ModuleNotFoundError"),
        ("raise SystemExit(3)", "SystemExit"),
        ("def (", "SyntaxError"),
        ("1 / 0", "ZeroDivisionError"),
    ],
)
def test_a_plugin_that_cannot_be_imported_is_named(install: Any, tmp_path: Path, source: str, words: str) -> None:
    """As entry point, file and module alike; the import cannot end the process."""
    install("acme-bad", "acme_bad", source)
    (tmp_path / "acmefile.py").write_text(source)
    assert words in told("acme")
    assert words in told("acmefile", folder=tmp_path)
    assert "cannot be imported" in told("acme_bad")
    for name in ("acme_bad", "isthmus_plugin_acmefile"):
        assert name not in sys.modules


def test_an_entry_point_to_nothing_is_named(install: Any) -> None:
    """An attribute that is missing, and an object that is neither a module nor makes a plugin."""
    install("acme-none", "acme_none:Missing", HOOK)
    install("acme-number", "acme_number:VALUE", "VALUE = 7", name="number")
    assert "AttributeError" in told("acme")
    assert "must name a module, or a class" in told("number")


SETTINGS = """
class Plugin:
    def __init__(self, settings):
        if set(settings) - {"claim"}:
            raise ValueError("unknown key")
        self.claim = settings.get("claim", "dept")
"""


def test_a_class_is_made_with_its_settings(tmp_path: Path) -> None:
    """Once, with the table, which it cannot change; without one it is empty."""
    (tmp_path / "configured.py").write_text(SETTINGS)
    assert vars(find("configured", {"claim": "x"}, tmp_path).plugin) == {"claim": "x"}
    assert vars(find("configured", {}, tmp_path).plugin) == {"claim": "dept"}


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (SETTINGS, "plugins.settings: table: unknown key"),
        ("class Plugin: pass", "TypeError"),
        ("class Plugin:\n def __init__(self, settings): raise SystemExit", "SystemExit"),
        (HOOK, "takes no settings"),
    ],
    ids=["refused", "takes none", "exits", "module"],
)
def test_settings_a_plugin_refuses_stop_the_start(tmp_path: Path, source: str, words: str) -> None:
    """The plugin's own ValueError is the explanation."""
    (tmp_path / "table.py").write_text(source)
    assert words in told("table", {"wrong": 1}, tmp_path)
