"""What a login is made of."""

from __future__ import annotations

from dataclasses import FrozenInstanceError

import pytest

from proxy.models import Button, Identity, Transaction, Wishes


def test_the_values_cannot_be_changed() -> None:
    """A plugin or a step that holds one cannot change what another sees."""
    button = Button("Corp")
    with pytest.raises(FrozenInstanceError):
        button.icon_url = "x"  # type: ignore[misc]
    identity = Identity("corp", "https://idp.example/", "1", {})
    with pytest.raises(FrozenInstanceError):
        identity.subject = "2"  # type: ignore[misc]


def test_a_trip_asks_for_openid_and_nothing_more() -> None:
    """Unless it is told otherwise, and each trip has wishes of its own."""
    trip = Transaction("id", {}, "webapp", 1)
    assert trip.wishes == Wishes(scopes=("openid",))
    assert not trip.wishes.fresh
