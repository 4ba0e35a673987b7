"""A configuration that is right, to be made wrong in one place."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from proxy.oidc.errors import Misconfigured
from proxy.settings import Settings, load

SECRET = "9b8Yx0rPq2LmZt5Vw7Ks4Jd1Hf6Gc3Na"
GOOD: Mapping[str, Any] = {
    "tenant": {"issuer": "https://login.example.com/", "secrets": ["$OWN"]},
    "server": {},
    "redis": {},
    "connections": [
        {
            "name": "corp",
            "enabled_clients": ["webapp"],
            "options": {
                "type": "back_channel",
                "discovery_url": "https://idp.example/",
                "client_id": "isthmus",
                "client_secret": "$CORP",
            },
        }
    ],
    "clients": [
        {"client_id": "webapp", "client_secret": "$APP", "redirect_uris": ["https://app.example/callback"]},
    ],
    "plugins": {},
}
ENVIRON = {"OWN": SECRET, "CORP": "hunter2-of-the-tenant", "APP": SECRET[::-1]}


def toml(value: Any) -> str:
    """``value`` as TOML, tables inline."""
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{json.dumps(key)} = {toml(item)}" for key, item in value.items()) + " }"
    return "[" + ", ".join(map(toml, value)) + "]" if isinstance(value, list) else json.dumps(value)


class Bench:
    """Loads ``GOOD`` with changes: a dotted place (``connections.0.options.scope``) to a value, None to remove it."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "isthmus.toml"

    def write(self, changes: Mapping[str, Any]) -> Path:
        """The file with ``changes``."""
        tree: Any = copy.deepcopy(dict(GOOD))
        for place, value in changes.items():
            *steps, last = [int(step) if step.isdigit() else step for step in place.split(".")]
            table = tree
            for step in steps:
                table = table[step] if isinstance(step, int) else table.setdefault(step, {})
            if value is None:
                del table[last]
            elif isinstance(table, list) and last == len(table):
                table.append(value)
            else:
                table[last] = value
        self.file.write_text("".join(f"{json.dumps(key)} = {toml(value)}\n" for key, value in tree.items()))
        return self.file

    def load(self, environ: Mapping[str, str] | None = None, **changes: Any) -> Settings:
        """The settings. Changes may be given as one mapping named ``at``."""
        return load(self.write({**changes.pop("at", {}), **changes}), {**ENVIRON, **(environ or {})})

    def mistakes(self, environ: Mapping[str, str] | None = None, **changes: Any) -> list[str]:
        """The lines of the refusal."""
        with pytest.raises(Misconfigured) as refused:
            self.load(environ, **changes)
        return str(refused.value).splitlines()


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """A bench with a folder of its own."""
    return Bench(tmp_path)
