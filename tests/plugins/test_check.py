"""What an implementation may return, as tables."""

from __future__ import annotations

from collections.abc import Callable
from types import MappingProxyType
from typing import Any

import pytest

from proxy.models import Button
from proxy.plugins.check import MAX_PROFILE, MAX_SCOPES, RESERVED, check_button, check_change, check_scopes
from proxy.plugins.values import Refusal

ODD = [1, 0, True, False, "yes", b"yes", object(), 1.5, iter(()), print]


@pytest.mark.parametrize("check", [check_scopes, check_change, check_button])
@pytest.mark.parametrize("value", ODD, ids=lambda value: type(value).__name__)
def test_pl_02_odd_return_values_are_refused(check: Callable[[Any], Any], value: Any) -> None:
    """PL-02: only the documented types count; truth and falsehood are no answer."""
    with pytest.raises(Refusal):
        check(value)


@pytest.mark.parametrize("check", [check_scopes, check_change, check_button])
def test_pl_02_none_is_no_opinion(check: Callable[[Any], Any]) -> None:
    """PL-02: None changes nothing."""
    assert check(None) is None


@pytest.mark.parametrize(
    ("value", "scopes"),
    [
        (["openid", "groups"], ("openid", "groups")),
        (("groups", "openid"), ("groups", "openid")),
        (["groups"], ("openid", "groups")),
        ([], ("openid",)),
        (["openid", "a", "a"], ("openid", "a")),
        ({"b", "a", "openid"}, ("a", "b", "openid")),
        (["openid", "https://api.example/.default"], ("openid", "https://api.example/.default")),
    ],
)
def test_scopes_are_taken_in_order_and_openid_stays(value: Any, scopes: tuple[str, ...]) -> None:
    """Doubles go, a set is sorted, and without ``openid`` it would not be OpenID Connect (OIDC Core 3.1.2.1)."""
    assert check_scopes(value) == scopes


@pytest.mark.parametrize(
    "value",
    [
        "openid groups",
        ["openid groups"],
        [""],
        ['a"b'],
        ["a\\b"],
        ["a\n"],
        ["grüppen"],
        [None],
        [["openid"]],
        ["x" * 257],
        [str(number) for number in range(MAX_SCOPES + 1)],
    ],
    ids=["text", "space", "empty", "quote", "backslash", "newline", "umlaut", "none", "nested", "long", "many"],
)
def test_what_is_no_scope_token_is_refused(value: Any) -> None:
    """RFC 6749 3.3, and bounds: a query has room for so many."""
    with pytest.raises(Refusal):
        check_scopes(value)


@pytest.mark.parametrize("name", sorted(RESERVED) + ["_internal", "__proto__", "_claim_names"])
def test_pl_03_reserved_names_are_taken_out_and_told(name: str) -> None:
    """PL-03: no plugin sets a name that means something in tokens; the rest of its change stands."""
    change = check_change({name: "x", "department": "R&D"})
    assert change is not None
    assert change.values == {"department": "R&D"}
    assert change.refused == (name,)


@pytest.mark.parametrize(
    "name", ["iss", "sub", "aud", "exp", "client_id", "scope", "sid", "act", "user_id", "identities"]
)
def test_pl_03_the_reserved_names_hold_what_the_case_lists(name: str) -> None:
    """PL-03: the names of the attack are on the list."""
    assert name in RESERVED


@pytest.mark.parametrize("name", ["groups", "roles", "permissions", "entitlements", "https://acme.example/team"])
def test_what_applications_authorise_by_is_the_plugins_own(name: str) -> None:
    """An operator's plugin may map these."""
    change = check_change({name: ["a"]})
    assert change is not None
    assert change.values == {name: ("a",)}
    assert change.refused == ()


@pytest.mark.parametrize(
    "value",
    [
        {"email_verified": "true"},
        {"email_verified": "false"},
        {"email_verified": 0},
        {"email_verified": 1},
        {"email_verified": []},
    ],
)
def test_rp_15_email_verified_is_a_boolean(value: Any) -> None:
    """RP-15: a plugin may not pass the wrong type on."""
    with pytest.raises(Refusal, match="email_verified"):
        check_change(value)


@pytest.mark.parametrize(
    "value",
    [
        {"name": 1},
        {"email": ["a@b.example"]},
        {"updated_at": "today"},
        {"updated_at": True},
        {"address": "Main Street"},
        {"": 1},
        {"a\nb": 1},
        {"x" * 257: 1},
        {1: 1},
        {"big": "x" * MAX_PROFILE},
        {"bad": object()},
    ],
    ids=lambda value: f"{next(iter(value))!s:.20}",
)
def test_changes_that_cannot_be_told_to_applications_are_refused(value: Any) -> None:
    """Standard claims keep the standard's types (OIDC Core 5.1); names are printable; size is bounded."""
    with pytest.raises(Refusal):
        check_change(value)


def test_a_change_is_copied() -> None:
    """What the plugin does to its value later changes nothing; read-only parts of claims may be returned."""
    groups = ["a"]
    change = check_change({"groups": groups, "address": MappingProxyType({"country": "DE"}), "name": None})
    assert change is not None
    groups.append("b")
    assert change.values == {"groups": ("a",), "address": {"country": "DE"}, "name": None}


@pytest.mark.parametrize(
    ("value", "fields"),
    [
        (Button("Acme"), {"display_name": "Acme", "icon_url": ""}),
        (
            Button("Acme", "https://cdn.example/a.png"),
            {"display_name": "Acme", "icon_url": "https://cdn.example/a.png"},
        ),
        ({"display_name": "Größe 👩\u200d💻"}, {"display_name": "Größe 👩\u200d💻"}),
        ({"icon_url": "http://127.0.0.1:9000/a.png"}, {"icon_url": "http://127.0.0.1:9000/a.png"}),
        ({}, {}),
    ],
)
def test_a_button_means_both_fields_a_mapping_those_it_has(value: Any, fields: dict[str, str]) -> None:
    """What is not named stays."""
    assert check_button(value) == fields


@pytest.mark.parametrize(
    "value",
    [
        {"label": "x"},
        {"display_name": ""},
        {"display_name": "  "},
        {"display_name": "x" * 129},
        {"display_name": 1},
        {"display_name": "a\nb"},
        {"display_name": "evil\u202eproc"},
        {"display_name": "a\u2066b"},
        {"icon_url": "http://cdn.example/a.png"},
        {"icon_url": "javascript:alert(1)"},
        {"icon_url": "data:image/png;base64,AAAA"},
        {"icon_url": "//cdn.example/a.png"},
        {"icon_url": "https://"},
        {"icon_url": "https://u:p@cdn.example/a.png"},
        {"icon_url": "https://cdn.example; script-src */a.png"},
        {"icon_url": "https://cdn.example:x/a.png"},
        {"icon_url": "https://cdn.example/" + "x" * 2048},
        {"icon_url": None},
        {"icon_url": 7},
    ],
    ids=lambda value: repr(value)[:48].encode("ascii", "backslashreplace").decode(),
)
def test_a_button_that_could_deceive_or_break_the_page_is_refused(value: Any) -> None:
    """Names that hide or reorder words, and icons that are no https address (http on loopback)."""
    with pytest.raises(Refusal):
        check_button(value)
