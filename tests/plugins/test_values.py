"""What plugins get cannot be changed and holds no secret; what they return is JSON within bounds."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.models import Client, Connection
from proxy.plugins.values import MAX_DEPTH, Refusal, freeze, measure, public_client, public_connection, thaw

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(JSON)
def test_frozen_and_thawed_is_what_it_was(value: Any) -> None:
    """Nothing is lost on the way to a plugin and back into the store."""
    assert json.dumps(thaw(freeze(value))) == json.dumps(value)


def test_what_is_frozen_is_frozen_all_the_way_down() -> None:
    """No plugin can change what the next one sees."""
    value = {"a": [{"b": ["c"]}]}
    frozen = freeze(value)
    with pytest.raises(TypeError):
        frozen["a"] = 1
    with pytest.raises(TypeError):
        frozen["a"][0]["b"] = 1
    assert frozen["a"][0]["b"] == ("c",)
    value["a"].clear()
    assert frozen["a"]


def _nested(depth: int) -> Any:
    value: Any = "x"
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (object(), "type object"),
        ({"a": {1, 2}}, "type set"),
        (b"x", "type bytes"),
        ({1: "a"}, "name that is not text"),
        (float("nan"), "JSON does not have"),
        ([float("inf")], "JSON does not have"),
        (10**5000, "64 bits"),
        ("\ud800", "surrogate"),
        ({"\ud800": 1}, "surrogate"),
        (_nested(MAX_DEPTH + 1), "deeper"),
        ("x" * 1000, "too large"),
        (["x"] * 1000, "too large"),
        ({"x" * 1000: 1}, "too large"),
        (type("Text", (str,), {})("x"), "type Text"),
    ],
    ids=lambda value: value if isinstance(value, str) and len(value) < 40 and value.isascii() else "",
)
def test_what_is_not_plain_json_within_bounds_is_refused(value: Any, told: str) -> None:
    """Types, depth and size are told, values are not."""
    with pytest.raises(Refusal, match=told):
        measure(value, 1000)


def test_pl_09_a_huge_list_is_not_walked_to_its_end() -> None:
    """PL-09: measuring stops where the room ends; a list of a thousand million items would not."""

    class Endless(list[int]):
        walked = 0

        def __iter__(self) -> Any:
            while True:
                Endless.walked += 1
                yield 1

    with pytest.raises(Refusal, match="too large"):
        measure(Endless(), 1000)
    assert Endless.walked < 1000


@given(JSON)
def test_the_size_is_about_that_of_the_text(value: Any) -> None:
    """Close enough for a bound: never above twice the JSON text and a little."""
    assert measure(value, 10**9) <= 2 * len(json.dumps(value, ensure_ascii=False).encode()) + 8


def test_a_connection_is_shown_without_its_secret(connection: Connection) -> None:
    """The rest stays, the original too."""
    shown = public_connection(connection)
    assert shown.options.client_secret is None
    assert "upstream-secret" not in repr(vars(shown.options))
    assert (shown.name, shown.options.scope) == (connection.name, connection.options.scope)
    assert connection.options.client_secret is not None


def test_a_client_without_its_secret_does_not_look_public(client: Client) -> None:
    """How it authenticates is not inferred from the secret that was taken out."""
    shown = public_client(client)
    assert shown.client_secret is None
    assert not shown.is_public
    assert shown.auth_method == client.auth_method == "client_secret_basic"
