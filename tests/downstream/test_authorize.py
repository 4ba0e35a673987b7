"""Who asks, where the answer may go, what the checked request says, and the answer itself."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from proxy.downstream.authorize import (
    AuthorizeRequest,
    check_client,
    check_redirect_uri,
    check_request,
    granted_scopes,
)
from proxy.downstream.clients import Clients
from proxy.models import Client
from proxy.oidc.errors import Refused, Shown
from proxy.store.memory import MemoryStore
from tests.downstream.world import API, CALLBACK, FRONT, NOW, OTHER, SPA, WEBAPP, World, asked, asked_front
from tests.spec.authorize import LOOPBACK, NOT_REGISTERED, REFUSED, REFUSED_IMPLICIT

FAULTS = {
    **REFUSED,
    **{name: ({"response_type": "id_token", **row[0]}, *row[1:]) for name, row in REFUSED_IMPLICIT.items()},
}


@pytest.mark.parametrize("uri", NOT_REGISTERED.values(), ids=NOT_REGISTERED)
async def test_only_a_registered_address_gets_an_answer(world: World, uri: str) -> None:
    """AZ-01, AZ-02, AZ-05: an address that is not registered byte for byte is never redirected to."""
    with pytest.raises(Shown) as caught:
        await world.authorize(redirect_uri=uri)
    assert (caught.value.code, caught.value.status) == ("invalid_request", 400)
    assert world.went == []


@pytest.mark.parametrize(("uri", "good"), LOOPBACK.values(), ids=LOOPBACK)
def test_only_the_port_of_a_loopback_address_may_differ(uri: str, good: bool) -> None:
    """AZ-03: an app on the person's own machine listens on any port (RFC 8252 7.3), and nothing else may differ."""
    if good:
        assert check_redirect_uri({"redirect_uri": uri}, WEBAPP) == uri
        return
    with pytest.raises(Shown):
        check_redirect_uri({"redirect_uri": uri}, WEBAPP)


def test_az_03_without_a_registered_loopback_address_no_port_is_good() -> None:
    """AZ-03: the loopback rule stretches a registered address, it does not make one."""
    with pytest.raises(Shown):
        check_redirect_uri({"redirect_uri": "http://127.0.0.1:5000/cb"}, SPA)


@pytest.mark.parametrize(
    "uris", [(), (CALLBACK,), (CALLBACK, "https://app.example/2", "https://app.example/3")], ids=len
)
def test_az_06_a_missing_address_is_never_guessed(uris: tuple[str, ...]) -> None:
    """AZ-06 (oidcc-ensure-redirect-uri-in-authorization-request): redirect_uri is required, however many there are."""
    with pytest.raises(Shown, match="redirect_uri is missing"):
        check_redirect_uri({}, WEBAPP.model_copy(update={"redirect_uris": uris}))


@pytest.mark.parametrize(
    "fault", [change for change, _, _ in FAULTS.values()], ids=[f"az-07-{name}" for name in FAULTS]
)
@pytest.mark.parametrize(
    "who", [{"redirect_uri": "https://evil.example/"}, {"client_id": "nobody"}], ids=["uri", "client"]
)
async def test_the_address_is_checked_before_anything_else(
    world: World, fault: dict[str, Any], who: dict[str, str]
) -> None:
    """AZ-07: with a second error beside it, a bad address is still told to the person alone."""
    with pytest.raises(Shown):
        await world.authorize(**{**fault, **who})


@pytest.mark.parametrize(
    ("client_id", "code"), [(None, "invalid_request"), ("nobody", "invalid_client"), ("WEBAPP", "invalid_client")]
)
async def test_an_unknown_client_is_told_to_the_person(client_id: str | None, code: str) -> None:
    """RFC 6749 4.1.2.1: without a known client there is nobody to redirect to."""
    with pytest.raises(Shown) as caught:
        await check_client(asked(client_id=client_id), Clients({"webapp": WEBAPP}, MemoryStore()), NOW)
    assert caught.value.code == code


@pytest.mark.parametrize(
    "uri",
    [
        "app:/cb",
        "myapp://cb#f",
        "http://app.example/cb",
        "com.example.app:/cb#f",
        "com.example.app:",
        "javascript:alert(1)",
    ],
)
def test_az_33_addresses_that_cannot_be_registered(uri: str) -> None:
    """AZ-33: a scheme of the app's own has a dot, plain http is for loopback, and no address has a fragment."""
    with pytest.raises(ValidationError):
        Client.model_validate({"client_id": "native", "redirect_uris": [uri]})


def test_az_33_a_private_use_scheme_is_for_public_clients_with_pkce() -> None:
    """AZ-33: ``com.example.app:/cb`` is good for an app that cannot keep a secret, which then needs PKCE."""
    native = Client.model_validate({"client_id": "native", "redirect_uris": ["com.example.app:/cb"]})
    assert check_redirect_uri({"redirect_uri": "com.example.app:/cb"}, native) == "com.example.app:/cb"
    with pytest.raises(Refused, match="code_challenge is required"):
        check_request(asked(code_challenge=None, code_challenge_method=None), native, "com.example.app:/cb")
    with pytest.raises(ValidationError):
        Client.model_validate({"client_id": "x", "client_secret": "s" * 40, "redirect_uris": ["com.example.app:/cb"]})


@pytest.mark.parametrize(
    ("scope", "client", "audience", "granted"),
    [
        ("openid profile email address phone", WEBAPP, "", "openid profile email address phone"),
        ("openid read:things", WEBAPP, API, "openid read:things"),
        ("openid read:things", WEBAPP, "", "openid"),
        ("openid write:things", WEBAPP, API, "openid"),
        ("openid read:things", OTHER, API, "openid"),
        ("openid create:connections unknown", WEBAPP, API, "openid"),
        ("OPENID Profile", WEBAPP, "", ""),
        ("email", WEBAPP, "", "email"),
        ("openid openid email", WEBAPP, "", "openid email"),
        ("openid offline_access", WEBAPP, "", "openid offline_access"),
        ("openid offline_access", WEBAPP.model_copy(update={"grant_types": ("authorization_code",)}), "", "openid"),
    ],
)
def test_az_14_no_scope_beyond_what_the_client_may_have(
    scope: str, client: Client, audience: str, granted: str
) -> None:
    """AZ-14: unknown scopes are dropped (OIDC Core 3.1.2.1), those of an API are granted for that API alone."""
    assert " ".join(granted_scopes(tuple(dict.fromkeys(scope.split())), client, tuple(audience.split()))) == granted


def test_az_30_a_resource_is_an_audience_by_its_other_name() -> None:
    """AZ-30: ``resource`` (RFC 8707) and ``audience`` ask for the same thing, where the client has a grant for it."""
    by_resource = check_request(asked(resource=API), WEBAPP, CALLBACK)
    assert by_resource == check_request(asked(audience=API), WEBAPP, CALLBACK)
    assert by_resource.audiences == (API,)


@pytest.mark.parametrize(
    "extra",
    [
        {"extra": "foobar"},
        {"display": "../x"},
        {"ui_locales": "../../etc/passwd"},
        {"ui_locales": "<script>"},
        {"claims_locales": "se"},
        {"id_token_hint": "x.y.z"},
        {"claims": '{"userinfo":{"groups":null}}'},
        {"registration": "{}"},
    ],
    ids=lambda e: "-".join(e),
)
def test_what_we_do_not_know_changes_nothing(extra: dict[str, str]) -> None:
    """AZ-18, AZ-21, AZ-31 (oidcc-ensure-request-with-unknown-parameter-succeeds): hints, locales, claims and unknown
    parameters neither fail the request nor widen it."""
    assert check_request(asked(**extra), WEBAPP, CALLBACK) == check_request(asked(), WEBAPP, CALLBACK)


def test_the_order_of_parameters_and_scopes_does_not_matter() -> None:
    """oidcc-alternate-happy-flow: parameters backwards, ``scope=email openid``."""
    backwards = dict(reversed(asked(scope="email openid").items()))
    assert check_request(backwards, WEBAPP, CALLBACK).scopes == ("email", "openid")


def test_nonce_and_pkce_are_the_clients_choice_when_it_has_a_secret() -> None:
    """oidcc-ensure-request-without-nonce-succeeds-for-code-flow: the code flow needs no nonce (OIDC Core 3.1.2.1)."""
    bare = check_request(asked(nonce=None, code_challenge=None, code_challenge_method=None), WEBAPP, CALLBACK)
    assert (bare.nonce, bare.challenge) == ("", "")


def test_a_request_survives_being_stored_and_asked_again() -> None:
    """The stored value and the rebuilt parameters lead to the same checked request."""
    claims = '{"userinfo":{"email":null},"id_token":{"sub":{"value":"oidc|corp|ada"}}}'
    request = check_request(
        asked(prompt="login consent", max_age="60", login_hint="ada", connection="corp", audience=API, claims=claims),
        WEBAPP,
        CALLBACK,
    )
    assert request.subject == "oidc|corp|ada"
    assert AuthorizeRequest.from_value(request.as_value()) == request
    assert check_request(request.as_params(), WEBAPP, CALLBACK) == request


@pytest.mark.parametrize("mode", ["fragment", "form_post"])
def test_how_the_answer_is_wanted_survives_too(mode: str) -> None:
    """Response type and mode come back from the store and from the rebuilt parameters."""
    request = check_request(asked_front(response_mode=mode), FRONT, CALLBACK)
    assert (request.response_type, request.response_mode) == ("id_token", mode)
    assert AuthorizeRequest.from_value(request.as_value()) == request
    assert check_request(request.as_params(), FRONT, CALLBACK) == request
