"""The last steps of every logout."""

from __future__ import annotations

from dataclasses import replace

import pytest

from proxy.downstream.leaving import NOT_DONE, gone, not_done, on_the_way
from proxy.features import Answer, Request, SignIn
from proxy.oidc.errors import Shown, Unavailable
from tests.downstream.world import ISSUER, WEBAPP, World, a_session

HOME = "https://app.example/"


def form_of(world: World, params: dict[str, str]) -> dict[str, str]:
    """What the page with the question sends back."""
    page = world.leaving.ask(world.request(params), "v2/logout", WEBAPP, a_session(), HOME)
    assert page.page == "logout.html" and page.values["action"] == f"{ISSUER}v2/logout"
    return dict(page.values["fields"])


def posted(world: World, fields: dict[str, str]) -> Request:
    """The form, sent."""
    return replace(world.request(fields), method="POST")


def test_lo_03_the_form_of_our_page_is_the_persons_word(world: World) -> None:
    """LO-03: it carries what was asked and a token of this session; a GET with the token is not enough."""
    fields = form_of(world, {"returnTo": HOME, "federated": "", "junk": "x"})
    assert fields.keys() == {"returnTo", "federated", "form_token"}
    assert world.leaving.is_confirmed(posted(world, fields), a_session())
    assert not world.leaving.is_confirmed(world.request(fields), a_session())
    assert not world.leaving.is_confirmed(posted(world, {}), a_session())


def test_lo_03_a_form_of_another_session_is_refused(world: World) -> None:
    """LO-03: 403, and nobody is logged out."""
    with pytest.raises(Shown) as caught:
        world.leaving.is_confirmed(posted(world, form_of(world, {})), a_session(sid="another-session-012345"))
    assert caught.value.status == 403 and world.ended == []


@pytest.mark.parametrize(("target", "redirect"), [(HOME, HOME), ("", "")])
async def test_a_logout_leads_on_or_says_so(world: World, target: str, redirect: str) -> None:
    """The session has ended, the cookie goes, and the browser goes on or sees our page."""
    answer = await world.leaving.leave(world.request({}), a_session(), target)
    assert (answer.redirect, answer.sign_out, world.ended) == (redirect, True, [a_session().sid])
    assert answer.page == ("" if redirect else "logged_out.html")


async def test_clients_with_a_page_hear_before_the_browser_goes_on(world: World) -> None:
    """Front-Channel Logout 3: our page loads each in a frame, allowed by origin, and knows the way on."""
    world.frames = ("https://a.example/out?sid=1", "https://b.example/out?sid=1")
    answer = await world.leaving.leave(world.request({}), a_session(), HOME)
    assert (answer.page, answer.script, answer.values["url"]) == ("farewell.html", "farewell", HOME)
    assert answer.frame_sources == ("https://a.example", "https://b.example") and answer.sign_out
    assert answer.framed_by == ()


async def test_federated_goes_over_the_tenant(world: World) -> None:
    """``federated``, with a value or without: on to the tenant, after our own session has ended."""
    answer = await world.leaving.leave(world.request({"federated": ""}), a_session(), HOME)
    assert answer.redirect == f"https://idp.example/bye?then={HOME}" and answer.sign_out


def test_a_logout_that_was_not_done_says_so() -> None:
    """The person must not believe to be logged out."""
    assert not_done(Unavailable("store")).undone == NOT_DONE
    assert gone("").page == "logged_out.html"


def test_rp_30_an_answer_goes_by_way_of_the_farewell() -> None:
    """RP-30: frames are shown before a redirect, which keeps all it brings along; a page of its own, and an answer
    without frames, go as they are."""
    begun = SignIn("a-cookie", 60)
    answer = Answer(redirect="https://app.example/cb?code=x", sign_in=begun, browser="b", event="login")
    page = on_the_way(("https://other.example/out?sid=s",), answer)
    assert (page.page, page.redirect, page.values["url"]) == ("farewell.html", "", answer.redirect)
    assert (page.sign_in, page.browser, page.event) == (begun, "b", "login")
    assert page.frame_sources == ("https://other.example",) and page.script == "farewell"
    posted_back = Answer(page="form_post.html")
    assert on_the_way((), answer) is answer and on_the_way(("https://x.example/",), posted_back) is posted_back
