"""How a connection fared last, and what changed."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from proxy.store.memory import MemoryStore
from proxy.telemetry.logs import SECRETS
from proxy.upstream.health import ERROR, WARNING, Finding, Health
from proxy.upstream.published import digest
from proxy.upstream.status import Statuses, status_key
from tests.upstream.conftest import DOCUMENT, ISSUER, NOW, connection

RED = Health((Finding(ERROR, "not_found", "none", "look", detail="nobody answers there"),))


def good(**changes: Any) -> Health:
    document = {**DOCUMENT, **changes}
    return Health((Finding(WARNING, "clock_skew", "late"),), None, document, digest(document))


@pytest.fixture
def statuses() -> Statuses:
    """On an empty store."""
    return Statuses(MemoryStore())


async def test_a_status_is_kept_and_found(statuses: Statuses) -> None:
    """State, findings, when, and a digest of the document."""
    assert await statuses.find(connection()) is None
    kept = await statuses.keep(connection(), good(), NOW)
    assert await statuses.find(connection()) == kept
    assert (kept["status"], kept["checked_at"], kept["metadata_digest"]) == ("green", int(NOW), digest(DOCUMENT))
    assert [one["code"] for one in kept["findings"]] == ["clock_skew"]
    assert (kept["changed"], kept["changed_at"]) == ({}, 0)
    assert "published" not in kept and "options" not in kept


async def test_a_status_of_other_options_counts_no_more(statuses: Statuses) -> None:
    """After a change the connection has none, until it is looked at."""
    await statuses.keep(connection(), RED, NOW)
    assert await statuses.find(connection(client_id="other")) is None


async def test_what_changed_stays_until_the_next_change(statuses: Statuses, caplog: pytest.LogCaptureFixture) -> None:
    """Per name old and new, and when; a visit that brought nothing, or the same, takes nothing away."""
    caplog.set_level(logging.WARNING)
    await statuses.keep(connection(), good(), NOW)
    told = await statuses.keep(connection(), good(token_endpoint=f"{ISSUER}/t2"), NOW + 1)
    change = {"token_endpoint": {"old": f"{ISSUER}/token", "new": f"{ISSUER}/t2"}}
    assert (told["changed"], told["changed_at"]) == (change, int(NOW) + 1)
    for health in (RED, good(token_endpoint=f"{ISSUER}/t2")):
        told = await statuses.keep(connection(), health, NOW + 2)
        assert (told["changed"], told["changed_at"]) == (change, int(NOW) + 1)
        assert told["metadata_digest"] == digest({**DOCUMENT, "token_endpoint": f"{ISSUER}/t2"})
    assert [record.message for record in caplog.records] == [
        "metadata_published", "connection_status", "connection_status",
    ]  # fmt: skip


async def test_a_state_is_logged_when_it_changes(statuses: Statuses, caplog: pytest.LogCaptureFixture) -> None:
    """Twice red is one line; green at first is none."""
    caplog.set_level(logging.WARNING)
    for health in (good(), RED, RED, good()):
        await statuses.keep(connection(), health, NOW)
    assert [(record.__dict__["before"], record.__dict__["status"]) for record in caplog.records] == [
        ("green", "red"), ("red", "green"),
    ]  # fmt: skip


async def test_ss_09_details_and_secrets_are_not_kept() -> None:
    """SS-09: the record can be read over HTTP."""
    store = MemoryStore()
    await Statuses(store).keep(connection(client_secret="s3cret-s3cret"), RED, NOW)
    kept = await store.get(status_key("corp"))
    assert kept is not None
    assert "answers" not in str(kept.value) and "s3cret" not in str(kept.value)


async def test_mg_13_no_field_of_the_line_is_one_that_the_log_hides(
    statuses: Statuses, caplog: pytest.LogCaptureFixture
) -> None:
    """MG-13: the log hides values by the names of fields, and ``state`` is one of them."""
    caplog.set_level(logging.WARNING)
    await statuses.keep(connection(), RED, NOW)
    assert not SECRETS & caplog.records[0].__dict__.keys()
