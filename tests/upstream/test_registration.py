"""How we register at a tenant: the request, and what we make of the answer."""

from __future__ import annotations

import json
from typing import Any

import pytest

from proxy.oidc.errors import UpstreamError
from proxy.oidc.messages import HttpResponse
from proxy.upstream.ourselves import build_metadata
from proxy.upstream.registration import build_removal, build_request, check_response
from tests.upstream.test_ourselves import FULL, US

ENDPOINT = "https://idp.example/register"


@pytest.mark.parametrize(("token", "header"), [("t0ken", "Bearer t0ken"), ("", None)])
def test_the_request_carries_the_initial_access_token(token: str, header: str | None) -> None:
    """RFC 7591 3: in the header, if there is one; its text is in no representation."""
    request = build_request(ENDPOINT, {"client_name": "Acme"}, token, "corp")
    assert (request.method, request.url, json.loads(request.body)) == ("POST", ENDPOINT, {"client_name": "Acme"})
    assert request.headers.get("Authorization") == header and "t0ken" not in repr(request)


ASKED = build_metadata(FULL, US)
BASIC = build_metadata({**FULL, "token_endpoint_auth_methods_supported": ["client_secret_basic"]}, US)


def answer(asked: Any, status: int = 201, **changes: Any) -> HttpResponse:
    said = {
        **asked,
        "client_id": "c-1",
        "registration_client_uri": f"{ENDPOINT}/c-1",
        "registration_access_token": "rat",
        **changes,
    }
    body = {name: value for name, value in said.items() if value is not None}
    return HttpResponse(status, {}, json.dumps(body).encode())


def test_the_answer_becomes_options() -> None:
    """Id, method, algorithms and channel of the connection; and how to take it back."""
    made = check_response(answer(ASKED), ASKED, ENDPOINT)
    assert made.options == {
        "client_id": "c-1",
        "type": "back_channel",
        "scope": "openid profile email",
        "id_token_signed_response_algs": ["RS256"],
        "token_endpoint_auth_method": "private_key_jwt",
        "token_endpoint_auth_signing_alg": "RS256",
    }
    assert (made.client_uri, made.access_token, made.secret_ends, made.changed) == (f"{ENDPOINT}/c-1", "rat", 0, {})


def test_what_the_tenant_answers_holds() -> None:
    """RFC 7591 3.2.1: it may register other values than it was asked for; a secret has an end, or none."""
    said = answer(
        BASIC,
        200,
        client_secret="s" * 40,
        client_secret_expires_at=1_900_000_000,
        token_endpoint_auth_method="client_secret_post",
        id_token_signed_response_alg="ES256",
    )
    made = check_response(said, BASIC, ENDPOINT)
    assert made.options["token_endpoint_auth_method"] == "client_secret_post"
    assert made.options["client_secret"] == "s" * 40 and made.options["id_token_signed_response_algs"] == ["ES256"]
    assert made.secret_ends == 1_900_000_000
    assert set(made.changed) == {"token_endpoint_auth_method", "id_token_signed_response_alg"}


@pytest.mark.parametrize(
    "changes",
    [
        {"registration_client_uri": None},
        {"registration_access_token": None},
        {"registration_client_uri": "https://evil.example/register/c-1"},
        {"registration_client_uri": "http://idp.example/register/c-1"},
        {"registration_client_uri": "https://idp.example:8443/register"},
    ],
)
def test_the_management_token_goes_to_where_we_registered_alone(changes: dict[str, Any]) -> None:
    """RFC 7592 3: both or neither; another host never gets the token."""
    made = check_response(answer(ASKED, **changes), ASKED, ENDPOINT)
    assert (made.client_uri, made.access_token) == ("", "")


@pytest.mark.parametrize(
    ("response", "reason"),
    [
        (answer(ASKED, client_id=None), "no_client_id"),
        (answer(ASKED, client_id=7), "no_client_id"),
        (answer(BASIC), "no_client_secret"),
        (answer(BASIC, token_endpoint_auth_method="tls_client_auth"), "no_auth_method"),
        (answer(ASKED, redirect_uris=["https://sso.example/other"]), "other_redirect_uri"),
        (HttpResponse(201, {}, b"<html>"), "bad_json"),
        (HttpResponse(404, {}, b"nothing"), "bad_json"),
        (answer(ASKED, 302), "registration_refused"),
    ],
)
def test_an_answer_that_is_no_registration_is_refused(response: HttpResponse, reason: str) -> None:
    """Without what the connection needs there is none."""
    asked = BASIC if reason in ("no_client_secret", "no_auth_method") else ASKED
    with pytest.raises(UpstreamError) as refused:
        check_response(response, asked, ENDPOINT)
    assert refused.value.reason == reason


def test_a_refusal_is_told_in_the_tenants_words() -> None:
    """RFC 7591 3.2.2: code and description, on one printable line."""
    body = b'{"error": "invalid_redirect_uri", "error_description": "no \\u0007 such\\nhost"}'
    with pytest.raises(UpstreamError, match="invalid_redirect_uri: no") as refused:
        check_response(HttpResponse(400, {}, body), ASKED, ENDPOINT)
    assert refused.value.description.isprintable()


def test_a_registration_is_taken_back_by_its_own_token() -> None:
    """RFC 7592 2.3."""
    request = build_removal(f"{ENDPOINT}/c-1", "rat", "corp")
    assert (request.method, request.url, request.headers) == (
        "DELETE",
        f"{ENDPOINT}/c-1",
        {"Authorization": "Bearer rat"},
    )


@pytest.mark.parametrize(
    "lie",
    [
        {"redirect_uris": 5},
        {"redirect_uris": "https://sso.example/login/callback"},
        {"response_types": 7},
        {"response_types": "code"},
        {"scope": ["openid"]},
        {"id_token_signed_response_alg": {}},
        {"token_endpoint_auth_method": []},
        {"token_endpoint_auth_signing_alg": 7},
    ],
)
def test_mg_14_an_answer_of_other_types_is_no_registration(lie: dict[str, Any]) -> None:
    """MG-14: a tenant that answers something else is told apart in one line, not by a crash."""
    with pytest.raises(UpstreamError) as refused:
        check_response(answer(ASKED, **lie), ASKED, ENDPOINT)
    assert refused.value.reason == "bad_registration"


def test_what_we_do_not_read_may_be_of_any_type() -> None:
    """It is told as not as asked, and stands in no way."""
    made = check_response(answer(ASKED, client_name=["x"], application_type=7), ASKED, ENDPOINT)
    assert set(made.changed) == {"client_name", "application_type"}


@pytest.mark.parametrize("ends", [True, -5, 10**12, 10**30, 1e300, "soon"])
def test_mg_14_a_secret_that_ends_at_no_time_does_not_end(ends: Any) -> None:
    """MG-14: what is no moment that can be printed is as if it were not said."""
    assert check_response(answer(ASKED, client_secret_expires_at=ends), ASKED, ENDPOINT).secret_ends == 0
