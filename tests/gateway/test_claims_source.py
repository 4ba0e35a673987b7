"""Where an app fetches the claims that had no room: for whom, for how long, and for whom not."""

from __future__ import annotations

import json
from typing import Any

import pytest

from proxy.gateway.claims_source import SECONDS, attribute_of
from proxy.gateway.verdict import Reply
from proxy.models import Session
from proxy.oidc.errors import Unavailable
from tests.downstream.world import ISSUER, a_session, payload
from tests.gateway.told import Told, a_route, origin, told

GROUPS = [f"team-{number}" for number in range(2000)]
BIG = a_session(profile={"email": "ada@corp.example", "groups": GROUPS})


async def with_reference(*routes: Any) -> tuple[Told, str]:
    """An app of the first route, and the reference that it was given."""
    parts = await told(*routes)
    parts.session = BIG
    return parts, parts.headers(BIG)["X-Isthmus-Claims-Token"]


async def fetch(parts: Told, token: str, host: str = "app.example", accept: bytes = b"*/*") -> Reply:
    """The app asks."""
    return await parts.source.answer(host, b"Bearer " + token.encode("utf-8", "surrogateescape"), accept, parts.now)


async def test_users_13_the_app_fetches_what_had_no_room() -> None:
    """users.md section 3, 13: what is left out, and nothing else; as it is now."""
    parts, token = await with_reference()
    answer = await fetch(parts, token)
    assert (answer.status, answer.headers) == (200, (("Content-Type", "application/json"),))
    assert json.loads(answer.body) == {"sub": "oidc|corp|ada", "groups": GROUPS}
    parts.session = a_session(profile={"groups": ["fewer"]})
    assert json.loads((await fetch(parts, token)).body) == {"sub": "oidc|corp|ada", "groups": ["fewer"]}
    parts.session = a_session(profile={})
    assert json.loads((await fetch(parts, token)).body) == {"sub": "oidc|corp|ada"}


async def test_whoever_wants_it_signed_gets_it_signed() -> None:
    """OpenID Connect Core 5.6.2: a claims source answers a JWT."""
    parts, token = await with_reference()
    answer = await fetch(parts, token, accept=b"application/jwt")
    said = payload(answer.body.decode("ascii"))
    assert answer.headers == (("Content-Type", "application/jwt"),)
    assert (said["iss"], said["aud"], said["groups"]) == (ISSUER, "https://app.example/", GROUPS)


@pytest.mark.parametrize("authorization", [b"", b"Bearer", b"Basic eDp5", b"bearer\xff x", b"Bearer \xff", b"Token x"])
async def test_without_a_reference_there_is_nothing(authorization: bytes) -> None:
    """RFC 6750 3: 401 and a challenge."""
    parts, _ = await with_reference()
    answer = await parts.source.answer("app.example", authorization, b"", parts.now)
    assert answer.status == 401 and dict(answer.headers)["WWW-Authenticate"].startswith("Bearer")


async def test_gw_15_a_broken_reference_opens_nothing() -> None:
    """GW-15: cut, changed, of another key."""
    parts, token = await with_reference()
    other = await told(algorithms=("RS256", "ES256"))
    head, body, signature = token.split(".")
    stranger = other.headers(BIG)["X-Isthmus-Claims-Token"]
    for bad in (token[:-4], f"{head}.{body}.", f"{head}..{signature}", "a.b.c", "x" * 20_000, stranger, "\udcff"):
        answer = await fetch(parts, bad)
        assert answer.status == 401 and b"team" not in answer.body


async def test_gw_29_a_reference_is_good_on_its_own_host_alone() -> None:
    """GW-29: an app does not use another's, and none outlives its route."""
    routes = (a_route(), a_route(host="other.example"))
    parts, token = await with_reference(*routes)
    assert (await fetch(parts, token)).status == 200
    assert (await fetch(parts, token, "other.example")).status == 401
    gone = await told(a_route(path_prefix="/elsewhere"))
    gone.session = BIG
    gone.source = type(gone.source)(parts.references, gone.gateway.routes, origin, gone.live, "groups")
    assert (await fetch(gone, token)).status == 401


async def test_se_14_a_reference_ends_with_the_session_and_by_itself() -> None:
    """SE-14: no session, another person's session, or too late: nothing."""
    parts, token = await with_reference()
    parts.session = None
    assert (await fetch(parts, token)).status == 401
    parts.session = a_session(user_id="oidc|corp|bob", profile={"groups": ["x"]})
    assert (await fetch(parts, token)).status == 401
    parts.session = BIG
    parts.world.clock.now += SECONDS - 1
    assert (await fetch(parts, token)).status == 200
    parts.world.clock.now += 1
    assert (await fetch(parts, token)).status == 401


async def test_p1_when_nobody_can_look_it_is_later() -> None:
    """P1: 503 with Retry-After, never 401 and never claims."""
    parts, token = await with_reference()

    async def live(sid: str, now: float) -> Session | None:
        raise Unavailable("store", retry_after=3)

    parts.source = type(parts.source)(parts.references, parts.gateway.routes, origin, live, "groups")
    answer = await fetch(parts, token)
    assert (answer.status, dict(answer.headers)["Retry-After"]) == (503, "3")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("user_id", "oidc|corp|ada"),
        ("sub", "oidc|corp|ada"),
        ("email", "e"),
        ("a.b", "whole"),
        ("address.country", "FR"),
        ("address.country.code", None),
        ("missing", None),
        ("missing.too", None),
        ("groups.0", None),
    ],
)
def test_attributes_by_name_and_by_dots(name: str, value: Any) -> None:
    """A whole name first; who the person is says no profile."""
    profile = {
        "user_id": "evil",
        "sub": "evil",
        "email": "e",
        "a.b": "whole",
        "a": {"b": "inner"},
        "address": {"country": "FR"},
        "groups": ["x"],
    }
    assert attribute_of(a_session(profile=profile), name) == value
