"""A client's keys, each with its rule."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from proxy.models import Client
from proxy.models.client import STANDARD_SCOPES, response_type
from tests.models.test_checks import HOSTILE

SECRET = "k3jR8vQ2" * 4


def refused_keys(**values: Any) -> list[str]:
    """The keys that are refused in a client of these values."""
    with pytest.raises(ValidationError) as refused:
        Client.model_validate({"client_id": "webapp", **values})
    return [".".join(map(str, error["loc"])) for error in refused.value.errors()]


@pytest.mark.parametrize("uri", [*HOSTILE, "https://app.example/?code=1"])
def test_rg_02_hostile_destinations_are_refused(uri: str) -> None:
    """RG-02: one hostile address among good ones is enough."""
    assert refused_keys(redirect_uris=["https://app.example/cb", uri]) == ["redirect_uris"]


@pytest.mark.parametrize(
    "uri", ["javascript:alert(1)", "JaVaScRiPt:alert(1)", "java\tscript:x", "data:text/html,x", "http://app.example/"]
)
def test_lo_15_no_script_is_a_logout_target(uri: str) -> None:
    """LO-15: where a logout leads is checked like where a login leads."""
    assert refused_keys(post_logout_redirect_uris=[uri]) == ["post_logout_redirect_uris"]


@pytest.mark.parametrize(
    "value", [[1], [None], [["https://a.example/"]], "https://a.example/", 5, ["https://a.example/"] * 101]
)
def test_rg_02_destinations_are_a_list_of_text(value: Any) -> None:
    """RG-02: nested lists, numbers and lists without end are refused."""
    assert refused_keys(redirect_uris=value)[0].startswith("redirect_uris")


def test_az_33_a_scheme_of_its_own_is_for_public_clients() -> None:
    """AZ-33: a native app keeps no secret (RFC 8252 8.4)."""
    own = ["com.example.app:/callback"]
    assert Client(client_id="app", token_endpoint_auth_method="none", redirect_uris=tuple(own)).is_public
    assert refused_keys(client_secret=SECRET, redirect_uris=own) == ["redirect_uris"]


def test_az_05_a_destination_that_carries_a_code_is_not_registered() -> None:
    """AZ-05: the app might read the first of two codes."""
    assert refused_keys(redirect_uris=["https://app.example/cb?code=ATTACKER"]) == ["redirect_uris"]


def test_method_and_secret_agree() -> None:
    """A public client has no secret; without a method the secret decides."""
    assert refused_keys(token_endpoint_auth_method="none", client_secret=SECRET) == ["token_endpoint_auth_method"]
    assert Client(client_id="a", client_secret=SECRET).auth_method == "client_secret_basic"  # type: ignore[arg-type]
    assert Client(client_id="a").is_public


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("client_id", ""),
        ("client_id", "a b"),
        ("client_id", "ä"),
        ("client_name", "a<b"),
        ("client_name", "a\u202eb"),
        ("client_name", "x" * 129),
        ("grant_types", []),
        ("grant_types", ["password"]),
        ("response_types", ["token"]),
        ("response_types", ["code id_token"]),
        ("web_origins", ["https://app.example/"]),
        ("web_origins", ["https://app.example:443"]),
        ("web_origins", ["*"]),
        ("logo_uri", "javascript:alert(1)"),
        ("initiate_login_uri", "http://app.example/login"),
        ("request_uris", ["http://app.example/r#x"]),
        ("request_uris", ["https://app.example/" + "x" * 2048]),
        ("redirect_uris", ["https://app.example/" + "x" * 2048]),
        ("contacts", ["ops@app.example", ""]),
        ("contacts", ["x" * 255]),
        ("subject_type", "secret"),
        ("default_max_age", -1),
        ("token_endpoint_auth_method", "tls_client_auth"),
        ("scope", "openid  email"),
        ("jwks_uri", "http://app.example/jwks"),
        ("backchannel_logout_uri", "https://app.example/#x"),
        ("nothing", 1),
        ("grants", [{"audience": "https://api.example/"}] * 2),
    ],
)
def test_what_is_not_served_or_not_safe_is_refused(field: str, value: Any) -> None:
    """Each key by itself, and a grant for which a client must prove who it is."""
    assert refused_keys(**{field: value}) == [field]


@pytest.mark.parametrize("audience", ["", "api", "https://api.example/#f", "https://api .example/"])
def test_an_audience_is_an_absolute_uri(audience: str) -> None:
    """RFC 8707 2; an empty one would fit everywhere."""
    assert refused_keys(grants=[{"audience": audience}]) == ["grants.0.audience"]


def test_nothing_is_granted_by_default() -> None:
    """An API that is not listed is not there."""
    client = Client.model_validate({"client_id": "a", "grants": [{"audience": "urn:api", "scopes": ["read:x"]}]})
    assert client.api("urn:other") is None
    assert client.api("urn:api") is not None


@pytest.mark.parametrize(
    ("asked", "usual"),
    [
        ("code", "code"),
        ("token id_token", "id_token token"),
        ("token id_token code", "code id_token token"),
        ("token", "token"),
        ("code code", "code code"),
        ("", ""),
    ],
)
def test_the_order_of_a_response_types_words_says_nothing(asked: str, usual: str) -> None:
    """RFC 6749 3.1.1: one spelling for each type we know; what we do not know stays as it is."""
    assert response_type(asked) == usual


def test_response_types_are_kept_in_their_usual_spelling() -> None:
    """Each once."""
    both = ["id_token token", "token id_token", "code"]
    client = Client.model_validate({"client_id": "a", "grant_types": ["implicit"], "response_types": both})
    assert client.response_types == ("id_token token", "code")


def test_scopes_are_the_standard_ones_in_their_order() -> None:
    """Without ``scope`` all of them; words we do not know are no standard scopes."""
    assert Client(client_id="a").scopes == STANDARD_SCOPES
    assert Client(client_id="a", scope="email read:x openid").scopes == ("openid", "email")


def test_a_page_calls_it_by_its_name_or_else_by_its_id() -> None:
    """Never an empty title."""
    assert (Client(client_id="a").label, Client(client_id="a", client_name="Wiki").label) == ("a", "Wiki")
