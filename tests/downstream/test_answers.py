"""How an answer travels: the query, the fragment, or a form; whatever is in it, and whether it is good news or bad."""

from __future__ import annotations

import pytest

from proxy.downstream.answers import send, send_error
from proxy.downstream.authorize import AuthorizeRequest
from proxy.oidc.errors import Refused
from tests.downstream.world import CALLBACK, ISSUER, World, a_session, answer_params, told

MODES = ("query", "fragment", "form_post")
HOSTILE = [
    "a\r\nSet-Cookie: x=1",
    "\0",
    "é中",
    "&code=evil&iss=x",
    "#frag",
    "?code=evil",
    "a+b%20c",
    '"><script>alert(1)</script>',
    "'></form>",
    "-._~" * 32,
    "s" * 2048,
]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("state", HOSTILE, ids=range(len(HOSTILE)))
def test_az_13_state_comes_back_encoded_and_unchanged(state: str, mode: str) -> None:
    """AZ-13: whatever is in ``state`` is one value of the answer, in success and error; an address shows it encoded."""
    for answer in (
        send(CALLBACK, mode, {"code": "C", "state": state, "iss": ISSUER}),
        send_error(CALLBACK, mode, state, Refused("x", "y"), ISSUER),
    ):
        arrived, fields = told(answer)
        assert (arrived, fields["state"], fields["iss"]) == (mode, state, ISSUER)
        encoded = answer.redirect.removeprefix(CALLBACK)[1:]
        assert encoded.isascii() and not set(encoded) & set(' "<>#?\\\r\n\0+')


@pytest.mark.parametrize("mode", MODES)
def test_az_13_an_oversized_state_is_not_echoed(mode: str) -> None:
    """AZ-13: what was refused for its size does not come back."""
    assert "state" not in told(send_error(CALLBACK, mode, "s" * 2049, Refused("invalid_request", "long"), ISSUER))[1]


@pytest.mark.parametrize("mode", MODES)
def test_az_27_every_error_names_the_issuer(mode: str) -> None:
    """AZ-27 (RFC 9207 2): ``iss`` is in it, exactly the issuer; no state asked, none given; the text is made plain."""
    error = Refused("invalid_scope", 'a "bad"\\\n scope é')
    assert told(send_error(CALLBACK, mode, "", error, ISSUER)) == (
        mode,
        {"error": "invalid_scope", "error_description": "a ?bad??? scope ?", "iss": ISSUER},
    )


@pytest.mark.parametrize(
    ("response_type", "response_mode"),
    [("code", "query"), ("code", "form_post"), ("id_token", "fragment"), ("id_token", "form_post")],
)
@pytest.mark.parametrize("state", ["", "st-1"])
async def test_az_27_every_answer_names_the_issuer(
    world: World, response_type: str, response_mode: str, state: str
) -> None:
    """AZ-27 (RFC 9207 2): what was asked for, ``iss``, ``state`` if there was one, and no more."""
    request = AuthorizeRequest(
        "front", CALLBACK, ("openid",), state, "n", response_type=response_type, response_mode=response_mode
    )
    answer, _ = world.authorize_endpoint.answer(request, a_session(), world.clock.now)
    mode, fields = told(answer)
    assert (mode, fields["iss"], fields.get("state", "")) == (response_mode, ISSUER, state)
    assert fields.keys() - {"state"} == {response_type, "iss"}


@pytest.mark.parametrize("mode", ["query", "fragment", "form_post"])
async def test_what_the_bridge_refuses_goes_the_same_way(world: World, mode: str) -> None:
    """AZ-27: an error found after the login travels as the answer would have."""
    request = AuthorizeRequest("front", CALLBACK, ("openid",), "st-1", response_mode=mode)
    answer = world.authorize_endpoint.refuse(request, Refused("login_required", "the login is too old"))
    fields = {"error": "login_required", "error_description": "the login is too old", "state": "st-1", "iss": ISSUER}
    assert told(answer) == (mode, fields)


@pytest.mark.parametrize(("mode", "rest"), [("query", "?bar=foo&code=C"), ("fragment", "?bar=foo#code=C")])
def test_the_query_of_a_registered_address_stays(mode: str, rest: str) -> None:
    """RFC 6749 3.1.2: ``bar=foo`` is still where it was."""
    answer = send("https://app.example/cb2?bar=foo", mode, {"code": "C"})
    assert answer.redirect == f"https://app.example/cb2{rest}"
    assert mode == "fragment" or answer_params(answer.redirect) == {"bar": "foo", "code": "C"}


def test_a_form_goes_to_the_whole_address_and_sends_itself() -> None:
    """Form Post Response Mode 2: a page, not a redirect; the address is the registered one, query and all."""
    answer = send("https://app.example/cb2?bar=foo", "form_post", {"code": "C"})
    assert (answer.status, answer.redirect, answer.page) == (200, "", "form_post.html")
    assert answer.values == {"action": "https://app.example/cb2?bar=foo", "fields": {"code": "C"}}
    assert answer.submits_itself and answer.leads_away
