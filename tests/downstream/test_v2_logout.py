"""The logout address of Auth0's SDKs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from proxy.downstream.v2_logout import V2Logout, is_navigation, target_of
from proxy.features import Answer
from proxy.oidc.errors import Unavailable
from tests.downstream.world import WEBAPP, World, a_session

HOME = "https://app.example/"
TENANTS = ("https://acme.example/bye",)
WINDOW = {"Sec-Fetch-Dest": "document"}


async def knock(world: World, headers: dict[str, str] | None = None, **params: str) -> Answer:
    """One request."""
    feature = V2Logout(world.known, TENANTS, world.leaving)
    return await feature.handle(replace(world.request(params), headers=WINDOW if headers is None else headers))


@pytest.mark.parametrize(
    "target",
    [
        "//evil.example", "/\\evil.example", "/%09/evil.example", "https:evil.example", "\thttps://evil.example",
        "https://app.example@evil.example", "https://app.example.evil.example", "javascript:alert(1)",
        "https%3A%2F%2Fapp.example%2F", "https://app.example/other", "http://app.example/", "https://app.example:1/",
        "https://app.example/\\", "https://app.example/ ", "",
    ],
)  # fmt: skip
def test_lo_02_no_way_out_but_the_listed(target: str) -> None:
    """LO-02: anything that is not a listed origin and path, however it is written, is our own page."""
    assert target_of({"client_id": "webapp", "returnTo": target}, WEBAPP, TENANTS) == ""
    assert target_of({"returnTo": target}, None, TENANTS) == ""


@pytest.mark.parametrize(
    ("params", "client", "target"),
    [
        ({"client_id": "webapp", "returnTo": HOME}, WEBAPP, HOME),
        ({"client_id": "webapp", "returnTo": f"{HOME}?a=b#c"}, WEBAPP, f"{HOME}?a=b#c"),
        ({"client_id": "webapp", "returnTo": "https://APP.example/"}, WEBAPP, "https://APP.example/"),
        ({"client_id": "webapp"}, WEBAPP, HOME),
        ({"client_id": "webapp", "returnTo": TENANTS[0]}, WEBAPP, ""),
        ({"client_id": "gone", "returnTo": HOME}, None, ""),
        ({"returnTo": TENANTS[0]}, None, TENANTS[0]),
        ({"returnTo": HOME}, None, ""),
        ({}, None, ""),
    ],
)
def test_where_it_leads(params: dict[str, str], client: Any, target: str) -> None:
    """The client's list, or the tenant's without ``client_id``; query and fragment are not compared."""
    assert target_of(params, client, TENANTS) == target


async def test_sdks_log_out_without_a_page(world: World) -> None:
    """LO-03: a navigation of the whole window to an address of a known client is the person's wish."""
    answer = await knock(world, client_id="webapp", returnTo=HOME)
    assert (answer.redirect, answer.sign_out, world.ended) == (HOME, True, [a_session().sid])


@pytest.mark.parametrize(
    ("headers", "params"),
    [
        ({"Sec-Fetch-Dest": "image"}, {"client_id": "webapp", "returnTo": HOME}),
        ({"Sec-Fetch-Dest": "iframe"}, {"client_id": "webapp", "returnTo": HOME}),
        ({"Sec-Fetch-Dest": "document", "Sec-Purpose": "prefetch"}, {"client_id": "webapp", "returnTo": HOME}),
        ({}, {"client_id": "webapp", "returnTo": HOME}),
        (WINDOW, {"client_id": "webapp", "returnTo": "https://evil.example/"}),
        (WINDOW, {"returnTo": TENANTS[0]}),
        (WINDOW, {}),
    ],
)
async def test_lo_03_anything_else_is_asked_first(
    world: World, headers: dict[str, str], params: dict[str, str]
) -> None:
    """LO-03: a picture, a frame, a link fetched ahead, an address that is not listed: the page, and nobody is out."""
    answer = await knock(world, headers, **params)
    assert (answer.page, answer.sign_out, world.ended) == ("logout.html", False, [])


async def test_the_question_answered_logs_out(world: World) -> None:
    """The form comes back to the same address."""
    page = await knock(world, {}, client_id="webapp", returnTo=HOME)
    feature = V2Logout(world.known, TENANTS, world.leaving)
    answer = await feature.handle(replace(world.request(page.values["fields"]), method="POST"))
    assert (answer.redirect, world.ended) == (HOME, [a_session().sid])


async def test_without_a_session_it_leads_on(nobody: World) -> None:
    """There is nothing to end, and nothing to ask."""
    answer = await knock(nobody, client_id="webapp", returnTo=HOME)
    assert (answer.redirect, answer.sign_out) == (HOME, False)


async def test_a_logout_that_could_not_be_done_is_not_said_to_be(world: World) -> None:
    """503, and the page says that the person is still logged in."""

    async def broken(*_: object) -> None:
        raise Unavailable("store")

    leaving = replace(world.leaving, end=broken)  # type: ignore[arg-type]
    with pytest.raises(Unavailable) as caught:
        await V2Logout(world.known, TENANTS, leaving).handle(
            replace(world.request({"client_id": "webapp", "returnTo": HOME}), headers=WINDOW)
        )
    assert caught.value.undone


def test_a_navigation_is_what_the_browser_says_it_is() -> None:
    """Fetch Metadata 2.1."""
    assert is_navigation(WINDOW) and not is_navigation({}) and not is_navigation({**WINDOW, "Purpose": "prefetch"})
