"""Lists in their shapes, and the input that chooses one."""

from __future__ import annotations

from typing import Any

import pytest

from proxy.management import paging
from proxy.oidc.errors import Refused

ITEMS = [f"i{n}" for n in range(120)]


def shaped(**params: str) -> Any:
    """The list as asked for; ``from_`` stands for ``from``."""
    asked = {name.rstrip("_"): value for name, value in params.items()}
    return paging.shaped(ITEMS, str, str, asked, "items")


def test_without_a_wish_the_first_fifty_come_bare() -> None:
    """As at Auth0; ``page`` and ``per_page`` choose others."""
    assert shaped() == ITEMS[:50]
    assert shaped(page="1", per_page="100") == ITEMS[100:]
    assert shaped(page="9") == []


def test_totals_and_checkpoints() -> None:
    """Each shape by its own words; ``take`` decides where both are asked for."""
    assert shaped(include_totals="true", page="2") == {"start": 100, "limit": 50, "total": 120, "items": ITEMS[100:]}
    assert shaped(take="100") == {"items": ITEMS[:100], "next": "i100"}
    assert shaped(from_="i100") == {"items": ITEMS[100:]}
    assert shaped(include_totals="true", take="50", from_="i50") == {
        "start": 50, "limit": 50, "total": 120, "items": ITEMS[50:100], "next": "i100",
    }  # fmt: skip
    assert shaped(include_totals="false") == ITEMS[:50]


@pytest.mark.parametrize("text", ["0", "101", "-1", "1.0", " 1", "\u0661", "9" * 5000, "x"])
def test_mg_10_a_size_is_a_plain_number(text: str) -> None:
    """MG-10: of its own digits, within its limits."""
    for name in ("per_page", "take"):
        with pytest.raises(Refused) as told:
            shaped(**{name: text})
        assert told.value.code == "invalid_query_string" and name in told.value.description


def test_mg_10_a_place_that_is_gone_is_told() -> None:
    """MG-10: nobody guesses where to go on."""
    with pytest.raises(Refused, match="begin again"):
        shaped(take="5", from_="i999")


def test_fields_pick_and_leave_out() -> None:
    """Known ones alone."""
    item = {"a": 1, "b": 2}
    assert paging.picker({}, ("a", "b"))(item) == item
    assert paging.picker({"fields": "a"}, ("a", "b"))(item) == {"a": 1}
    assert paging.picker({"fields": "a", "include_fields": "false"}, ("a", "b"))(item) == {"b": 2}
    for bad in ({"fields": "c"}, {"fields": "a,"}, {"include_fields": "1"}):
        with pytest.raises(Refused):
            paging.picker(bad, ("a", "b"))
