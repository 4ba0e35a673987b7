"""One word for all findings, and what of them may be told."""

from __future__ import annotations

import pytest

from proxy.upstream.health import ERROR, WARNING, Finding, Health

MISSING = Finding(ERROR, "missing", "token_endpoint")
ABSENT = Finding(ERROR, "not_found", "none there", detail="refused")
KEYS = Finding(ERROR, "keys_unusable", "no key fits")
UNREACHED = Finding(ERROR, "keys_unreadable", "the keys could not be had")
SKEW = Finding(WARNING, "clock_skew", "late")


@pytest.mark.parametrize(
    ("findings", "state", "missing", "detail"),
    [
        ((), "green", (), ""),
        ((SKEW,), "green", (), ""),
        ((ABSENT,), "red", (), "none there"),
        ((KEYS, MISSING), "incomplete", ("token_endpoint",), "no key fits"),
        ((SKEW, KEYS), "unusable", (), "no key fits"),
        ((UNREACHED,), "red", (), "the keys could not be had"),
    ],
)
def test_one_word_for_all(findings: tuple[Finding, ...], state: str, missing: tuple[str, ...], detail: str) -> None:
    """Not found before incomplete before keys that cannot be reached before unusable; warnings are green."""
    health = Health(findings)
    assert (health.state, health.missing, health.detail) == (state, missing, detail)
    assert {*health.errors, *health.warnings} == {*findings}


def test_ss_09_a_finding_as_it_may_be_told_has_no_detail() -> None:
    """SS-09: what happened at the address stays here."""
    assert "refused" not in str(ABSENT.as_json())
