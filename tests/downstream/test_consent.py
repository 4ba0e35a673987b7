"""Asking a person: who is asked, what they are shown, and that only their own answer counts, once."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from proxy.downstream.authorize import check_request
from proxy.downstream.clients import Known
from proxy.downstream.consent import Consent as ConsentPage
from proxy.downstream.consent import destination, in_words
from proxy.downstream.consents import Consents
from proxy.downstream.question import WAITS
from proxy.features import Answer, Caller
from proxy.models import Client, Session
from proxy.oidc.errors import ProtocolError, Refused, Shown, Unavailable
from proxy.store import Add
from tests.downstream.world import (
    API,
    CALLBACK,
    CORP,
    ISSUER,
    OTHER,
    WEBAPP,
    FailingStore,
    World,
    a_session,
    answer_params,
    asked,
    told,
)

ADA = "oidc|corp|ada"
THIRD = WEBAPP.model_copy(update={"is_first_party": False, "client_uri": "https://app.example/about"})
SHOWN = ("scope openid", "scope profile", "scope email")


@dataclass
class Asking:
    """A world with consent, and a way to answer its page."""

    world: World
    page: ConsentPage
    consents: Consents

    async def begin(self, **changes: Any) -> str:
        """The id of a request that waits for consent."""
        answer = await self.world.authorize(**changes)
        assert answer.redirect.startswith(f"{ISSUER}login/consent?")
        return parse_qs(urlsplit(answer.redirect).query)["id"][0]

    async def show(self, id: str) -> Answer:
        """The page."""
        return await self.page.handle(self.world.request({"id": id}))

    async def decide(self, id: str, choice: str = "allow", *, headers: Any = None, **changes: str) -> Answer:
        """What the browser posts from the page."""
        fields = (await self.show(id)).values["fields"]
        return await self.post({**fields, "choice": choice, **changes}, headers=headers)

    async def post(self, params: dict[str, str], headers: Any = None) -> Answer:
        """A form, whoever made it."""
        request = replace(self.world.request(params, "POST"), headers=headers or {})
        return await self.page.handle(request)


async def asking(session: Session | None = None, **clients: Client) -> Asking:
    """Ada is logged in; ``webapp`` is a third party."""
    corp = CORP.model_copy(update={"is_domain_connection": True})
    world = World(clients={"webapp": THIRD, **clients}, connections={"corp": corp})
    consents = Consents(world.store)
    page = ConsentPage(ISSUER, world.store, world.known, consents, world.authorize_endpoint, b"f" * 32)
    world.features = (*world.features, page)
    await world.begin(session or a_session())
    return Asking(world, page, consents)


async def test_az_24_a_third_party_client_is_answered_after_the_person_said_so() -> None:
    """AZ-24: a live session gives it no code in silence; allowed once, it is remembered."""
    case = await asking()
    answer = await case.decide(await case.begin())
    mode, fields = told(answer)
    assert (mode, fields["state"]) == ("query", "st-1")
    assert "id_token" in await case.world.redeem(fields["code"])
    assert answer.event == "consent" and answer.about == {"client_id": "webapp", "user_id": ADA}
    assert "code" in await case.world.refusal()
    assert "code" in await case.world.refusal(prompt="none")
    (given,) = await case.consents.given_by(ADA)
    assert given.things == SHOWN


@pytest.mark.parametrize("prompt", [None, "consent"])
async def test_the_operators_own_clients_never_ask(prompt: str | None) -> None:
    """The operator decided for them, whatever they ask for."""
    case = await asking(webapp=WEBAPP)
    assert "code" in await case.world.refusal(prompt=prompt)


@pytest.mark.parametrize("what", ["consent", "api"])
async def test_tk_17_a_code_is_no_better_than_what_is_behind_it(what: str) -> None:
    """TK-17: the consent revoked, or the API taken away, between the code and its redemption: invalid_grant."""
    case = await asking()
    answer = await case.decide(await case.begin(audience=API))
    code = answer_params(answer.redirect)["code"]
    if what == "consent":
        assert await case.consents.revoke(ADA, "webapp")
    else:
        case.world.clients["webapp"] = THIRD.model_copy(update={"grants": ()})
    with pytest.raises(Refused) as caught:
        await case.world.redeem(code)
    assert (caught.value.code, caught.value.reason) == ("invalid_grant", "not_allowed_any_more")


async def test_more_than_was_allowed_is_asked_again() -> None:
    """AZ-23: a wider request shows the page again, a narrower one does not."""
    case = await asking()
    await case.decide(await case.begin(scope="openid email"))
    assert "code" in await case.world.refusal(scope="openid")
    page = await case.show(await case.begin(scope="openid email phone"))
    assert page.values["things"][-1] == "See your phone number"


async def test_prompt_consent_asks_each_time() -> None:
    """OIDC Core 3.1.2.1: ``prompt=consent`` asks though all was allowed before; the answer then comes."""
    case = await asking()
    await case.decide(await case.begin())
    answer = await case.decide(await case.begin(prompt="consent"))
    assert "code" in told(answer)[1]


@pytest.mark.parametrize("mode", ["query", "fragment", "form_post", "web_message"])
async def test_az_15_without_a_page_a_missing_consent_is_told(mode: str) -> None:
    """AZ-15 (OIDC Core 3.1.2.6): ``prompt=none`` shows nothing and keeps nothing: ``consent_required``."""
    app = THIRD.model_copy(update={"client_secret": None, "web_origins": ("https://app.example",)})
    case = await asking(webapp=app)
    answer = await case.world.authorize(prompt="none", response_mode=mode)
    arrived, fields = told(answer)
    assert (arrived, fields["error"], fields["state"]) == (mode, "consent_required", "st-1")
    assert not answer.browser and case.world.went == []


async def test_who_denies_sends_the_client_away() -> None:
    """RFC 6749 4.1.2.1: ``access_denied``; nothing is remembered, and the page is used up."""
    case = await asking()
    id = await case.begin()
    fields = (await case.show(id)).values["fields"]
    _, heard = told(await case.post({**fields, "choice": "deny"}))
    assert (heard["error"], heard["state"]) == ("access_denied", "st-1")
    assert await case.consents.given_by(ADA) == ()
    with pytest.raises(Shown):
        await case.post({**fields, "choice": "allow"})


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
async def test_az_23_a_forged_form_counts_for_nothing(change: dict[str, str], status: int) -> None:
    """AZ-23: without our token, or without a choice, nothing happens, and the honest form is still good."""
    case = await asking()
    id = await case.begin()
    with pytest.raises(ProtocolError) as caught:
        await case.decide(id, **change)
    assert caught.value.status == status
    assert await case.consents.given_by(ADA) == ()
    assert "code" in told(await case.decide(id))[1]


@pytest.mark.parametrize(
    ("headers", "good"),
    [
        ({"Origin": "https://evil.example"}, False),
        ({"Sec-Fetch-Site": "cross-site"}, False),
        ({"Sec-Fetch-Site": "same-site"}, False),
        ({"Origin": "null", "Sec-Fetch-Site": "cross-site"}, False),
        ({"Origin": "https://sso.example", "Sec-Fetch-Site": "same-origin"}, True),
        ({"Origin": "null", "Sec-Fetch-Site": "same-origin"}, True),
    ],
)
async def test_az_23_a_form_from_another_site_counts_for_nothing(headers: dict[str, str], good: bool) -> None:
    """AZ-23: even with a token that leaked; our own pages post with the origin null, since they send no referrer."""
    case = await asking()
    id = await case.begin()
    if good:
        assert "code" in told(await case.decide(id, headers=headers))[1]
        return
    with pytest.raises(Shown) as caught:
        await case.decide(id, headers=headers)
    assert caught.value.status == 403


async def test_az_23_another_sessions_page_is_nobodys() -> None:
    """AZ-23: the id of another session's request opens nothing, and its form's token fits no other session."""
    case = await asking()
    id = await case.begin()
    fields = (await case.show(id)).values["fields"]
    await case.world.begin(a_session(sid="e" * 22, user_id="oidc|corp|eve"))
    with pytest.raises(Shown):
        await case.show(id)
    with pytest.raises(Shown) as caught:
        await case.post({**fields, "choice": "allow"})
    assert caught.value.status == 403
    case.world.session = None
    with pytest.raises(Shown):
        await case.post({**fields, "choice": "allow"})
    assert await case.consents.given_by(ADA) == () and await case.consents.given_by("oidc|corp|eve") == ()


async def test_az_23_the_token_of_one_clients_page_is_no_good_for_anothers() -> None:
    """AZ-23: a form is for the one request it was made for."""
    case = await asking(other=OTHER.model_copy(update={"is_first_party": False}))
    first, second = await case.begin(), await case.begin(client_id="other")
    token = (await case.show(first)).values["fields"]["form_token"]
    with pytest.raises(Shown) as caught:
        await case.decide(second, form_token=token)
    assert caught.value.status == 403


async def test_az_23_a_consent_counts_once() -> None:
    """AZ-23: the same form again gives no second code."""
    case = await asking()
    id = await case.begin()
    fields = {**(await case.show(id)).values["fields"], "choice": "allow"}
    await case.post(fields)
    with pytest.raises(Shown) as caught:
        await case.post(fields)
    assert (caught.value.status, caught.value.reason) == (400, "consent_reuse")


async def test_az_23_what_a_form_adds_is_not_read() -> None:
    """AZ-23: the consent and the code are for what was shown, whatever the form says."""
    case = await asking()
    answer = await case.decide(
        await case.begin(scope="openid"), scope="openid phone", things="scope phone", client_id="x"
    )
    assert (await case.world.redeem(told(answer)[1]["code"]))["scope"] == "openid"
    (given,) = await case.consents.given_by(ADA)
    assert (given.client_id, given.things) == ("webapp", ("scope openid",))


async def test_a_page_ends_after_ten_minutes() -> None:
    """A page left open is a sentence, not an error without words."""
    case = await asking()
    id = await case.begin()
    case.world.clock.now += WAITS + 1
    with pytest.raises(Shown, match="this page has ended"):
        await case.show(id)


@pytest.mark.parametrize("change", [None, {"redirect_uris": ("https://app.example/new",)}], ids=["client", "address"])
async def test_what_was_taken_away_meanwhile_does_not_come_back(change: dict[str, Any] | None) -> None:
    """AZ-07: client and address are checked again before anything goes there."""
    case = await asking()
    id = await case.begin()
    fields = (await case.show(id)).values["fields"]
    if change is None:
        del case.world.clients["webapp"]
    else:
        case.world.clients["webapp"] = THIRD.model_copy(update=change)
    for choice in ("deny", "allow"):
        with pytest.raises(Shown):
            await case.post({**fields, "choice": choice})


async def test_az_24_the_page_says_who_asks_for_what_and_where_it_leads() -> None:
    """AZ-24: the person, the single things in words, the host of the address, and how to come as somebody else."""
    case = await asking()
    page = await case.show(await case.begin(scope="openid email", prompt="consent"))
    assert page.page == "consent.html" and page.leads_away
    values = page.values
    assert (values["person"], values["destination"], values["unverified"]) == ("Ada", "app.example", False)
    assert values["things"] == ["Know who you are here", "See your email address"]
    other = parse_qs(urlsplit(values["other"]).query)
    assert other["prompt"] == ["consent select_account"] and other["redirect_uri"] == [CALLBACK]


async def test_az_24_a_client_that_registered_itself_is_marked() -> None:
    """AZ-24: nobody here vouches for its name."""
    case = await asking()
    stranger = THIRD.model_copy(update={"client_id": "stranger", "logo_uri": "https://cdn.example/logo.png"})
    case.world.known._copies["stranger"] = (case.world.clock.now + 10_000, Known(stranger))
    page = await case.show(await case.begin(client_id="stranger"))
    assert page.values["unverified"] is True and page.image_sources == ("https://cdn.example",)


@pytest.mark.parametrize(
    "change", [{"pushed": "urn:x"}, {"sealed": True}, {"subject": ADA}], ids=["pushed", "signed", "about-ada"]
)
async def test_a_request_that_cannot_change_has_no_second_form(change: dict[str, Any]) -> None:
    """RFC 9126, RFC 9101: nothing of a pushed or signed request can be changed from outside, and one that means
    somebody is about nobody else, so there is no link to do so."""
    case = await asking()
    asked_for = replace(check_request(asked(), THIRD, CALLBACK), **change)
    pause = await case.page.interpose(asked_for, THIRD, a_session(), case.world.clock.now)
    assert pause is not None
    await case.world.store.run(*pause[1])
    id = parse_qs(urlsplit(pause[0].redirect).query)["id"][0]
    assert (await case.show(id)).values["other"] == ""


async def test_a_consent_that_cannot_be_kept_gives_no_code() -> None:
    """FT-01: the store is asked first; a consent that is not there did not happen."""
    case = await asking()
    id = await case.begin()
    fields = (await case.show(id)).values["fields"]
    broken = Consents(FailingStore(case.world.store, lambda op: isinstance(op, Add), Unavailable("store")))
    with pytest.raises(Unavailable):
        page = replace(case.page, consents=broken)
        await page.handle(case.world.request({**fields, "choice": "allow"}, "POST"))
    assert await case.consents.given_by(ADA) == ()


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        ("https://app.example:8443/cb", "app.example:8443"),
        ("com.example.app:/cb", "com.example.app"),
        ("http://127.0.0.1:5000/cb", "127.0.0.1:5000"),
        ("", ""),
    ],
)
def test_where_the_answer_goes(uri: str, shown: str) -> None:
    """AZ-24: a host that can be compared, or the scheme that an installed app goes by."""
    assert destination(uri) == shown


@pytest.mark.parametrize(
    ("thing", "words"),
    [
        ("scope offline_access", "Keep this access while you are away"),
        ("api https://api.example/", "Use https://api.example/ for you"),
        ("api https://api.example/ read:things", "Use https://api.example/ for you: read:things"),
        ("claim phone_number", "See your phone number"),
    ],
)
def test_things_in_words(thing: str, words: str) -> None:
    """A person reads what a program asked for."""
    assert in_words(thing) == words


async def test_a_page_of_the_browser() -> None:
    """Two methods, and nothing in discovery: clients do not know the page."""
    case = await asking()
    (endpoint,) = case.page.endpoints()
    assert (endpoint.path, endpoint.methods, endpoint.caller) == ("login/consent", ("GET", "POST"), Caller.BROWSER)
    assert case.page.metadata() == {}
