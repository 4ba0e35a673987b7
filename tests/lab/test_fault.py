"""What faults are made of: each change does one thing, in its place alone."""

from __future__ import annotations

import pytest

from proxy.lab.fault import NONE, Fault, appending, mangled, merged, replacing, setting
from proxy.lab.keys import Keys
from proxy.oidc import jose
from tests.kit.lab_keys import in_turn

CLAIMS = {"iss": "me", "sub": "mira"}


def test_a_healthy_tenant_changes_nothing() -> None:
    """Every hook of the healthy one gives back what it got."""
    for change in (NONE.document, NONE.tokens, NONE.userinfo, NONE.answer, NONE.farewell, NONE.notice):
        assert change({"a": "b"}) == {"a": "b"}
    assert NONE.claims(CLAIMS, "token") == NONE.header(CLAIMS, "front") == CLAIMS
    assert NONE.works and not Fault("x", "does", "says", "reason").works


@pytest.mark.parametrize("where", ["front", "token", "refresh"])
def test_changes_are_for_logins_by_default(where: str) -> None:
    """Claims change in ID tokens, and in no logout token or userinfo unless that is said."""
    assert setting(sub=None, x=1)(CLAIMS, where) == {"iss": "me", "x": 1}
    assert appending("iss")(CLAIMS, where)["iss"] == "me1"
    assert setting(sub=None)(CLAIMS, "logout") == appending("iss")(CLAIMS, "userinfo") == CLAIMS
    assert appending("iss", "logout")(CLAIMS, "logout")["iss"] == "me1"


def test_what_is_not_there_is_not_lengthened() -> None:
    """A missing claim stays missing."""
    assert appending("nonce")(CLAIMS, "token") == CLAIMS


def test_none_takes_away() -> None:
    """Values lie over an answer, None removes one."""
    assert merged({"a": 1, "b": 2}, {"a": None, "c": 3}) == replacing(a=None, c=3)({"a": 1, "b": 2}) == {"b": 2, "c": 3}


def test_a_mangled_signature_is_well_formed() -> None:
    """The token of a login can be read and does not verify; other tokens stay good."""
    keys = Keys(in_turn())
    header = {"alg": "RS256", "kid": keys.kid}
    good, bad = mangled(keys, header, CLAIMS, "logout"), mangled(keys, header, CLAIMS, "token")
    assert jose.peek(good) == jose.peek(bad)
    assert keys.signed(good) == CLAIMS and keys.signed(bad) == {}
