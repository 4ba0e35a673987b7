"""The call that tells a client of the end of a session."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs

import pytest
from joserfc import jwt
from joserfc.jwk import KeySet, OctKey

from proxy.downstream.backchannel_logout import EVENT, BackChannelLogout, LogoutCalls
from proxy.downstream.deliveries import Delivery
from proxy.features import Ended, Participant
from proxy.oidc.messages import HttpRequest, HttpResponse
from proxy.store import Put
from tests.downstream.world import ISSUER, NOW, SECRET, WEBAPP, World

OUT = "https://app.example/out"
APP = WEBAPP.model_copy(update={"backchannel_logout_uri": OUT})
DUE = Delivery("d", "webapp", "oidc|corp|ada", "sid-1", int(NOW))


async def call(world: World, status: int = 200, **changes: Any) -> tuple[str, list[HttpRequest]]:
    """What became of one call, and what was sent."""
    world.clients["webapp"] = APP.model_copy(update=changes)
    sent: list[HttpRequest] = []

    async def send(request: HttpRequest) -> HttpResponse:
        sent.append(request)
        return HttpResponse(status, {}, b"")

    calls = LogoutCalls(ISSUER, world.known, world.keys, world.subjects, send)
    return await calls.carry(DUE, world.clock.now), sent


async def test_the_logout_token_says_what_it_must(world: World) -> None:
    """Back-Channel Logout 2.4: every claim, an empty event, no nonce; signed by a published key, two minutes good."""
    outcome, (request,) = await call(world)
    form = parse_qs(request.body.decode())
    assert (outcome, request.method, request.url, list(form)) == ("", "POST", OUT, ["logout_token"])
    token = jwt.decode(form["logout_token"][0], KeySet.import_key_set(dict(world.keys.jwks(NOW))))
    claims = dict(token.claims)
    assert len(claims.pop("jti")) >= 16
    assert claims == {
        "iss": ISSUER, "aud": "webapp", "sub": "oidc|corp|ada", "sid": "sid-1", "iat": int(NOW), "exp": int(NOW) + 120,
        "events": {EVENT: {}},
    }  # fmt: skip
    assert token.header["typ"] == "logout+jwt"


async def test_each_try_is_a_token_of_its_own(world: World) -> None:
    """2.6: a client that refuses a ``jti`` it has seen accepts the next try."""
    bodies = [(await call(world))[1][0].body for _ in range(2)]
    assert bodies[0] != bodies[1]


async def test_a_client_with_hs256_gets_that(world: World) -> None:
    """2.5: the algorithm of its ID tokens."""
    _, (request,) = await call(world, id_token_signed_response_alg="HS256")
    token = parse_qs(request.body.decode())["logout_token"][0]
    assert jwt.decode(token, OctKey.import_key(SECRET), algorithms=["HS256"]).claims["sub"] == "oidc|corp|ada"


@pytest.mark.parametrize(("status", "outcome"), [(200, ""), (204, ""), (302, "status_302"), (400, "status_400")])
async def test_lo_13_what_counts_as_delivered(world: World, status: int, outcome: str) -> None:
    """LO-13 (2.8): 200, and 204 for frameworks; a redirect is an error and is not followed."""
    assert (await call(world, status))[0] == outcome


async def test_a_client_that_has_gone_is_not_called(world: World) -> None:
    """Nobody is there to be told."""
    assert await call(world, backchannel_logout_uri="") == ("no_address", [])
    calls = LogoutCalls(ISSUER, world.known, world.keys, world.subjects, world.known.find)  # type: ignore[arg-type]
    assert await calls.carry(replace(DUE, client_id="gone"), NOW) == "no_address"


def test_only_those_who_want_a_call_get_one() -> None:
    """A delivery for each, and none for a client with a page alone."""
    who = (Participant("a", is_called=True), Participant("b", page="https://b.example/"))
    told = BackChannelLogout().farewell(Ended("sid-1", "ada", who), NOW)
    (write,) = told.writes
    assert isinstance(write, Put) and (write.value["client_id"], write.value["sid"]) == ("a", "sid-1")
    assert not told.frames
    assert BackChannelLogout().metadata()["backchannel_logout_session_supported"] is True
