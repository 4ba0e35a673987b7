"""The device flow as a person sees it: the code, the login, and the page that always asks (RFC 8628 3.3, 5.4)."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from proxy.downstream.authorize import AuthorizeRequest, check_stored
from proxy.downstream.clients import Known
from proxy.downstream.participants import participant_key
from proxy.downstream.question import MOST_OPEN, WAITS
from proxy.features import Caller
from proxy.models.client import DEVICE_CODE
from proxy.oidc.errors import ProtocolError, Refused, Shown
from tests.downstream.devices import SECONDS, TV, Devices, devices
from tests.downstream.world import API, CORP, ISSUER, SPA, a_session, asked


async def pending(case: Devices, device_code: str) -> bool:
    """Whether the device still waits."""
    state = await case.device.codes.look(device_code, "tv")
    return state is not None and not state.decision


async def test_the_page_for_the_code() -> None:
    """Two pages of the browser, nothing in discovery; an address with a code fills the form in and decides nothing."""
    case = await devices()
    told = await case.begin()
    assert [(e.path, e.methods, e.caller) for e in case.page.endpoints()] == [
        ("activate", ("GET", "POST"), Caller.BROWSER),
        ("activate/confirm", ("GET", "POST"), Caller.BROWSER),
    ]
    assert case.page.metadata() == {}
    complete = parse_qs(urlsplit(told["verification_uri_complete"]).query)
    for code in (complete["user_code"][0], ""):
        answer = await case.page.enter(case.world.request({"user_code": code} if code else {}))
        assert (answer.status, answer.page, answer.values["typed"]) == (200, "activate.html", code)
    assert case.world.went == [] and await pending(case, told["device_code"])


@pytest.mark.parametrize("typed", ["<b>", "BCDF-GHJ", "https://evil.example/", "\udc80"])
async def test_only_a_code_fills_the_form_in(typed: str) -> None:
    """A link cannot put words on our page."""
    case = await devices()
    answer = await case.page.enter(case.world.request({"user_code": typed, "prompt": "none"}))
    assert (answer.values["typed"], answer.values["prompt"]) == ("", "")


@pytest.mark.parametrize("spelling", ["{}", " {} ", "low", "bare", "blank"])
async def test_a_code_is_found_however_it_is_typed(spelling: str) -> None:
    """RFC 8628 6.1: case, blanks and hyphens are forgiven."""
    case = await devices()
    code = (await case.begin())["user_code"]
    typed = {"low": code.lower(), "bare": code.replace("-", ""), "blank": code.replace("-", " ")}
    assert case.asked(await case.type(typed.get(spelling, spelling.format(code))))


@pytest.mark.parametrize("typed", ["", "BCDF-GHJK", "nonsense", "\udc80", "x" * 10_000])
async def test_an_unknown_code_is_said_on_the_page(typed: str) -> None:
    """The page comes again with a sentence, and with what was typed, cut short."""
    case = await devices()
    answer = await case.type(typed)
    assert (answer.status, answer.page, answer.values["unknown"]) == (400, "activate.html", True)
    assert answer.values["typed"] == typed[:64]


async def test_guesses_are_slowed_down() -> None:
    """RFC 8628 5.1: ten wrong codes from one address, then one every six seconds; good ones do not count, and other
    addresses go on."""
    case = await devices()
    code = (await case.begin())["user_code"]
    for _ in range(10):
        await case.type(code)
        assert (await case.type("BCDF-GHJK")).status == 400
    with pytest.raises(Refused) as caught:
        await case.type(code)
    assert caught.value.status == 429
    assert case.asked(await case.type(code, source="8.8.8.8"))
    case.world.clock.now += 7
    assert case.asked(await case.type(code))


async def test_a_code_ends_with_its_time_and_its_client() -> None:
    """A code that is over, and one whose client is gone or lost the grant, are unknown codes."""
    case = await devices()
    over, of_nobody = (await case.begin())["user_code"], (await case.begin("cli"))["user_code"]
    case.world.clients["cli"] = case.world.clients["cli"].model_copy(update={"grant_types": ("refresh_token",)})
    assert (await case.type(of_nobody)).values["unknown"]
    del case.world.clients["cli"]
    assert (await case.type(of_nobody)).values["unknown"]
    case.world.clock.now += SECONDS
    assert (await case.type(over)).values["unknown"]


async def test_who_is_not_logged_in_logs_in_first() -> None:
    """The login is that of a request without a redirect URI, which goes on where the device's client may."""
    case = await devices()
    case.world.session = None
    code = (await case.begin(scope="openid read:things", audience=API))["user_code"]
    answer = await case.type(code)
    assert answer.redirect == f"{ISSUER}login"
    ((request, session),) = case.world.went
    assert session is None and (request.device, request.redirect_uri, request.client_id) == (code, "", "tv")
    assert (request.scopes, request.audiences) == (("openid", "read:things"), (API,))
    assert request.address(ISSUER) == f"{ISSUER}activate?user_code={code}"


async def test_a_person_can_come_as_somebody_else() -> None:
    """The page that asks leads back to the form, and from there to a login, whoever is logged in."""
    case = await devices()
    code = (await case.begin())["user_code"]
    other = (await case.show(await case.arrive(code))).values["other"]
    query = {name: values[0] for name, values in parse_qs(urlsplit(other).query).items()}
    assert query == {"user_code": code, "prompt": "select_account"}
    assert (await case.page.enter(case.world.request(query))).values["prompt"] == "select_account"
    await case.type(code, prompt="select_account")
    assert case.world.went[0][0].prompt == ("select_account",)


async def test_defaults_of_the_client_hold() -> None:
    """``default_max_age``: an old login is not enough for a device, either."""
    case = await devices(tv=TV.model_copy(update={"default_max_age": 60}))
    answer = await case.type((await case.begin())["user_code"])
    assert answer.redirect == f"{ISSUER}login"


async def test_the_page_that_asks_says_who_and_what() -> None:
    """RFC 8628 5.4: the client, the code to compare, the scopes in words, and the person; again at each trip."""
    case = await devices()
    code = (await case.begin(scope="openid email read:things", audience=API))["user_code"]
    for _ in range(2):
        page = await case.show(await case.arrive(code))
        values = page.values
        assert page.page == "activate_confirm.html" and not page.leads_away
        assert (values["client"].label, values["code"], values["person"]) == ("Living room TV", code, "Ada")
        assert values["things"][:2] == ["Know who you are here", "See your email address"]
        assert values["things"][2:] == [f"Use {API} for you", f"Use {API} for you: read:things"]
        assert values["unverified"] is False


async def test_a_client_that_registered_itself_is_marked() -> None:
    """Nobody here vouches for its name."""
    case = await devices()
    stranger = TV.model_copy(update={"client_id": "stranger", "logo_uri": "https://cdn.example/logo.png"})
    case.world.known._copies["stranger"] = (case.world.clock.now + 10_000, Known(stranger))
    corp = case.world.connections["corp"]
    case.world.connections["corp"] = corp.model_copy(update={"enabled_clients": (*corp.enabled_clients, "stranger")})
    case.world.clients["stranger"] = stranger
    code = (await case.begin("stranger"))["user_code"]
    del case.world.clients["stranger"]
    page = await case.show(await case.arrive(code))
    assert page.values["unverified"] is True and page.image_sources == ("https://cdn.example",)


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"form_token": ""}, 403),
        ({"form_token": "0" * 64}, 403),
        ({"form_token": "é\udc80"}, 403),
        ({"choice": ""}, 400),
        ({"choice": "ALLOW"}, 400),
    ],
)
async def test_a_forged_form_decides_nothing(change: dict[str, str], status: int) -> None:
    """Without our token, or without a choice, the device goes on waiting, and the honest form is still good."""
    case = await devices()
    told = await case.begin()
    id = await case.arrive(told["user_code"])
    with pytest.raises(ProtocolError) as caught:
        await case.decide(id, **change)
    assert caught.value.status == status and await pending(case, told["device_code"])
    assert (await case.decide(id)).values["allowed"] is True


@pytest.mark.parametrize(
    "headers", [{"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}]
)
async def test_a_form_from_another_site_decides_nothing(headers: dict[str, str]) -> None:
    """Even with a token that leaked."""
    case = await devices()
    told = await case.begin()
    with pytest.raises(Shown) as caught:
        await case.decide(await case.arrive(told["user_code"]), headers=headers)
    assert caught.value.status == 403 and await pending(case, told["device_code"])


async def test_another_sessions_page_is_nobodys() -> None:
    """Its id opens nothing, and its form's token fits no other session; without a session there is no page."""
    case = await devices()
    told = await case.begin()
    id = await case.arrive(told["user_code"])
    fields = {**(await case.show(id)).values["fields"], "choice": "allow"}
    await case.world.begin(a_session(sid="e" * 22, user_id="oidc|corp|eve"))
    for attempt in (lambda: case.show(id), lambda: case.post(fields)):
        with pytest.raises(Shown):
            await attempt()
    case.world.session = None
    for attempt in (lambda: case.show(id), lambda: case.post(fields)):
        with pytest.raises(Shown) as caught:
            await attempt()
        assert caught.value.reason == "no_session"
    assert await pending(case, told["device_code"])


async def test_a_decision_counts_once() -> None:
    """The form again, and the same code typed again, decide nothing more; nor does a second page that was open."""
    case = await devices()
    told = await case.begin()
    first, second = await case.arrive(told["user_code"]), await case.arrive(told["user_code"])
    fields = (await case.show(first)).values["fields"]
    await case.post({**fields, "choice": "deny"})
    for attempt, reason in (
        (lambda: case.post({**fields, "choice": "allow"}), "device_reuse"),
        (lambda: case.decide(second), "device_code_ended"),
    ):
        with pytest.raises(Shown) as caught:
            await attempt()
        assert caught.value.reason == reason
    assert (await case.type(told["user_code"])).values["unknown"]
    with pytest.raises(Refused) as refused:
        await case.ask(told["device_code"])
    assert refused.value.code == "access_denied"


@pytest.mark.parametrize("choice", ["allow", "deny"])
async def test_a_code_that_ended_meanwhile_is_said(choice: str) -> None:
    """A person who thought for too long hears so, rather than that all is well."""
    case = await devices()
    told = await case.begin()
    case.world.clock.now += SECONDS - 100
    id = await case.arrive(told["user_code"])
    case.world.clock.now += 101
    with pytest.raises(Shown) as caught:
        await case.decide(id, choice)
    assert caught.value.reason == "device_code_ended"


async def test_a_page_ends_and_makes_room() -> None:
    """After ten minutes, or when the same session opened many more, it is gone."""
    case = await devices()
    code = (await case.begin())["user_code"]
    ids = [await case.arrive(code) for _ in range(MOST_OPEN + 1)]
    with pytest.raises(Shown, match="this page has ended"):
        await case.show(ids[0])
    await case.show(ids[-1])
    case.world.clock.now += WAITS + 1
    with pytest.raises(Shown, match="this page has ended"):
        await case.show(ids[-1])


async def test_what_was_taken_away_meanwhile_does_not_come_back() -> None:
    """The client must still be there, with the grant, when the person decides."""
    case = await devices()
    told = await case.begin()
    id = await case.arrive(told["user_code"])
    fields = {**(await case.show(id)).values["fields"], "choice": "allow"}
    case.world.clients["tv"] = TV.model_copy(update={"grant_types": ("refresh_token",)})
    with pytest.raises(Shown):
        await case.post(fields)
    assert await pending(case, told["device_code"])


async def test_an_api_that_was_taken_away_is_shown() -> None:
    """What cannot be granted any more is said to the person, with a way to try again; the device waits."""
    case = await devices()
    told = await case.begin(scope="openid read:things", audience=API)
    case.world.clients["tv"] = TV.model_copy(update={"grants": ()})
    with pytest.raises(Shown) as caught:
        await case.type(told["user_code"])
    assert caught.value.code == "invalid_target"
    assert caught.value.again == f"{ISSUER}activate?user_code={told['user_code']}"
    assert await pending(case, told["device_code"])


async def test_a_third_party_client_is_asked_for_consent_first() -> None:
    """Consent comes before the page that asks, is remembered, and the page asks all the same."""
    case = await devices(tv=TV.model_copy(update={"is_first_party": False}))
    consent = case.world.features[-3]
    told = await case.begin()
    answer = await case.type(told["user_code"])
    assert answer.redirect.startswith(f"{ISSUER}login/consent?")
    id = parse_qs(urlsplit(answer.redirect).query)["id"][0]
    page = await consent.handle(case.world.request({"id": id}))  # type: ignore[attr-defined]  # it is the consent page
    assert page.values["destination"] == "" and "activate" in page.values["other"]
    form = {**page.values["fields"], "choice": "allow"}
    after = await consent.handle(case.world.request(form, "POST"))  # type: ignore[attr-defined]
    assert (await case.decide(case.asked(after))).values["allowed"] is True
    assert "id_token" in await case.ask(told["device_code"])
    assert case.asked(await case.type((await case.begin())["user_code"]))


async def test_a_consent_that_is_denied_denies_the_device() -> None:
    """There is no address to send an error to: the device hears ``access_denied``, the person sees so."""
    case = await devices(tv=TV.model_copy(update={"is_first_party": False}))
    consent: Any = case.world.features[-3]
    told = await case.begin()
    id = parse_qs(urlsplit((await case.type(told["user_code"])).redirect).query)["id"][0]
    fields = (await consent.handle(case.world.request({"id": id}))).values["fields"]
    answer = await consent.handle(case.world.request({**fields, "choice": "deny"}, "POST"))
    assert (answer.page, answer.values["allowed"]) == ("activate_done.html", False)
    with pytest.raises(Refused) as caught:
        await case.ask(told["device_code"])
    assert caught.value.code == "access_denied"


async def test_a_client_on_a_device_hears_of_logout() -> None:
    """It takes part in the session like any other client, with the answer itself."""
    case = await devices(tv=TV.model_copy(update={"backchannel_logout_uri": "https://tv.example/bye"}))
    told = await case.begin()
    where = participant_key(a_session().sid, "tv")
    id = await case.arrive(told["user_code"])
    assert await case.world.store.get(where) is None
    answer = await case.decide(id)
    assert await case.world.store.get(where) is not None
    assert (answer.event, answer.about) == ("device", {"client_id": "tv", "user_id": "oidc|corp|ada"})


async def test_a_session_that_does_not_serve_the_client_is_not_enough() -> None:
    """The person's connection must be one of the client's."""
    case = await devices()
    code = (await case.begin())["user_code"]
    case.world.connections["corp"] = CORP
    answer = await case.type(code)
    assert answer.redirect == f"{ISSUER}login" and len(case.world.went) == 1


async def test_the_authorization_endpoint_knows_no_devices() -> None:
    """A ``device`` in a browser's request opens no way around the redirect URI, and stands in no request of it."""
    case = await devices()
    params = asked(client_id="spa", redirect_uri="https://evil.example/", device="BCDF-GHJK")
    with pytest.raises(Shown) as caught:
        await case.world.authorize_endpoint.handle(case.world.request(params))
    assert caught.value.reason == "redirect_uri_mismatch"
    honest = case.world.authorize_endpoint.check(asked(client_id="spa", device="BCDF-GHJK"), SPA, case.world.clock.now)
    assert honest.device == ""


def test_a_stored_request_of_a_device_has_no_redirect_uri_to_check() -> None:
    """Any other stored request is checked again, as before."""
    device = AuthorizeRequest(client_id="tv", redirect_uri="", device="BCDF-GHJK")
    check_stored(device.as_value(), TV)
    assert AuthorizeRequest.from_value(device.as_value()) == device
    for uri in ("", "https://evil.example/"):
        with pytest.raises(Shown):
            check_stored(AuthorizeRequest(client_id="spa", redirect_uri=uri).as_value(), SPA)
    assert DEVICE_CODE in TV.grant_types
