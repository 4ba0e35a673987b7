"""TOML and environment to one tree of plain values.

In the tree connections lie under their name and clients under their id, so that a place in it reads
``connections[corp].options.scope`` and a variable ``ISTHMUS_CONNECTIONS__CORP__OPTIONS__SCOPE``.
"""

from __future__ import annotations

import re
import stat
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from proxy.oidc.errors import Misconfigured, Problem
from proxy.settings import kinds
from proxy.settings.problems import Fault, dotted
from proxy.settings.shape import File

PREFIX = "ISTHMUS_"
LISTED = {"connections": "name", "clients": "client_id"}
REFERENCE = re.compile(r"\$([A-Z_][A-Z0-9_]*)")
Place = tuple[str | int, ...]


@dataclass
class Tree:
    """The values, where each came from, and what is wrong so far. ``variables``: which variable set which place."""

    where: str
    values: dict[str, Any]
    variables: dict[Place, str] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def variable(self, place: Place) -> str | None:
        """The variable that set ``place``, or None if the file did."""
        return next((name for at, name in self.variables.items() if place[: len(at)] == at), None)

    def problem(self, fault: Fault) -> Problem:
        """``fault`` with the source that must be corrected."""
        variable = self.variable(fault.place)
        if variable is None:
            return Problem(self.where, dotted(fault.place), fault.remedy)
        return Problem("environment", f"{variable} ({dotted(fault.place)})", fault.remedy)

    def add(self, place: Place, remedy: str) -> None:
        """Note a problem."""
        self.problems.append(self.problem(Fault(place, remedy)))


def read(path: Path, environ: Mapping[str, str]) -> Tree:
    """The file with the environment on top. Raises Misconfigured if the file cannot be read at all."""
    tree = Tree(str(path), _parse(path))
    if path.stat().st_mode & stat.S_IWOTH:
        tree.problems.append(Problem(str(path), "mode", "everybody may write this file; chmod o-w it"))
    for section, name in LISTED.items():
        _index(tree, section, name)
    _respell(tree)
    referenced = set(_references(tree.values))
    for variable, text in sorted(environ.items()):
        if variable.startswith(PREFIX) and variable not in referenced:
            _overlay(tree, variable, text)
    return tree


def _parse(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_bytes().decode("utf-8"))
    except OSError as error:
        remedy = f"cannot be read ({error.strerror}); give the file with --config or ISTHMUS_CONFIG"
        raise Misconfigured(Problem(str(path), "file", remedy)) from None
    except UnicodeDecodeError:
        raise Misconfigured(Problem(str(path), "file", "must be UTF-8 text")) from None
    except tomllib.TOMLDecodeError as error:
        raise Misconfigured(Problem(str(path), "TOML", f"{error}; correct the line")) from None


def _index(tree: Tree, section: str, name: str) -> None:
    """Turn the list of tables ``section`` into a table by ``name``."""
    entries = tree.values.get(section, [])
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        tree.add((section,), f"must be tables that begin with [[{section}]]")
        entries = []
    named: dict[str, Any] = {}
    folded: set[str] = set()
    for number, entry in enumerate(entries, 1):
        id = entry.get(name)
        id = id if isinstance(id, str) and id else f"#{number}"
        same = id.casefold() if section == "connections" else id
        if same in folded:
            tree.add(
                (section, id, name), "is there twice; each needs its own" + (" (case aside)" if same != id else "")
            )
            id = f"#{number}"
        folded.add(same)
        named[id] = entry
    tree.values[section] = named


def _respell(tree: Tree) -> None:
    """``scopes``, the spelling of Auth0's guide, becomes ``scope``."""
    for name, connection in tree.values["connections"].items():
        options = connection.get("options")
        if isinstance(options, dict) and "scopes" in options:
            scopes = options.pop("scopes")
            if options.setdefault("scope", scopes) is not scopes:
                tree.add(
                    ("connections", name, "options", "scopes"), "is another spelling of scope; remove one of the two"
                )


def _references(value: Any) -> Iterator[str]:
    """Every variable that the file refers to."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from _references(item)
    elif isinstance(value, str) and (match := REFERENCE.fullmatch(value)):
        yield match[1]


def _overlay(tree: Tree, variable: str, text: str) -> None:
    """Set what ``variable`` names. Without ``__`` only a whole section is ours, like ISTHMUS_CONNECTIONS."""
    parts = variable.removeprefix(PREFIX).split("__")
    if len(parts) == 1 and parts[0].lower() not in File.model_fields:
        return
    place = _place(tree, parts)
    if place is None:
        tree.problems.append(Problem("environment", variable, "names no key of the configuration; correct or unset it"))
        return
    try:
        value = kinds.from_text(kinds.at(File, place), text)
    except ValueError:
        tree.problems.append(Problem("environment", variable, f"{dotted(place)} must be given as JSON"))
        return
    tree.variables[place] = variable
    _put(tree, place, value)


def _put(tree: Tree, place: Place, value: Any) -> None:
    table = tree.values
    for step in place[:-1]:
        if not isinstance(table.get(str(step)), dict):
            table[str(step)] = {}
        table = table[str(step)]
    table[str(place[-1])] = value
    if len(place) == 1 and place[0] in LISTED:
        _index(tree, str(place[0]), LISTED[str(place[0])])


def _place(tree: Tree, parts: list[str]) -> Place | None:
    """The place that ``parts`` of a variable's name mean; None if there is no such key."""
    place: tuple[str, ...] = ()
    for part in parts:
        names = kinds.keys(kinds.at(File, place))
        known = _named(tree, place) if names is None else names
        found = next((name for name in known if _folded(name) == part.upper()), None)
        if found is None and names is None and place[:2] == ("plugins", "settings"):
            found = part.lower()
        if found is None:
            return None
        place = (*place, found)
    return place


def _named(tree: Tree, place: Place) -> list[str]:
    """The names in a table whose keys are free."""
    value: Any = tree.values
    for step in place:
        value = value.get(step, {}) if isinstance(value, dict) else {}
    names = list(value) if isinstance(value, dict) else []
    plugins = tree.values.get("plugins")
    if place == ("plugins", "settings") and isinstance(plugins, dict) and isinstance(plugins.get("enabled"), list):
        names += [name for name in plugins["enabled"] if isinstance(name, str)]
    return names


def _folded(name: str) -> str:
    return re.sub(r"[^A-Z0-9]", "_", name.upper())


def locate(tree: Tree, path: Path) -> None:
    """Make every path in the tree absolute, counted from the project folder."""
    folder = path.absolute().parent
    base = folder.parent if folder.name == "config" else folder
    for table, names in _tables_with_paths(tree.values):
        for name in names:
            table[name] = _absolute(base, table[name])


def _tables_with_paths(values: dict[str, Any]) -> Iterator[tuple[dict[str, Any], list[str]]]:
    server = values.setdefault("server", {})
    if isinstance(server, dict):
        server.setdefault("data_dir", "var")
    tables = [(server, ("data_dir", "tls_cert", "tls_key", "trust")), (values.get("plugins"), ("folder",))]
    tables += [(c.get("options"), ("trust",)) for c in values["connections"].values() if isinstance(c, dict)]
    gateway = values.get("gateway")
    routes = gateway.get("routes") if isinstance(gateway, dict) else None
    tables += [(route, ("trust",)) for route in routes] if isinstance(routes, list) else []
    for table, names in tables:
        if isinstance(table, dict):
            yield table, [name for name in names if name in table]


def _absolute(base: Path, value: Any) -> Any:
    if isinstance(value, list):
        return [_absolute(base, item) for item in value]
    return str(base / value) if isinstance(value, str) and value else value
