"""Every reason has words, for everybody who may hear it."""

from __future__ import annotations

from typing import Any

import pytest

from proxy.gateway.explain import Asking, Explained, find, rules
from proxy.gateway.routes import Routes
from proxy.settings import Settings
from tests.downstream.world import a_session
from tests.gateway.test_decide import connection, route


@pytest.mark.parametrize(
    ("allow", "profile", "reason", "words"),
    [
        ({}, {}, "allowed", "every rule holds"),
        ({"users": ["oidc|corp|bob"]}, {}, "user", "allow.users does not name them"),
        ({"email_domains": ["corp.example"]}, {"email": "a@x.example"}, "email_domain", "theirs is of x.example"),
        ({"email_domains": ["corp.example"]}, {}, "email_domain", "they have none that counts"),
        ({"groups": ["a", "b"]}, {"groups": ["c"]}, "group", "wants a or b; they are in c"),
        ({"groups": ["a"]}, {}, "group", "they are in none (attribute groups)"),
        ({"claims": {"x": 1, "y": True}}, {"x": 1}, "claim", "does not hold for y"),
        ({"connections": ["other"]}, {}, "connection", "wants other; they came through corp"),
        ({"acr": ["mfa"]}, {}, "acr", "another login is asked for, by mfa"),
        ({"plugin": True}, {}, "plugin", "a plugin decides"),
    ],
)
def test_why(allow: dict[str, Any], profile: dict[str, Any], reason: str, words: str) -> None:
    """The rule, what it wants and what the person has."""
    asking = Asking(a_session(profile=profile), {"corp": connection()}, "groups")
    said = asking.explained(route(allow), "/")
    assert (said.reason, said.allowed) == (reason, reason == "allowed") and words in said.words


def test_why_nobody_may() -> None:
    """Without a person, without the connection, with another method, and with a plugin's no."""
    person = a_session()
    assert Asking(None, {}, "groups").explained(route(), "/").words == "a login is needed"
    assert "corp is gone" in Asking(person, {}, "groups").explained(route(), "/").words
    assert (
        "POST is not taken: GET is" in Asking(None, {}, "groups", "POST").explained(route(methods=["GET"]), "/").words
    )
    assert "no app gets" in Asking(None, {}, "groups", "TRACE").explained(route(), "/").words
    asking = Asking(person, {"corp": connection()}, "groups", verdict=False)
    assert "no plugin says yes" in asking.explained(route({"plugin": True}), "/").words
    assert Asking(None, {}, "groups").explained(route(public_paths=["/x"]), "/x").allowed


def test_rules_in_words() -> None:
    """All of them."""
    allow = {
        "users": ["oidc|corp|ada"], "email_domains": ["a.example", "b.example"], "groups": ["g"],
        "claims": {"x": [1, "y"], "z": True}, "connections": ["corp"], "acr": ["mfa"], "plugin": True,
    }  # fmt: skip
    assert list(rules(route(allow))) == [
        "user is oidc|corp|ada", "email is of a.example or b.example", "group g", "x is 1 or y", "z is true",
        "came through corp", "logged in by mfa", "a plugin says yes",
    ]  # fmt: skip
    assert list(rules(route())) == []


@pytest.mark.parametrize(
    ("host", "target", "reason"),
    [
        ("app.example", "/a//b", "ambiguous_target"),
        ("app.example", "/../b", "target"),
        ("app.example", "/" + "a" * 9000, "target_size"),
        ("a@b", "/", "host"),
        ("other.example", "/", "no_route"),
        ("app.example", "/.isthmus/x", "own"),
        ("app.example", "/\u00e9", "target"),
    ],
)
def test_why_there_is_no_route(host: str, target: str, reason: str) -> None:
    """Each with words; what is no address never reaches a rule."""
    table = {"host": "app.example", "upstream": "http://127.0.0.1:1"}
    tenant = {"issuer": "https://login.example/"}
    routes = Routes(Settings.model_validate({"tenant": tenant, "gateway": {"routes": [table]}}))
    found = find(routes, host, target)
    assert isinstance(found, Explained) and found.reason == reason and found.words and not found.allowed
