"""Errors say whose fault it is."""

from __future__ import annotations

import pytest

from proxy.oidc.errors import Misconfigured, Problem, ProtocolError, Refused, Shown, Unavailable, UpstreamError


@pytest.mark.parametrize("kind", [Shown, Refused, UpstreamError])
def test_a_protocol_error_carries_code_words_and_reason(kind: type[ProtocolError]) -> None:
    """The code is for programs, the description for people, the reason for the log."""
    error = kind("invalid_request", "no such thing", reason="nothing", status=403)
    assert (error.code, error.description, error.reason, error.status) == (
        "invalid_request",
        "no such thing",
        "nothing",
        403,
    )
    assert kind("invalid_request", "x").reason == "invalid_request"


def test_unavailable_is_no_answer_and_no_protocol_error() -> None:
    """Could not look is never a "no"."""
    assert not isinstance(Unavailable("store"), ProtocolError)
    assert Unavailable("store", retry_after=7).retry_after == 7


def test_a_misconfiguration_carries_every_problem() -> None:
    """Each problem is one line: where, which key, what to do."""
    error = Misconfigured(Problem("a.toml", "x", "set it"), Problem("b.toml", "y", "remove it"))
    assert str(error) == "a.toml: x: set it\nb.toml: y: remove it"
