"""Request objects: what the client signed is asked, from registered addresses alone, and everything else is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from proxy.downstream.client_keys import ClientKeys
from proxy.downstream.clients import Clients
from proxy.downstream.request_object import PUSHED, RequestObjects
from proxy.features import Answer
from proxy.models import Client
from proxy.oidc.errors import Refused, Shown, Unavailable
from proxy.oidc.jws import MOST_CHARACTERS
from tests.downstream.world import CALLBACK, CHALLENGE, ISSUER, NOW, SECRET, WEBAPP, World, a_session, answer_params
from tests.kit.signing_client import Shelf, assertion_claims, given, jwks, mac, signed
from tests.kit.tenant import b64, jws, signer

ONE, TWO, EC, PS = signer("one"), signer("two"), signer("p256", "ES256"), signer("ps", "PS256")
PLACE = "https://app.example/request.jwt"
REFERENCE = f"{PLACE}#fragment-of-the-suite"

SIGNS = WEBAPP.model_copy(update={"jwks": jwks(ONE, EC, kid=None), "request_uris": (REFERENCE,)})
MUST_SIGN = SIGNS.model_copy(update={"require_signed_request_object": True})
OUTER = {"client_id": "webapp", "response_type": "code", "scope": "openid"}


class Scene:
    """Ada is logged in; the client signs its requests, and the web is what the test lays there."""

    def __init__(self, world: World) -> None:
        self.world, self.shelf = world, Shelf()
        self.keys = ClientKeys(self.shelf.send, world.clock)
        self.feature = RequestObjects(ISSUER, self.keys, self.shelf.send)
        world.features = (*world.features, self.feature)
        self.register(SIGNS)

    def register(self, client: Client) -> None:
        self.world.clients["webapp"] = client
        self.world.known = Clients(self.world.clients, self.world.store)
        self.world.authorize_endpoint = replace(
            self.world.authorize_endpoint, shore=replace(self.world.authorize_endpoint.shore, clients=self.world.known)
        )

    async def ask(self, **params: str | None) -> Answer:
        return await self.world.authorize_endpoint.handle(self.world.request(given({**OUTER, **params})))

    async def told(self, **params: str | None) -> dict[str, str]:
        """What the client hears."""
        answer = await self.ask(**params)
        assert answer.redirect.startswith(f"{CALLBACK}?"), answer
        return answer_params(answer.redirect)


@pytest.fixture
async def scene() -> Scene:
    return Scene(await World().begin(a_session()))


def inner(**changes: Any) -> dict[str, Any]:
    """What the conformance suite puts inside: ``iss`` and ``aud``, no ``exp``."""
    usual = {
        "iss": "webapp",
        "aud": ISSUER,
        "client_id": "webapp",
        "response_type": "code",
        "scope": "openid email",
        "redirect_uri": CALLBACK,
        "state": "inside",
        "nonce": "n-1",
        "code_challenge": CHALLENGE,
        "code_challenge_method": "S256",
    }
    return given({**usual, **changes})


def unsigned(alg: str = "none", signature: str = "", **changes: Any) -> str:
    head, body = json.dumps({"alg": alg}).encode(), json.dumps(inner(**changes)).encode()
    return f"{b64(head)}.{b64(body)}.{signature}"


# --- by value ---


@pytest.mark.parametrize("key", [ONE, EC], ids=["RS256", "ES256"])
async def test_a_signed_request_is_asked(scene: Scene, key: Any) -> None:
    """OIDC Core 6.1: state, nonce, scope and redirect URI from inside; no call to anybody."""
    told = await scene.told(request=signed(key, inner()))
    assert (told["state"], told["iss"], "code" in told) == ("inside", ISSUER, True)
    assert scene.shelf.asked == []


async def test_ps256_with_the_registered_algorithm_alone(scene: Scene) -> None:
    """OIDC Registration 2: ``request_object_signing_alg`` is the only one taken, whatever the key could do."""
    scene.register(
        SIGNS.model_copy(update={"request_object_signing_alg": "PS256", "jwks": jwks(PS, kid=None, alg=None)})
    )
    assert "code" in await scene.told(request=signed(PS, inner()))
    refused = jws(PS, inner(), {"kid": None}, alg="RS256")
    assert (await scene.told(request=refused, redirect_uri=CALLBACK))["error"] == "invalid_request_object"


async def test_oidcc_ensure_request_object_with_redirect_uri(scene: Scene) -> None:
    """oidcc-ensure-request-object-with-redirect-uri: the outer address is wrong, the inner one right: the inner counts;
    and an error of the object never goes to an outer address that is not registered."""
    assert "code" in await scene.told(request=signed(ONE, inner()), redirect_uri=f"{CALLBACK}_invalid")
    with pytest.raises(Shown):
        await scene.ask(request=unsigned(), redirect_uri=f"{CALLBACK}_invalid")
    with pytest.raises(Shown):
        await scene.ask(request=signed(ONE, inner(redirect_uri="https://evil.example/")), redirect_uri=CALLBACK)


async def test_what_is_not_inside_is_taken_from_outside_and_what_is_wins(scene: Scene) -> None:
    """OIDC Core 6.1: parameters outside supplement, those inside supersede."""
    unfolded = await scene.feature.unfold(
        {**OUTER, "request": signed(ONE, inner(login_hint=None)), "login_hint": "ada", "scope": "openid", "state": "x"},
        SIGNS,
        NOW,
    )
    assert (unfolded["login_hint"], unfolded["scope"], unfolded["state"]) == ("ada", "openid email", "inside")
    assert not {"request", "iss", "aud"} & unfolded.keys()


async def test_values_become_the_text_they_stand_for(scene: Scene) -> None:
    """RFC 9101 4: numbers, objects and lists of text as a query would carry them; claims of the token are none."""
    claims = {"userinfo": {"name": {"essential": True}}}
    token = signed(
        ONE, inner(max_age=300, claims=claims, resource=["https://a/", "https://b/"], exp=NOW + 5, jti="j", prompt="")
    )
    unfolded = await scene.feature.unfold({**OUTER, "request": token}, SIGNS, NOW)
    assert (unfolded["max_age"], unfolded["resource"]) == ("300", "https://a/ https://b/")
    assert json.loads(unfolded["claims"]) == claims
    assert not {"exp", "jti", "prompt"} & unfolded.keys()


FORGED: dict[str, tuple[Callable[[], str], str]] = {
    "jo-01-none": (lambda: unsigned(), "request_not_supported"),
    "jo-01-None": (lambda: unsigned("None"), "invalid_request_object"),
    "jo-01-nOnE": (lambda: unsigned("nOnE"), "invalid_request_object"),
    "jo-01-missing-alg": (lambda: jws(ONE, inner(), {"alg": None}), "invalid_request_object"),
    "jo-01-empty-signature": (lambda: unsigned("RS256"), "invalid_request_object"),
    "jo-01-signature-of-another": (
        lambda: unsigned("RS256", signed(ONE, inner(a="b")).split(".")[2]),
        "invalid_request_object",
    ),
    "jo-02-hs256-with-the-public-key": (lambda: mac(ONE.public_jwk["n"], inner()), "invalid_request_object"),
    "jo-02-hs256-with-the-secret": (lambda: mac(SECRET, inner()), "invalid_request_object"),
    "other-key": (lambda: signed(TWO, inner()), "invalid_request_object"),
    "jo-05-kid": (lambda: signed(ONE, inner(), kid="x' OR 1=1"), "invalid_request_object"),
    "jo-10-id-token": (lambda: signed(ONE, inner(), typ="id_token+jwt"), "invalid_request_object"),
    "jo-10-access-token": (lambda: signed(ONE, inner(), typ="at+jwt"), "invalid_request_object"),
    "jo-10-logout-token": (lambda: signed(ONE, inner(), typ="logout+jwt"), "invalid_request_object"),
    "jo-10-proof": (lambda: signed(ONE, inner(), typ="dpop+jwt"), "invalid_request_object"),
    "jo-10-assertion-by-typ": (lambda: signed(ONE, inner(), typ="client-authentication+jwt"), "invalid_request_object"),
    "jo-10-assertion": (lambda: signed(ONE, assertion_claims("webapp", ISSUER, NOW)), "invalid_request_object"),
    "jo-13-too-many-dots": (lambda: signed(ONE, inner()) + ".x.y", "invalid_request_object"),
    "jo-11-doubled-name": (lambda: jws(ONE, b'{"state":"a","state":"b"}', {"kid": None}), "invalid_request_object"),
    "no-token": (lambda: "x", "invalid_request_object"),
    "other-issuer": (lambda: signed(ONE, inner(iss="other")), "invalid_request_object"),
    "other-client": (lambda: signed(ONE, inner(client_id="other")), "invalid_request_object"),
    "other-audience": (lambda: signed(ONE, inner(aud="https://idp.example/")), "invalid_request_object"),
    "other-audiences": (lambda: signed(ONE, inner(aud=["https://idp.example/"])), "invalid_request_object"),
    "expired": (lambda: signed(ONE, inner(exp=NOW - 60)), "invalid_request_object"),
    "exp-text": (lambda: signed(ONE, inner(exp="soon")), "invalid_request_object"),
    "iat-ahead": (lambda: signed(ONE, inner(iat=NOW + 61)), "invalid_request_object"),
    "nbf-ahead": (lambda: signed(ONE, inner(nbf=NOW + 61)), "invalid_request_object"),
    "nested": (lambda: signed(ONE, inner(request=unsigned())), "invalid_request_object"),
    "nested-reference": (lambda: signed(ONE, inner(request_uri="https://evil.example/")), "invalid_request_object"),
    "null": (lambda: signed(ONE, {**inner(), "prompt": None}), "invalid_request_object"),
    "true": (lambda: signed(ONE, inner(max_age=True)), "invalid_request_object"),
    "fraction": (lambda: signed(ONE, inner(max_age=1.5)), "invalid_request_object"),
    "list-of-numbers": (lambda: signed(ONE, inner(acr_values=[1])), "invalid_request_object"),
    "too-many": (lambda: signed(ONE, inner(**{f"p{n}": "1" for n in range(101)})), "invalid_request_object"),
    "other-response-type": (lambda: signed(ONE, inner(response_type="id_token")), "invalid_request_object"),
}


@pytest.mark.parametrize(("token", "code"), FORGED.values(), ids=FORGED)
async def test_jo_any_other_object_is_refused(scene: Scene, token: Callable[[], str], code: str) -> None:
    """JO-01, JO-02, JO-10, RFC 9101 6: the client hears it at its registered address, with the outer state, and no
    parameter of the object counts."""
    told = await scene.told(request=token(), redirect_uri=CALLBACK, state="outside")
    assert (told["error"], told["state"]) == (code, "outside")
    assert scene.shelf.asked == [] and scene.world.went == []


async def test_the_rules_hold_for_what_was_signed(scene: Scene) -> None:
    """A signature makes no bad request good: the same rules, told with the inner state."""
    told = await scene.told(request=signed(ONE, inner(prompt="none login")))
    assert (told["error"], told["state"]) == ("invalid_request", "inside")


# --- by reference ---


@pytest.mark.parametrize(
    "kind", ["application/jwt", "application/oauth-authz-req+jwt; charset=utf-8", "text/plain", "Application/JWT"]
)
async def test_oidcc_request_uri_signed_rs256(scene: Scene, kind: str) -> None:
    """oidcc-request-uri-signed-rs256: a registered address with a fragment, a key without kid, no ``exp`` inside; one
    small, short GET without the fragment, counted for the client."""
    scene.shelf.put(PLACE, signed(ONE, inner()) + "\n", kind)
    assert "code" in await scene.told(request_uri=REFERENCE)
    (asked,) = scene.shelf.asked
    assert (asked.method, asked.url, asked.limit, asked.group) == ("GET", PLACE, MOST_CHARACTERS, "client:webapp")
    assert asked.seconds <= 3


@pytest.mark.parametrize(
    "uri",
    [
        "http://169.254.169.254/",
        "https://evil.example/r",
        PLACE,
        f"{PLACE}#",
        f"{REFERENCE}x",
        f"{PLACE}?a=b#fragment-of-the-suite",
        REFERENCE.replace("app.example", "APP.example"),
        REFERENCE.replace("request", "%72equest"),
        f"{REFERENCE} ",
        "urn:x",
    ],
)
async def test_az_19_only_a_registered_address_is_called(scene: Scene, uri: str) -> None:
    """AZ-19: byte for byte one of the client's own ``request_uris``, fragment and all; else nobody is asked."""
    scene.shelf.put(PLACE, signed(ONE, inner()), "application/jwt")
    assert (await scene.told(request_uri=uri, redirect_uri=CALLBACK))["error"] == "invalid_request_uri"
    assert scene.shelf.asked == []


async def test_az_19_nobody_is_called_before_client_and_redirect_uri_are_sure(scene: Scene) -> None:
    """AZ-19: an unknown client, another client's address, or a bad outer redirect URI: a page, and no call."""
    scene.shelf.put(PLACE, signed(ONE, inner()), "application/jwt")
    with pytest.raises(Shown):
        await scene.ask(request_uri=REFERENCE, client_id="nobody")
    with pytest.raises(Shown):
        await scene.ask(request_uri=REFERENCE, redirect_uri="https://evil.example/")
    told = await scene.told(request_uri=REFERENCE, client_id="other", redirect_uri=CALLBACK)
    assert told["error"] == "invalid_request_uri"
    assert scene.shelf.asked == []


@pytest.mark.parametrize(
    ("body", "kind", "status", "code"),
    [
        pytest.param("", "application/jwt", 404, "invalid_request_uri", id="not-found"),
        pytest.param("", "application/jwt", 302, "invalid_request_uri", id="redirect"),
        pytest.param("{}", "application/json", 200, "invalid_request_uri", id="json"),
        pytest.param("é", "application/jwt", 200, "invalid_request_uri", id="not-ascii"),
        pytest.param("<html>", "text/html", 200, "invalid_request_object", id="page"),
        pytest.param(unsigned(), "application/jwt", 200, "request_uri_not_supported", id="jo-01-none"),
        pytest.param(signed(TWO, inner()), "application/jwt", 200, "invalid_request_object", id="other-key"),
    ],
)
async def test_what_is_no_request_object_there_is_refused(
    scene: Scene, body: str, kind: str, status: int, code: str
) -> None:
    """OIDC Core 3.1.2.6: an address that gives none, and an object that cannot be used."""
    scene.shelf.put(PLACE, body, kind, status)
    assert (await scene.told(request_uri=REFERENCE, redirect_uri=CALLBACK))["error"] == code


async def test_an_address_that_does_not_answer_is_the_clients_to_hear(scene: Scene) -> None:
    """A failed fetch is told to the client; nothing of it is kept for the next try."""
    assert (await scene.told(request_uri=REFERENCE, redirect_uri=CALLBACK))["error"] == "invalid_request_uri"
    scene.shelf.put(PLACE, signed(ONE, inner()), "application/jwt")
    assert "code" in await scene.told(request_uri=REFERENCE)


async def test_both_at_once_are_refused(scene: Scene) -> None:
    """OIDC Core 6.1: one of the two."""
    told = await scene.told(request=signed(ONE, inner()), request_uri=REFERENCE, redirect_uri=CALLBACK)
    assert told["error"] == "invalid_request"
    assert scene.shelf.asked == []


# --- clients that must sign ---


async def test_of_a_client_that_must_sign_only_what_is_signed_counts(scene: Scene) -> None:
    """RFC 9101 5, 10.5: nothing outside but ``client_id`` is looked at, and a plain request is refused."""
    scene.register(MUST_SIGN)
    token = signed(ONE, inner(state=None, prompt="none"))
    unfolded = await scene.feature.unfold(
        {"client_id": "webapp", "request": token, "state": "evil", "scope": "openid profile"}, MUST_SIGN, NOW
    )
    assert unfolded == {
        "client_id": "webapp",
        "response_type": "code",
        "scope": "openid email",
        "redirect_uri": CALLBACK,
        "nonce": "n-1",
        "prompt": "none",
        "code_challenge": CHALLENGE,
        "code_challenge_method": "S256",
    }
    assert "code" in await scene.told(request=token, response_type=None, scope=None)
    plain = await scene.told(**inner(iss=None, aud=None))
    assert (plain["error"], plain["state"]) == ("invalid_request", "inside")


@pytest.mark.parametrize("client", [SIGNS, MUST_SIGN], ids=["may", "must"])
async def test_a_pushed_reference_is_left_alone(scene: Scene, client: Client) -> None:
    """RFC 9126 4: who pushed the request has shown what it is; that is another feature's."""
    params = {"client_id": "webapp", "request_uri": f"{PUSHED}abc"}
    assert await scene.feature.unfold(params, client, NOW) == params


async def test_a_plain_request_costs_nothing(scene: Scene) -> None:
    """A client that may sign asks plainly: nothing is read, called or changed."""
    params = inner(iss=None, aud=None)
    assert await scene.feature.unfold(params, SIGNS, NOW) is params
    assert "code" in await scene.told(**params)


# --- keys, load, discovery ---


async def test_keys_that_cannot_be_had_are_503(scene: Scene) -> None:
    """The client's ``jwks_uri`` is away: try again, not "wrong"."""
    scene.register(SIGNS.model_copy(update={"jwks": None, "jwks_uri": "https://app.example/jwks"}))
    with pytest.raises(Unavailable):
        await scene.ask(request=signed(ONE, inner()), redirect_uri=CALLBACK)


async def test_a_client_without_keys_signs_nothing(scene: Scene) -> None:
    """No keys registered: no request object is its."""
    scene.register(WEBAPP)
    assert (await scene.told(request=signed(ONE, inner()), redirect_uri=CALLBACK))["error"] == "invalid_request_object"


async def test_ds_07_a_flood_of_forged_objects_makes_one_call(scene: Scene) -> None:
    """DS-07: five hundred forged requests in the name of a client with ``jwks_uri``: its keys are fetched, looked for
    once more, and that was all."""
    client = SIGNS.model_copy(update={"jwks": None, "jwks_uri": "https://app.example/jwks"})
    scene.shelf.put(client.jwks_uri, jwks(ONE))
    forged = signed(TWO, inner(), kid="made-up")
    for _ in range(500):
        with pytest.raises(Refused, match="invalid_request_object"):
            await scene.feature.unfold({**OUTER, "request": forged}, client, NOW)
    assert [asked.url for asked in scene.shelf.asked] == [client.jwks_uri] * 2


def test_discovery_says_what_is_on(world: World) -> None:
    """OIDC Discovery 3: by value and by reference, registered addresses, three algorithms and no ``none``."""
    said = Scene(world).feature.metadata()
    assert said["request_parameter_supported"] is said["request_uri_parameter_supported"] is True
    assert said["require_request_uri_registration"] is True
    assert said["request_object_signing_alg_values_supported"] == ["RS256", "PS256", "ES256"]
