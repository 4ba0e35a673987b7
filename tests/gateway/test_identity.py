"""What an app is told of a person: presets and tables, what is absent, the budget, and how long it is held."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from pydantic import ValidationError

from proxy.gateway.identity import MOST, CannotSay
from proxy.models import Session
from proxy.oidc.errors import Unavailable
from proxy.telemetry import logs
from tests.downstream.world import PROFILE, a_session, payload
from tests.gateway.told import a_route, told

GROUPS = [f"team-{number}-of-the-company" for number in range(5000)]


def person(**profile: Any) -> Session:
    """Ada, with other attributes; None takes one out."""
    found = {name: value for name, value in {**PROFILE, **profile}.items() if value is not None}
    return a_session(profile=found)


@pytest.mark.parametrize(
    ("preset", "headers"),
    [
        (
            "oauth2-proxy",
            {
                "X-Forwarded-User": "oidc|corp|ada",
                "X-Forwarded-Email": "ada@corp.example",
                "X-Forwarded-Preferred-Username": "ada",
                "X-Forwarded-Groups": "staff,R&D%2C Berlin",
            },
        ),
        (
            "authelia",
            {
                "Remote-User": "oidc|corp|ada",
                "Remote-Email": "ada@corp.example",
                "Remote-Name": "Ada",
                "Remote-Groups": "staff,R&D%2C Berlin",
            },
        ),
        ("cloudflare", {"Cf-Access-Authenticated-User-Email": "ada@corp.example"}),
        ("none", {}),
    ],
)
async def test_presets(preset: str, headers: dict[str, str]) -> None:
    """Known sets of names, on the route or for all routes."""
    ada = person(preferred_username="ada", groups=["staff", "R&D, Berlin"])
    for parts in (await told(a_route(headers=preset, assertion=False)),
                  await told(a_route(assertion=False), headers=preset)):  # fmt: skip
        assert parts.headers(ada) == headers


async def test_a_table_of_names() -> None:
    """Any name, any attribute; at dots inside of others, but a whole name first."""
    table = {
        "X-Id": "sub",
        "X-Country": "address.country",
        "X-Roles": "https://corp.example/roles",
        "X-Verified": "email_verified",
        "X-None": "address.zip.code",
        "X-Street": "nickname.street",
    }
    parts = await told(a_route(headers=table, assertion=False))
    found = parts.headers(
        person(**{"address": {"country": "FR"}, "https://corp.example/roles": ["a", "b"], "nickname": "x"})
    )
    assert found == {"X-Id": "oidc|corp|ada", "X-Country": "FR", "X-Roles": "a,b", "X-Verified": "true"}


@pytest.mark.parametrize(
    "table",
    [{"Host": "email"}, {"content-length": "email"}, {"Cookie": "email"}, {"X-Isthmus-Assertion": "email"},
     {"X-Forwarded-For": "email"}, {"Transfer-Encoding": "email"}, {"Sec-Fetch-Site": "email"}, {"Authorization": "x"},
     {"X-A": "email", "x-a": "name"}, {"X_A": "email"}, {"X-A\r\nB": "email"}, {"": "email"}, {"X-A": ""}],
)  # fmt: skip
def test_a_table_cannot_name_what_is_not_its_own(table: dict[str, str]) -> None:
    """What frames the request, what is ours to say, and one name for two attributes."""
    with pytest.raises(ValidationError):
        a_route(headers=table)


async def test_the_route_says_more_than_the_gateway() -> None:
    """A route's own headers take the place of the gateway's."""
    parts = await told(a_route(headers={"X-Mail": "email"}, assertion=False), headers="authelia")
    assert parts.headers() == {"X-Mail": "ada@corp.example"}


async def test_another_attribute_can_be_the_groups() -> None:
    """users.md 36: which attribute feeds the group header is the operator's to say; the assertion calls it groups."""
    parts = await told(groups_claim="https://corp.example/groups")
    found = parts.headers(person(**{"https://corp.example/groups": ["x"]}))
    assert found["X-Forwarded-Groups"] == "x"
    assert payload(found["X-Isthmus-Assertion"])["groups"] == ["x"]


@pytest.mark.parametrize("absent", [None, [], ""])
async def test_gw_04_what_the_profile_does_not_have_is_not_said(absent: Any) -> None:
    """GW-04: no header, no claim; and no empty one that somebody could read as something."""
    parts = await told(headers="authelia")
    found = parts.headers(person(groups=absent, email=absent, name=absent))
    assert set(found) == {"Remote-User", "X-Isthmus-Assertion"}
    assert not {"groups", "email", "name"} & set(payload(found["X-Isthmus-Assertion"]))


@pytest.mark.parametrize("profile", [{"email_verified": False}, {"email_verified": None}])
async def test_an_address_that_is_not_verified_is_told_as_it_is(profile: dict[str, Any]) -> None:
    """The app learns from the assertion whether the tenant vouches for it."""
    said = payload((await told()).headers(person(**profile))["X-Isthmus-Assertion"])
    assert said.get("email_verified") == profile["email_verified"]


async def test_gw_31_what_cannot_be_said_stops_the_request() -> None:
    """GW-31: no header is dropped in silence, and no line of the client's making appears."""
    parts = await told()
    for name in ("email", "groups", "preferred_username", "name"):
        bad: Any = ["a\r\nX-Admin: 1"] if name == "groups" else "a\r\nX-Admin: 1"
        with pytest.raises(CannotSay) as caught:
            parts.headers(person(**{name: bad}))
        assert (caught.value.reason, caught.value.attribute, caught.value.status) == ("unprintable", name, 403)


async def test_gw_31_what_is_said_is_ascii_lines() -> None:
    """GW-31: a name of any script, as bytes that no server refuses."""
    parts = await told(a_route(headers="authelia", assertion=False))
    lines = parts.identities.lines(parts.route, person(name="Zo\u00eb \u738b"), parts.now)
    assert b"Remote-Name: Zo%C3%AB %E7%8E%8B\r\n" in lines
    assert lines.isascii() and lines.endswith(b"\r\n") and b"\r\n\r\n" not in lines


@pytest.mark.parametrize("algorithms", [("RS256",), ("RS256", "ES256")])
async def test_gw_31_users_13_five_thousand_groups(algorithms: tuple[str, ...]) -> None:
    """GW-31, users.md section 3, 13: headers stay below the budget, and the app can fetch what did not fit."""
    parts = await told(algorithms=algorithms)
    parts.session = big = person(groups=GROUPS)
    lines = parts.identities.lines(parts.route, big, parts.now)
    found = parts.headers(big)
    assert len(lines) <= parts.gateway.header_budget and "X-Forwarded-Groups" not in found
    assert found["X-Forwarded-Email"] == "ada@corp.example"
    assert found["X-Isthmus-Claims-Url"] == "https://app.example/.isthmus/claims"
    token = found["X-Isthmus-Claims-Token"]
    answer = await parts.source.answer("app.example", b"Bearer " + token.encode(), b"*/*", parts.now)
    assert answer.status == 200
    assert json.loads(answer.body) == {"sub": "oidc|corp|ada", "groups": GROUPS}
    said = payload(found["X-Isthmus-Assertion"])
    assert "groups" not in said and said["_claim_names"] == {"groups": "isthmus"}
    assert said["_claim_sources"] == {
        "isthmus": {"endpoint": "https://app.example/.isthmus/claims", "access_token": token}
    }


async def test_gw_31_as_few_lists_as_possible_are_left_out() -> None:
    """GW-31: the longest first; the others stay where the app looks for them."""
    table = {"X-Groups": "groups", "X-Roles": "roles"}
    parts = await told(a_route(headers=table, assertion=False))
    found = parts.headers(person(groups=GROUPS, roles=["reader"]))
    assert found["X-Roles"] == "reader" and "X-Groups" not in found and "X-Isthmus-Claims-Token" in found
    assert set(parts.headers(person(groups=["a"], roles=["b"]))) == {"X-Groups", "X-Roles"}


@pytest.mark.parametrize("assertion", [True, False])
async def test_gw_31_what_fits_exactly_is_told_and_one_more_is_not(assertion: bool) -> None:
    """GW-31: the budget counts every byte of every line, the assertion's too."""
    for length in range(1200, 4300, 97):
        parts = await told(a_route(assertion=assertion))
        session = person(groups=["g" * length])
        found = parts.headers(session)
        assert len(parts.identities.lines(parts.route, session, parts.now)) <= 4096
        assert ("X-Forwarded-Groups" in found) is ("X-Isthmus-Claims-Token" not in found)


@pytest.mark.parametrize("attribute", ["email", "name"])
async def test_gw_31_a_single_value_is_never_cut(attribute: str) -> None:
    """GW-31: over the budget is an error, not truncation."""
    parts = await told()
    with pytest.raises(CannotSay) as caught:
        parts.headers(person(**{attribute: "x" * 5000}))
    assert (caught.value.reason, caught.value.attribute, caught.value.status) == ("too_long", attribute, 403)


async def test_what_was_made_is_held_while_half_of_its_life_is_left() -> None:
    """A signature costs more than the rest of the request: one for a session and a route, for half of its life."""
    parts = await told()
    ada = a_session()
    first = parts.identities.lines(parts.route, ada, parts.now)
    assert parts.identities.lines(parts.route, ada, parts.now + 29) is first
    assert parts.identities.lines(parts.route, a_session(), parts.now + 29) is first  # read anew, and the same
    later = parts.identities.lines(parts.route, ada, parts.now + 30)
    assert later != first
    token = dict(parts.identities.pairs(parts.route, ada, parts.now + 30))["X-Isthmus-Assertion"]
    assert payload(token)["exp"] == int(parts.now) + 90


async def test_a_session_that_changed_is_told_anew() -> None:
    """SE-14: a group that was taken away is gone with the next look at the session."""
    parts = await told()
    assert parts.headers(person(groups=["staff", "admins"]))["X-Forwarded-Groups"] == "staff,admins"
    assert parts.headers(person(groups=["staff"]))["X-Forwarded-Groups"] == "staff"
    other = replace(a_session(), user_id="oidc|corp|bob", profile={})
    assert parts.headers(other)["X-Forwarded-User"] == "oidc|corp|bob"


async def test_routes_are_told_apart() -> None:
    """What one app is told is signed for that app."""
    parts = await told(a_route(), a_route(path_prefix="/admin"))
    first, second = (dict(parts.identities.pairs(route, a_session(), parts.now)) for route in parts.gateway.routes)
    audiences = [payload(one["X-Isthmus-Assertion"])["aud"] for one in (first, second)]
    assert audiences == ["https://app.example/", "https://app.example/admin"]


async def test_many_sessions_do_not_fill_the_memory() -> None:
    """What is held is bounded, the oldest goes; what is over is not kept for long."""
    parts = await told(a_route(assertion=False))
    for number in range(MOST + 10):
        parts.identities.lines(parts.route, a_session(sid=f"{number:022}"), parts.now)
    assert len(parts.identities._told) == MOST
    for number in range(MOST // 3):
        parts.identities.lines(parts.route, a_session(sid=f"later-{number:016}"), parts.now + 60)
    assert len(parts.identities._told) == MOST // 3


async def test_cloudflares_apps_find_the_assertion_where_they_look_for_it() -> None:
    """With that preset it stands under that name alone."""
    found = (await told(a_route(headers="cloudflare"))).headers()
    assert set(found) == {"Cf-Access-Authenticated-User-Email", "Cf-Access-Jwt-Assertion"}
    assert payload(found["Cf-Access-Jwt-Assertion"])["sub"] == "oidc|corp|ada"


async def test_a_server_that_asks_us_gets_pairs() -> None:
    """Forward-auth: under oauth2-proxy's names for such servers too; a claim without a value has neither."""
    parts = await told(a_route(assertion=False))
    pairs = parts.identities.pairs(parts.route, person(groups=None), parts.now)
    assert pairs == [
        ("X-Forwarded-User", "oidc|corp|ada"),
        ("X-Forwarded-Email", "ada@corp.example"),
        ("X-Auth-Request-User", "oidc|corp|ada"),
        ("X-Auth-Request-Email", "ada@corp.example"),
    ]
    other = await told(a_route(headers="authelia", assertion=False))
    assert {name for name, _ in other.identities.pairs(other.route, a_session(), other.now)} == {
        "Remote-User",
        "Remote-Email",
        "Remote-Name",
        "Remote-Groups",
    }


async def test_without_a_key_to_sign_with_it_is_later(monkeypatch: pytest.MonkeyPatch) -> None:
    """reliability 4: 503 where an assertion must be signed, and nowhere else."""
    parts = await told(a_route(), a_route(host="other.example", assertion=False))

    def signer(now: float, alg: str = "RS256") -> Any:
        raise Unavailable("no key", retry_after=7, reason="no_signing_key")

    monkeypatch.setattr(parts.keys, "signer", signer)
    with pytest.raises(CannotSay) as caught:
        parts.headers()
    assert (caught.value.status, caught.value.reason, caught.value.retry_after) == (503, "no_signing_key", 7)
    assert parts.identities.lines(parts.gateway.routes[1], a_session(), parts.now)


async def test_gw_31_the_log_says_what_could_not_be_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """GW-31: with the route and the attribute's name, without its value; once for each try, not in silence."""
    heard: list[tuple[str, dict[str, Any]]] = []
    monkeypatch.setattr(logs, "seldom", lambda event, **fields: heard.append((event, fields)))
    parts = await told(a_route(name="wiki"))
    with pytest.raises(CannotSay):
        parts.headers(person(name="secret\x00"))
    assert heard == [("identity_not_told", {"reason": "unprintable", "route": "wiki", "attribute": "name"})]
