"""How a connection fares, in plain values."""

from __future__ import annotations

from proxy.management.diagnosis import as_json, published
from proxy.upstream.health import Health
from tests.management.world import DECLARED, FOUND, LACKING, NOT_FOUND


def test_a_verdict_and_its_reasons() -> None:
    """One word, what is missing, what else is wrong, and every finding with its remedy."""
    assert as_json(Health(metadata=FOUND)) == {"status": "green", "missing": [], "detail": "", "findings": []}
    told = as_json(LACKING)
    assert (told["status"], told["missing"], told["detail"]) == ("incomplete", ["token_endpoint"], "")
    assert told["findings"][0] == {
        "level": "error", "code": "missing", "message": "token_endpoint", "remedy": "set it",
    }  # fmt: skip


def test_ss_09_what_happened_at_an_address_is_for_the_machines_operator() -> None:
    """SS-09: only who asks for details gets them."""
    assert "nobody answers" not in str(as_json(NOT_FOUND))
    assert as_json(NOT_FOUND, details=True)["findings"][0]["detail"] == "nobody answers there"


def test_what_the_tenant_publishes_by_name() -> None:
    """Beside what is used, and where that comes from; the callback URL last."""
    told = published(DECLARED["from-file"], Health(published={"issuer": "https://x.example"}), "https://sso/cb")
    assert told["issuer"] == {"published": "https://x.example", "used": "https://x.example", "source": "published"}
    assert list(told) == ["issuer", "callback_url"]
