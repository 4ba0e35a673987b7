"""The rules of an authorization request, as the client hears them."""

from __future__ import annotations

from typing import Any

import pytest

from proxy.downstream.authorize import check_request
from proxy.downstream.authorize_rules import check_rules, mode_of
from proxy.models.client import RESPONSE_TYPES
from proxy.oidc import params as parameters
from proxy.oidc.errors import Refused, Shown
from tests.downstream.world import (
    CALLBACK,
    FRONT,
    ISSUER,
    SPA,
    WEBAPP,
    World,
    answer_params,
    asked,
    asked_front,
    told,
)
from tests.spec.authorize import ACCEPTED, MISSING_TYPE, REFUSED, REFUSED_IMPLICIT


@pytest.mark.parametrize(("change", "error", "section"), REFUSED.values(), ids=REFUSED)
async def test_what_breaks_a_rule_is_told_to_the_client(
    world: World, change: dict[str, Any], error: str, section: str
) -> None:
    """AZ-10, AZ-13, AZ-14, AZ-15, AZ-19, AZ-30: each rule answers with its error, state and iss; nothing is begun."""
    answer = await world.authorize(**change)
    heard = answer_params(answer.redirect)
    assert answer.redirect.startswith(f"{CALLBACK}?"), section
    assert (heard["error"], heard["iss"]) == (error, ISSUER)
    assert heard.get("state") == (change.get("state", "st-1") if len(change.get("state", "")) <= 2048 else None)
    assert set(heard) <= {"error", "error_description", "state", "iss"}
    assert world.went == [] and not answer.browser


@pytest.mark.parametrize(("change", "error", "section"), REFUSED_IMPLICIT.values(), ids=REFUSED_IMPLICIT)
async def test_what_breaks_a_rule_of_an_id_token_is_told_in_the_fragment(
    world: World, change: dict[str, Any], error: str, section: str
) -> None:
    """AZ-10 (OAuth Multiple Response Types 5): an ID token's errors travel where it would have; nothing is issued."""
    answer = await world.authorize_front(**change)
    mode, heard = told(answer)
    assert (mode, heard["error"], heard["iss"]) == ("fragment", error, ISSUER), section
    assert set(heard) <= {"error", "error_description", "state", "iss"}
    assert world.went == [] and not answer.browser


@pytest.mark.parametrize("change", [{"response_type": "id_token", "nonce": None}, {"scope": 'openid "'}])
async def test_an_error_is_posted_to_who_asked_for_that(world: World, change: dict[str, Any]) -> None:
    """Form Post Response Mode 2: an error travels as the answer would have."""
    ask = world.authorize_front if "response_type" in change else world.authorize
    mode, heard = told(await ask(response_mode="form_post", **change))
    assert (mode, heard["state"], heard["iss"]) == ("form_post", "st-1", ISSUER) and heard["error"]


@pytest.mark.parametrize(
    ("params", "mode"),
    [
        ({}, "query"),
        ({"response_type": "code"}, "query"),
        ({"response_type": "code", "response_mode": "form_post"}, "form_post"),
        ({"response_type": "code", "response_mode": "fragment"}, "query"),
        ({"response_type": "id_token"}, "fragment"),
        ({"response_type": "id_token", "response_mode": "form_post"}, "form_post"),
        ({"response_type": "id_token", "response_mode": "query"}, "fragment"),
        ({"response_type": "token", "response_mode": "fragment"}, "query"),
    ],
)
def test_which_way_an_answer_goes(params: dict[str, str], mode: str) -> None:
    """AZ-10: the asked mode if the response type has it, else the type's own; an ID token is never in a query."""
    assert mode_of(params, WEBAPP) == mode


@pytest.mark.parametrize(
    ("params", "mode"),
    [
        ({"response_type": "code", "response_mode": "fragment"}, "fragment"),
        ({"response_type": "code", "response_mode": "web_message", "redirect_uri": CALLBACK}, "web_message"),
        ({"response_type": "code", "response_mode": "web_message", "redirect_uri": "https://b.example/"}, "query"),
        ({"response_type": "id_token", "response_mode": "web_message", "redirect_uri": CALLBACK}, "web_message"),
    ],
)
def test_az_10_modes_for_apps_in_the_browser(params: dict[str, str], mode: str) -> None:
    """AZ-10: a fragment with a code, and messages to pages that the operator listed, are for apps in the browser."""
    app = SPA.model_copy(update={"web_origins": ("https://app.example",)})
    assert mode_of(params, app) == mode


def test_every_response_type_is_answered(world: World) -> None:
    """The types we answer are those a client can register (RFC 7591 2.1)."""
    assert world.authorize_endpoint.respond.keys() == RESPONSE_TYPES.keys()


def test_an_honest_request_breaks_no_rule() -> None:
    """The table above differs from this one request by one parameter each."""
    check_rules(asked(), WEBAPP)
    check_rules(asked(client_id="spa"), SPA)
    for mode in (None, "query", "form_post"):
        check_rules(asked(response_mode=mode), WEBAPP)
    for mode in (None, "fragment", "form_post"):
        check_rules(asked_front(response_mode=mode), FRONT)


@pytest.mark.parametrize("change", [{"response_types": ()}, {"grant_types": ("refresh_token",)}], ids=["type", "grant"])
def test_az_10_code_is_refused_to_a_client_that_may_not_use_it(change: dict[str, Any]) -> None:
    """AZ-10: a client uses what it registered, nothing else (RFC 7591 2)."""
    with pytest.raises(Refused) as caught:
        check_rules(asked(), WEBAPP.model_copy(update=change))
    assert caught.value.code == "unauthorized_client"


@pytest.mark.parametrize(
    "change", [{"response_types": ("code",)}, {"grant_types": ("authorization_code",)}], ids=["type", "grant"]
)
def test_az_10_an_id_token_is_refused_to_a_client_that_may_not_have_it(change: dict[str, Any]) -> None:
    """AZ-10: without the implicit grant, or the response type, there is no ID token from here (RFC 7591 2.1)."""
    with pytest.raises(Refused) as caught:
        check_rules(asked_front(), FRONT.model_copy(update=change))
    assert caught.value.code == "unauthorized_client"


def test_pkce_is_compulsory_for_public_clients() -> None:
    """RFC 9700 2.1.1: without a secret and without PKCE a stolen code would be good."""
    bare = asked(code_challenge=None, code_challenge_method=None)
    check_rules(bare, WEBAPP)
    with pytest.raises(Refused, match="required for a public client"):
        check_rules(bare, SPA)


@pytest.mark.parametrize(
    "name", ["client_id", "redirect_uri", "response_type", "scope", "state", "nonce", "code_challenge"]
)
def test_az_09_a_parameter_given_twice_is_refused(name: str) -> None:
    """AZ-09 (RFC 6749 3.1): nobody chooses between two values, and an array is not the parameter it looks like."""
    with pytest.raises(Shown, match="given twice"):
        parameters.parse(f"{name}=a&x=y&{name}=a")
    assert name not in parameters.parse(f"{name}[]=a")


@pytest.mark.parametrize("change", ACCEPTED.values(), ids=ACCEPTED)
async def test_what_is_a_wish_never_fails_a_request(world: World, change: dict[str, Any]) -> None:
    """AZ-18, AZ-31 (OIDC Core 3.1.2.1): hints, locales, display and what we do not know lead to the same answer."""
    mode, fields = told(await world.authorize(**change))
    assert (mode, set(fields)) == ("query", {"code", "state", "iss"})
    assert world.went == []


@pytest.mark.parametrize(("change", "mode"), MISSING_TYPE.values(), ids=MISSING_TYPE)
async def test_oidcc_response_type_missing(world: World, change: dict[str, Any], mode: str) -> None:
    """AZ-10 (RFC 6749 4.1.2.1): without ``response_type`` the error goes the way that was asked for, if there is such
    a way, else by the query."""
    arrived, fields = told(await world.authorize(response_type=None, **change))
    assert (arrived, fields["error"], fields["state"]) == (mode, "invalid_request", "st-1")


def test_az_21_deep_claims_end_in_an_error() -> None:
    """AZ-21: braces as deep as the longest parameter allows are refused, not a crash."""
    with pytest.raises(Refused, match="claims"):
        check_request(asked(claims='{"a":' * 1300 + "1" + "}" * 1300), WEBAPP, CALLBACK)


def test_az_29_a_post_is_checked_like_a_get(world: World) -> None:
    """AZ-29 (OIDC Core 3.1.2.1): both methods are the same endpoint with the same checks."""
    (endpoint,) = world.authorize_endpoint.endpoints()
    assert endpoint.methods == ("GET", "POST") and endpoint.cors == ""
