"""A connection's options, each with its rule."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from proxy.models import ConnectionOptions
from proxy.models.connection_options import FAMILIES

BASE = {"client_id": "isthmus", "discovery_url": "https://idp.example/"}


def keys(refused: pytest.ExceptionInfo[ValidationError]) -> list[str]:
    """The keys that were refused."""
    return [".".join(map(str, error["loc"])) for error in refused.value.errors()]


def options(**changes: Any) -> ConnectionOptions:
    """Options that are right, with changes."""
    return ConnectionOptions.model_validate({**BASE, **changes})


@pytest.mark.parametrize(
    "scope", ["", "profile", "openidx", "OPENID", "openid  profile", "openid\nprofile", 'openid "x"']
)
def test_a_scope_holds_openid_and_is_well_formed(scope: str) -> None:
    """Without openid the tenant answers OAuth, not OpenID Connect (Core 3.1.2.1)."""
    with pytest.raises(ValidationError) as refused:
        options(scope=scope)
    assert keys(refused) == ["scope"]


def test_the_guides_spelling_is_taken() -> None:
    """``scopes`` is read as ``scope``."""
    assert options(scopes="openid email").scopes == ("openid", "email")


@pytest.mark.parametrize(
    "algs",
    [(), ("HS256",), ("none",), ("RS256", "HS256"), ("RS256", "ES256"), ("ES256", "EdDSA"), ("rs256",), ("ES512",)],
)
def test_jo_02_a_connection_has_one_family_of_algorithms(algs: tuple[str, ...]) -> None:
    """JO-02: no symmetric algorithm, and never two kinds of keys: a public key cannot be used as a secret."""
    with pytest.raises(ValidationError) as refused:
        options(id_token_signed_response_algs=algs)
    assert keys(refused) == ["id_token_signed_response_algs"]


@pytest.mark.parametrize("family", ["RSA", "EC", "OKP"])
def test_jo_02_a_whole_family_is_taken(family: str) -> None:
    """JO-02: algorithms of one kind of key may stand together."""
    algs = tuple(alg for alg in FAMILIES if FAMILIES[alg] == family)
    assert options(id_token_signed_response_algs=algs).id_token_signed_response_algs == algs


@pytest.mark.parametrize(
    "icon", ["javascript:alert(1)", "data:text/html,x", 'https://x" onerror="y', "http://cdn.example/x.png"]
)
def test_lg_01_an_icon_is_an_https_address(icon: str) -> None:
    """LG-01: nothing else is an icon."""
    with pytest.raises(ValidationError) as refused:
        options(icon_url=icon)
    assert keys(refused) == ["icon_url"]


@pytest.mark.parametrize("field", ["domain_aliases", "trust", "allow_private"])
def test_cf_03_lists_hold_no_empty_strings(field: str) -> None:
    """CF-03: an empty entry never means everything."""
    with pytest.raises(ValidationError) as refused:
        options(**{field: [""]})
    assert keys(refused) == [field]


def test_cf_05_a_refusal_does_not_show_the_secret() -> None:
    """CF-05: the text of an error holds no value."""
    with pytest.raises(ValidationError) as refused:
        options(client_secret="geheimnis" * 100, type="geheimnis")
    assert "geheimnis" not in str(refused.value)


@pytest.mark.parametrize(
    ("given", "kept"), [(None, False), ({}, False), ({"active": False}, False), ({"active": True}, True)]
)
def test_tokens_are_kept_only_where_the_connection_says_so(given: dict[str, bool] | None, kept: bool) -> None:
    """``federated_connections_access_tokens``, in the shape Auth0 gives it; off by default."""
    assert options(type="back_channel", federated_connections_access_tokens=given).keeps_tokens is kept
    assert not options().keeps_tokens


@pytest.mark.parametrize("name", ["client_id", "redirect_uri", "state", "nonce", "scope", "response_type", "request"])
def test_rp_35_upstream_params_set_nothing_that_we_set(name: str) -> None:
    """RP-35: the request's own parameters are no extras."""
    with pytest.raises(ValueError, match="upstream_params"):
        options(upstream_params={name: {"value": "x"}})


@pytest.mark.parametrize("param", [{}, {"value": "x", "alias": "login_hint"}, {"alias": "password"}, {"value": 1}])
def test_an_upstream_param_is_a_value_or_an_alias(param: dict[str, Any]) -> None:
    """One of the two, and an alias only of what an application may send."""
    with pytest.raises(ValueError, match="upstream_params"):
        options(upstream_params={"x": param})


def test_auth0s_spellings_are_taken() -> None:
    """``s256`` in any case, ``null`` for the usual algorithms."""
    given = options(connection_settings={"pkce": "s256"}, id_token_signed_response_algs=None)
    assert given.connection_settings.pkce == "S256" and given.id_token_signed_response_algs == ("RS256",)


@pytest.mark.parametrize("name", ["a\x00b", "a\r\nb", "\x1b[31m", "a\u2028", "kl\u00fcb"])
def test_mg_13_a_client_id_is_printable(name: str) -> None:
    """MG-13: it is sent in addresses and headers, framed, logged and printed (RFC 6749 A.1)."""
    with pytest.raises(ValueError, match="client_id"):
        options(client_id=name)
