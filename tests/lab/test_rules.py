"""The healthy tenant's rules, without a server."""

from __future__ import annotations

import pytest

from proxy.lab import rules
from proxy.lab.people import PEOPLE
from proxy.lab.rooms import Grant, LabClient, Login

CLIENT = LabClient("rp", ("https://rp.example/cb",), "secret")
LOGIN = Login(PEOPLE[0], at=1000, sid="s1")


def asked(**changes: str) -> rules.Asked:
    """A checked request."""
    params = {"redirect_uri": CLIENT.redirect_uris[0], "response_type": "code", "scope": "openid", **changes}
    return rules.check_request(params, CLIENT)


@pytest.mark.parametrize(
    ("changes", "login", "now", "must"),
    [
        ({}, None, 1000, True),
        ({}, LOGIN, 9999, False),
        ({"prompt": "login"}, LOGIN, 1000, True),
        ({"prompt": "select_account"}, LOGIN, 1000, True),
        ({"prompt": "none"}, LOGIN, 1000, False),
        ({"max_age": "60"}, LOGIN, 1060, False),
        ({"max_age": "60"}, LOGIN, 1061, True),
        ({"max_age": "0"}, LOGIN, 1001, True),
    ],
)
def test_when_a_person_is_asked(changes: dict[str, str], login: Login | None, now: int, must: bool) -> None:
    """Without a login, when a fresh one is wanted, or when the one there is too old (Core 3.1.2.1)."""
    assert rules.must_ask(asked(**changes), login, now) is must


def test_an_id_token_says_what_core_2_wants() -> None:
    """The required claims, auth_time of the login, nonce only if there was one, at_hash only beside an access token."""
    grant = Grant(CLIENT, LOGIN, ("openid", "email"), expires=0, nonce="n")
    claims = rules.id_token("https://op.example/", grant, 2000, "dNZX1hEZ9wBCzNL40Upu646bdzQA")
    assert claims["at_hash"] == "wfgvmE9VxjAudsl9lc6TqA"
    want = {"iss": "https://op.example/", "sub": "mira", "aud": "rp", "iat": 2000, "auth_time": 1000, "nonce": "n"}
    assert {name: claims[name] for name in want} == want
    assert claims["exp"] > 2000 and claims["email"] == "mira@corp.example" and "name" not in claims
    plain = rules.id_token("https://op.example/", Grant(CLIENT, LOGIN, ("openid",), 0), 2000)
    assert not {"nonce", "at_hash", "email"} & set(plain)


def test_the_metadata_names_what_is_there() -> None:
    """Both channels of Isthmus find what they need, and nothing is promised that the rules refuse."""
    said = rules.metadata("https://op.example/", ["name"], ["profile"])
    assert set(said["response_types_supported"]) == set(rules.RESPONSE_TYPES)
    assert "form_post" in said["response_modes_supported"] and said["code_challenge_methods_supported"] == ["S256"]
    assert not any(said[f"{name}_parameter_supported"] for name in ("request", "request_uri", "claims"))
