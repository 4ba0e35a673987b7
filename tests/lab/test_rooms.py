"""The rooms of the lab."""

from __future__ import annotations

from proxy.lab.rooms import HEALTHY, ROOMS


def test_rooms_go_by_their_names() -> None:
    """The first room is the healthy one, and everybody in it is found by their sub alone."""
    assert list(ROOMS) == ["healthy"] and ROOMS["healthy"] is HEALTHY
    assert [HEALTHY.find(person.sub) for person in HEALTHY.people] == list(HEALTHY.people)
    assert HEALTHY.find("nobody") is None
