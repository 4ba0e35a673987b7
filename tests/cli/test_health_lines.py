"""How a connection fares, on a terminal."""

from __future__ import annotations

import pytest

from proxy.cli.health_lines import lines
from proxy.upstream.health import ERROR, WARNING, Finding, Health

ABSENT = Finding(ERROR, "not_found", "none there", "look for it", "nobody answers")
LACKS = (Finding(ERROR, "missing", "jwks_uri"), Finding(ERROR, "missing", "token_endpoint"))
KEYS = Finding(ERROR, "keys_unusable", "no key fits")
SKEW = Finding(WARNING, "clock_skew", "late", "set it")


@pytest.mark.parametrize(
    ("findings", "told"),
    [
        ((), ["✓ found  corp"]),
        ((SKEW,), ["✓ found  corp", "! warning  corp: late; set it"]),
        ((ABSENT,), ["✗ not found  corp: none there (nobody answers); look for it"]),
        ((*LACKS, KEYS), ["✗ found, but missing  corp: jwks_uri, token_endpoint", "✗ fault  corp: no key fits"]),
        ((KEYS, SKEW), ["✗ found, but unusable  corp: no key fits", "! warning  corp: late; set it"]),
    ],
)
def test_a_line_for_the_verdict_and_one_for_each_other_finding(findings: tuple[Finding, ...], told: list[str]) -> None:
    """Marks, what is missing, details (this is the machine's operator), remedies."""
    assert list(lines("corp", Health(findings))) == told


def test_mg_13_what_a_tenant_says_is_printed_without_its_terminal_codes() -> None:
    """MG-13: the issuer that a document names is the tenant's own text."""
    found = Health((Finding(ERROR, "issuer_mismatch", "another issuer", "", "https://x/\x1b]0;owned\x07"),))
    assert all(line.isprintable() for line in lines("corp", found))
