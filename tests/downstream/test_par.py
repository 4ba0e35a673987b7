"""Pushed requests: by the client that authenticated, checked twice, opened by it alone, answered once, seen nowhere."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit

import pytest

from proxy.downstream.authorize_endpoint import PUSHED
from proxy.downstream.client_auth import ClientAuthenticator, present
from proxy.downstream.client_keys import ClientKeys
from proxy.downstream.par import LARGEST, UNDER_WAY, PushedRequests, pushed_key
from proxy.downstream.request_object import RequestObjects
from proxy.features import Answer, Caller
from proxy.models import Client
from proxy.oidc.errors import Refused, Shown, Unavailable
from proxy.oidc.keys import thumbprint
from proxy.store import Put, Take
from tests.downstream.test_authorization_code import refused
from tests.downstream.test_consent import Asking, asking
from tests.downstream.world import (
    API,
    CALLBACK,
    ISSUER,
    NOW,
    OTHER,
    SECRET,
    SPA,
    WEBAPP,
    FailingStore,
    World,
    a_session,
    answer_params,
    asked,
    payload,
)
from tests.kit.signing_client import Shelf, jwks, signed
from tests.kit.tenant import jws, signer
from tests.spec.authorize import NOT_REGISTERED, REFUSED

SECONDS = 60
EVIL = {
    "redirect_uri": "https://evil.example/",
    "scope": "admin",
    "prompt": "none",
    "state": "evil",
    "request": "a.b.c",
}


@dataclass
class Pushing:
    """A world whose clients may push."""

    world: World
    feature: PushedRequests

    @classmethod
    def at(cls, world: World, *, required: bool = False) -> Pushing:
        endpoint = world.authorize_endpoint
        world.authorize_endpoint = replace(endpoint, shore=replace(endpoint.shore, require_pushed=required))
        feature = PushedRequests(ISSUER, world.store, world.authorize_endpoint, SECONDS, world.proofs)
        world.features = (*world.features, feature)
        return cls(world, feature)

    async def push(self, client: Client = WEBAPP, **changes: Any) -> str:
        """The reference of a pushed request, honest but for the changes."""
        params = asked(**{"client_id": client.client_id, **changes})
        answer = await self.feature.push(self.world.request(params, "POST", client=client))
        assert (answer.status, answer.json and answer.json["expires_in"]) == (201, SECONDS)
        return str((answer.json or {})["request_uri"])

    async def open(self, reference: str, client_id: str = "webapp", **beside: str) -> Answer:
        """What the browser gets for a reference."""
        params = {**beside, "client_id": client_id, "request_uri": reference}
        return await self.world.authorize_endpoint.handle(self.world.request(params))

    async def shown(self, reference: str, client_id: str = "webapp") -> str:
        """Why the person sees a page with an error."""
        with pytest.raises(Shown) as caught:
            await self.open(reference, client_id)
        assert (caught.value.code, caught.value.status) == ("invalid_request_uri", 400)
        return caught.value.reason


@pytest.fixture
async def pushing(world: World) -> Pushing:
    return Pushing.at(world)


@pytest.fixture
async def waiting(nobody: World) -> Pushing:
    """Nobody is logged in."""
    return Pushing.at(nobody)


async def test_what_was_pushed_is_what_is_asked(pushing: Pushing) -> None:
    """RFC 9126 2.2, 4: 201 with a reference; the browser brings it and the client gets its code, as asked."""
    reference = await pushing.push(scope="openid email", state="pushed")
    assert reference.startswith(PUSHED) and len(reference) == len(PUSHED) + 43
    told = answer_params((await pushing.open(reference)).redirect)
    assert (told["state"], told["iss"]) == ("pushed", ISSUER)
    tokens = await pushing.world.redeem(told["code"])
    assert (tokens["scope"], payload(tokens["id_token"])["nonce"]) == ("openid email", "n-1")


async def test_everything_is_pushed_along(waiting: Pushing) -> None:
    """RFC 9126 2.1: claims, hints, the key to bind to (RFC 9449 10.1), whatever the endpoint knows."""
    key = "k" * 43
    reference = await waiting.push(
        claims='{"userinfo": {"name": null}}', login_hint="ada@corp.example", dpop_jkt=key, max_age="7", resource=API
    )
    await waiting.open(reference)
    ((request, _),) = waiting.world.went
    assert (request.jkt, request.max_age, request.login_hint) == (key, 7, "ada@corp.example")
    assert (request.claims["userinfo"], request.audiences, request.pushed) == (("name",), (API,), reference)


async def test_a_hint_is_pushed_along(pushing: Pushing) -> None:
    """OIDC Core 3.1.2.1: an ``id_token_hint`` about somebody else keeps the session of this browser out."""
    others = await pushing.world.begin(a_session(user_id="oidc|corp|bob"))
    hint = (await others.tokens())["id_token"]
    await others.begin(a_session())
    told = answer_params((await pushing.open(await pushing.push(id_token_hint=hint, prompt="none"))).redirect)
    assert told["error"] == "login_required"


KEY = signer("p256", "ES256")
JWK = {name: KEY.public_jwk[name] for name in ("kty", "crv", "x", "y")}
PROOF = jws(
    KEY,
    {"jti": "one", "htm": "POST", "htu": f"{ISSUER}oauth/par", "iat": int(NOW)},
    {"typ": "dpop+jwt", "kid": None, "jwk": JWK},
)


@pytest.mark.parametrize("said", [None, thumbprint(JWK)])
async def test_a_key_proven_at_the_push_binds_the_code(waiting: Pushing, said: str | None) -> None:
    """RFC 9449 10.1: as ``dpop_jkt`` would, whether the client names the key too or not."""
    params = asked(dpop_jkt=said)
    request = waiting.world.request(params, "POST", client=WEBAPP, proofs=(PROOF,))
    answer = await waiting.feature.push(request)
    await waiting.open(str((answer.json or {})["request_uri"]))
    assert waiting.world.went[0][0].jkt == thumbprint(JWK)
    await refused(waiting.feature.push(request), "invalid_dpop_proof")


async def test_a_key_proven_at_the_push_is_the_one_named(waiting: Pushing) -> None:
    """RFC 9449 10.1: a proof by one key and ``dpop_jkt`` of another do not go together."""
    request = waiting.world.request(asked(dpop_jkt="k" * 43), "POST", client=WEBAPP, proofs=(PROOF,))
    await refused(waiting.feature.push(request), "invalid_request")


# --- who pushes ---


@pytest.mark.parametrize(
    ("params", "header"),
    [
        pytest.param({}, None, id="nobody"),
        pytest.param({"client_id": "webapp"}, None, id="public-client-with-a-confidential-id"),
        pytest.param({"client_id": "webapp", "client_secret": "x" * 40}, None, id="wrong-secret"),
        pytest.param({"client_id": "stranger", "client_secret": SECRET}, None, id="unknown"),
        pytest.param({"client_id": "spa", "client_secret": SECRET}, None, id="secret-of-another"),
        pytest.param({}, ("webapp", "x" * 40), id="wrong-secret-in-the-header"),
    ],
)
async def test_rg_13_only_an_authenticated_client_pushes(
    pushing: Pushing, params: dict[str, str], header: tuple[str, str] | None
) -> None:
    """RG-13: the endpoint is a client's, and whoever does not prove to be one is invalid_client."""
    (endpoint,) = pushing.feature.endpoints()
    assert (endpoint.path, endpoint.methods, endpoint.caller) == ("oauth/par", ("POST",), Caller.CLIENT)
    world = pushing.world
    door = ClientAuthenticator(ISSUER, world.known, ClientKeys(Shelf().send, world.clock), world.store)
    basic = (f"Basic {b64encode(':'.join(header).encode()).decode()}",) if header else ()
    with pytest.raises(Refused) as caught:
        await door.authenticate(present({**asked(client_id=None), **params}, basic), f"{ISSUER}oauth/par", 0)
    assert (caught.value.code, caught.value.status) == ("invalid_client", 401)


async def test_rg_13_nobody_pushes_for_another(pushing: Pushing) -> None:
    """RG-13: the ``client_id`` of the body is that of the client that authenticated."""
    with pytest.raises(Refused) as caught:
        await pushing.push(OTHER, client_id="webapp")
    assert (caught.value.code, caught.value.status) == ("invalid_client", 401)


async def test_a_client_in_the_header_need_not_name_itself_again(pushing: Pushing) -> None:
    """RFC 9126 2.1: what is kept is the request of the client that authenticated."""
    assert "code=" in (await pushing.open(await pushing.push(client_id=None))).redirect


async def test_a_public_client_may_push(pushing: Pushing) -> None:
    """RFC 9126 2: with PKCE, as at the authorization endpoint."""
    assert "code=" in (await pushing.open(await pushing.push(SPA), "spa")).redirect
    await refused(pushing.push(SPA, code_challenge=None, code_challenge_method=None), "invalid_request")


async def test_how_the_client_authenticated_is_not_kept(pushing: Pushing) -> None:
    """What is kept are parameters of the request: neither secret nor assertion."""
    proof = {"client_secret": SECRET, "client_assertion": "a.b.c", "client_assertion_type": "x"}
    record = await pushing.world.store.get(pushed_key(await pushing.push(**proof)))
    assert record is not None and record.value["params"] == asked()


# --- what may be pushed ---


@pytest.mark.parametrize("case", [case for case in REFUSED if "request-uri" not in case and "metadata" not in case])
async def test_what_is_refused_at_the_authorization_endpoint_is_refused_here(waiting: Pushing, case: str) -> None:
    """RFC 9126 2.3: the client hears of a mistake at once, and nothing is kept."""
    changes, code, _ = REFUSED[case]
    if code == "login_required":  # depends on the browser
        return
    world = waiting.world
    world.store = FailingStore(world.store, lambda op: isinstance(op, Put), AssertionError("written"))
    scene = replace(waiting, feature=replace(waiting.feature, store=world.store))
    with pytest.raises(Refused) as caught:
        await scene.push(**changes)
    assert caught.value.code == code


@pytest.mark.parametrize("case", NOT_REGISTERED)
async def test_rg_19_a_foreign_redirect_uri_cannot_be_pushed(pushing: Pushing, case: str) -> None:
    """RG-19 (RFC 9126 2.3): 400 for the client to read, in the words of the authorization endpoint."""
    with pytest.raises(Shown) as caught:
        await pushing.push(redirect_uri=NOT_REGISTERED[case])
    assert (caught.value.code, caught.value.status) == ("invalid_request", 400)


@pytest.mark.parametrize("reference", [f"{PUSHED}{'x' * 43}", "https://app.example/request.jwt"])
async def test_a_reference_cannot_be_pushed(pushing: Pushing, reference: str) -> None:
    """RFC 9126 2.1: ``request_uri`` in a pushed request is refused."""
    await refused(pushing.push(request_uri=reference), "invalid_request")


async def test_a_signed_request_is_pushed_as_what_it_says() -> None:
    """RFC 9126 3: the object is opened when it is pushed; a client that must sign its requests pushes no other, and
    its reference is then as good as the signature."""
    one = signer("one")
    client = WEBAPP.model_copy(update={"jwks": jwks(one, kid=None), "require_signed_request_object": True})
    world = await World(clients={"webapp": client}).begin(a_session())
    shelf = Shelf()
    world.features = (*world.features, RequestObjects(ISSUER, ClientKeys(shelf.send, world.clock), shelf.send))
    pushing = Pushing.at(world)
    inner = {"iss": "webapp", "aud": ISSUER, **asked(state="inside")}
    reference = await pushing.push(client, request=signed(one, inner), state="outside")
    assert answer_params((await pushing.open(reference)).redirect)["state"] == "inside"
    await refused(pushing.push(client), "invalid_request")
    await refused(pushing.push(client, request="a.b.c"), "invalid_request_object")


# --- once ---


async def test_rg_14_a_reference_is_answered_once(pushing: Pushing) -> None:
    """RG-14: opened again after the answer it is a page, whoever opens it."""
    reference = await pushing.push()
    await pushing.open(reference)
    assert await pushing.shown(reference) == "no_pushed_request"


async def test_rg_14_of_fifty_at_once_one_is_answered(nodes: tuple[World, World]) -> None:
    """RG-14: browsers on two nodes at the same moment: one code."""
    scenes = [Pushing.at(world) for world in nodes]
    for _ in range(5):
        reference = await scenes[0].push()
        answers = await asyncio.gather(*(scenes[n % 2].open(reference) for n in range(50)), return_exceptions=True)
        assert len([a for a in answers if isinstance(a, Answer) and "code=" in a.redirect]) == 1
        lost = [a for a in answers if isinstance(a, Shown)]
        assert len(lost) == 49 and {a.reason for a in lost} <= {"pushed_request_reuse", "no_pushed_request"}


async def test_rg_14_before_the_answer_a_reload_is_fine(waiting: Pushing) -> None:
    """RG-14: opened twice on the way to the login; of the two trips the first to come back is answered."""
    reference = await waiting.push()
    await waiting.open(reference)
    await waiting.open(reference)
    world = waiting.world
    one, two = (replace(request, trip=f"trip-{n}") for n, (request, _) in enumerate(world.went))
    answer, _ = await world.authorize_endpoint.answer(one, WEBAPP, a_session(), world.clock.now)
    assert "code=" in answer.redirect
    with pytest.raises(Shown) as caught:
        await world.authorize_endpoint.answer(two, WEBAPP, a_session(), world.clock.now)
    assert (caught.value.code, caught.value.reason) == ("invalid_request_uri", "pushed_request_reuse")


async def test_rg_14_a_trip_may_try_its_answer_again(waiting: Pushing) -> None:
    """RG-14: writing an answer may have to be tried again with another session; that is no second use."""
    await waiting.open(await waiting.push())
    world = waiting.world
    mine = replace(world.went[0][0], trip="mine")
    for sid in ("first-sid", "second-sid"):
        session = a_session(sid=sid)
        answer, _ = await world.authorize_endpoint.answer(mine, WEBAPP, session, world.clock.now)
        assert "code=" in answer.redirect
    with pytest.raises(Shown):
        await world.authorize_endpoint.answer(replace(mine, trip=""), WEBAPP, a_session(), world.clock.now)


async def test_rg_14_what_led_to_no_answer_is_not_used_up(waiting: Pushing) -> None:
    """A client that tries in silence first hears ``login_required``, and may let the person log in after it."""
    reference = await waiting.push(prompt="none")
    for _ in range(2):
        told = answer_params((await waiting.open(reference)).redirect)
        assert told["error"] == "login_required"


async def third_party(**clients: Client) -> tuple[Pushing, Asking]:
    """A third-party client that pushes, and asks for consent."""
    case = await asking(**clients)
    return Pushing.at(case.world), case


async def test_rg_14_a_page_in_between_does_not_use_it_up() -> None:
    """RG-14: the consent page comes before the one answer; allowed in a second tab it is no second one."""
    pushing, case = await third_party()
    reference = await pushing.push(case.world.clients["webapp"], prompt="consent")
    ids = []
    for _ in range(2):
        answer = await pushing.open(reference)
        assert answer.redirect.startswith(f"{ISSUER}login/consent?id=")
        ids.append(answer_params(answer.redirect)["id"])
    assert "code=" in (await case.decide(ids[0])).redirect
    with pytest.raises(Shown) as caught:
        await case.decide(ids[1])
    assert caught.value.reason == "pushed_request_reuse"


async def test_a_store_that_cannot_say_gives_no_code(pushing: Pushing) -> None:
    """TK-26: what could not be used up is 503, never a code."""
    reference = await pushing.push()
    store = FailingStore(pushing.world.store, lambda op: isinstance(op, Take), Unavailable("store"))
    pushing.world.features = (*pushing.world.features[:-1], replace(pushing.feature, store=store))
    with pytest.raises(Unavailable):
        await pushing.open(reference)


# --- by whom and when ---


async def test_rg_15_another_client_cannot_open_it(pushing: Pushing) -> None:
    """RG-15: a page; and its owner can open it after that."""
    reference = await pushing.push()
    assert await pushing.shown(reference, "other") == "pushed_request_of_another_client"
    assert "code=" in (await pushing.open(reference)).redirect


@pytest.mark.parametrize("opened_before", [False, True])
async def test_rg_15_it_cannot_be_opened_after_its_time(waiting: Pushing, opened_before: bool) -> None:
    """RG-15: neither a new one nor one with a trip under way."""
    reference = await waiting.push()
    if opened_before:
        await waiting.open(reference)
    waiting.world.clock.now += SECONDS
    assert await waiting.shown(reference) == "no_pushed_request"


@pytest.mark.parametrize("reference", [PUSHED, f"{PUSHED}{'x' * 43}", f"{PUSHED}{'x' * 9000}"])
async def test_rg_15_an_unknown_reference_is_a_page(pushing: Pushing, reference: str) -> None:
    """RG-15: as one that has ended."""
    assert await pushing.shown(reference) == "no_pushed_request"


async def test_a_trip_under_way_outlives_the_time_to_open_it(waiting: Pushing) -> None:
    """RFC 9126 2.2: short is the time to open it, not the time to log in."""
    await waiting.open(await waiting.push())
    world = waiting.world
    world.clock.now += UNDER_WAY
    answer, _ = await world.authorize_endpoint.answer(world.went[0][0], WEBAPP, a_session(), world.clock.now)
    assert "code=" in answer.redirect


async def test_what_nobody_opens_does_not_stay(pushing: Pushing) -> None:
    """A record lives longer from its first opening on, and not before."""
    reference = await pushing.push()
    pushing.world.clock.now += SECONDS
    assert await pushing.world.store.get(pushed_key(reference)) is None


# --- nothing else counts ---


async def test_rg_17_nothing_beside_the_reference_counts(pushing: Pushing) -> None:
    """RG-17: an evil address, more scopes, a prompt, another state, a request object: ignored."""
    answer = await pushing.open(await pushing.push(prompt="login"), **EVIL)
    ((request, _),) = pushing.world.went
    assert answer.redirect == f"{ISSUER}login"
    assert (request.redirect_uri, request.scopes, request.prompt, request.state) == (
        CALLBACK,
        ("openid", "profile", "email"),
        ("login",),
        "st-1",
    )


async def test_rg_17_an_error_goes_where_the_pushed_request_says(waiting: Pushing) -> None:
    """RG-17: address, mode and state of an error are the pushed ones."""
    beside = {**EVIL, "redirect_uri": "https://app.example/cb2?bar=foo"}
    answer = await waiting.open(await waiting.push(prompt="none"), **beside)
    told = answer_params(answer.redirect)
    assert answer.redirect.startswith(f"{CALLBACK}?") and (told["error"], told["state"]) == ("login_required", "st-1")


@pytest.mark.parametrize("whose", ["client", "tenant"])
async def test_rg_18_who_must_push_gets_nothing_without(whose: str) -> None:
    """RG-18: a plain request is invalid_request, by redirect; the pushed one is answered."""
    must = WEBAPP.model_copy(update={"require_pushed_authorization_requests": whose == "client"})
    world = await World(clients={"webapp": must}).begin(a_session())
    pushing = Pushing.at(world, required=whose == "tenant")
    assert (await world.refusal())["error"] == "invalid_request"
    assert (await world.refusal(request_uri="https://app.example/r.jwt"))["error"] == "request_uri_not_supported"
    assert "code=" in (await pushing.open(await pushing.push(must))).redirect


async def test_rg_18_other_clients_may_go_on_without(pushing: Pushing) -> None:
    """RG-18: what is not required is not asked."""
    assert "code" in await pushing.world.refusal()


async def test_rg_19_rules_are_asked_again_at_use() -> None:
    """RG-19: client, redirect URI, API and scope as they are when the reference is opened."""
    world = await World().begin(a_session())
    pushing = Pushing.at(world)

    async def opened(**changes: Any) -> Answer:
        world.clients["webapp"] = WEBAPP
        reference = await pushing.push(scope="openid email read:things", resource=API)
        world.clients["webapp"] = WEBAPP.model_copy(update=changes)
        return await pushing.open(reference)

    with pytest.raises(Shown, match="redirect_uri"):
        await opened(redirect_uris=("https://app.example/new",))
    assert answer_params((await opened(grants=())).redirect)["error"] == "invalid_target"
    assert answer_params((await opened(response_types=("id_token",))).redirect)["error"] == "unauthorized_client"
    code = answer_params((await opened(scope="openid")).redirect)["code"]
    assert (await world.redeem(code))["scope"] == "openid read:things"
    world.clients["webapp"] = WEBAPP
    reference = await pushing.push()
    del world.clients["webapp"]
    with pytest.raises(Shown, match="invalid_client"):
        await pushing.open(reference)


async def test_rg_21_pushed_values_show_nowhere(waiting: Pushing) -> None:
    """RG-21: whatever begins the same request again names the reference alone."""
    reference = await waiting.push(login_hint="ada@corp.example", claims='{"userinfo": {"email": null}}')
    answer = await waiting.open(reference)
    ((request, _),) = waiting.world.went
    assert request.as_params() == {"client_id": "webapp", "request_uri": reference}
    assert urlsplit(answer.redirect).query == "" and answer.values == {}


async def test_rg_21_the_consent_page_offers_no_other_person() -> None:
    """RG-21: the link that would repeat the request is not there; the page's address is an id."""
    pushing, case = await third_party()
    reference = await pushing.push(case.world.clients["webapp"], login_hint="ada@corp.example")
    answer = await pushing.open(reference)
    page = await case.show(answer_params(answer.redirect)["id"])
    assert page.values["other"] == ""
    assert set(answer_params(answer.redirect)) == {"id"} and "login_hint" not in str(page.values)


async def test_tk_21_a_reference_is_no_code_and_no_token(pushing: Pushing) -> None:
    """TK-21: in the slot of a code or a refresh token it is invalid_grant, and stays good."""
    reference = await pushing.push()
    for text in (reference, reference.removeprefix(PUSHED)):
        await refused(pushing.world.redeem(text))
        await refused(pushing.world.refresh(text))
    assert "code=" in (await pushing.open(reference)).redirect


@pytest.mark.parametrize("required", [False, True])
async def test_what_is_advertised(world: World, required: bool) -> None:
    """RFC 9126 5: the address, and whether every client must push."""
    assert Pushing.at(world, required=required).feature.metadata() == {
        "pushed_authorization_request_endpoint": f"{ISSUER}oauth/par",
        "require_pushed_authorization_requests": required,
    }


async def test_ds_02_what_is_kept_of_a_request_is_bounded(pushing: Pushing) -> None:
    """DS-02: parameters we do not know may come along, but nobody fills the store with them (RFC 9126 2.3)."""
    await pushing.push(unknown="x" * 30_000)
    with pytest.raises(Refused) as caught:
        await pushing.push(unknown="x" * LARGEST)
    assert (caught.value.code, caught.value.status) == ("invalid_request", 413)
