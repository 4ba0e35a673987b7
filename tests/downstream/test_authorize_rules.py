"""The rules of an authorization request, as the client hears them."""

from __future__ import annotations

from typing import Any

import pytest

from proxy.downstream.authorize_rules import check_rules
from proxy.oidc import params as parameters
from proxy.oidc.errors import Refused, Shown
from tests.downstream.world import CALLBACK, ISSUER, SPA, WEBAPP, World, answer_params, asked
from tests.spec.authorize import REFUSED


@pytest.mark.parametrize(("change", "error", "section"), REFUSED.values(), ids=REFUSED)
async def test_what_breaks_a_rule_is_told_to_the_client(
    world: World, change: dict[str, Any], error: str, section: str
) -> None:
    """AZ-10, AZ-13, AZ-14, AZ-15, AZ-19, AZ-30: each rule answers with its error, state and iss; nothing is begun."""
    answer = await world.authorize(**change)
    told = answer_params(answer.redirect)
    assert answer.redirect.startswith(f"{CALLBACK}?"), section
    assert (told["error"], told["iss"]) == (error, ISSUER)
    assert told.get("state") == (change.get("state", "st-1") if len(change.get("state", "")) <= 2048 else None)
    assert set(told) <= {"error", "error_description", "state", "iss"}
    assert world.went == [] and not answer.browser


def test_an_honest_request_breaks_no_rule() -> None:
    """The table above differs from this one request by one parameter each."""
    check_rules(asked(), WEBAPP)
    check_rules(asked(client_id="spa"), SPA)


@pytest.mark.parametrize("change", [{"response_types": ()}, {"grant_types": ("refresh_token",)}], ids=["type", "grant"])
def test_az_10_code_is_refused_to_a_client_that_may_not_use_it(change: dict[str, Any]) -> None:
    """AZ-10: a client uses what it registered, nothing else (RFC 7591 2)."""
    with pytest.raises(Refused) as caught:
        check_rules(asked(), WEBAPP.model_copy(update=change))
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
