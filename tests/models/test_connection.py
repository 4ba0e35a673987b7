"""A connection's keys, each with its rule."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from proxy.models import Client, Connection, ConnectionOptions
from proxy.models.connection import serves
from proxy.models.connection_options import FAMILIES

BASE = {"client_id": "isthmus", "discovery_url": "https://idp.example/"}


def keys(refused: pytest.ExceptionInfo[ValidationError]) -> list[str]:
    """The keys that were refused."""
    return [".".join(map(str, error["loc"])) for error in refused.value.errors()]


def options(**changes: Any) -> ConnectionOptions:
    """Options that are right, with changes."""
    return ConnectionOptions.model_validate({**BASE, **changes})


@pytest.mark.parametrize("name", ["corp", "a", "A-1", "x" * 128])
def test_names_that_fit_in_a_path(name: str) -> None:
    """Letters, digits, single hyphens."""
    assert Connection(name=name, options=options()).label == name


@pytest.mark.parametrize("name", ["", "-a", "a-", "a--b", "a b", "a/b", "a.b", "a_b", "ä", "a\n", "x" * 129, ".."])
def test_names_that_do_not(name: str) -> None:
    """A name is part of addresses and of user ids."""
    with pytest.raises(ValidationError) as refused:
        Connection(name=name, options=options())
    assert keys(refused) == ["name"]


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


@pytest.mark.parametrize("text", ["a\u202eb", "x" * 129, "a\x07"])
def test_lg_01_a_display_name_is_plain_words(text: str) -> None:
    """LG-01: of a sensible length, without characters that turn a line around."""
    with pytest.raises(ValidationError) as refused:
        Connection(name="corp", display_name=text, options=options())
    assert keys(refused) == ["display_name"]


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
    ("client", "more", "good"),
    [
        pytest.param("webapp", {}, True, id="enabled"),
        pytest.param("other", {}, False, id="rp-21-not-enabled"),
        pytest.param("web", {}, False, id="rp-21-prefix"),
        pytest.param("tpc_x", {"is_first_party": False}, False, id="rp-21-registered"),
    ],
)
def test_whom_a_connection_serves(client: str, more: dict[str, Any], good: bool) -> None:
    """RP-21: the clients it is enabled for, exactly."""
    corp = Connection(name="corp", enabled_clients=("webapp",), options=options())
    assert serves(corp, Client(client_id=client, **more)) is good


def test_rp_21_a_connection_serves_nobody_by_default() -> None:
    """RP-21: without ``enabled_clients`` there is no client it serves, and none at all once it is gone."""
    webapp = Client(client_id="webapp")
    assert not serves(Connection(name="corp", options=options()), webapp) and not serves(None, webapp)


def test_a_domain_connection_is_open_to_clients_of_others() -> None:
    """``is_domain_connection``: clients that are not the operator's own come through it; the operator's by name."""
    corp = Connection(name="corp", is_domain_connection=True, options=options())
    assert serves(corp, Client(client_id="tpc_x", is_first_party=False))
    assert not serves(corp, Client(client_id="webapp"))


def test_a_domain_connection_is_open_to_every_client_that_is_not_in_the_file() -> None:
    """Those registered with an operator's token are its own, and come from outside all the same."""
    corp = Connection(name="corp", is_domain_connection=True, options=options())
    assert serves(corp, Client(client_id="tpc_x", is_first_party=True))
    assert not serves(Connection(name="corp", options=options()), Client(client_id="tpc_x", is_first_party=True))


@pytest.mark.parametrize(
    ("given", "kept"), [(None, False), ({}, False), ({"active": False}, False), ({"active": True}, True)]
)
def test_tokens_are_kept_only_where_the_connection_says_so(given: dict[str, bool] | None, kept: bool) -> None:
    """``federated_connections_access_tokens``, in the shape Auth0 gives it; off by default."""
    assert options(type="back_channel", federated_connections_access_tokens=given).keeps_tokens is kept
    assert not options().keeps_tokens
