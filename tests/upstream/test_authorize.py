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
from proxy.oidc.urls import with_params
from proxy.upstream.authorize import Response, build_params, check_response
from proxy.upstream.metadata import check_metadata
from tests.upstream.conftest import DOCUMENT, ISSUER, connection, front

CALLBACK = "https://sso.example/login/callback"
PLAIN = Wishes()
NAMED = {**DOCUMENT, "authorization_response_iss_parameter_supported": True}


def asked(
    one: Connection,
    wishes: Wishes = PLAIN,
    document: dict[str, Any] = DOCUMENT,
    verifier: str = "",
    nonce: str = "no",
) -> list[tuple[str, str]]:
    """The parameters of the request, in order, doubles and all."""
    metadata = check_metadata(document, one)
    params = build_params(one, metadata, wishes, redirect_uri=CALLBACK, state="st", nonce=nonce, verifier=verifier)
    url = with_params(metadata.authorization_endpoint, params)
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


KINDS: list[tuple[dict[str, Any], dict[str, str]]] = [
    ({"response_mode": "fragment"}, {"response_type": "code", "response_mode": "fragment"}),
    ({"response_mode": "form_post"}, {"response_type": "code", "response_mode": "form_post"}),
    ({"response_mode": "query"}, {"response_type": "code"}),
    ({"response_type": "code id_token"}, {"response_type": "code id_token", "response_mode": "form_post"}),
    ({"response_type": "code token", "response_mode": "fragment"}, {"response_type": "code token"}),
    ({"type": "front_channel", "response_mode": "fragment"}, {"response_type": "id_token"}),
    (
        {"type": "front_channel", "response_type": "id_token token"},
        {"response_type": "id_token token", "response_mode": "form_post"},
    ),
]


@pytest.mark.parametrize(("options", "expected"), KINDS, ids=str)
def test_response_type_and_mode_are_asked_for(options: dict[str, Any], expected: dict[str, str]) -> None:
    """Multiple Response Types 2.1: the mode is named unless it is the type's own."""
    sent = dict(asked(connection(**options)))
    assert {name: sent[name] for name in ("response_type", "response_mode") if name in sent} == expected


def test_no_nonce_is_sent_where_there_is_none() -> None:
    """``send_back_channel_nonce``: left out, not empty."""
    assert "nonce" not in dict(asked(connection(), nonce=""))


def test_rp_35_upstream_params_never_take_the_place_of_ours() -> None:
    """RP-35: what we set wins, once; so does what the tenant's own address sets; the rest goes up encoded."""
    params = {"prompt": {"value": "consent"}, "tier": {"value": "gold&state=x"}, "policy": {"value": "p2"}}
    document = {**DOCUMENT, "authorization_endpoint": f"{ISSUER}/authorize?policy=p1"}
    one = connection(upstream_params={**params, "aud": {"alias": "audience"}, "d": {"alias": "display"}})
    sent = asked(one, Wishes(prompt=("login",), passed_on={"aud": "api&client_id=x"}), document)
    assert len({name for name, _ in sent}) == len(sent)
    found = dict(sent)
    assert (found["prompt"], found["tier"], found["policy"]) == ("login", "gold&state=x", "p1")
    assert found["aud"] == "api&client_id=x" and "d" not in found
    assert dict(asked(one))["prompt"] == "consent"


def answered(
    params: dict[str, str], *, one: Connection | None = None, mode: str = "query", document: dict[str, Any] = DOCUMENT
) -> Response:
    one = one or connection()
    return check_response(params, mode, one, check_metadata(document, one))


def reason(params: dict[str, str], **how: Any) -> str:
    with pytest.raises(UpstreamError) as caught:
        answered(params, **how)
    assert caught.value.status == 400
    return caught.value.reason


def test_the_answer_that_was_asked_for_passes() -> None:
    """A code by GET on the back channel, an ID token by POST on the front channel."""
    assert answered({"code": "c", "state": "s", "session_state": "x"}).code == "c"
    assert answered({"id_token": "t", "state": "s"}, one=front(), mode="form_post").id_token == "t"


HYBRID = connection(response_type="code id_token")
WITH_TOKEN = connection(response_type="code token")
WRONG: list[tuple[str, dict[str, Any], str]] = [
    ("cb-07-code-by-post", {"params": {"code": "c"}, "mode": "form_post"}, "wrong_method"),
    ("cb-07-code-by-fragment", {"params": {"code": "c"}, "mode": "fragment"}, "wrong_method"),
    ("cb-07-put", {"params": {"code": "c"}, "mode": ""}, "wrong_method"),
    ("cb-07-id-token-by-get", {"params": {"id_token": "t"}, "one": front()}, "wrong_method"),
    ("cb-21-id-token-for-code", {"params": {"id_token": "t"}}, "wrong_response_type"),
    ("cb-21-code-for-id-token", {"params": {"code": "c"}, "one": front(), "mode": "form_post"}, "wrong_response_type"),
    ("cb-21-more-than-asked", {"params": {"code": "c", "id_token": "t"}}, "wrong_response_type"),
    (
        "cb-21-access-token",
        {"params": {"id_token": "t", "access_token": "a"}, "one": front(), "mode": "form_post"},
        "wrong_response_type",
    ),
    ("cb-21-jarm", {"params": {"code": "c", "response": "j"}}, "wrong_response_type"),
    *(
        (f"cb-21-hybrid-without-{gone}", {"params": part, "one": HYBRID, "mode": "form_post"}, "empty_response")
        for gone, part in (("code", {"id_token": "t"}), ("id-token", {"code": "c"}))
    ),
    (
        "cb-21-hybrid-and-more",
        {"params": {"code": "c", "id_token": "t", "access_token": "a"}, "one": HYBRID, "mode": "form_post"},
        "wrong_response_type",
    ),
    ("cb-07-hybrid-by-query", {"params": {"code": "c", "id_token": "t"}, "one": HYBRID}, "wrong_method"),
    (
        "front-token-of-another-type",
        {"params": {"code": "c", "access_token": "a", "token_type": "mac"}, "one": WITH_TOKEN, "mode": "form_post"},
        "token_type",
    ),
    ("rp-25-nothing", {"params": {"state": "s"}}, "empty_response"),
    ("rp-22-no-iss", {"params": {"code": "c"}, "document": NAMED}, "iss_mismatch"),
    ("rp-22-wrong-iss", {"params": {"code": "c", "iss": "https://evil.example"}, "document": NAMED}, "iss_mismatch"),
    ("rp-22-slash", {"params": {"code": "c", "iss": f"{ISSUER}/"}, "document": NAMED}, "iss_mismatch"),
    ("rp-22-unannounced-wrong-iss", {"params": {"code": "c", "iss": "https://evil.example"}}, "iss_mismatch"),
    (
        "rp-22-front-wrong-iss",
        {"params": {"id_token": "t", "iss": "x"}, "one": front(), "mode": "form_post"},
        "iss_mismatch",
    ),
    (
        "rp-22-hybrid-wrong-iss",
        {"params": {"code": "c", "id_token": "t", "iss": "x"}, "one": HYBRID, "mode": "form_post", "document": NAMED},
        "iss_mismatch",
    ),
    (
        "rp-22-hybrid-with-neither",
        {"params": {"code": "c"}, "one": HYBRID, "mode": "form_post", "document": NAMED},
        "iss_mismatch",
    ),
    (
        "rp-22-code-token-no-iss",
        {"params": {"code": "c", "access_token": "a"}, "one": WITH_TOKEN, "mode": "form_post", "document": NAMED},
        "iss_mismatch",
    ),
    ("rp-22-error-without-iss", {"params": {"error": "access_denied"}, "document": NAMED}, "iss_mismatch"),
    ("cb-10-error-wins", {"params": {"error": "access_denied", "code": "c"}}, "upstream_access_denied"),
    (
        "cb-10-front",
        {"params": {"error": "access_denied", "id_token": "t"}, "one": front(), "mode": "form_post"},
        "upstream_access_denied",
    ),
]


@pytest.mark.parametrize(("how", "expected"), [w[1:] for w in WRONG], ids=[w[0] for w in WRONG])
def test_cb_and_rp_22_an_answer_that_was_not_asked_for_is_refused(how: dict[str, Any], expected: str) -> None:
    """CB-07, CB-10, CB-21, RP-22, RP-25: way, kind, sender; an error beside a success is an error."""
    assert reason(**how) == expected


def test_rp_22_the_right_iss_passes() -> None:
    """RP-22: a tenant that names itself (RFC 9207)."""
    assert answered({"code": "c", "iss": ISSUER}, document=NAMED).code == "c"
    assert answered({"id_token": "t"}, one=front(), mode="form_post", document=NAMED).id_token == "t"
    assert answered({"code": "c", "id_token": "t"}, one=HYBRID, mode="form_post", document=NAMED).code == "c"


def test_a_hybrid_answer_carries_exactly_what_was_asked_for() -> None:
    """All of the parts, each by its name."""
    found = answered({"code": "c", "id_token": "t"}, one=HYBRID, mode="form_post")
    assert (found.code, found.id_token, found.access_token) == ("c", "t", "")
    with_token = answered({"code": "c", "access_token": "a", "token_type": "BEARER"}, one=WITH_TOKEN, mode="form_post")
    assert (with_token.code, with_token.access_token) == ("c", "a")


FAMILY = {"issuer": "https://idp.example/{tenantid}/v2.0", "tenant_ids": ["acme", "umbrella"]}


def test_rp_03_the_iss_of_an_answer_is_one_of_the_family() -> None:
    """RP-03: a listed tenant may name itself, a stranger and the template itself may not."""
    one, document = connection(**FAMILY), {**DOCUMENT, "issuer": FAMILY["issuer"]}
    good = {"code": "c", "iss": "https://idp.example/acme/v2.0"}
    assert answered(good, one=one, document=document).code == "c"
    for iss in ("https://idp.example/evil/v2.0", FAMILY["issuer"], ISSUER):
        assert reason({"code": "c", "iss": str(iss)}, one=one, document=document) == "iss_mismatch"


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
def test_any_answer_ends_as_an_answer_or_as_an_upstream_error(params: dict[str, str], mode: str) -> None:
    """Whatever comes back, nothing else is raised."""
    for how in ("query", "form_post", mode):
        for one in (connection(), front()):
            try:
                assert answered(params, one=one, mode=how)
            except UpstreamError as error:
                assert error.status == 400
