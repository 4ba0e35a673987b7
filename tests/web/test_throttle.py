"""Guessing gets slow; the one guessed at does not."""

from __future__ import annotations

import pytest

from proxy.oidc.errors import Refused
from proxy.web.throttle import MOST_REMEMBERED, Throttle


def test_tk_11_guessing_is_stopped_by_source_and_client_together() -> None:
    """TK-11, DS-09: after the burst that source is refused for that client; the client's own address is not."""
    throttle = Throttle(burst=20, seconds=3)
    for _ in range(20):
        throttle.check(("webapp", "192.0.2.1"), 0)
        throttle.failed(("webapp", "192.0.2.1"), 0)
    with pytest.raises(Refused) as refused:
        throttle.check(("webapp", "192.0.2.1"), 0)
    assert refused.value.status == 429
    throttle.check(("webapp", "198.51.100.7"), 0)
    throttle.check(("other", "192.0.2.1"), 0)


def test_the_bucket_refills_with_time() -> None:
    """One more attempt for every few seconds that pass."""
    throttle = Throttle(burst=1, seconds=3)
    throttle.failed(("webapp", "a"), 0)
    with pytest.raises(Refused):
        throttle.check(("webapp", "a"), 2.9)
    throttle.check(("webapp", "a"), 3.1)


def test_ds_14_what_it_remembers_is_bounded() -> None:
    """DS-14: a million names cost no more memory than ten thousand."""
    throttle = Throttle(burst=1, seconds=1e9)
    for number in range(MOST_REMEMBERED + 500):
        throttle.failed((str(number), "a"), 0)
    throttle.check(("0", "a"), 0)
    with pytest.raises(Refused):
        throttle.check((str(MOST_REMEMBERED + 499), "a"), 0)


def test_ds_09_what_may_succeed_is_counted_too() -> None:
    """DS-09: whoever does a thing too often from one address hears in whose words."""
    throttle = Throttle(burst=2, seconds=60, told="too many registrations")
    for _ in range(2):
        throttle.spend(("192.0.2.1",), 0)
    with pytest.raises(Refused, match="slow_down: too many registrations"):
        throttle.spend(("192.0.2.1",), 0)
    throttle.spend(("192.0.2.2",), 0)


def test_what_is_left_is_told() -> None:
    """It shrinks by what was spent, and grows with time."""
    throttle = Throttle(burst=2, seconds=10)
    seen = [throttle.left(("a",), 0.0)]
    for _ in range(2):
        throttle.spend(("a",), 0.0)
        seen.append(throttle.left(("a",), 0.0))
    assert seen == [2, 1, 0] and throttle.left(("a",), 10.0) == 1 and throttle.left(("b",), 0.0) == 2
