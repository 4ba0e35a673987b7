"""One word for what was found at a tenant."""

from __future__ import annotations

import pytest

from proxy.management import diagnosis
from proxy.upstream.connections import Diagnosis
from tests.management.world import FOUND


@pytest.mark.parametrize(
    ("found", "word"),
    [
        (Diagnosis(True, metadata=FOUND), "green"),
        (Diagnosis(False, detail="nobody answers there"), "red"),
        (Diagnosis(True, ("token_endpoint",)), "incomplete"),
        (Diagnosis(True, detail="the document names another issuer"), "unusable"),
        (Diagnosis(True), "unusable"),
    ],
)
def test_a_tenant_is_green_red_or_amiss(found: Diagnosis, word: str) -> None:
    """A green check, a red mark, or found and of no use; reasons beside it."""
    told = diagnosis.as_json(found)
    assert told == {"status": word, "missing": list(found.missing), "detail": found.detail}


def test_what_the_tenant_publishes_is_shown_if_asked_for() -> None:
    """Its endpoints as they are used."""
    told = diagnosis.as_json(Diagnosis(True, metadata=FOUND), metadata=True)
    assert told["metadata"]["token_endpoint"] == "https://idp.example/t"
    assert diagnosis.as_json(Diagnosis(False), metadata=True)["metadata"] is None
