"""RP-initiated logout: who is asked first, where the browser goes afterwards, and what never redirects."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from pydantic import ValidationError

from proxy.features import Answer, Caller
from proxy.models import Client
from proxy.oidc.errors import Shown, Unavailable
from tests.downstream.world import BROWSER, ISSUER, SECRET, World, a_session, answer_params, payload
from tests.kit.tenant import b64, signer

HOME = "https://app.example/"
NO_ALGORITHM = b64(b'{"alg":"none"}')


async def hint_of(world: World, **changes: Any) -> str:
    """An ID token of the live session."""
    return str((await world.tokens(**changes))["id_token"])


async def knock(world: World, method: str = "GET", **params: str) -> Answer:
    return await world.logout.handle(world.request({n: v for n, v in params.items() if v}, method))


async def confirm(world: World, page: Answer, **changes: str) -> Answer:
    """The person presses the button of the page."""
    return await knock(world, "POST", **{**page.values["fields"], **changes})


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_hint_of_the_session_logs_out_at_once(world: World, method: str) -> None:
    """rp-initiated-logout: the session ends, and the browser goes to the registered address with the same state."""
    state = "".join(chr(c) for c in range(0x21, 0x7F) if chr(c) not in "+;")[:50]
    answer = await knock(world, method, id_token_hint=await hint_of(world), post_logout_redirect_uri=HOME, state=state)
    assert answer_params(answer.redirect) == {"state": state}
    assert answer.redirect.startswith(f"{HOME}?state=") and answer.sign_out
    assert world.ended == [a_session().sid]


async def test_no_state_sent_none_comes_back(world: World) -> None:
    """rp-initiated-logout-no-state; and a registered query stays (RP-Initiated Logout 3)."""
    uri = "https://app.example/bye?a=b"
    answer = await knock(world, id_token_hint=await hint_of(world), post_logout_redirect_uri=uri)
    assert answer.redirect == uri


async def test_an_expired_hint_is_still_good(world: World) -> None:
    """RP-Initiated Logout 2: the hint's own end does not matter, the session's does."""
    hint = await hint_of(world)
    world.clock.now += world.lifetimes.id_token + 1
    assert (await knock(world, id_token_hint=hint, post_logout_redirect_uri=HOME)).redirect == HOME


TARGETS = [
    "https://evil.example",
    "https://app.example",
    "https://app.example/?x=1",
    "https://app.example/#x",
    "https://app.example/bye",
    "https://APP.example/",
    "https://app.example@evil.example/",
    "https://app.example.evil.example/",
    "//evil.example",
    "\thttps://app.example/",
    "https://other.example/",
    "javascript:alert(1)",
]


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("how", ["hint", "client_id", "neither"])
async def test_lo_01_an_address_that_is_not_registered_is_never_gone_to(world: World, target: str, how: str) -> None:
    """LO-01 (-bad-post-logout-redirect-uri, -query-added): logged out, if need be after a question; our own page."""
    named = {"hint": {"id_token_hint": await hint_of(world)}, "client_id": {"client_id": "webapp"}, "neither": {}}[how]
    answer = await knock(world, post_logout_redirect_uri=target, state="s", **named)
    if how != "hint":
        assert (answer.page, answer.leads_away, world.ended) == ("logout.html", False, [])
        answer = await confirm(world, answer)
    assert (answer.redirect, answer.page, answer.sign_out) == ("", "logged_out.html", True)
    assert world.ended == [a_session().sid]


async def test_lo_01_hint_and_client_id_must_agree(world: World) -> None:
    """LO-01: a hint of client A with ``client_id`` B names nobody (RP-Initiated Logout 2)."""
    answer = await knock(
        world, id_token_hint=await hint_of(world), client_id="other", post_logout_redirect_uri="https://other.example/"
    )
    assert (answer.redirect, answer.page) == ("", "logged_out.html")


async def test_lo_01_without_a_hint_the_client_id_names_whose_address_it_is(world: World) -> None:
    """RP-Initiated Logout 2: after the question, a registered address of the named client, which the page allows."""
    page = await knock(world, client_id="webapp", post_logout_redirect_uri=HOME, state="s")
    assert (page.page, page.leads_away, page.values["client"]) == ("logout.html", True, "Web app")
    answer = await confirm(world, page)
    assert answer.redirect == f"{HOME}?state=s" and world.ended == [a_session().sid]


async def a_bad_hint(world: World, kind: str) -> str:
    good = await hint_of(world)
    claims = payload(good)
    ours = world.keys.signer(world.clock.now)
    head, body, signature = good.split(".")
    if kind == "alg-none":
        return f"{NO_ALGORITHM}.{body}."
    return {
        "foreign-key": signer("foreign").sign(claims, typ="JWT"),
        "foreign-issuer": ours.sign({**claims, "iss": "https://evil.example/"}, typ="JWT"),
        "swapped": signer("foreign").sign({**claims, "iss": claims["aud"], "aud": claims["iss"]}, typ="JWT"),
        "at+jwt": ours.sign(claims, typ="at+jwt"),
        "logout+jwt": ours.sign(claims, typ="logout+jwt"),
        "two-audiences": ours.sign({**claims, "aud": ["webapp", "other"]}, typ="JWT"),
        "cut": good[:-1],
        "padded": f"{head}.{body}.{signature}==",
        "nonsense": "x",
        "another-session": ours.sign({**claims, "sid": "z" * 22}, typ="JWT"),
        "another-person": ours.sign({**claims, "sub": "oidc|corp|eve"}, typ="JWT"),
        "no-session": ours.sign({n: v for n, v in claims.items() if n != "sid"}, typ="JWT"),
    }[kind]


BAD = (
    *("alg-none", "foreign-key", "foreign-issuer", "swapped", "at+jwt", "logout+jwt", "two-audiences", "cut"),
    *("padded", "nonsense", "another-session", "another-person", "no-session"),
)


@pytest.mark.parametrize("kind", BAD, ids=[f"az-18-jo-10-{kind}" for kind in BAD])
async def test_a_hint_that_is_not_of_this_session_only_leads_to_the_question(world: World, kind: str) -> None:
    """AZ-18, JO-10, JO-17 (-modified-id-token-hint, -bad-id-token-hint): no redirect, no logout without the person."""
    hint = await a_bad_hint(world, kind)
    answer = await knock(world, id_token_hint=hint, post_logout_redirect_uri=HOME, state="s")
    assert (answer.page, answer.redirect, answer.sign_out, world.ended) == ("logout.html", "", False, [])


@pytest.mark.parametrize(
    "params",
    [{}, {"state": "s"}, {"post_logout_redirect_uri": HOME, "state": "s"}],
    ids=["no-params", "only-state", "no-id-token-hint"],
)
async def test_without_a_hint_the_person_is_asked_and_then_logged_out(world: World, params: dict[str, str]) -> None:
    """LO-03 (-no-params, -only-state, -no-id-token-hint): a question, then our own page, no redirect."""
    page = await knock(world, **params)
    assert (page.page, world.ended) == ("logout.html", [])
    assert page.values["action"] == f"{ISSUER}oidc/logout" and page.values["person"] == "Ada"
    answer = await confirm(world, page)
    assert (answer.page, answer.redirect, answer.sign_out, world.ended) == (
        "logged_out.html",
        "",
        True,
        [a_session().sid],
    )


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_lo_03_a_picture_or_a_foreign_form_logs_nobody_out(world: World, method: str) -> None:
    """LO-03: neither a GET nor a cross-site POST does more than show the question."""
    answer = await knock(world, method, client_id="webapp", post_logout_redirect_uri=HOME)
    assert (answer.page, answer.sign_out, world.ended) == ("logout.html", False, [])


async def test_lo_03_the_token_of_the_form_is_the_sessions(world: World) -> None:
    """LO-03: another session's token, or a made-up one, is refused with 403; in a GET it means nothing."""
    page = await knock(world)
    token = page.values["fields"]["form_token"]
    assert (await knock(world, form_token=token)).page == "logout.html"
    for wrong in (token[:-1], "x", "é", token.upper()):
        with pytest.raises(Shown) as caught:
            await knock(world, "POST", form_token=wrong)
        assert (caught.value.code, caught.value.status) == ("access_denied", 403)
    world.session = a_session(sid="z" * 22)
    with pytest.raises(Shown):
        await knock(world, "POST", form_token=token)
    assert world.ended == []


async def test_lo_14_what_was_sent_is_neither_obeyed_nor_lost(world: World) -> None:
    """LO-14: hostile values travel through the page as data, and to a registered address as one encoded value."""
    state = '"><script>alert(1)</script>\r\nSet-Cookie: x=1'
    page = await knock(
        world, state=state, client_id="webapp", post_logout_redirect_uri=HOME, ui_locales="<x>", logout_hint="<y>"
    )
    assert set(page.values["fields"]) == {"state", "client_id", "post_logout_redirect_uri", "form_token"}
    answer = await confirm(world, page)
    assert answer.redirect.startswith(f"{HOME}?state=%22%3E%3Cscript%3E")
    assert answer.redirect.isprintable() and not set(answer.redirect) & set('<>" ')


@pytest.mark.parametrize(
    "uri", ["javascript:alert(1)", "JavaScript:alert(1)", "data:text/html,x", "https://a.example/#x"]
)
def test_lo_15_a_script_cannot_be_registered_as_a_target(uri: str) -> None:
    """LO-15: refused when the client is configured, whatever its case."""
    with pytest.raises(ValidationError):
        Client.model_validate({"client_id": "x", "client_secret": SECRET, "post_logout_redirect_uris": [uri]})


async def test_without_a_session_there_is_nothing_to_ask(nobody: World) -> None:
    """Who is logged out already goes on, and only to a registered address."""
    assert (await knock(nobody, client_id="webapp", post_logout_redirect_uri=HOME)).redirect == HOME
    answer = await knock(nobody, client_id="webapp", post_logout_redirect_uri="https://evil.example/")
    assert (answer.page, answer.redirect) == ("logged_out.html", "")


async def test_after_the_logout_nothing_is_left_of_it(world: World) -> None:
    """TK-17: the tokens of the session are dead, and ``prompt=none`` says so."""
    tokens = await world.tokens()
    await knock(world, id_token_hint=tokens["id_token"])
    world.session = None
    with pytest.raises(Exception, match="invalid_token"):
        await world.userinfo(tokens["access_token"])
    assert (await world.refusal(prompt="none"))["error"] == "login_required"


async def test_a_logout_that_could_not_be_done_is_not_said_to_be(world: World) -> None:
    """A store that does not answer is 503, and the cookie stays."""

    async def broken(*_: object) -> None:
        raise Unavailable("store")

    hint = await hint_of(world)
    with pytest.raises(Unavailable):
        await replace(world.logout, leaving=replace(world.leaving, end=broken)).handle(
            world.request({"id_token_hint": hint})
        )


async def test_the_browsers_trips_end_with_the_session(world: World) -> None:
    """LO-18: the one who ends the session is told which browser it is."""
    seen: list[tuple[str, Sequence[str]]] = []

    async def end(session: Any, browsers: Sequence[str], now: float) -> Sequence[str]:
        seen.append((session.sid, browsers))
        return ()

    hint = await hint_of(world)
    leaving = replace(world.leaving, end=end)
    await replace(world.logout, leaving=leaving).handle(world.request({"id_token_hint": hint}))
    assert seen == [(a_session().sid, (BROWSER,))]


def test_get_and_post_by_a_browser(world: World) -> None:
    """RP-Initiated Logout 2: both methods."""
    (endpoint,) = world.logout.endpoints()
    assert (endpoint.path, endpoint.methods, endpoint.caller) == ("oidc/logout", ("GET", "POST"), Caller.BROWSER)
    assert world.logout.metadata() == {"end_session_endpoint": f"{ISSUER}oidc/logout"}
