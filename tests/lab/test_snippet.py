"""Connections to paste."""

from __future__ import annotations

import tomllib

import pytest

from proxy.lab.directory import FAULTS
from proxy.lab.snippet import VARIABLE, snippet, toml
from proxy.models.connection import Connection
from proxy.models.connection_rules import inconsistencies

ISSUER = "http://localhost:9010/x/"


@pytest.mark.parametrize("name", FAULTS)
def test_a_pasted_connection_is_a_good_one(name: str) -> None:
    """The table of every tenant is TOML, a connection as the configuration knows it, and breaks no rule."""
    (table,) = tomllib.loads(snippet(FAULTS[name], ISSUER))["connections"]
    made = Connection.model_validate(table)
    assert list(inconsistencies(made)) == []
    assert made.options.discovery_url == ISSUER and made.options.client_id == "isthmus"
    if made.options.client_secret:
        assert made.options.client_secret.get_secret_value() == f"${VARIABLE}"


def test_values_keep_their_kind() -> None:
    """Tables, lists, texts and truth as TOML writes them."""
    value = {"a": [1, "two"], "b": {"c": True}}
    assert tomllib.loads(f"x = {toml(value)}")["x"] == value
