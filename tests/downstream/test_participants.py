"""Who took part in a session."""

from __future__ import annotations

from typing import Any

import pytest

from proxy.downstream.participants import Participants, from_value, participants_of
from proxy.features import Participant
from proxy.store import Put
from tests.downstream.world import NOW, WEBAPP, a_session

OUT = "https://app.example/out"


@pytest.mark.parametrize(
    ("changes", "noted"),
    [
        ({"backchannel_logout_uri": OUT}, Participant("webapp", is_called=True)),
        ({"frontchannel_logout_uri": OUT}, Participant("webapp", page=OUT)),
    ],
)
def test_a_client_that_wants_to_hear_is_noted(changes: dict[str, Any], noted: Participant) -> None:
    """Back-Channel Logout 2.1, Front-Channel Logout 3: with the answer, for as long as the session can last."""
    client = WEBAPP.model_copy(update=changes)
    fields, (write,) = Participants().accompany(None, client, a_session(), NOW)
    assert not fields and isinstance(write, Put) and from_value(write.value) == noted
    assert write.under == (participants_of(a_session().sid),) and write.ttl == a_session().expires_at - int(NOW)


def test_a_client_without_a_logout_address_costs_nothing() -> None:
    """The plain code flow writes no more than before."""
    assert Participants().accompany(None, WEBAPP, a_session(), NOW) == ({}, ())


@pytest.mark.parametrize("value", [{}, {"client_id": "webapp", "of_later": 1}])
def test_a_note_of_another_shape_is_none(value: dict[str, Any]) -> None:
    """What another version wrote must not keep anybody from logging out."""
    assert from_value(value) is None
