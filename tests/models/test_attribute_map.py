"""Attribute maps: what a template may say."""

from __future__ import annotations

from typing import Any

import pytest

from proxy.models.attribute_map import AttributeMap


@pytest.mark.parametrize(
    "attributes",
    [
        {"a": "${context.tokenset.email"},
        {"a": "${tokenset.email}"},
        {"a": "${context.request.email}"},
        {"a": "${context.connection.secret}"},
        {"user_id": "${context.tokenset.sub}"},
        {"sub": "x"},
        {"a": "x" * 1001},
        {"": "x"},
    ],
)
def test_pl_10_a_template_is_data(attributes: dict[str, str]) -> None:
    """PL-10, RP-27: a template names what it reads and can compute nothing; what is ours to say stays ours."""
    with pytest.raises(ValueError, match="attributes"):
        AttributeMap(mapping_mode="use_map", attributes=attributes)


@pytest.mark.parametrize(
    ("given", "reads"),
    [
        ({}, False),
        ({"userinfo_scope": "groups"}, True),
        ({"mapping_mode": "use_map", "attributes": {"a": "x|${context.userinfo.email}"}}, True),
        ({"mapping_mode": "use_map", "attributes": {"a": "${context.tokenset.email}", "b": "a literal"}}, False),
    ],
)
def test_userinfo_is_called_only_for_what_needs_it(given: dict[str, Any], reads: bool) -> None:
    """A scope of its own, or a template that names it."""
    assert AttributeMap.model_validate(given).reads_userinfo is reads
