"""Our own plugin: the connection's scopes and button, and the standard claims."""

from __future__ import annotations

from typing import Any

import pytest

from proxy.models import Button, Connection
from proxy.plugins import defaults
from proxy.plugins.check import RESERVED

STANDARD = {
    "name": "Ann Example",
    "given_name": "Ann",
    "family_name": "Example",
    "middle_name": "B.",
    "nickname": "annie",
    "preferred_username": "ann",
    "profile": "https://ann.example/",
    "picture": "https://ann.example/me.png",
    "website": "https://ann.example/blog",
    "email": "ann@example.com",
    "email_verified": True,
    "gender": "female",
    "birthdate": "1990-01-01",
    "zoneinfo": "Europe/Berlin",
    "locale": "de-DE",
    "phone_number": "+49 30 1234",
    "phone_number_verified": True,
    "address": {"country": "DE"},
    "updated_at": 1700000000,
}


def test_standard_claims_arrive_as_they_are() -> None:
    """All of OIDC Core 5.1 but ``sub``, which is not the profile's."""
    assert defaults.standard({"sub": "u1", **STANDARD}) == STANDARD


@pytest.mark.parametrize("name", sorted(RESERVED) + ["roles", "groups", "is_admin", "_internal", "__proto__"])
def test_rp_27_nothing_else_comes_from_upstream(name: str) -> None:
    """RP-27: a claim named like one of ours, or like a right, is not mapped unless a plugin does it."""
    assert name not in defaults.standard({**STANDARD, name: "admin"})


@pytest.mark.parametrize(
    ("claim", "verified"),
    [
        (True, True),
        (False, False),
        ("true", False),
        ("false", False),
        (1, False),
        (0, False),
        ([], False),
        (None, False),
    ],
)
def test_rp_15_only_json_true_is_verified(claim: Any, verified: bool) -> None:
    """RP-15: anything but ``true``, and silence, is no; applications are told a boolean."""
    profile = defaults.standard({"email": "ann@example.com", "email_verified": claim})
    assert profile["email_verified"] is verified


def test_rp_15_verified_needs_an_address() -> None:
    """RP-15: without an email there is nothing that could be verified, and a plugin's email must not inherit it."""
    assert "email_verified" not in defaults.standard({"sub": "u1", "email_verified": True})
    absent = defaults.standard({"email": "ann@example.com"})
    assert absent["email_verified"] is False


@pytest.mark.parametrize(
    ("claims", "name", "nickname"),
    [
        ({"name": "Ann", "nickname": "annie"}, "Ann", "annie"),
        ({"nickname": "annie"}, "annie", "annie"),
        ({"email": "ann@example.com"}, "ann@example.com", "ann"),
        ({"sub": "u1"}, "u1", None),
        ({"sub": "u1", "name": "", "email": None}, "u1", None),
        ({}, None, None),
    ],
)
def test_name_and_nickname_fall_back(claims: dict[str, Any], name: str | None, nickname: str | None) -> None:
    """As in Auth0's normalised profile: nickname, email, ``sub``; and the part before the @."""
    profile = defaults.standard(claims)
    assert (profile.get("name"), profile.get("nickname")) == (name, nickname)


@pytest.mark.parametrize(
    "claims",
    [
        {"given_name": 5},
        {"locale": ["de"]},
        {"updated_at": "now"},
        {"updated_at": True},
        {"address": "x"},
        {"picture": ""},
    ],
)
def test_a_claim_of_the_wrong_type_is_left_out(claims: dict[str, Any]) -> None:
    """An application's library must not fail over what a tenant got wrong (OIDC Core 5.1, 5.3.2)."""
    assert not set(claims) & set(defaults.standard(claims))


@pytest.mark.parametrize(
    "claims", [{"updated_at": 2**64}, {"address": {"a": [[[[[[[[[[1]]]]]]]]]]}}, {"address": {"n": -(2**70)}}]
)
def test_rp_27_a_standard_claim_that_no_profile_can_hold_is_left_out(claims: dict[str, Any]) -> None:
    """RP-27: a number beyond 64 bits, or nesting without end, costs nobody the login, and is no fault of a plugin."""
    assert defaults.standard({**claims, "name": "Ann"}) == {"name": "Ann"}


def test_scopes_and_button_are_the_connections(connection: Connection) -> None:
    """As configured; without a display name the button says the connection's name."""
    assert defaults.isthmus_request_scopes(connection) == ("openid", "profile", "email")
    assert defaults.isthmus_connection_button(connection) == Button("Corp login", "https://cdn.example/corp.png")
    plain = connection.model_copy(update={"display_name": ""})
    assert defaults.isthmus_connection_button(plain).display_name == "corp"


@pytest.mark.parametrize(("mode", "is_theirs"), [("bind_all", True), ("use_map", True), ("basic_profile", False)])
def test_an_attribute_map_leaves_nothing_for_us_to_say(connection: Connection, mode: str, is_theirs: bool) -> None:
    """What it made of the claims is in the profile already; ``basic_profile`` means the standard claims."""
    mapped = {"mapping_mode": mode, "attributes": {"mail": "${context.tokenset.email}"}}
    options = {**connection.options.model_dump(exclude_defaults=True), "attribute_map": mapped}
    mapping = Connection.model_validate({"name": "corp", "options": options})
    plain = defaults.isthmus_map_profile(connection, STANDARD)
    assert plain == STANDARD
    assert defaults.isthmus_map_profile(mapping, STANDARD) == (None if is_theirs else plain)
