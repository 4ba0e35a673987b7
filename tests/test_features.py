"""What a feature is: doors, each of which may stay shut."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, fields

import pytest

from proxy.features import Answer, Caller, Doors, Ended, Endpoint, Farewell, Feature, Request
from proxy.models import Client
from tests.bridge.test_session import a_session


async def test_every_door_has_an_empty_default() -> None:
    """A feature writes the doors it needs; the others offer nothing and change nothing."""
    bare = Feature()
    doors = (bare.endpoints(), bare.grants(), bare.responses(), bare.metadata())
    assert not any(doors)
    params = {"client_id": "webapp"}
    client, session = Client(client_id="webapp"), a_session()
    assert await bare.unfold(params, client, 0) is params
    assert await bare.interpose(None, client, session, 0) is None
    assert bare.accompany(None, client, session, 0) == ({}, ())
    assert bare.farewell(Ended("sid", "user"), 0) == Farewell()


def test_only_features_with_a_say_are_asked() -> None:
    """A request passes the doors that some feature opens, and no others; they are found when they are first asked."""

    class Guest(Feature):
        def farewell(self, ended: Ended, now: float) -> Farewell:
            return Farewell()

    guest = Guest()
    doors = Doors(lambda: (Feature(), guest))
    assert (doors.farewell, doors.unfold, doors.interpose, doors.accompany) == ((guest,), (), (), ())


def test_an_answer_by_default_sets_and_ends_nothing() -> None:
    """No cookie, no script, no form to another site, unless a feature says so."""
    plain = Answer()
    assert plain.status == 200
    assert [f.name for f in fields(plain) if f.name != "status" and getattr(plain, f.name)] == []


def test_a_request_has_no_caller_until_a_wrapper_names_one() -> None:
    """No client, no bearer, no session and no browser come with the bare values of a request."""
    request = Request("GET", "/x", {}, {}, 0.0)
    assert (request.client, request.bearer, request.session, request.browsers) == (None, None, None, ())


@pytest.mark.parametrize(
    "value", [Answer(), Request("GET", "/x", {}, {}, 0.0), Feature()], ids=lambda v: type(v).__name__
)
def test_what_passes_between_parts_does_not_change(value: object) -> None:
    """Values are frozen: who was handed one cannot change it for another."""
    with pytest.raises((FrozenInstanceError, AttributeError, TypeError)):
        value.status = 1  # type: ignore[attr-defined]


async def test_an_endpoint_cannot_be_without_a_caller() -> None:
    """Who calls is said with the address, so protection is never forgotten."""

    async def handle(request: Request) -> Answer:
        return Answer()

    with pytest.raises(TypeError):
        Endpoint("x", ("GET",), handler=handle)  # type: ignore[call-arg]
    assert Endpoint("x", ("GET",), Caller.ANYONE, handle).caller is Caller.ANYONE
