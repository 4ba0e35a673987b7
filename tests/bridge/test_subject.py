"""Who a person is to our apps."""

from __future__ import annotations

import pytest

from proxy.bridge.subject import user_id


def test_the_user_id_names_connection_and_subject() -> None:
    """It is ``oidc|<connection>|<sub>``, as Auth0 has it."""
    assert user_id("corp", "248289761001") == "oidc|corp|248289761001"


@pytest.mark.parametrize("subject", ["Zoë", "with blank", "x" * 300, "line\nbreak", "\ud800", ""])
def test_rp_11_a_subject_that_is_no_plain_ascii_becomes_a_stable_hash(subject: str) -> None:
    """RP-11: our ``sub`` is always printable ASCII of at most 255 characters, and the same every time."""
    one = user_id("corp", subject)
    assert one == user_id("corp", subject)
    assert one.isascii() and one.isprintable() and " " not in one and len(one) <= 255


def test_rp_11_subjects_that_differ_in_case_or_form_are_different_people() -> None:
    """RP-11: different byte strings are different users, composed and decomposed letters too."""
    assert len({user_id("corp", s) for s in ("ada", "Ada", "ad\u00e9", "ade\u0301")}) == 4


def test_rp_19_the_same_subject_of_two_connections_is_two_people() -> None:
    """RP-19: the connection's name is part of the id, and holds no separator."""
    assert user_id("a", "1001") != user_id("b", "1001")
    assert user_id("a", "b|c") != user_id("a-b", "c")
