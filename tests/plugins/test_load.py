"""What stops the start, all of it at once; and what is loaded: what is named, nothing else, in that order."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from proxy.oidc.errors import Misconfigured
from proxy.plugins import Plugins, load

Load = Callable[..., Plugins]
GOOD = "@hookimpl\ndef isthmus_map_profile(claims): return None"


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (
            "@hookimpl\ndef isthmus_map_profil(claims): ...",
            "no hook isthmus_map_profil: did you mean isthmus_map_profile?",
        ),
        ("@hookimpl\ndef map_profile(claims): ...", "no hook map_profile"),
        ("@hookimpl(specname='isthmus_scopes')\ndef f(): ...", "no hook isthmus_scopes"),
        ("def isthmus_map_profile(claims): ...", "not marked: put @hookimpl"),
        ("x = 1", "implements no hook"),
        ("@hookimpl(wrapper=True)\ndef isthmus_map_profile(claims): return (yield)", "is a hook wrapper"),
        ("@hookimpl(hookwrapper=True)\ndef isthmus_map_profile(claims): yield", "is a hook wrapper"),
        (
            "@hookimpl\ndef isthmus_map_profile(claim): ...",
            "cannot take claim: it may name connection, client, claims, profile",
        ),
        ("@hookimpl\ndef isthmus_map_profile(claims, depth=1): ...", "cannot take depth=1"),
        ("@hookimpl\ndef isthmus_request_scopes(*args): ...", "cannot take *args"),
        ("@hookimpl\ndef isthmus_request_scopes(**kwargs): ...", "cannot take **kwargs"),
        ("@hookimpl\ndef isthmus_request_scopes(scopes, /): ...", "cannot take scopes"),
    ],
)
def test_a_plugin_that_cannot_work_stops_the_start(plugins: Load, source: str, words: str) -> None:
    """Named, with the remedy; pluggy alone would ignore most of these."""
    with pytest.raises(Misconfigured) as caught:
        plugins({"acme": source})
    assert str(caught.value).startswith("plugins.enabled: acme: ")
    assert words in str(caught.value)


async def test_arguments_with_a_default_and_by_keyword_are_passed(plugins: Load, connection: Any, client: Any) -> None:
    """pluggy would leave them at their default; here what is named is given."""
    source = "@hookimpl\ndef isthmus_map_profile(*, claims=None): return {'seen': claims is not None}"
    mapped = await plugins({"acme": source}).map_profile(connection, client, {"sub": "u"})
    assert mapped.profile["seen"] is True


async def test_a_specname_and_an_optional_hook_are_understood(plugins: Load, connection: Any, client: Any) -> None:
    """A function may be called as its author likes; a hook of a newer Isthmus may be marked as optional."""
    source = """
        @hookimpl(specname="isthmus_request_scopes")
        def more(scopes):
            return [*scopes, "groups"]

        @hookimpl(optionalhook=True)
        def isthmus_of_tomorrow(anything):
            return anything
    """
    loaded = plugins({"acme": source})
    assert "groups" in (await loaded.request_scopes(connection, client)).values
    assert loaded.listing()[1].hooks == ("isthmus_request_scopes",)


def test_every_problem_is_told_at_once(plugins: Load, tmp_path: Path) -> None:
    """One broken plugin does not keep the others from being reported."""
    files = {"broken": "1 / 0", "misspelt": "@hookimpl\ndef isthmus_x(): ...", "good": GOOD}
    with pytest.raises(Misconfigured) as caught:
        plugins(files, enabled=(*files, "absent", "good", "isthmus"))
    assert [(problem.where, problem.key) for problem in caught.value.problems] == [
        ("plugins.enabled", "broken"),
        ("plugins.enabled", "absent"),
        ("plugins.enabled", "good"),
        ("plugins.enabled", "isthmus"),
        ("plugins.enabled", "misspelt"),
    ]


def test_one_module_under_two_names_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    """It would run twice."""
    (tmp_path / "acme_twice.py").write_text(f"from proxy import hookimpl\n{GOOD}")
    info = tmp_path / "acme_twice-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-twice\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[isthmus]\nother-name = acme_twice\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(Misconfigured, match="acme_twice"):
        load(settings(enabled=("other-name", "acme_twice")))


def test_pl_05_what_is_not_named_is_not_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, plugins: Load) -> None:
    """PL-05: an installed distribution with our entry point, and a file in the folder, are not even imported."""
    for name in ("surprise", "surprise_file"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('imported')")
    info = tmp_path / "surprise-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: surprise\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[isthmus]\nsurprise = surprise\n")
    monkeypatch.syspath_prepend(tmp_path)
    loaded = plugins({"good": GOOD})
    assert [info.name for info in loaded.listing()] == ["isthmus", "good"]
    assert not {"surprise", "isthmus_plugin_surprise_file"} & set(sys.modules)


@pytest.mark.parametrize("order", [("a", "b", "c"), ("c", "a", "b")])
async def test_the_operators_order_is_the_order_of_calls(
    plugins: Load, connection: Any, client: Any, order: tuple[str, ...]
) -> None:
    """Not pluggy's (last registered first), and no plugin can push itself to the front."""
    marks = {"a": "@hookimpl", "b": "@hookimpl(tryfirst=True)", "c": "@hookimpl(trylast=True)"}
    files = {name: f"{marks[name]}\ndef isthmus_request_scopes(scopes): return [*scopes, '{name}']" for name in order}
    loaded = plugins(files)
    assert (await loaded.request_scopes(connection, client)).values[-3:] == order
    assert tuple(info.name for info in loaded.listing()) == ("isthmus", *order)


def test_a_folder_that_is_not_there_is_told(settings: Any, tmp_path: Path) -> None:
    """Not taken for an empty one."""
    with pytest.raises(Misconfigured, match="plugins: folder: .* is not a folder"):
        load(settings(folder=tmp_path / "absent"))


def test_settings_of_a_plugin_that_is_off_are_told(settings: Any, caplog: pytest.LogCaptureFixture) -> None:
    """Switching a plugin off for a while must not cost its settings; a misspelt table shows in the log."""
    caplog.set_level(logging.WARNING, "isthmus.plugins")
    load(settings(settings={"isthmus-group": {"claim": "x"}}))
    assert "plugins.settings.isthmus-group is not used" in caplog.text
