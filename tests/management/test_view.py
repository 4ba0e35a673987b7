"""How a connection is shown, and its version."""

from __future__ import annotations

from dataclasses import replace

import pytest

from proxy.management import reading, view
from proxy.roster import Entry
from tests.management.world import BODY, DECLARED, ISSUER

ENTRY = Entry("con_0123456789abcdef", reading.new(BODY, ISSUER).connection, b"1", {"a": 1, "apiSecret": "s"})


def test_a_connection_is_shown_whole_but_for_secrets() -> None:
    """MG-03: what was set, what every connection has; nothing whose name sounds like a secret."""
    shown = view.as_json(ENTRY)
    assert tuple(shown) == view.FIELDS
    assert shown["options"] == {
        "type": "back_channel",
        "client_id": "isthmus",
        "scope": "openid",
        "discovery_url": "https://idp.example",
        "a": 1,
    }
    assert "options" not in view.as_json(ENTRY, options=False)


@pytest.mark.parametrize(
    ("condition", "fits"),
    [("*", True), ("{etag}", True), ('"a", {etag}', True), ('"a"', False), ("W/{etag}", False), ("", False)],
)
def test_a_condition_names_versions(condition: str, fits: bool) -> None:
    """RFC 9110 13.1.1: any, or one of a list, compared strongly."""
    assert view.matches(condition.format(etag=view.etag(ENTRY)), ENTRY) is fits


def test_each_version_has_its_own_tag() -> None:
    """Of the store by revision, of the file by what it says."""
    declared = Entry("con_1", DECLARED["from-file"])
    other = replace(declared, connection=declared.connection.model_copy(update={"display_name": "x"}))
    tags = {view.etag(ENTRY), view.etag(replace(ENTRY, revision=b"2")), view.etag(declared), view.etag(other)}
    assert len(tags) == 4 and all(tag.startswith('"') and tag.endswith('"') for tag in tags)
