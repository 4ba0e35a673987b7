"""What UserInfo says, plain and signed, and what is not believed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from proxy.models import Identity
from proxy.oidc.errors import UpstreamError
from proxy.oidc.keys import parse_jwks
from proxy.oidc.messages import HttpResponse
from proxy.upstream.metadata import check_metadata
from proxy.upstream.userinfo import build_request, check_plain, check_signed, signed_body
from tests.kit.tenant import CLIENT_ID, jws, signer
from tests.upstream.conftest import DOCUMENT, ISSUER, as_json, connection

ONE, OTHER = signer("one"), signer("two")
KEYS = parse_jwks({"keys": [dict(ONE.public_jwk)]})
PERSON = Identity("corp", ISSUER, "1001", {"sub": "1001"})
METADATA = check_metadata({**DOCUMENT, "userinfo_endpoint": f"{ISSUER}/userinfo"}, connection())


def reason(work: Any, *args: Any) -> str:
    with pytest.raises(UpstreamError) as caught:
        work(*args)
    assert caught.value.status == 502
    return caught.value.reason


def test_the_token_stands_in_the_header_alone() -> None:
    """Core 5.3.1: never in the address; the answer is bounded."""
    request = build_request(connection(), METADATA, "Bearer", "at")
    assert (request.method, request.url) == ("GET", f"{ISSUER}/userinfo")
    assert request.headers["Authorization"] == "Bearer at"
    assert request.limit <= 64 * 1024 and "at" not in request.url.rpartition("/")[2]


def test_what_cannot_be_asked() -> None:
    """A tenant without the endpoint, and an access token that is no header."""
    assert reason(build_request, connection(), check_metadata(DOCUMENT, connection()), "Bearer", "at") == (
        "no_userinfo_endpoint"
    )
    assert reason(build_request, connection(), METADATA, "Bearer", "a\r\nX: y") == "bad_access_token"


def test_plain_claims() -> None:
    """RP-15, RP-33: verified is what JSON true says; claims that lie elsewhere are left out."""
    said = {"sub": "1001", "email": "a@b.example", "email_verified": "true", "_claim_sources": {"x": {}}}
    found = check_plain(as_json(said), PERSON)
    assert found == {"sub": "1001", "email": "a@b.example", "email_verified": False}


@pytest.mark.parametrize("sub", [None, "", "1002", "1001 ", 1001, ["1001"], "invalid"])
def test_userinfo_invalid_sub(sub: Any) -> None:
    """userinfo-invalid-sub: it is about the person of the ID token, or it is about nobody."""
    assert reason(check_plain, as_json({"sub": sub}), PERSON) == "userinfo_sub_mismatch"


def test_rp_03_in_a_family_the_tenants_own_sub_is_compared() -> None:
    """RP-03: our name for the person has the tenant before it, theirs has not."""
    assert check_plain(as_json({"sub": "1001"}), replace(PERSON, subject="acme.1001"))["sub"] == "1001"


@pytest.mark.parametrize(
    ("response", "expected"),
    [
        (as_json({}, 401), "userinfo_status"),
        (as_json({}, 500), "userinfo_status"),
        (HttpResponse(307, {"location": "https://evil.example"}, b""), "userinfo_status"),
        (HttpResponse(200, {"content-type": "text/html"}, b"{}"), "userinfo_type"),
        (HttpResponse(200, {}, b"{}"), "userinfo_type"),
    ],
)
def test_an_answer_that_is_none(response: HttpResponse, expected: str) -> None:
    """RP-26: refusals, redirects, other kinds of document."""
    assert reason(signed_body, response, connection()) == expected


def test_a_busy_tenant_is_busy() -> None:
    """FT-39: 503, not broken."""
    with pytest.raises(UpstreamError) as caught:
        signed_body(as_json({}, 503), connection())
    assert caught.value.status == 503


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"sub":"1001","sub":"1002"}', b"\xff"])
def test_broken_json(body: bytes) -> None:
    """JO-11: read strictly."""
    assert reason(check_plain, HttpResponse(200, {"content-type": "application/json"}, body), PERSON) == "userinfo_json"


def as_jwt(token: str, kind: str = "application/jwt") -> HttpResponse:
    return HttpResponse(200, {"content-type": kind}, token.encode())


def claims(**changes: Any) -> dict[str, Any]:
    usual = {"iss": ISSUER, "aud": CLIENT_ID, "sub": "1001", "email": "a@b.example"}
    return {name: value for name, value in {**usual, **changes}.items() if value is not None}


def test_userinfo_signed() -> None:
    """userinfo-signed: RS256, from the person's issuer, for us; the type of the answer says that it is signed."""
    one = connection(userinfo_signed_response_alg="RS256")
    token = signed_body(as_jwt(jws(ONE, claims()), "application/JWT; charset=utf-8"), one)
    assert check_signed(token, KEYS, one, PERSON)["email"] == "a@b.example"
    assert check_signed(jws(ONE, claims(aud=[CLIENT_ID])), KEYS, connection(), PERSON)["sub"] == "1001"


def test_a_promised_signature_is_needed() -> None:
    """``userinfo_signed_response_alg``: plain JSON is refused; without the option it is fine."""
    assert reason(signed_body, as_json({"sub": "1001"}), connection(userinfo_signed_response_alg="RS256")) == (
        "userinfo_type"
    )
    assert signed_body(as_json({"sub": "1001"}), connection()) == ""


UNSIGNED = jws(ONE, claims(), {"alg": "none"})
REFUSED: list[tuple[str, str, str]] = [
    ("jo-01-none", UNSIGNED.rpartition(".")[0] + ".", "userinfo_wrong_algorithm"),
    ("jo-02-hs256", jws(ONE, claims(), {"alg": "HS256"}), "userinfo_wrong_algorithm"),
    ("jo-03-other-alg", jws(ONE, claims(), alg="PS256"), "userinfo_wrong_algorithm"),
    ("unknown-key", jws(OTHER, claims()), "userinfo_unknown_key"),
    ("bad-signature", jws(OTHER, claims(), {"kid": "one"}), "userinfo_bad_signature"),
    ("jo-10-access-token", jws(ONE, claims(), {"typ": "at+jwt"}), "userinfo_wrong_type"),
    ("jo-10-logout-token", jws(ONE, claims(), {"typ": "logout+jwt"}), "userinfo_wrong_type"),
    ("other-iss", jws(ONE, claims(iss=f"{ISSUER}/")), "userinfo_iss_mismatch"),
    ("no-iss", jws(ONE, claims(iss=None)), "userinfo_iss_mismatch"),
    ("other-aud", jws(ONE, claims(aud="evil")), "userinfo_aud_mismatch"),
    ("shared-aud", jws(ONE, claims(aud=[CLIENT_ID, "evil"])), "userinfo_aud_mismatch"),
    ("no-aud", jws(ONE, claims(aud=None)), "userinfo_aud_mismatch"),
    ("other-sub", jws(ONE, claims(sub="1002")), "userinfo_sub_mismatch"),
    ("junk", "a.b", "userinfo_malformed"),
]


@pytest.mark.parametrize(("token", "expected"), [r[1:] for r in REFUSED], ids=[r[0] for r in REFUSED])
def test_jo_a_signed_answer_is_checked_as_a_whole(token: str, expected: str) -> None:
    """JO-01, JO-02, JO-03, JO-10: never unsigned, never by another algorithm, key, issuer, or for somebody else."""
    for one in (connection(userinfo_signed_response_alg="RS256"), connection()):
        assert reason(check_signed, token, KEYS, one, PERSON) == expected
