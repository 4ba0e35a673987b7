"""Settings: the file and the environment become typed values, once, and every mistake is told with its place.

    shape     what may stand in the file
    sources   TOML and environment to one tree of plain values
    secrets   references to their values, and which values are too weak
    problems  what pydantic found, in the operator's words
    rules     what depends on more than one key

``load`` reads and checks everything; ``own_secrets`` finds or makes what Isthmus encrypts with. A path that is not
absolute counts from the project folder: the folder of the file, or the one above if that folder is called ``config``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from pydantic import ValidationError

from proxy.oidc.errors import Misconfigured, Problem
from proxy.settings import problems, rules, secrets, sources
from proxy.settings.secrets import own_secrets
from proxy.settings.shape import File, Plugins, Redis, Server, SessionLimits, Settings, Tenant, Tokens

__all__ = [
    "Plugins",
    "Redis",
    "Server",
    "SessionLimits",
    "Settings",
    "Tenant",
    "Tokens",
    "load",
    "own_secrets",
]

ROUNDS = 4


def load(path: Path, environ: Mapping[str, str]) -> Settings:
    """The settings in the file at ``path`` and in ``environ``. Raises Misconfigured with every mistake found."""
    tree = sources.read(path, environ)
    warnings = secrets.resolve(tree, environ)
    sources.locate(tree, path)
    file = _validate(tree)
    if file is not None:
        tree.problems += [p for p in map(tree.problem, rules.broken(file)) if not _told(p, tree.problems)]
        warnings += rules.doubtful(file)
    if tree.problems or file is None:
        raise Misconfigured(*sorted(set(tree.problems), key=str))
    return Settings(**{name: getattr(file, name) for name in File.model_fields}, warnings=tuple(warnings))


def _validate(tree: sources.Tree) -> File | None:
    """The tree as typed values. What is wrong is noted and taken out, so that the rules can look at the rest."""
    values = tree.values
    for _ in range(ROUNDS):
        try:
            return File.model_validate_json(json.dumps(values, default=str), strict=True)
        except ValidationError as error:
            found = error.errors(include_input=False, include_url=False)
            tree.problems += [tree.problem(problems.tell(each)) for each in found]
            values = problems.healed(values, found)
    return None


def _told(problem: Problem, told: list[Problem]) -> bool:
    """Whether this key has a problem already."""
    return any(other.key == problem.key for other in told)
