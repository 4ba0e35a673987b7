"""Client metadata: what is refused, what is ignored, what is added. One reader for create and update."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from proxy.downstream.client_metadata import ADDRESSES, House, as_metadata, needs_readable_secret, needs_secret, read
from proxy.downstream.client_metadata import read_operators as by_operator
from proxy.models import Client
from proxy.models.client import STANDARD_SCOPES
from proxy.oidc.errors import Refused
from tests.kit.tenant import signer
from tests.models.test_checks import HOSTILE

HOUSE = House("https://sso.example/", ("RS256", "PS256"))
AT_HOME = House("http://127.0.0.1:9000/", ("RS256", "PS256"))
CALLBACK = "https://app.example/cb"
RSA = {name: value for name, value in signer("client").public_jwk.items() if name != "kid"}
OTHER = dict(signer("other").public_jwk)
P256 = dict(signer("p256", "ES256").public_jwk)
LINKS = ("client_uri", "logo_uri", "policy_uri", "tos_uri", "initiate_login_uri")
SMALL_EXPONENT = {**RSA, "e": "AQ"}

Read = Callable[[dict[str, Any]], Client]


def create(body: dict[str, Any]) -> Client:
    """A registration."""
    return read(body, "tpc_1", HOUSE)


def update(body: dict[str, Any]) -> Client:
    """A change of a client that was clean."""
    return read(body, "tpc_1", HOUSE, current=create({"redirect_uris": [CALLBACK]}))


def refusal(register: Read, **changes: Any) -> tuple[str, str]:
    """The code and the key at fault."""
    with pytest.raises(Refused) as refused:
        register({"redirect_uris": [CALLBACK], **changes})
    assert refused.value.status == 400
    return refused.value.code, refused.value.description.split(" ")[0].partition("[")[0]


def good(**changes: Any) -> Client:
    """A client that is accepted."""
    return create({"redirect_uris": [CALLBACK], **changes})


both = pytest.mark.parametrize("register", [create, update])


@both
@pytest.mark.parametrize(
    "uris",
    [
        *([uri] for uri in HOSTILE),
        [CALLBACK, "https://10.0.0.1/"],
        ["https://[fd00::1]/cb"],
        ["https://169.254.169.254/"],
        [CALLBACK + "?code=1"],
        [[CALLBACK]],
        [7],
        [None],
        CALLBACK,
        {"0": CALLBACK},
        7,
        None,
        [],
        [f"{CALLBACK}{n}" for n in range(10_000)],
        [CALLBACK + "x" * 2048],
    ],
    ids=lambda uris: str(uris)[:40],
)
def test_rg_02_rg_06_hostile_redirect_uris(register: Read, uris: Any) -> None:
    """RG-02, RG-06: script schemes, user names, wildcards, fragments, inner addresses, wrong types and floods are
    ``invalid_redirect_uri``, whether the client is new or changed."""
    assert refusal(register, redirect_uris=uris) == ("invalid_redirect_uri", "redirect_uris")


@both
@pytest.mark.parametrize("name", LINKS)
@pytest.mark.parametrize(
    "uri",
    ["javascript:alert(1)", "JaVaScRiPt:alert(1)", "data:text/html,x", "http://app.example/", "http://127.0.0.1/", "x"],
)
def test_rg_03_rg_06_script_in_display_links(register: Read, name: str, uri: str) -> None:
    """RG-03, RG-06: what a page links to, and where it sends a person, is https."""
    assert refusal(register, **{name: uri}) == ("invalid_client_metadata", name)


@both
@pytest.mark.parametrize("uri", ["https://10.0.0.1/x", "https://[fd00::1]/x", "https://169.254.169.254/x"])
@pytest.mark.parametrize("name", [*ADDRESSES, "request_uris"])
def test_rg_02_rg_06_no_address_of_a_private_network(register: Read, name: str, uri: str) -> None:
    """RG-02, RG-06, LO-13: neither we nor a person's browser is sent to what the client cannot own, by no key."""
    value = [uri] if name == "request_uris" else uri
    assert refusal(register, **{name: value}) == ("invalid_client_metadata", name)


@both
@pytest.mark.parametrize("name", ["<b>Bank</b>", "Bank\u202egro", "Ba\u200bnk", "Bank\n", "x" * 10_240, 7, ["x"]])
def test_rg_03_rg_06_a_name_is_plain_words(register: Read, name: Any) -> None:
    """RG-03, RG-06: no tags, no control or direction characters, no end of length, nothing but text."""
    assert refusal(register, client_name=name) == ("invalid_client_metadata", "client_name")


@both
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("client_id", "webapp"),
        ("client_secret", "chosen by the client itself, and long"),
        ("client_secret_previous", "x" * 40),
        ("client_secret_expires_at", 0),
        ("client_id_issued_at", 1),
        ("registration_access_token", "x"),
        ("registration_client_uri", "https://evil.example/"),
        ("is_first_party", True),
        ("is_first_party", "true"),
        ("grants", [{"audience": "https://api.example/"}]),
        ("logout_revokes_offline", False),
        ("grant_types", ["authorization_code", "client_credentials"]),
        ("grant_types", ["client_credentials", "password"]),
        ("grant_types", ["urn:ietf:params:oauth:grant-type:token-exchange"]),
        ("scope", "read:users update:clients"),
        ("scope", "openid  profile"),
        ("scope", ""),
    ],
)
def test_rg_05_rg_06_privileged_metadata(register: Read, name: str, value: Any) -> None:
    """RG-05, RG-06: what only we or the operator say of a client is refused, new or changed."""
    assert refusal(register, **{name: value}) == ("invalid_client_metadata", name)


def test_rg_05_a_registered_client_starts_with_the_least_rights() -> None:
    """RG-05: unknown keys are ignored, and so are localised ones (RFC 7591 2, 2.2); what is not said is the least."""
    client = good(
        skip_consent=True,
        allowed_audiences=["x"],
        signing_key="k",
        _tenant="t",
        software_id="s",
        **{"client_name#de": "<b>"},
    )
    assert (client.is_first_party, client.grants, client.id_token_claims) == (False, (), "lean")
    assert client.auth_method == "client_secret_basic" and client.scopes == STANDARD_SCOPES
    assert not {"skip_consent", "_tenant", "client_name#de"} & set(as_metadata(client))


def test_rg_06_an_update_keeps_what_the_operator_gave_and_takes_no_more() -> None:
    """RG-06: a client that an operator widened can change itself without losing that, and without adding to it."""
    widened = good().model_copy(update={"grant_types": ("client_credentials",), "logout_revokes_offline": True})
    body = {"redirect_uris": [CALLBACK], "grant_types": ["authorization_code", "client_credentials"]}
    changed = read(body, "tpc_1", HOUSE, current=widened)
    assert changed.logout_revokes_offline and "client_credentials" in changed.grant_types
    assert not read({"redirect_uris": [CALLBACK]}, "tpc_1", HOUSE, current=changed).is_first_party


@both
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("require_auth_time", "true"),
        ("require_auth_time", 1),
        ("default_max_age", "60"),
        ("default_max_age", 1.5),
        ("default_max_age", -1),
        ("application_type", "desktop"),
        ("contacts", "ops@app.example"),
        ("contacts", ["x" * 300]),
        ("response_types", "code"),
        ("grant_types", {"a": 1}),
        ("grant_types", [["authorization_code"]]),
        ("token_endpoint_auth_method", "tls_client_auth"),
        ("jwks", "https://app.example/jwks"),
        ("subject_type", 7),
        ("request_uris", ["http://app.example/r#h"]),
        ("request_uris", ["http://localhost/r"]),
        ("backchannel_logout_uri", "http://app.example/bye"),
        ("post_logout_redirect_uris", 7),
        ("web_origins", ["*"]),
    ],
)
def test_rg_06_a_changed_type_is_refused_by_name(register: Read, name: str, value: Any) -> None:
    """RG-06: strict types: nothing is taken for what it is not."""
    code = "invalid_redirect_uri" if name == "post_logout_redirect_uris" else "invalid_client_metadata"
    assert refusal(register, **{name: value}) == (code, name)


@both
@pytest.mark.parametrize(
    "jwks",
    [
        {},
        {"keys": []},
        {"keys": "x"},
        {"keys": [7]},
        {"keys": [{**RSA, "d": "AQAB"}]},
        {"keys": [{"kty": "oct", "k": "c2VjcmV0"}]},
        {"keys": [{**RSA, "n": RSA["n"][:86]}]},
        {"keys": [{**RSA, "n": "v" * 2731}]},
        {"keys": [SMALL_EXPONENT]},
        {"keys": [{**P256, "y": P256["x"]}]},
        {"keys": [RSA] * 1000},
        {"keys": [{**RSA, "kid": "a"}, {**OTHER, "kid": "a"}]},
        {"keys": [{**RSA, "x5u": "https://app.example/cert"}]},
    ],
    ids=lambda jwks: str(jwks)[:40],
)
def test_rg_09_hostile_jwks(register: Read, jwks: Any) -> None:
    """RG-09: private, symmetric, weak, huge, malformed, doubled keys, certificates by address, and floods."""
    assert refusal(register, jwks=jwks) == ("invalid_client_metadata", "jwks")


def test_rg_09_keys_by_value_and_by_address_exclude_each_other() -> None:
    """RG-09, RFC 7591 2: two places for one thing."""
    both_places = {"jwks": {"keys": [RSA]}, "jwks_uri": "https://app.example/jwks"}
    assert refusal(create, **both_places) == ("invalid_client_metadata", "jwks_uri")


@both
@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"grant_types": ["implicit"], "response_types": ["code"]}, "response_types"),
        ({"grant_types": ["implicit"]}, "response_types"),
        ({"response_types": []}, "response_types"),
        ({"response_types": ["id_token"]}, "response_types"),
        ({"response_types": ["token"]}, "response_types"),
        ({"token_endpoint_auth_method": "none", "grant_types": ["client_credentials"]}, "grant_types"),
        ({"token_endpoint_auth_method": "private_key_jwt"}, "jwks_uri"),
        ({"id_token_signed_response_alg": "none"}, "id_token_signed_response_alg"),
        ({"id_token_signed_response_alg": "ES256"}, "id_token_signed_response_alg"),
        ({"userinfo_signed_response_alg": "EdDSA"}, "userinfo_signed_response_alg"),
        ({"introspection_signed_response_alg": "HS256"}, "introspection_signed_response_alg"),
        ({"request_object_signing_alg": "none"}, "request_object_signing_alg"),
        (
            {"token_endpoint_auth_method": "none", "id_token_signed_response_alg": "HS256"},
            "id_token_signed_response_alg",
        ),
    ],
)
def test_rg_10_inconsistent_metadata(register: Read, changes: dict[str, Any], key: str) -> None:
    """RG-10: what contradicts itself, or asks for what we do not do, is named."""
    assert refusal(register, **changes) == ("invalid_client_metadata", key)


def test_a_private_scheme_needs_a_public_client() -> None:
    """RFC 8252 8.4: without a word the client has a secret, which no app on a phone can keep."""
    own = ["com.example.app:/cb"]
    assert refusal(create, redirect_uris=own) == ("invalid_redirect_uri", "redirect_uris")
    assert good(redirect_uris=own, token_endpoint_auth_method="none", application_type="native").is_public


@pytest.mark.parametrize("uri", ["http://localhost/cb", "https://localhost/cb", "http://127.0.0.1/cb"])
def test_tokens_in_an_address_need_tls_and_a_host(uri: str) -> None:
    """OpenID Connect Registration 2: a web client with implicit registers https and no localhost; a native one may."""
    front = {"redirect_uris": [uri], "grant_types": ["implicit"], "response_types": ["id_token"]}
    assert refusal(create, **front) == ("invalid_redirect_uri", "redirect_uris")
    assert create({**front, "application_type": "native"}).redirect_uris == (uri,)
    assert read(front, "tpc_1", AT_HOME).redirect_uris == (uri,)


def test_http_on_loopback_is_fine_where_we_are_there_too() -> None:
    """Everything on one machine, for development."""
    links = dict.fromkeys(LINKS, "http://127.0.0.1:9002/x")
    assert read({"redirect_uris": [CALLBACK], **links}, "tpc_1", AT_HOME).logo_uri == "http://127.0.0.1:9002/x"


def test_a_client_with_codes_may_have_refresh_tokens() -> None:
    """oidcc-refresh-token: ``offline_access`` works without being registered by another name; others are left alone."""
    assert good().grant_types == ("authorization_code", "refresh_token")
    assert good(grant_types=["refresh_token", "authorization_code"]).grant_types[0] == "refresh_token"
    front = good(grant_types=["implicit"], response_types=["id_token", "token id_token"])
    assert front.grant_types == ("implicit",) and front.response_types == ("id_token", "id_token token")


def test_what_certification_registers_is_accepted_and_echoed() -> None:
    """oidcc-server and others: contacts, and a key without a name for a client with a secret, too."""
    sent = {
        "client_name": "oidcc test",
        "grant_types": ["authorization_code", "implicit"],
        "jwks": {"keys": [RSA]},
        "token_endpoint_auth_method": "client_secret_basic",
        "response_types": ["code id_token"],
        "redirect_uris": [CALLBACK, CALLBACK + "?dummy1=lorem&dummy2=ipsum"],
        "contacts": ["certification@oidf.example"],
    }
    echoed = as_metadata(create(sent))
    assert {name: echoed[name] for name in sent if name != "grant_types"} == {
        name: value for name, value in sent.items() if name != "grant_types"
    }
    assert echoed["grant_types"] == ["authorization_code", "implicit", "refresh_token"]
    assert echoed["scope"] == " ".join(STANDARD_SCOPES)


def test_the_echo_can_be_sent_back() -> None:
    """RFC 7592 2.2: a client changes itself by sending all of what it was told, but for what we made."""
    client = good(jwks={"keys": [RSA]}, default_max_age=0, scope="openid email")
    assert update(as_metadata(client)) == client


def test_null_is_absent() -> None:
    """RFC 7592 2.2: a key set to null is one that is left out."""
    assert good(client_name=None, jwks=None, is_first_party=None).client_name == ""


def test_metadata_has_an_end() -> None:
    """DS-14: what one client may keep here is bounded."""
    stuffed = {"keys": [{**RSA, "x5c": ["A" * 70_000]}]}
    with pytest.raises(Refused, match="larger than 65536 bytes"):
        good(jwks=stuffed)


@pytest.mark.parametrize(
    ("changes", "shared", "readable"),
    [
        ({}, True, False),
        ({"token_endpoint_auth_method": "client_secret_jwt"}, True, True),
        ({"id_token_signed_response_alg": "HS256"}, True, True),
        ({"token_endpoint_auth_method": "private_key_jwt", "jwks": {"keys": [RSA]}}, False, False),
        (
            {
                "token_endpoint_auth_method": "private_key_jwt",
                "jwks": {"keys": [RSA]},
                "id_token_signed_response_alg": "HS256",
            },
            True,
            True,
        ),
        ({"token_endpoint_auth_method": "none"}, False, False),
    ],
)
def test_rg_11_who_gets_a_secret_and_who_a_readable_one(changes: dict[str, Any], shared: bool, readable: bool) -> None:
    """RG-11: readable only where signatures are made with it."""
    client = good(**changes)
    assert (needs_secret(client), needs_readable_secret(client)) == (shared, readable)


def test_the_operator_may_say_more_and_hears_of_a_misspelt_name() -> None:
    """The same rules but for rights; an unknown key is a mistake of somebody who can correct it."""
    body = {"redirect_uris": ["https://10.0.0.5/cb"], "is_first_party": True, "grants": [{"audience": "urn:api"}]}
    client = by_operator({**body, "grant_types": ["authorization_code", "client_credentials"]}, "tpc_1", HOUSE)
    assert client.is_first_party and client.api("urn:api")
    assert as_metadata(client, operator=True)["is_first_party"] is True
    for changes, said in (
        ({"client_nam": "x"}, "did you mean client_name"),
        ({"redirect_uris": [CALLBACK + "#f"]}, "redirect_uris must have no fragment"),
        ({"client_secret": "x" * 40}, "is made here"),
        ({"tos_uri": "http://127.0.0.1/"}, "must begin with https"),
    ):
        with pytest.raises(Refused, match=said):
            by_operator({**body, **changes}, "tpc_1", HOUSE)
