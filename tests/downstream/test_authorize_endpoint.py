"""The authorization endpoint as a whole: session, answer, and the way to the login."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from proxy.downstream.authorize import check_request
from proxy.downstream.grant import session_key
from proxy.features import Caller
from proxy.oidc.errors import Refused, Shown, Unavailable
from tests.downstream.world import (
    API,
    CALLBACK,
    CORP,
    ISSUER,
    WEBAPP,
    World,
    a_session,
    answer_params,
    asked,
    payload,
    told,
)


async def test_a_live_session_gets_a_code_at_once(world: World) -> None:
    """OIDC Core 3.1.2.5: code, state and iss, and no login."""
    answer = await world.authorize()
    told = answer_params(answer.redirect)
    assert answer.redirect.startswith(f"{CALLBACK}?code=")
    assert (set(told), told["state"], told["iss"]) == ({"code", "state", "iss"}, "st-1", ISSUER)
    assert world.went == []


async def test_without_a_session_the_person_is_sent_to_log_in(nobody: World) -> None:
    """The request crosses the bridge as it was checked."""
    answer = await nobody.authorize(login_hint="ada@corp.example")
    (request, session) = nobody.went[0]
    assert answer.redirect == f"{ISSUER}login"
    assert (session, request.login_hint, request.scopes) == (None, "ada@corp.example", ("openid", "profile", "email"))


@pytest.mark.parametrize("change", [{"prompt": "none"}, {"prompt": "none", "state": "s" * 124 + "-._~"}])
async def test_az_15_prompt_none_answers_without_a_page(nobody: World, change: dict[str, str]) -> None:
    """AZ-15 (oidcc-prompt-none-not-logged-in): login_required, no page, no trip to a tenant, no cookie."""
    answer = await nobody.authorize(**change)
    told = answer_params(answer.redirect)
    assert (told["error"], told["state"]) == ("login_required", change.get("state", "st-1"))
    assert not answer.page and not answer.browser and answer.sign_in is None and not answer.sign_out
    assert nobody.went == []


async def test_az_18_a_hint_logs_nobody_in(nobody: World, world: World) -> None:
    """AZ-18: a good ID token as ``id_token_hint`` opens nothing without a session."""
    hint = (await world.tokens())["id_token"]
    assert (await nobody.refusal(id_token_hint=hint, prompt="none"))["error"] == "login_required"
    assert "code" in await world.refusal(id_token_hint=hint, prompt="none")


async def test_prompt_none_keeps_person_and_login_time(world: World) -> None:
    """oidcc-prompt-none-logged-in, oidcc-max-age-10000: same sub, same auth_time."""
    first = payload((await world.tokens(max_age="15000"))["id_token"])
    world.clock.now += 1
    second = payload((await world.tokens(prompt="none", max_age="10000"))["id_token"])
    assert (first["sub"], first["auth_time"]) == (second["sub"], second["auth_time"])
    assert first["auth_time"] == a_session().auth_time


@pytest.mark.parametrize("enabled", [[], ["other"]], ids=["nobody", "another"])
async def test_a_session_opens_only_the_clients_of_its_connection(world: World, enabled: list[str]) -> None:
    """RP-21: single sign-on does not reach an application that the person's connection is not enabled for."""
    world.connections["corp"] = CORP.model_copy(update={"enabled_clients": tuple(enabled)})
    await world.authorize()
    assert len(world.went) == 1
    assert (await world.refusal(prompt="none"))["error"] == "login_required"
    del world.connections["corp"]
    assert (await world.refusal(prompt="none"))["error"] == "login_required"


async def test_what_the_bridge_refuses_is_told_to_the_client(nobody: World) -> None:
    """An error on the way to the login goes back by redirect like any other."""

    async def refuse(*_: object) -> None:
        raise Refused("invalid_request", "connection is unknown")

    endpoint = replace(nobody.authorize_endpoint, log_in=refuse)  # type: ignore[arg-type]
    told = answer_params((await endpoint.handle(nobody.request(asked(connection="x")))).redirect)
    assert (told["error"], told["state"], told["iss"]) == ("invalid_request", "st-1", ISSUER)


async def test_an_unreadable_session_is_no_missing_session(world: World) -> None:
    """What could not be read is 503: neither a login page nor ``login_required``."""

    async def broken() -> None:
        raise Unavailable("store")

    request = replace(world.request(asked(prompt="none")), session=broken)
    with pytest.raises(Unavailable):
        await world.authorize_endpoint.handle(request)


async def test_a_code_for_a_session_that_just_ended_is_worth_nothing(world: World) -> None:
    """TK-27: a logout between the look at the session and the code leaves a code that buys no token."""
    await world.store.drop(session_key(a_session().sid))
    with pytest.raises(Refused) as caught:
        await world.redeem(await world.new_code())
    assert (caught.value.code, caught.value.reason) == ("invalid_grant", "session_ended")
    assert await world.store.get(session_key(a_session().sid)) is None


async def test_the_query_of_a_registered_address_stays(world: World) -> None:
    """oidcc-redirect-uri-query-OK: ``bar=foo`` is still there."""
    told = await world.refusal(redirect_uri="https://app.example/cb2?bar=foo")
    assert told["bar"] == "foo" and told["code"]


def test_az_26_get_and_post_by_a_browser(world: World) -> None:
    """OIDC Core 3.1.2.1: both methods, and the browser's wrapper, which redirects with 303 (AZ-26)."""
    (endpoint,) = world.authorize_endpoint.endpoints()
    assert (endpoint.path, endpoint.methods, endpoint.caller) == ("authorize", ("GET", "POST"), Caller.BROWSER)


async def test_a_bad_client_is_shown_whatever_else_is_wrong(world: World) -> None:
    """AZ-07: nothing is read of a request whose sender is unknown."""
    with pytest.raises(Shown):
        await world.authorize(client_id=None, redirect_uri=None, response_type=None)


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"response_types": ("id_token",)}, "unauthorized_client"),
        ({"grant_types": ("refresh_token",)}, "unauthorized_client"),
        ({"grants": ()}, "invalid_target"),
        ({"response_types": ("code", "code token"), "dpop_bound_access_tokens": True}, "unauthorized_client"),
    ],
    ids=["response-type", "grant-type", "api", "dpop"],
)
async def test_az_10_what_was_taken_away_meanwhile_is_not_given(
    world: World, change: dict[str, Any], error: str
) -> None:
    """AZ-10: the check is repeated when the answer is built, as the client is then."""
    kind = "code token" if "dpop_bound_access_tokens" in change else "code"
    before = {"response_types": ("code", "code token"), "grant_types": ("authorization_code", "implicit")}
    client = WEBAPP.model_copy(update=before)
    wanted = check_request(asked(response_type=kind, audience=API), client, CALLBACK)
    answer, _ = await world.authorize_endpoint.answer(wanted, client, a_session(), world.clock.now)
    assert "code=" in answer.redirect
    with pytest.raises(Refused) as caught:
        await world.authorize_endpoint.answer(wanted, client.model_copy(update=change), a_session(), world.clock.now)
    assert caught.value.code == error


@pytest.mark.parametrize("kind", ["code token", "id_token token", "code id_token token"])
async def test_a_client_of_bound_tokens_gets_none_from_here(world: World, kind: str) -> None:
    """RFC 9449 5.2: with ``dpop_bound_access_tokens`` no access token comes without a proof, so none comes
    from the authorization endpoint; a code does."""
    both = {"response_types": ("code", kind), "grant_types": ("authorization_code", "implicit")}
    world.clients["webapp"] = WEBAPP.model_copy(update={**both, "dpop_bound_access_tokens": True})
    mode, fields = told(await world.authorize(response_type=kind))
    assert (mode, fields["error"]) == ("fragment", "unauthorized_client") and "access_token" not in fields
    assert "code" in await world.refusal()


@pytest.mark.parametrize(("claimed", "error"), [("oidc|corp|ada", None), ("oidc|corp|bob", "invalid_request")])
async def test_az_18_hint_and_claims_mean_one_person(world: World, claimed: str, error: str | None) -> None:
    """AZ-18 (OIDC Core 3.1.2.2): a hint does not overrule the ``sub`` that was asked for by name."""
    hint = (await world.tokens())["id_token"]
    wanted = json.dumps({"id_token": {"sub": {"value": claimed}}})
    assert (await world.refusal(id_token_hint=hint, claims=wanted)).get("error") == error


async def test_what_must_be_signed_is_asked_again_by_the_client_alone(world: World) -> None:
    """RFC 9101 10.5: a request whose client must sign is sealed, so no link of ours repeats it unsigned; a pushed one
    is repeated by its reference."""
    signs = WEBAPP.model_copy(update={"require_signed_request_object": True})
    assert world.authorize_endpoint.check(asked(), signs, world.clock.now).sealed
    assert not world.authorize_endpoint.check(asked(), WEBAPP, world.clock.now).sealed
