"""From a name in ``plugins.enabled`` to a plugin object: entry point, single file in the folder, or module path.

Nothing is imported that is not named. A module with a ``Plugin`` class (or a function of that name) means what it
makes; so does an entry point that names one. It is made once, with ``plugins.settings.<name>``.
"""

from __future__ import annotations

import difflib
import importlib
import importlib.util
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import Any

from proxy.hooks import PROJECT
from proxy.oidc.errors import Misconfigured, Problem
from proxy.plugins.values import freeze

_MODULE = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*", re.ASCII)
_STEM = re.compile(r"[A-Za-z0-9_-]+")


@dataclass(frozen=True)
class Found:
    """A plugin object, ready to be registered, and where it came from."""

    name: str
    plugin: object
    version: str
    found: str


@dataclass(frozen=True)
class _Place:
    """Where a plugin stands, and how to import it."""

    found: str
    version: str
    load: Callable[[], Any]


def find(name: str, settings: Mapping[str, Any], folder: Path | None) -> Found:
    """The plugin called ``name``. Raises Misconfigured, with the remedy."""
    places = [*_installed(name), *_in_folder(name, folder)]
    if len(places) > 1:
        several = " and as ".join(place.found for place in places)
        raise _problem(name, f"found as {several}: rename or remove all but one")
    place = places[0] if places else _Place(f"module {name}", "", lambda: _module(name, folder))
    target = _load(name, place)
    version = place.version or str(getattr(target, "__version__", ""))
    return Found(name, _make(name, target, settings), version, place.found)


def _problem(name: str, remedy: str, key: str = "plugins.enabled") -> Misconfigured:
    return Misconfigured(Problem(key, name, remedy))


def _installed(name: str) -> list[_Place]:
    return [_installed_place(point) for point in entry_points(group=PROJECT, name=name)]


def _installed_place(point: EntryPoint) -> _Place:
    package, version = (point.dist.name, point.dist.version) if point.dist else ("", "")
    return _Place(f"entry point of {package}", version, point.load)


def _in_folder(name: str, folder: Path | None) -> list[_Place]:
    path = folder / f"{name}.py" if folder and _STEM.fullmatch(name) else None
    return [_Place(f"file {path}", "", lambda: _run_file(name, path))] if path and path.is_file() else []


def _run_file(name: str, path: Path) -> ModuleType:
    """The module in ``path``, under a name of its own so that it hides no other module."""
    spec = importlib.util.spec_from_file_location(f"isthmus_plugin_{name.replace('-', '_')}", path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their own module up
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[spec.name]
        raise
    return module


def _module(name: str, folder: Path | None) -> ModuleType:
    try:
        if _MODULE.fullmatch(name):
            return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if not f"{name}.".startswith(f"{error.name}."):
            raise  # The module is there; something it needs is not.
    near = difflib.get_close_matches(name, _known(folder), n=1)
    hint = f"did you mean {near[0]}? Else " if near else ""
    raise _problem(
        name, f"not found: {hint}install the package that has it, put {name}.py into plugins.folder, or remove the name"
    )


def _known(folder: Path | None) -> list[str]:
    """Every name that could be enabled: installed ones, and files in the folder."""
    installed = [point.name for point in entry_points(group=PROJECT)]
    return installed + ([path.stem for path in folder.glob("*.py")] if folder else [])


def _load(name: str, place: _Place) -> Any:
    try:
        return place.load()
    except Misconfigured:
        raise
    except (Exception, SystemExit) as error:
        raise _problem(name, f"{place.found} cannot be imported: {type(error).__name__}: {error}") from error


def _make(name: str, target: Any, settings: Mapping[str, Any]) -> object:
    """The plugin object: what ``Plugin`` makes of the settings, or the module itself, which takes none."""
    if isinstance(target, ModuleType):
        target = getattr(target, "Plugin", target)
    if isinstance(target, ModuleType):
        if settings:
            raise _problem(name, "takes no settings: remove the table", "plugins.settings")
        return target
    if not callable(target):
        raise _problem(name, "its entry point must name a module, or a class that takes the settings")
    try:
        return target(freeze(settings))
    except (Exception, SystemExit) as error:
        said = str(error) if isinstance(error, ValueError) else f"{type(error).__name__}: {error}"
        raise _problem(name, said, "plugins.settings") from error
