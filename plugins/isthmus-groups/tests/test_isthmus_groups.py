"""isthmus-groups: asks for its scope, replaces its attribute, refuses settings it does not know."""

from __future__ import annotations

from typing import Any

import pytest
from isthmus_groups import Groups


@pytest.mark.parametrize(
    ("settings", "asked"),
    [
        ({}, ("openid", "groups")),
        ({"scope": "roles.read"}, ("openid", "roles.read")),
        ({"scope": ""}, None),
    ],
    ids=["default", "another", "none"],
)
async def test_asks_for_its_scope(settings: dict[str, str], asked: tuple[str, ...] | None) -> None:
    """The scope is added to those the plugins before asked for; an empty one leaves them as they are."""
    assert await Groups(settings).isthmus_request_scopes(("openid",)) == asked


@pytest.mark.parametrize(
    ("claims", "groups"),
    [
        ({"roles": ["admin", "ops"]}, ("admin", "ops")),
        ({"roles": ("admin",)}, ("admin",)),
        ({"roles": "admin"}, ("admin",)),
        ({"roles": ["b", "a", "b"]}, ("b", "a")),
        ({"roles": []}, ()),
        ({"roles": None}, None),
        ({"groups": ["other"]}, None),
        ({}, None),
    ],
    ids=["list", "tuple", "one name", "doubles", "emptied", "null", "another claim", "absent"],
)
async def test_the_attribute_is_what_the_claim_says_now(claims: dict[str, Any], groups: tuple[str, ...] | None) -> None:
    """A list or a single name replaces the attribute; an absent claim clears it (None)."""
    plugin = Groups({"claim": "roles", "attribute": "teams"})
    assert await plugin.isthmus_map_profile(claims) == {"teams": groups}


@pytest.mark.parametrize("value", [7, {"a": 1}, [1], ["a", None], True])
async def test_a_claim_that_is_no_list_of_names_is_a_fault(value: Any) -> None:
    """Nobody is given groups out of something that is none."""
    with pytest.raises(TypeError, match="not a list of names"):
        await Groups({}).isthmus_map_profile({"groups": value})


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"clam": "x"}, "unknown key clam"),
        ({"claim": 1}, "claim must be text"),
        ({"attribute": ""}, "attribute must be"),
        ({"write": "editors"}, "write must be a list"),
        ({"write": [1]}, "write must be a list"),
    ],
)
def test_settings_it_does_not_understand_are_refused(settings: dict[str, Any], told: str) -> None:
    """A misspelt key or a wrong type is named, at the start."""
    with pytest.raises(ValueError, match=told):
        Groups(settings)


@pytest.mark.parametrize(
    ("method", "groups", "said"),
    [
        ("GET", [], True),
        ("HEAD", ["staff"], True),
        ("POST", ["staff"], False),
        ("POST", ["staff", "editors"], True),
        ("DELETE", [], False),
        ("get", ["staff"], False),
    ],
)
async def test_some_groups_may_write(method: str, groups: list[str], said: bool) -> None:
    """Everybody may read; everything else needs one of the groups."""
    plugin = Groups({"write": ["editors"], "attribute": "teams"})
    assert await plugin.isthmus_gateway_access(method, {"teams": groups, "groups": ["editors"]}) is said
    assert await plugin.isthmus_gateway_access(method, {"teams": "editors"}) is (method in ("GET", "HEAD"))


async def test_without_writers_there_is_no_opinion() -> None:
    """The gateway goes by what other plugins say."""
    assert await Groups({}).isthmus_gateway_access("POST", {"groups": ["editors"]}) is None
