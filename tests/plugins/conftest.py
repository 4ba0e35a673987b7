"""Plugins as an operator has them: single files in a folder, loaded by name."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from pydantic import SecretStr

from proxy.models import Client, Connection, ConnectionOptions
from proxy.plugins import Plugins, load

HEAD = "from proxy import hookimpl\n"


@dataclass(frozen=True)
class Settings:
    """The ``[plugins]`` table."""

    enabled: tuple[str, ...] = ()
    folder: Path | None = None
    on_error: str = "fail"
    settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    time_limit: float = 2.0


@pytest.fixture
def connection() -> Connection:
    """A connection with a secret, a display name and an icon."""
    options = ConnectionOptions(
        client_id="rp",
        client_secret=SecretStr("upstream-secret"),
        discovery_url="https://idp.example/",
        icon_url="https://cdn.example/corp.png",
    )
    return Connection(name="corp", display_name="Corp login", options=options)


@pytest.fixture
def client() -> Client:
    """A confidential client that leaves its authentication method to the default."""
    return Client(client_id="webapp", client_secret=SecretStr("s" * 40), redirect_uris=("https://app.example/cb",))


@pytest.fixture
def settings() -> type[Settings]:
    """The table itself, for tests that fill it their own way."""
    return Settings


@pytest.fixture
def plugins(tmp_path: Path) -> Iterator[Callable[..., Plugins]]:
    """``plugins({"name": source, ...}, on_error=...)`` writes the files and loads them in that order."""
    loaded: list[Plugins] = []

    def make(files: Mapping[str, str], **others: Any) -> Plugins:
        for name, source in files.items():
            (tmp_path / f"{name}.py").write_text(HEAD + dedent(source), encoding="utf-8")
        given: dict[str, Any] = {"enabled": tuple(files), "folder": tmp_path, **others}
        loaded.append(load(Settings(**given)))
        return loaded[-1]

    yield make
    for each in loaded:
        each.close()
