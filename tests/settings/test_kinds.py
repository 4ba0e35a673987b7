"""Keys and kinds are read off the models."""

from __future__ import annotations

from typing import Any

import pytest

from proxy.settings import kinds
from proxy.settings.shape import File


@pytest.mark.parametrize(
    ("place", "kind"),
    [
        (("server", "port"), int),
        (("server", "internal_port"), int),
        (("connections", "corp", "options", "own_callback"), bool),
        (("clients", "webapp", "redirect_uris", 0), str),
        (("plugins", "settings", "any", "thing", "below"), Any),
        (("server", "nothing"), None),
        (("server", "port", "deeper"), None),
    ],
)
def test_a_place_has_a_kind(place: tuple[str | int, ...], kind: Any) -> None:
    """Through tables, tables of tables and lists; without the optional."""
    assert kinds.at(File, place) is kind


def test_tables_know_their_keys() -> None:
    """A table with fixed keys lists them, one with free names does not, a value has none."""
    assert "issuer" in (kinds.keys(kinds.at(File, ("tenant",))) or [])
    assert kinds.keys(kinds.at(File, ("connections",))) is None
    assert kinds.keys(int) == []


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (int, "7", 7),
        (int, "seven", "seven"),
        (bool, "False", False),
        (bool, "1", "1"),
        (tuple[str, ...], "a, b", ["a", "b"]),
        (tuple[str, ...], "a,,b", ["a", "", "b"]),
        (Any, "roles", "roles"),
        (Any, "[1]", [1]),
        (str, "[1]", "[1]"),
    ],
)
def test_text_becomes_the_kind(kind: Any, text: str, value: Any) -> None:
    """What does not fit stays text, to be refused under its name."""
    assert kinds.from_text(kind, text) == value
