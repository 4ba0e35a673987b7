"""A login that a tenant begins: to the right application, never elsewhere, and never without notice."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

import pytest

from proxy.bridge.initiate import Initiate
from proxy.downstream.clients import Clients
from proxy.features import Answer, Request
from proxy.models import Client, Connection, Session
from proxy.oidc.errors import Refused, Shown
from proxy.store.memory import MemoryStore
from tests.bridge.test_session import NOW, a_session

IDP = "https://idp.example"


def client(name: str, **more: Any) -> Client:
    usual = {
        "client_id": name,
        "redirect_uris": [f"https://{name}.example/cb"],
        "initiate_login_uri": f"https://{name}.example/start?x=1",
    }
    return Client.model_validate({**usual, **more})


def connection(name: str, *clients: str, issuer: str = IDP) -> Connection:
    options = {"client_id": "isthmus", "discovery_url": issuer}
    return Connection.model_validate({"name": name, "enabled_clients": clients, "options": options})


@dataclass
class Desk:
    """The feature with its clients and connections."""

    clients: dict[str, Client] = field(default_factory=lambda: {"wiki": client("wiki")})
    connections: dict[str, Connection] = field(default_factory=lambda: {"corp": connection("corp", "wiki")})
    visits: list[str] = field(default_factory=list)

    async def begin(self, session: Session | None = None, **params: str) -> Answer:
        async def own() -> Session | None:
            return session

        known = Clients(self.clients, MemoryStore())
        feature = Initiate(
            "https://sso.example/", known, self.connections, lambda source, now: self.visits.append(source)
        )
        return await feature.begin(Request("GET", "/login/initiate", params, {}, NOW, session=own, source="192.0.2.1"))


def led_to(answer: Answer) -> tuple[str, dict[str, str]]:
    place, _, query = answer.redirect.partition("?")
    return place, dict(parse_qsl(query))


TWO = {"wiki": client("wiki"), "shop": client("shop")}
BOTH = {"corp": connection("corp", "wiki", "shop")}


async def test_the_issuer_alone_begins_a_login_at_the_only_application() -> None:
    """oidcc-client-test-3rd-party-init-login: ``iss`` is enough; the application hears our name and the connection."""
    desk = Desk()
    place, told = led_to(await desk.begin(iss=IDP))
    assert place == "https://wiki.example/start"
    assert told == {"x": "1", "iss": "https://sso.example/", "connection": "corp"}
    assert desk.visits == ["192.0.2.1"]


async def test_hint_and_target_go_along_and_nothing_else() -> None:
    """LG-05: parameters but those of OIDC Core 4 are ignored."""
    target = "https://wiki.example/page?a=b"
    sent = {
        "login_hint": "ada",
        "target_link_uri": target,
        "scope": "admin",
        "acr": "x",
        "redirect_uri": "https://e.example",
    }
    _, told = led_to(await Desk().begin(iss=IDP, **sent))
    assert told == {
        "x": "1",
        "iss": "https://sso.example/",
        "login_hint": "ada",
        "target_link_uri": target,
        "connection": "corp",
    }


async def test_the_target_says_which_application_is_meant() -> None:
    """Of two, the one at whose origin it lies."""
    desk = Desk(TWO, BOTH)
    for name in TWO:
        place, _ = led_to(await desk.begin(iss=IDP, target_link_uri=f"https://{name}.example/x"))
        assert place == f"https://{name}.example/start"


@pytest.mark.parametrize(
    ("params", "reason"),
    [
        ({}, "unknown_issuer"),
        ({"iss": "https://evil.example"}, "unknown_issuer"),
        ({"iss": f"{IDP}.evil.example"}, "unknown_issuer"),
        ({"iss": f"{IDP}//"}, "unknown_issuer"),
        ({"iss": IDP}, "several_applications"),
        ({"iss": IDP, "target_link_uri": "https://evil.example/"}, "target_link_uri"),
        ({"iss": IDP, "target_link_uri": "https://wiki.example.evil.example/"}, "target_link_uri"),
        ({"iss": IDP, "target_link_uri": "https://wiki.example@evil.example/"}, "target_link_uri"),
        ({"iss": IDP, "target_link_uri": "https://wiki.example:8443/"}, "target_link_uri"),
        ({"iss": IDP, "target_link_uri": "http://wiki.example/"}, "target_link_uri"),
        ({"iss": IDP, "target_link_uri": "//wiki.example/"}, "target_link_uri"),
        ({"iss": IDP, "target_link_uri": "https://wiki.example\\@evil.example/"}, "target_link_uri"),
        ({"iss": IDP, "target_link_uri": "https://WIKI.example/"}, "target_link_uri"),
        ({"iss": IDP, "target_link_uri": "https://other.example/"}, "target_link_uri"),
        ({"iss": IDP, "target_link_uri": "javascript:alert(1)"}, "target_link_uri"),
    ],
)
async def test_lg_05_nobody_is_sent_where_no_application_is(params: dict[str, str], reason: str) -> None:
    """LG-05, LO-02: an unknown issuer, a target that only looks like an application's; a client that the connection
    does not serve is none of its applications."""
    clients = {**TWO, "other": client("other")}
    with pytest.raises(Shown) as refused:
        await Desk(clients, BOTH).begin(**params)
    assert refused.value.reason == reason


@pytest.mark.parametrize(
    ("clients", "connections", "reason"),
    [
        ({}, {"corp": connection("corp", "gone")}, "no_application"),
        ({}, {"corp": connection("corp")}, "no_application"),
        ({"wiki": client("wiki", initiate_login_uri="")}, {"corp": connection("corp", "wiki")}, "no_launch"),
    ],
)
async def test_without_a_place_where_a_login_begins_the_person_is_told(
    clients: dict[str, Client], connections: dict[str, Connection], reason: str
) -> None:
    """Never a login that no application asked for."""
    with pytest.raises(Shown) as refused:
        await Desk(clients, connections).begin(iss=IDP)
    assert refused.value.reason == reason


async def test_several_connections_of_one_issuer_are_one_question() -> None:
    """The first that serves the application is taken."""
    desk = Desk(TWO, {"corp": connection("corp", "shop"), "more": connection("more", "wiki")})
    _, told = led_to(await desk.begin(iss=IDP, target_link_uri="https://wiki.example/"))
    assert told["connection"] == "more"


async def test_nobody_becomes_somebody_else_unnoticed() -> None:
    """OIDC Core 4: a person who is logged in through another tenant is asked; through the same one goes on."""
    other, same = a_session(connection="partners"), a_session()
    answer = await Desk().begin(other, iss=IDP)
    assert answer.page == "initiate.html" and not answer.redirect and answer.framed_by == ()
    assert answer.values["url"].startswith("https://wiki.example/start?") and answer.values["person"] == "Ada"
    assert (await Desk().begin(same, iss=IDP)).redirect


async def test_an_address_that_begins_too_often_is_slowed_down() -> None:
    """429 from the throttle, before anything is looked up."""

    def full(source: str, now: float) -> None:
        raise Refused("slow_down", "x", status=429)

    feature = Initiate("https://sso.example/", Clients({}, MemoryStore()), {}, full)
    with pytest.raises(Refused):
        await feature.begin(Request("GET", "/login/initiate", {"iss": IDP}, {}, NOW))
