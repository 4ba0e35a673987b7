"""What we send a tenant, and what may come back."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.models import Connection, Wishes
from proxy.oidc import pkce
from proxy.oidc.errors import UpstreamError
from proxy.upstream.authorize import build_request, check_response
from proxy.upstream.metadata import check_metadata
from tests.upstream.conftest import DOCUMENT, ISSUER, connection, front

CALLBACK = "https://sso.example/login/callback"
PLAIN = Wishes()
NAMED = {**DOCUMENT, "authorization_response_iss_parameter_supported": True}


def asked(
    one: Connection, wishes: Wishes = PLAIN, document: dict[str, Any] = DOCUMENT, verifier: str = ""
) -> list[tuple[str, str]]:
    """The parameters of the request, in order, doubles and all."""
    url = build_request(
        one, check_metadata(document, one), wishes, redirect_uri=CALLBACK, state="st", nonce="no", verifier=verifier
    )
    return parse_qsl(urlsplit(url).query, keep_blank_values=True)


def test_the_back_channel_asks_for_a_code_with_pkce() -> None:
    """Code flow: S256 challenge, nonce and state; no response mode."""
    verifier = "v" * 43
    assert dict(asked(connection(), verifier=verifier)) == {
        "client_id": "isthmus",
        "response_type": "code",
        "redirect_uri": CALLBACK,
        "scope": "openid",
        "state": "st",
        "nonce": "no",
        "code_challenge": pkce.challenge(verifier),
        "code_challenge_method": "S256",
    }


def test_the_front_channel_asks_for_an_id_token_by_form() -> None:
    """No secret, no PKCE: ``id_token`` and ``form_post`` with state and nonce."""
    assert dict(asked(front())) == {
        "client_id": "isthmus",
        "response_type": "id_token",
        "response_mode": "form_post",
        "redirect_uri": CALLBACK,
        "scope": "openid",
        "state": "st",
        "nonce": "no",
    }


@pytest.mark.parametrize(
    ("wishes", "expected"),
    [
        (Wishes(), {}),
        (Wishes(max_age=0), {"max_age": "0"}),
        (Wishes(max_age=60), {"max_age": "60"}),
        (Wishes(prompt=("select_account",)), {"prompt": "select_account"}),
        (Wishes(fresh=True), {"prompt": "login", "max_age": "0"}),
        (Wishes(fresh=True, max_age=60, prompt=("login",)), {"prompt": "login", "max_age": "60"}),
        (Wishes(fresh=True, prompt=("select_account",)), {"prompt": "login select_account", "max_age": "0"}),
        (Wishes(login_hint="ann@corp.example"), {"login_hint": "ann@corp.example"}),
    ],
    ids=str,
)
def test_rp_29_wishes_go_up(wishes: Wishes, expected: dict[str, str]) -> None:
    """RP-29: a login that must be fresh is forced, and the tenant is made to say when it was."""
    sent = dict(asked(connection(), wishes))
    assert {name: sent[name] for name in ("prompt", "max_age", "login_hint") if name in sent} == expected


def test_rp_35_no_parameter_comes_twice() -> None:
    """RP-35: what a client smuggles into a value stays there; a query of the tenant's own is kept."""
    hint = "a&redirect_uri=https://evil.example&state=x#"
    document = {**DOCUMENT, "authorization_endpoint": f"{ISSUER}/authorize?policy=p1"}
    sent = asked(connection(), Wishes(login_hint=hint, scopes=("openid", "a&nonce=b")), document, verifier="v" * 43)
    assert len({name for name, _ in sent}) == len(sent)
    assert dict(sent)["login_hint"] == hint
    assert dict(sent)["policy"] == "p1"


def answered(
    params: dict[str, str], *, one: Connection | None = None, method: str = "GET", document: dict[str, Any] = DOCUMENT
) -> str:
    one = one or connection()
    return check_response(params, method, one, check_metadata(document, one))


def reason(params: dict[str, str], **how: Any) -> str:
    with pytest.raises(UpstreamError) as caught:
        answered(params, **how)
    assert caught.value.status == 400
    return caught.value.reason


def test_the_answer_that_was_asked_for_passes() -> None:
    """A code by GET on the back channel, an ID token by POST on the front channel."""
    assert answered({"code": "c", "state": "s", "session_state": "x"}) == "c"
    assert answered({"id_token": "t", "state": "s"}, one=front(), method="POST") == "t"


WRONG: list[tuple[str, dict[str, Any], str]] = [
    ("cb-07-code-by-post", {"params": {"code": "c"}, "method": "POST"}, "wrong_method"),
    ("cb-07-head", {"params": {"code": "c"}, "method": "HEAD"}, "wrong_method"),
    ("cb-07-put", {"params": {"code": "c"}, "method": "PUT"}, "wrong_method"),
    ("cb-07-id-token-by-get", {"params": {"id_token": "t"}, "one": front()}, "wrong_method"),
    ("cb-21-id-token-for-code", {"params": {"id_token": "t"}}, "wrong_response_type"),
    ("cb-21-code-for-id-token", {"params": {"code": "c"}, "one": front(), "method": "POST"}, "wrong_response_type"),
    ("cb-21-more-than-asked", {"params": {"code": "c", "id_token": "t"}}, "wrong_response_type"),
    (
        "cb-21-access-token",
        {"params": {"id_token": "t", "access_token": "a"}, "one": front(), "method": "POST"},
        "wrong_response_type",
    ),
    ("cb-21-jarm", {"params": {"code": "c", "response": "j"}}, "wrong_response_type"),
    ("rp-25-nothing", {"params": {"state": "s"}}, "empty_response"),
    ("rp-22-no-iss", {"params": {"code": "c"}, "document": NAMED}, "iss_mismatch"),
    ("rp-22-wrong-iss", {"params": {"code": "c", "iss": "https://evil.example"}, "document": NAMED}, "iss_mismatch"),
    ("rp-22-slash", {"params": {"code": "c", "iss": f"{ISSUER}/"}, "document": NAMED}, "iss_mismatch"),
    ("rp-22-unannounced-wrong-iss", {"params": {"code": "c", "iss": "https://evil.example"}}, "iss_mismatch"),
    (
        "rp-22-front-wrong-iss",
        {"params": {"id_token": "t", "iss": "x"}, "one": front(), "method": "POST"},
        "iss_mismatch",
    ),
    ("rp-22-error-without-iss", {"params": {"error": "access_denied"}, "document": NAMED}, "iss_mismatch"),
    ("cb-10-error-wins", {"params": {"error": "access_denied", "code": "c"}}, "upstream_access_denied"),
    (
        "cb-10-front",
        {"params": {"error": "access_denied", "id_token": "t"}, "one": front(), "method": "POST"},
        "upstream_access_denied",
    ),
]


@pytest.mark.parametrize(("how", "expected"), [w[1:] for w in WRONG], ids=[w[0] for w in WRONG])
def test_cb_and_rp_22_an_answer_that_was_not_asked_for_is_refused(how: dict[str, Any], expected: str) -> None:
    """CB-07, CB-10, CB-21, RP-22, RP-25: way, kind, sender; an error beside a success is an error."""
    assert reason(**how) == expected


def test_rp_22_the_right_iss_passes() -> None:
    """RP-22: a tenant that names itself (RFC 9207)."""
    assert answered({"code": "c", "iss": ISSUER}, document=NAMED) == "c"
    assert answered({"id_token": "t"}, one=front(), method="POST", document=NAMED) == "t"


HOSTILE = [
    "<script>alert(1)</script>",
    "x" * 1_000_000,
    "a\r\nSet-Cookie: x=y",
    "\x1b[31mred",
    '"><img src=x onerror=alert(1)>',
    "\u202egnp",
]


@pytest.mark.parametrize("text", HOSTILE, ids=lambda t: f"cb-11-{t[:8]!r}")
def test_cb_11_a_tenants_error_text_is_tamed(text: str) -> None:
    """CB-11: unknown codes become server_error; texts are printable, at most 200 characters; the link is dropped."""
    with pytest.raises(UpstreamError) as caught:
        answered({"error": text, "error_description": text, "error_uri": "javascript:alert(1)"})
    error = caught.value
    assert (error.code, error.reason) == ("server_error", "upstream_server_error")
    assert len(error.description) <= 200
    assert error.description.isascii()
    assert error.description.isprintable()
    assert "javascript" not in str(error)


@given(
    st.dictionaries(st.sampled_from(["error", "error_description", "code", "id_token", "iss", "state"]), st.text()),
    st.text(),
)
def test_any_answer_ends_as_an_answer_or_as_an_upstream_error(params: dict[str, str], method: str) -> None:
    """Whatever comes back, nothing else is raised."""
    for how in ("GET", "POST", method):
        for one in (connection(), front()):
            try:
                assert answered(params, one=one, method=how)
            except UpstreamError as error:
                assert error.status == 400
