"""The healthy tenant's rules, without a server."""

from __future__ import annotations

import pytest

from proxy.lab import rules
from proxy.lab.people import PEOPLE
from proxy.lab.rooms import Grant, LabClient, Login
from proxy.oidc.errors import Refused

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


@pytest.mark.parametrize("kind", rules.RESPONSE_TYPES)
def test_every_response_type_is_known_in_any_order(kind: str) -> None:
    """A response type is a set of words; only a plain code comes back in the query by itself, nothing else ever."""
    turned = " ".join(reversed(kind.split()))
    found = asked(response_type=turned, nonce="n")
    assert found.parts == set(kind.split())
    assert found.response_mode == ("query" if kind == "code" else "fragment")
    if kind != "code":
        with pytest.raises(Refused):
            asked(response_type=kind, nonce="n", response_mode="query")


def test_the_id_token_names_what_comes_beside_it() -> None:
    """``at_hash`` and ``c_hash`` are there when token and code are (Core 3.3.2.11)."""
    grant = Grant(CLIENT, LOGIN, ("openid",), expires=2000)
    beside = rules.id_token("https://op.example/", grant, 1000, "token", "code")
    assert {"at_hash", "c_hash"} <= set(beside) and beside["at_hash"] != beside["c_hash"]
    assert not {"at_hash", "c_hash", "nonce"} & set(rules.id_token("https://op.example/", grant, 1000))
