"""What was sent becomes a connection that follows the file's rules, or one line says which it breaks."""

from __future__ import annotations

from typing import Any

import pytest

from proxy.management import reading
from proxy.oidc.errors import Refused
from proxy.roster import Entry
from tests.management.world import BODY, ISSUER, OPTIONS, SECRET

LOOPBACK = "http://127.0.0.1:9000/"


def entry(**options: Any) -> Entry:
    """A connection that is there."""
    sent = {**BODY, "options": {**BODY["options"], **options}}  # type: ignore[dict-item]
    draft = reading.new(sent, ISSUER)
    return Entry("con_0123456789abcdef", draft.connection, b"1", draft.extra)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"scope": "profile"}, 'options.scope must contain "openid"'),
        ({"scope": "openid", "scopes": "openid email"}, "options.scopes says something else"),
        ({"client_id": None}, "Missing required property: client_id"),
        ({"client_id": 7}, "options.client_id must be a string"),
        ({"client_id": "x" * 256}, "options.client_id must have at most 255 characters"),
        ({"client_secret": ""}, "options.client_secret is empty or a placeholder"),
        ({"client_secret": "   "}, "options.client_secret is empty or a placeholder"),
        ({"client_secret": "changeme"}, "options.client_secret is empty or a placeholder"),
        ({"client_secret": 7}, "options.client_secret"),
        ({"discovery_url": None}, "options.discovery_url is missing"),
        ({"discovery_url": "http://idp.example"}, "options.discovery_url must begin with https://"),
        ({"discovery_url": "http://127.0.0.1:9001"}, "options.discovery_url must begin with https://"),
        ({"discovery_url": "https://u:p@idp.example"}, "options.discovery_url must not hold a user name"),
        ({"icon_url": "javascript:alert(1)"}, "options.icon_url"),
        ({"type": "side_channel"}, "options.type must be"),
        ({"own_callback": "yes"}, "options.own_callback must be true or false"),
        ({"domain_aliases": "corp.example"}, "options.domain_aliases must be a list"),
        ({"domain_aliases": ["*.example"]}, "options.domain_aliases"),
        ({"attribute_map": []}, "options.attribute_map must be an object"),
        ({"attribute_map": {"nonsense": 1}}, "Additional properties not allowed: nonsense"),
        ({"id_token_signed_response_algs": ["none"]}, "options.id_token_signed_response_algs"),
        ({"connection_settings": {"pkce": "plain"}}, "options.connection_settings.pkce"),
        ({"token_endpoint_auth_method": "none"}, "options.token_endpoint_auth_method"),
        ({"upstream_params": {"state": {"value": "x"}}}, "options.upstream_params"),
        ({"unknown": "x" * 20_000}, "options holds more than"),
    ],
)
def test_a_broken_rule_is_one_line_that_names_the_key(options: dict[str, Any], said: str) -> None:
    """The models and rules of the file; no value is repeated."""
    with pytest.raises(Refused) as told:
        reading.new({**BODY, "options": {**BODY["options"], **options}}, ISSUER)  # type: ignore[dict-item]
    assert told.value.status == 400 and told.value.code == "invalid_body"
    assert said in told.value.description and "alert" not in told.value.description


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"name": None}, "name must be a string"),
        ({"name": "a--b"}, "name must be letters, digits and single hyphens"),
        ({"name": "x" * 129}, "name must have at most 128 characters"),
        ({"strategy": "samlp"}, "strategy must be 'oidc'"),
        ({"display_name": "a\u202eb"}, "display_name"),
        ({"realms": [str(n) for n in range(11)]}, "realms must have at most 10 entries"),
        ({"metadata": {"a": "x" * 256}}, "metadata"),
        ({"enabled_clients": [""]}, "enabled_clients"),
        ({"authentication": {"active": False}}, 'authentication can only be {"active": true} here'),
        ({"connected_accounts": {"active": True}}, "connected_accounts can only be"),
    ],
)
def test_what_stands_beside_the_options_follows_rules_too(changes: dict[str, Any], said: str) -> None:
    """Names, limits and lists as at Auth0."""
    with pytest.raises(Refused) as told:
        reading.new({**BODY, **changes}, ISSUER)
    assert said in told.value.description


@pytest.mark.parametrize("name", ["name", "strategy", "options"])
def test_what_is_missing_is_named(name: str) -> None:
    """In Auth0's words."""
    with pytest.raises(Refused, match=f"Missing required property: {name}"):
        reading.new({key: value for key, value in BODY.items() if key != name}, ISSUER)


def test_http_is_for_loopback_alone() -> None:
    """A tenant on this machine may be named by http while we are on this machine too."""
    sent = {**BODY, "options": {**OPTIONS, "discovery_url": "http://127.0.0.1:9001", "client_secret": SECRET}}
    assert reading.new(sent, LOOPBACK).connection.options.discovery_url == "http://127.0.0.1:9001"


def test_null_is_the_usual_value() -> None:
    """As Auth0 and its SDKs send it; and what only describes how it is, is taken."""
    sent = {**BODY, "options": {**BODY["options"], "icon_url": None, "attribute_map": None}}  # type: ignore[dict-item]
    draft = reading.new({**sent, "authentication": {"active": True}, "connected_accounts": {"active": False}}, ISSUER)
    assert draft.connection == reading.new(BODY, ISSUER).connection and draft.warnings == ()


def test_a_back_channel_without_a_secret_is_taken_and_told() -> None:
    """As the guide's last request has it; with a method it is no surprise."""
    [warning] = reading.new({**BODY, "options": OPTIONS}, ISSUER).warnings
    assert "client_secret is missing" in warning
    quiet = {**OPTIONS, "token_endpoint_auth_method": "none"}
    assert reading.new({**BODY, "options": quiet}, ISSUER).warnings == ()


def test_a_secret_stays_where_options_are_sent_without_it() -> None:
    """Nobody can read it and send it again; null takes it away, another one takes its place."""
    before = entry(client_secret_previous="of-before")
    kept = reading.changed(
        before, {"options": {**OPTIONS, "icon_url": "https://x.example/i"}}, ISSUER
    ).connection.options
    assert (kept.client_secret, kept.client_secret_previous) == (
        before.connection.options.client_secret,
        before.connection.options.client_secret_previous,
    )
    gone = reading.changed(before, {"options": {**OPTIONS, "client_secret": None}}, ISSUER).connection.options
    assert gone.client_secret is None and gone.client_secret_previous is None
    new = reading.changed(before, {"options": {**OPTIONS, "client_secret": "another"}}, ISSUER).connection.options
    assert new.client_secret is not None and new.client_secret.get_secret_value() == "another"


@pytest.mark.parametrize(
    "moved",
    [
        {"discovery_url": "https://evil.example"},
        {"token_endpoint": "https://evil.example/t"},
        {"issuer": "https://evil.example"},
        {"oidc_metadata": {"token_endpoint": "https://evil.example/t"}},
        {"pushed_authorization_request_endpoint": "https://evil.example/p"},
        {"client_id": "another"},
    ],
)
def test_mg_03_ss_13_a_secret_does_not_go_where_another_address_leads(moved: dict[str, Any]) -> None:
    """MG-03, SS-13: who may change an address cannot learn the secret by it: it must be sent again, or is gone."""
    with pytest.raises(Refused, match="client_secret is needed again"):
        reading.changed(entry(), {"options": {**OPTIONS, **moved}}, ISSUER)
    public = {**OPTIONS, **moved, "token_endpoint_auth_method": "none"}
    assert reading.changed(entry(), {"options": public}, ISSUER).connection.options.client_secret is None


def test_a_change_leaves_the_rest() -> None:
    """Options that are not sent stay, those that nobody knows too; a fixed key or no key at all is refused."""
    before = entry(schema_version=2)
    draft = reading.changed(before, {"show_as_button": False}, ISSUER)
    assert draft.connection.options == before.connection.options and draft.extra == {"schema_version": 2}
    assert not draft.connection.show_as_button
    for values in ({}, {"name": "x"}, {"strategy": "oidc"}):
        with pytest.raises(Refused):
            reading.changed(before, values, ISSUER)


@pytest.mark.parametrize(
    "sent",
    [
        {"realms": ["x" * 900_000]},
        {"options": {**OPTIONS, "non_persistent_attrs": ["x" * 900_000]}},
        {"enabled_clients": ["x" * 900_000]},
    ],
)
def test_mg_14_no_word_of_a_list_is_endless(sent: Any) -> None:
    """MG-14: every node keeps every connection in memory."""
    with pytest.raises(Refused, match="characters"):
        reading.new({**BODY, **sent}, ISSUER)


def test_mg_14_what_is_repeated_is_kept_once() -> None:
    """MG-14: a list of nine algorithms is not a list of a hundred thousand."""
    sent = {**BODY, "options": {**OPTIONS, "id_token_signed_response_algs": ["RS256", "PS256"] * 50_000}}
    assert reading.new(sent, ISSUER).connection.options.id_token_signed_response_algs == ("RS256", "PS256")
