"""Errors in Auth0's words."""

from __future__ import annotations

import pytest

from proxy.management import refusals
from proxy.oidc.errors import Refused


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (refusals.invalid_body("'x'"), 400, "invalid_body"),
        (refusals.invalid_query("'x'"), 400, "invalid_query_string"),
        (refusals.too_many(), 403, "too_many_entities"),
        (refusals.no_connection(), 404, "inexistent_connection"),
        (refusals.no_client(), 404, "inexistent_client"),
        (refusals.conflict("taken"), 409, "connection_conflict"),
        (refusals.declared(), 409, "connection_conflict"),
        (refusals.changed_meanwhile(), 412, "precondition_failed"),
    ],
)
def test_each_error_has_its_status_and_code(error: Refused, status: int, code: str) -> None:
    """What scripts look at."""
    assert (error.status, error.code) == (status, code) and error.description
