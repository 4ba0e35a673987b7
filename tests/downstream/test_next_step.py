"""The decision: issue, refuse, or log in."""

from __future__ import annotations

from typing import Any

import pytest

from proxy.downstream.authorize import AuthorizeRequest
from proxy.downstream.next_step import Step, next_step, too_old
from tests.downstream.world import CALLBACK, NOW, a_session

AGE = 100  # seconds since Ada logged in


@pytest.mark.parametrize(
    ("request_", "logged_in", "step"),
    [
        pytest.param({}, False, Step.LOGIN, id="nobody"),
        pytest.param({}, True, Step.ISSUE, id="session"),
        pytest.param({"prompt": ("none",)}, False, Step.REFUSE, id="az-15-none-not-logged-in"),
        pytest.param({"prompt": ("none",)}, True, Step.ISSUE, id="az-15-none-logged-in"),
        pytest.param({"prompt": ("login",)}, True, Step.LOGIN, id="az-17-login"),
        pytest.param({"prompt": ("login", "consent")}, True, Step.LOGIN, id="az-17-login-and-consent"),
        pytest.param({"prompt": ("select_account",)}, True, Step.LOGIN, id="select-account"),
        pytest.param({"prompt": ("consent",)}, True, Step.ISSUE, id="consent-of-a-first-party-client"),
        pytest.param({"max_age": 0}, True, Step.LOGIN, id="az-17-max-age-0"),
        pytest.param({"max_age": AGE - 1}, True, Step.LOGIN, id="max-age-passed"),
        pytest.param({"max_age": AGE}, True, Step.ISSUE, id="max-age-just-met"),
        pytest.param({"max_age": 10_000}, True, Step.ISSUE, id="max-age-10000"),
        pytest.param({"max_age": 1, "prompt": ("none",)}, True, Step.REFUSE, id="az-15-none-with-an-old-session"),
        pytest.param({"connection": "corp"}, True, Step.ISSUE, id="the-sessions-connection"),
        pytest.param({"connection": "partner"}, True, Step.LOGIN, id="another-connection"),
        pytest.param({"connection": "partner", "prompt": ("none",)}, True, Step.REFUSE, id="another-and-none"),
    ],
)
def test_the_next_step(request_: dict[str, Any], logged_in: bool, step: Step) -> None:
    """AZ-15, AZ-17 (OIDC Core 3.1.2.1, 3.1.2.3): only a session that is what was asked for is an answer."""
    request = AuthorizeRequest("webapp", CALLBACK, **request_)
    assert next_step(request, a_session() if logged_in else None, NOW) is step


def test_az_17_a_login_is_never_satisfied_by_the_session_it_found() -> None:
    """AZ-17: coming back to the first request, however young the session is by then, asks for a login again."""
    just_now = a_session(auth_time=int(NOW))
    for wish in ({"prompt": ("login",)}, {"max_age": 0}):
        assert next_step(AuthorizeRequest("webapp", CALLBACK, **wish), just_now, NOW) is Step.LOGIN


def test_no_max_age_no_limit() -> None:
    """Without ``max_age`` no session is too old for being old."""
    assert not too_old(AuthorizeRequest("webapp", CALLBACK), a_session(auth_time=0), NOW)


@pytest.mark.parametrize(("max_age", "step"), [(None, Step.ISSUE), (10_000, Step.LOGIN)])
def test_az_17_what_cannot_be_measured_is_asked(max_age: int | None, step: Step) -> None:
    """AZ-17: a session whose tenant did not say when the login was meets no ``max_age``; that tenant is asked."""
    request = AuthorizeRequest("webapp", CALLBACK, max_age=max_age)
    assert next_step(request, a_session(dated=False), NOW) is step
