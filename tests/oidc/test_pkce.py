"""PKCE: the example of RFC 7636 appendix B, and what never matches."""

from __future__ import annotations

import pytest

from proxy.oidc import pkce

VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"


def test_the_example_of_the_rfc() -> None:
    """The challenge of RFC 7636 appendix B comes out, and its verifier matches it."""
    assert pkce.challenge(VERIFIER) == CHALLENGE
    assert pkce.matches(VERIFIER, CHALLENGE)


@pytest.mark.parametrize(
    "verifier", ["", "short", VERIFIER[:-1], VERIFIER + "x", "ü" * 43, "a" * 129, CHALLENGE, VERIFIER + "\n"]
)
def test_no_other_verifier_matches(verifier: str) -> None:
    """A verifier that is another, too short, too long or of other characters never matches."""
    assert not pkce.matches(verifier, CHALLENGE)


def test_a_new_verifier_is_well_formed_and_new() -> None:
    """Verifiers have the form of section 4.1 and never repeat."""
    made = {pkce.new_verifier() for _ in range(50)}
    assert len(made) == 50
    assert all(pkce.WELL_FORMED_VERIFIER.fullmatch(one) for one in made)
    assert all(pkce.matches(one, pkce.challenge(one)) for one in made)
