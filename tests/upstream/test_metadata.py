"""A discovery document is believed only for the issuer we expect, and only for endpoints we may speak to."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.oidc.errors import UpstreamError
from proxy.upstream.metadata import Incomplete, check_metadata, configured, document_url
from tests.upstream.conftest import DOCUMENT, ISSUER, WELL_KNOWN, connection, front


@pytest.mark.parametrize("given_url", [ISSUER, f"{ISSUER}/", WELL_KNOWN])
def test_the_document_is_found_from_a_base_or_a_full_url(given_url: str) -> None:
    """The guide takes either; a tenant in a path keeps its path."""
    assert document_url(connection(discovery_url=given_url).options) == WELL_KNOWN
    path = connection(discovery_url="https://idp.example/realms/a").options
    assert document_url(path) == "https://idp.example/realms/a/.well-known/openid-configuration"


EXPLICIT = {name: f"{ISSUER}/{name}" for name in ("authorization_endpoint", "token_endpoint", "jwks_uri")}


def test_explicit_endpoints_stand_instead_of_discovery() -> None:
    """With all that the channel needs nothing is fetched; with less, the issuer is asked."""
    whole = {"discovery_url": "", "issuer": ISSUER, **EXPLICIT}
    assert document_url(connection(**whole).options) == ""
    assert document_url(front(**{**whole, "token_endpoint": ""}).options) == ""
    assert document_url(connection(**{**whole, "token_endpoint": ""}).options) == WELL_KNOWN


def test_explicit_endpoints_stand_on_top_of_discovery() -> None:
    """One endpoint given: it wins; the others come from the document."""
    found = check_metadata(DOCUMENT, connection(token_endpoint="https://other.example/t"))
    assert (found.token_endpoint, found.jwks_uri) == ("https://other.example/t", f"{ISSUER}/jwks")


@pytest.mark.parametrize("issuer", [ISSUER, f"{ISSUER}/"])
def test_a_slash_at_the_end_is_the_tenants_choice(issuer: str) -> None:
    """Without a configured issuer the document says whether there is a slash; tokens must then agree byte for byte."""
    assert check_metadata({**DOCUMENT, "issuer": issuer}, connection()).issuer == issuer


ODD_ISSUERS = [
    None,
    "",
    5,
    [ISSUER],
    f"{ISSUER}//",
    f"{ISSUER}INVALID",
    "https://idp.example.evil.example",
    "https://IDP.example",
    "http://idp.example",
]


@pytest.mark.parametrize("issuer", ODD_ISSUERS, ids=lambda i: f"rp-23-{i}")
def test_rp_23_a_document_of_another_issuer_is_refused(issuer: Any) -> None:
    """RP-23: byte for byte; also the certification's discovery-issuer-mismatch."""
    with pytest.raises(UpstreamError) as caught:
        check_metadata({**DOCUMENT, "issuer": issuer}, connection())
    assert (caught.value.reason, caught.value.status) == ("metadata_issuer_mismatch", 502)


def test_rp_23_a_configured_issuer_is_exact() -> None:
    """RP-23: with ``options.issuer`` even the slash must agree, wherever the document is."""
    one = connection(discovery_url="https://cdn.example", issuer=ISSUER)
    assert check_metadata(DOCUMENT, one).issuer == ISSUER
    with pytest.raises(UpstreamError):
        check_metadata({**DOCUMENT, "issuer": f"{ISSUER}/"}, one)


def test_rp_03_an_issuer_template_is_no_wildcard() -> None:
    """RP-03: a template is another issuer than the base it was found at."""
    with pytest.raises(UpstreamError):
        check_metadata({**DOCUMENT, "issuer": ISSUER + "/{tenantid}/v2.0"}, connection())


BAD_ENDPOINTS = [
    "http://idp.example/t",
    "http://127.0.0.1/t",
    "ftp://idp.example/t",
    "file:///etc/passwd",
    "https://u:p@idp.example/",
    "//idp.example/t",
    "t",
    5,
    ["https://idp.example/t"],
    {},
    "https://idp.example/" + "x" * 3000,
    "javascript:alert(1)",
    "https://idp.example/t#f",
]


@pytest.mark.parametrize("url", BAD_ENDPOINTS, ids=lambda u: f"ss-07-{str(u)[:24]}")
@pytest.mark.parametrize("name", ["token_endpoint", "authorization_endpoint", "userinfo_endpoint", "jwks_uri"])
def test_rp_23_endpoints_must_be_https(name: str, url: Any) -> None:
    """RP-23, SS-07: no other scheme, no loopback of somebody else's, no user name."""
    with pytest.raises(UpstreamError) as caught:
        check_metadata({**DOCUMENT, name: url}, connection())
    assert caught.value.reason == f"bad_{name}"


def test_http_is_for_loopback_tenants() -> None:
    """SS-07: a tenant on loopback may have its endpoints there."""
    base = "http://127.0.0.1:9001"
    document = {name: value.replace(ISSUER, base) for name, value in DOCUMENT.items()}
    assert check_metadata(document, connection(discovery_url=base)).token_endpoint == f"{base}/token"


def test_what_the_channel_needs_is_named() -> None:
    """The list of what is missing is for the operator: all of it, by name."""
    with pytest.raises(Incomplete) as caught:
        check_metadata({"issuer": ISSUER}, connection())
    assert set(caught.value.missing) == {"authorization_endpoint", "jwks_uri", "token_endpoint"}
    with pytest.raises(Incomplete) as caught:
        check_metadata({"issuer": ISSUER}, front())
    assert set(caught.value.missing) == {"authorization_endpoint", "jwks_uri"}


@pytest.mark.parametrize("name", ["state", "nonce", "redirect_uri", "client_id", "response_type", "scope", "stat%65"])
def test_rp_35_an_endpoint_may_not_hold_our_parameters(name: str) -> None:
    """RP-35: a query of the tenant's own is kept, but not one that doubles what we set."""
    at = f"{ISSUER}/authorize?policy=p1"
    assert check_metadata({**DOCUMENT, "authorization_endpoint": at}, connection()).authorization_endpoint == at
    with pytest.raises(UpstreamError) as caught:
        check_metadata({**DOCUMENT, "authorization_endpoint": f"{at}&{name}=x"}, connection())
    assert caught.value.reason == "bad_authorization_endpoint"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda i: st.lists(i) | st.dictionaries(st.text(), i),
    max_leaves=4,
)
VALUES = JSON | st.sampled_from(
    [ISSUER, f"{ISSUER}/x", "https://[", "https://a:b", "https://\u2024/", "https://x:99999/"]
)
NAMES = [*DOCUMENT, "userinfo_endpoint", "response_types_supported", "token_endpoint_auth_methods_supported"]


@given(st.dictionaries(st.sampled_from(NAMES), VALUES), st.booleans())
def test_any_document_ends_as_metadata_or_as_an_upstream_error(changes: dict[str, Any], on_front: bool) -> None:
    """Whatever a hostile tenant writes, nothing else is raised."""
    try:
        found = check_metadata({**DOCUMENT, **changes}, front() if on_front else connection())
        assert found.issuer in (ISSUER, f"{ISSUER}/")
    except UpstreamError:
        pass


def test_metadata_in_the_configuration_wins_over_discovery() -> None:
    """``oidc_metadata``: nothing is fetched, it speaks for its own issuer, and explicit endpoints still win."""
    one = connection(oidc_metadata={**DOCUMENT, "issuer": "https://other.example"}, token_endpoint=f"{ISSUER}/t")
    assert document_url(one.options) == ""
    found = configured(one)
    assert (found.issuer, found.token_endpoint) == ("https://other.example", f"{ISSUER}/t")


@pytest.mark.parametrize("issuer", [None, "", 5, "https://evil.example"])
def test_rp_23_metadata_in_the_configuration_agrees_with_the_issuer_there(issuer: Any) -> None:
    """RP-23: of two names for the tenant neither is believed."""
    named = {**DOCUMENT, "issuer": issuer}
    with pytest.raises(UpstreamError):
        configured(connection(oidc_metadata=named, issuer=ISSUER))
    bare = {name: value for name, value in DOCUMENT.items() if name != "issuer"}
    assert configured(connection(oidc_metadata=bare, issuer=ISSUER)).issuer == ISSUER


def test_pushed_requests_as_the_document_says() -> None:
    """RFC 9126 5: where they go, and whether the tenant takes no other; a move of the address is a move of secrets."""
    more = {"pushed_authorization_request_endpoint": f"{ISSUER}/par", "require_pushed_authorization_requests": True}
    found = check_metadata({**DOCUMENT, **more}, connection())
    assert (found.pushed_authorization_request_endpoint, found.requires_pushed) == (f"{ISSUER}/par", True)
    assert found.origins["pushed_authorization_request_endpoint"] == ISSUER
    assert not check_metadata(
        {**DOCUMENT, "require_pushed_authorization_requests": "true"}, connection()
    ).requires_pushed


def test_rp_03_a_document_that_names_the_template_is_the_familys() -> None:
    """RP-03: byte for byte the configured template; a filled one is a tenant's, not the family's."""
    one = connection(issuer=f"{ISSUER}/{{tenantid}}", tenant_ids=["acme"])
    assert check_metadata({**DOCUMENT, "issuer": f"{ISSUER}/{{tenantid}}"}, one).issuer == f"{ISSUER}/{{tenantid}}"
    with pytest.raises(UpstreamError):
        check_metadata({**DOCUMENT, "issuer": f"{ISSUER}/acme"}, one)
