"""A login that a portal begins: only to the application's own page, with our name, and only to its own addresses."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest

from proxy.downstream.clients import Known
from proxy.downstream.third_party_login import ThirdPartyLogin
from proxy.features import Answer, Caller
from proxy.models import Client
from proxy.oidc.errors import Shown
from tests.downstream.world import ISSUER, WEBAPP, World

START = "https://app.example/start?tenant=1"
PORTAL = WEBAPP.model_copy(update={"initiate_login_uri": START})


async def launch(client: Client = PORTAL, client_id: str = "webapp", **params: str) -> Answer:
    """A link of a portal, followed."""
    world = World(clients={"webapp": client})
    request = world.request(params, variables={"client_id": client_id})
    return await ThirdPartyLogin(ISSUER, world.known).launch(request)


async def test_the_browser_goes_to_the_applications_page_with_our_name() -> None:
    """OIDC Core 4: ``iss``, and what else the portal knows; the page's own query stays."""
    answer = await launch(login_hint="ada@corp.example", target_link_uri="https://app.example/inbox?m=1")
    assert answer.redirect.startswith(f"{START}&iss=")
    assert parse_qs(urlsplit(answer.redirect).query) == {
        "tenant": ["1"],
        "iss": [ISSUER],
        "login_hint": ["ada@corp.example"],
        "target_link_uri": ["https://app.example/inbox?m=1"],
    }


async def test_an_id_that_fits_into_no_path_comes_as_a_parameter() -> None:
    """The same by ``launch?client_id=``; nothing is added that was not given."""
    world = World(clients={"webapp": PORTAL})
    answer = await ThirdPartyLogin(ISSUER, world.known).launch(world.request({"client_id": "webapp"}))
    assert parse_qs(urlsplit(answer.redirect).query) == {"tenant": ["1"], "iss": [ISSUER]}


@pytest.mark.parametrize(
    "uri",
    [
        "https://evil.example/",
        "https://app.example.evil.example/",
        "https://app.example@evil.example/",
        "https://app.example:8443/",
        "http://app.example/",
        "//evil.example/",
        "/inbox",
        "javascript:alert(1)",
        "https://app.example\\@evil.example/",
        "https://app.example/\r\nX: y",
        "https://app.example/é",
        "https://app.example/" + "a" * 3000,
    ],
)
async def test_no_application_is_made_to_send_people_elsewhere(uri: str) -> None:
    """OIDC Core 4: ``target_link_uri`` must not make the application an open redirector."""
    with pytest.raises(Shown) as caught:
        await launch(target_link_uri=uri)
    assert caught.value.reason == "target_link_uri"


@pytest.mark.parametrize(
    ("client", "named", "reason"),
    [(PORTAL, "nobody", "unknown_client"), (PORTAL, "", "unknown_client"), (WEBAPP, "webapp", "no_launch")],
)
async def test_without_a_page_to_go_to_the_person_is_told(client: Client, named: str, reason: str) -> None:
    """An unknown application, and one without ``initiate_login_uri``, is a clear page."""
    with pytest.raises(Shown) as caught:
        await launch(client, named)
    assert caught.value.reason == reason


async def test_who_registered_themselves_get_no_link_of_ours() -> None:
    """RFC 9700 4.11: a link of ours that led wherever somebody registered would lend them our name. One
    that the operator added by a command, and calls their own, has it."""
    world = World(clients={})
    request = world.request({}, variables={"client_id": "tpc_stranger"})
    for own in (False, True):
        client = PORTAL.model_copy(update={"client_id": "tpc_stranger", "is_first_party": own})
        world.known._copies["tpc_stranger"] = (world.clock.now, Known(client))
        if own:
            assert (await ThirdPartyLogin(ISSUER, world.known).launch(request)).redirect.startswith(START)
            continue
        with pytest.raises(Shown, match="no application is registered"):
            await ThirdPartyLogin(ISSUER, world.known).launch(request)


def test_two_addresses_for_browsers() -> None:
    """By path and by parameter."""
    endpoints = ThirdPartyLogin(ISSUER, World().known).endpoints()
    assert [(e.path, e.methods, e.caller) for e in endpoints] == [
        ("launch", ("GET",), Caller.BROWSER),
        ("launch/{client_id}", ("GET",), Caller.BROWSER),
    ]
