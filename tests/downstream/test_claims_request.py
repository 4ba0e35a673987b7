"""Claims asked for by name."""

from __future__ import annotations

import json
from typing import Any

import pytest

from proxy.downstream.authorize import AuthorizeRequest
from proxy.downstream.claims_request import as_param, check
from proxy.oidc.errors import Refused
from tests.downstream.world import CALLBACK, WEBAPP, World, payload


def asked_for(**places: Any) -> str:
    """The parameter."""
    return json.dumps(places)


async def test_oidcc_claims_essential(world: World) -> None:
    """oidcc-claims-essential: ``name`` at userinfo with scope openid alone, and not in the ID token."""
    tokens = await world.tokens(scope="openid", claims=asked_for(userinfo={"name": {"essential": True}}))
    assert await world.userinfo(tokens["access_token"]) == {"sub": "oidc|corp|ada", "name": "Ada"}
    assert "name" not in payload(tokens["id_token"])


async def test_a_claim_asked_for_in_the_id_token_is_there(world: World) -> None:
    """OIDC Core 5.5: at the place it was asked for, and only there."""
    tokens = await world.tokens(scope="openid", claims=asked_for(id_token={"email": None}))
    assert payload(tokens["id_token"])["email"] == "ada@corp.example"
    assert await world.userinfo(tokens["access_token"]) == {"sub": "oidc|corp|ada"}


def test_az_21_no_claim_beyond_what_the_client_may_ask_for() -> None:
    """AZ-21: a claim of a scope that the client has not, and one that no scope covers, are left out in silence."""
    narrow = WEBAPP.model_copy(update={"scope": "openid profile"})
    asked = check(asked_for(userinfo={"email": None, "name": None, "groups": None, "iss": None}), narrow)
    assert asked.names == {"userinfo": ("name",)}


@pytest.mark.parametrize(
    "text",
    ["{", "[]", "1", '{"userinfo": []}', '{"userinfo": {"a": 1}}', '{"id_token": {"acr": {"values": "x"}}}',
     '{"id_token": {"sub": {"value": 1}}}', '{"id_token": {"acr": {"value": "a b"}}}',
     '{"id_token": {"acr": {"values": ["a\\u0000"]}}}', '{"id_token": {"acr": {"values": ["\\ud800"]}}}',
     "{" * 20_000, '{"userinfo": {"a": NaN}}'],
)  # fmt: skip
def test_az_21_what_is_no_request_for_claims_is_refused(text: str) -> None:
    """AZ-21: invalid_request, whatever is wrong with it."""
    with pytest.raises(Refused) as caught:
        check(text, WEBAPP)
    assert caught.value.code == "invalid_request"


async def test_a_subject_asked_for_is_the_one_or_nobody(world: World) -> None:
    """OIDC Core 5.5.1: ``sub`` with a value means that person; another one's session does not do."""
    for sub, error in (("oidc|corp|ada", None), ("oidc|corp|bob", "login_required")):
        heard = await world.refusal(prompt="none", claims=asked_for(id_token={"sub": {"value": sub}}))
        assert heard.get("error") == error


async def test_an_essential_acr_that_is_not_met_asks_for_a_login(world: World) -> None:
    """OIDC Core 5.5.1.1: the session without that ``acr`` is not enough."""
    wish = asked_for(id_token={"acr": {"essential": True, "values": ["urn:mfa"]}})
    assert (await world.refusal(prompt="none", claims=wish))["error"] == "login_required"
    await world.authorize(claims=wish)
    ((asked, _),) = world.went
    assert (asked.acr_values, asked.essential_acr) == (("urn:mfa",), True)


def test_the_same_can_be_asked_again() -> None:
    """A login that begins anew asks for the same claims."""
    asked = AuthorizeRequest("webapp", CALLBACK, claims={"userinfo": ("name",)}, acr_values=("a",), essential_acr=True)
    again = check(as_param(asked), WEBAPP)
    assert (again.names, again.acr_values, again.essential_acr) == ({"userinfo": ("name",)}, ("a",), True)
    assert as_param(AuthorizeRequest("webapp", CALLBACK)) == ""
