"""How an answer travels: query, fragment, form or message; whatever is in it, and whether it is good news or bad."""

from __future__ import annotations

import pytest

from proxy.downstream.answers import send, send_error
from proxy.downstream.authorize import AuthorizeRequest
from proxy.oidc.errors import Refused
from tests.downstream.world import APP, CALLBACK, FRONT, ISSUER, SPA, World, a_session, answer_params, asked, told

MODES = ("query", "fragment", "form_post", "web_message")
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
        encoded = answer.redirect.removeprefix(CALLBACK).removesuffix("#")[1:]
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
    [
        ("code", "query"),
        ("code", "fragment"),
        ("code", "form_post"),
        ("code", "web_message"),
        ("id_token", "fragment"),
        ("id_token", "form_post"),
        ("id_token", "web_message"),
    ],
)
@pytest.mark.parametrize("state", ["", "st-1"])
async def test_az_27_every_answer_names_the_issuer(
    world: World, response_type: str, response_mode: str, state: str
) -> None:
    """AZ-27 (RFC 9207 2): what was asked for, ``iss``, ``state`` if there was one, and no more."""
    request = AuthorizeRequest(
        "front", CALLBACK, ("openid",), state, "n", response_type=response_type, response_mode=response_mode
    )
    may = {"response_types": (response_type,), "grant_types": ("authorization_code", "implicit")}
    client = FRONT.model_copy(update=may)
    answer, _ = world.authorize_endpoint.conclude(request, client, a_session(), world.clock.now)
    mode, fields = told(answer)
    assert (mode, fields["iss"], fields.get("state", "")) == (response_mode, ISSUER, state)
    assert fields.keys() - {"state"} == {response_type, "iss"}


@pytest.mark.parametrize("mode", MODES)
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
    assert answer.script == "submit" and answer.leads_away


def test_az_26_no_fragment_of_the_request_sticks_to_an_error() -> None:
    """AZ-26 (RFC 9110 10.2.2): a browser puts the fragment of ``authorize#...`` on an address that has none; an error
    in the query has an empty one, which no server sees."""
    error = send_error("https://app.example/cb2?bar=foo", "query", "s", Refused("x", "y"), ISSUER)
    assert error.redirect.endswith("#") and error.redirect.count("#") == 1
    assert answer_params(error.redirect)["iss"] == ISSUER
    assert send_error(CALLBACK, "fragment", "s", Refused("x", "y"), ISSUER).redirect.count("#") == 1


@pytest.mark.parametrize("bad", [False, True], ids=["code", "error"])
def test_az_22_a_message_goes_to_one_origin_and_is_framed_by_it_alone(bad: bool) -> None:
    """AZ-22: the page that tells an application the answer names its origin, without the path, for the message and for
    the frame; it may speak to the window that opened it."""
    error = send_error(CALLBACK, "web_message", "s", Refused("login_required", "y"), ISSUER)
    answer = error if bad else send(CALLBACK, "web_message", {"code": "C", "state": "s"})
    assert (answer.page, answer.script, answer.redirect) == ("web_message.html", "web_message", "")
    assert (answer.values["origin"], answer.framed_by, answer.leads_away) == (APP, (APP,), False)
    assert answer.headers == {"Cross-Origin-Opener-Policy": "unsafe-none"}


@pytest.mark.parametrize(
    ("change", "heard"),
    [
        ({}, {"code"}),
        ({"prompt": "none"}, {"code"}),
        ({"prompt": "none", "max_age": "0"}, {"error", "error_description"}),
        ({"scope": 'openid "'}, {"error", "error_description"}),
    ],
)
async def test_az_15_a_silent_login_hears_its_answer_by_message(change: dict[str, str], heard: set[str]) -> None:
    """AZ-15: with ``web_message`` good and bad news are posted alike, and ``prompt=none`` begins no login."""
    app = SPA.model_copy(update={"web_origins": (APP,)})
    world = await World(clients={"spa": app}).begin(a_session())
    params = asked(client_id="spa", response_mode="web_message", **change)
    answer = await world.authorize_endpoint.handle(world.request(params))
    mode, fields = told(answer)
    assert (mode, set(fields)) == ("web_message", heard | {"state", "iss"})
    assert world.went == [] and not answer.browser and answer.sign_in is None


async def test_az_10_no_message_to_an_origin_that_is_not_listed(world: World) -> None:
    """AZ-10: without ``web_origins`` the mode is refused, and the refusal travels by the default one."""
    mode, fields = told(await world.authorize(client_id="spa", response_mode="web_message"))
    assert (mode, fields["error"]) == ("query", "invalid_request")
