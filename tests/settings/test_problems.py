"""What pydantic found becomes a place and a remedy."""

from __future__ import annotations

from typing import Any

import pytest

from proxy.settings import problems
from tests.settings.conftest import Bench


def test_places_read_like_the_file() -> None:
    """Names and numbers stand in brackets, keys after dots."""
    assert problems.dotted(("connections", "corp", "options", "trust", 0)) == "connections[corp].options.trust[0]"
    assert problems.dotted(("tenant",)) == "tenant"


@pytest.mark.parametrize(
    ("place", "value", "said"),
    [
        ("server.prot", 1, "server.prot: is not a key; did you mean port?"),
        ("serve", {}, "serve: is not a key; did you mean server?"),
        (
            "tenant.zzz",
            1,
            "tenant.zzz: is not a key; remove it (known: issuer, name, secrets,",
        ),
        (
            "connections.0.options.client_secrt",
            "x",
            "connections[corp].options.client_secrt: is not a key; did you mean",
        ),
        ("clients.0.callbacks", [], "clients[webapp].callbacks: is not a key"),
        ("server.port", True, "server.port: must be a whole number"),
        ("server.port", "9000", "server.port: must be a whole number"),
        ("server.port", 70_000, "server.port: must be at most 65535"),
        ("server.workers", 0, "server.workers: must be at least 1"),
        ("server.workers", 1.5, "server.workers: must be a whole number"),
        ("server.trust", "ca.pem", "server.trust: must be a list in [ ]"),
        ("server.log_level", "loud", "server.log_level: must be 'debug', 'info', 'warning' or 'error'"),
        ("server.host", "", "server.host: must not be empty"),
        ("server", 5, "server: must be a table"),
        ("redis.allow_open", "yes", "redis.allow_open: must be true or false"),
        ("tenant.name", 5, "tenant.name: must be text in quotes"),
        ("connections.0.options.client_id", None, "connections[corp].options.client_id: is missing; add it"),
        ("connections.0.name", None, "connections[#1].name: is missing; add it"),
        ("connections.0.options", None, "connections[corp].options: is missing; add it"),
        ("connections", 5, "connections: must be tables that begin with [[connections]]"),
        ("plugins.settings", {"a": 5}, "plugins.settings.a: must be a table"),
        ("clients.0.grants", [{"scopes": ["x"]}], "clients[webapp].grants[0].audience: is missing; add it"),
        (
            "clients.0.redirect_uris",
            [["https://a.example/"]],
            "clients[webapp].redirect_uris[0]: must be text in quotes",
        ),
    ],
)
def test_cf_03_each_mistake_names_key_and_remedy(bench: Bench, place: str, value: Any, said: str) -> None:
    """CF-03: unknown keys, old names and wrong types stop the start, and the line says what to do."""
    lines = bench.mistakes(at={place: value})
    assert any(f"{bench.file}: {said}" in line for line in lines), lines


def test_what_is_wrong_is_taken_out_for_the_rules() -> None:
    """Healing removes wrong values, deepest and last first, and fills in what is missing; the original stays."""
    values = {"server": {"port": "x"}, "l": ["a", 1, "b", 2]}
    found: list[dict[str, Any]] = [
        {"loc": ("server", "port"), "type": "int_type"},
        {"loc": ("l", 1), "type": "string_type"},
        {"loc": ("l", 3), "type": "string_type"},
        {"loc": ("tenant",), "type": "missing"},
    ]
    healed = problems.healed(values, found)
    assert healed == {"server": {}, "l": ["a", "b"], "tenant": {"issuer": "https://missing.invalid/"}}
    assert values["server"] == {"port": "x"}
