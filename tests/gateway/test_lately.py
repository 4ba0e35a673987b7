"""Names that were said lately: known for some seconds, and not too many of them."""

from __future__ import annotations

from proxy.gateway.lately import SECONDS, Lately


def test_a_name_is_known_for_some_seconds() -> None:
    """Said again, it is known for longer."""
    now = [0.0]
    lately = Lately(lambda: now[0])
    assert "a" not in lately
    lately.note("a")
    lately.note("b")
    now[0] = SECONDS / 2
    lately.note("a")
    now[0] = SECONDS
    assert "a" in lately and "b" not in lately and len(lately) == 1
    now[0] = 2 * SECONDS
    assert "a" not in lately and len(lately) == 0


def test_of_too_many_the_oldest_go() -> None:
    """P8: every cache has a size."""
    lately = Lately(lambda: 0.0, most=3)
    for name in ("a", "b", "c", "a", "d"):
        lately.note(name)
    assert [name in lately for name in ("a", "b", "c", "d")] == [True, False, True, True]


async def test_the_running_loop_has_the_time() -> None:
    """Without a clock of its own."""
    lately = Lately()
    lately.note("a")
    assert "a" in lately
