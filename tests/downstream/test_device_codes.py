"""Codes for people to type, and what the store keeps of devices that wait."""

from __future__ import annotations

import asyncio
import re

import pytest

from proxy.downstream import device_codes
from proxy.downstream.device_codes import LETTERS, DeviceCodes, new_user_code, user_code_key, user_code_of
from proxy.downstream.grant import REMEMBERED
from proxy.store.memory import MemoryStore
from tests.downstream.world import NOW, Clock, SlowStore


def test_a_code_for_people_has_no_vowels_and_two_halves() -> None:
    """RFC 8628 6.1: eight letters of twenty, never the same again."""
    codes = {new_user_code() for _ in range(500)}
    assert len(codes) == 500 and len(set(LETTERS)) == 20
    assert all(re.fullmatch(f"[{LETTERS}]{{4}}-[{LETTERS}]{{4}}", code) for code in codes)


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("BCDF-GHJK", "BCDF-GHJK"),
        ("bcdfghjk", "BCDF-GHJK"),
        (" bcdf ghjk\n", "BCDF-GHJK"),
        ("b.c.d.f_g-h-j-k", "BCDF-GHJK"),
        ("BCDF\u2013GHJK\u00a0", "BCDF-GHJK"),
        ("", ""),
        ("----", ""),
        ("BCDFGHJ", ""),
        ("BCDFGHJKL", ""),
        ("ACDFGHJK", ""),
        ("BCDFGHJ1", ""),
        ("\u0412CDFGHJK", ""),
        ("B" * 100_000, ""),
        ("BCDFGHJK" + " " * 100_000, "BCDF-GHJK"),
    ],
)
def test_what_a_person_means(typed: str, meant: str) -> None:
    """RFC 8628 6.1: case, blanks and punctuation are forgiven; anything else is no code."""
    assert user_code_of(typed) == meant


async def test_a_taken_code_is_not_given_out_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of two devices with the same code one gets another; the first keeps its own."""
    made = iter(("BCDF-GHJK", "BCDF-GHJK", "LMNP-QRST"))
    monkeypatch.setattr(device_codes, "new_user_code", lambda: next(made))
    codes = DeviceCodes(MemoryStore(clock=lambda: NOW))
    await codes.begin("tv", ("openid",), (), seconds=900, now=NOW)
    _, second = await codes.begin("cli", ("openid",), (), seconds=900, now=NOW)
    found = await codes.find("BCDF-GHJK")
    assert second == "LMNP-QRST" and found is not None and found.client_id == "tv"


async def test_a_client_has_only_so_many_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest makes room; other clients keep theirs."""
    monkeypatch.setattr(device_codes, "MOST_WAITING", 3)
    codes = DeviceCodes(MemoryStore(clock=lambda: NOW))
    _, others = await codes.begin("cli", (), (), seconds=900, now=NOW)
    pairs = [await codes.begin("tv", (), (), seconds=900, now=NOW) for _ in range(4)]
    assert [await codes.look(device, "tv") is not None for device, _ in pairs] == [False, True, True, True]
    assert [await codes.find(typed) is not None for _, typed in pairs] == [False, True, True, True]
    assert await codes.find(others) is not None


async def test_everything_ends_by_itself() -> None:
    """Nothing is left behind: not of a device nobody helped, nor of one that was allowed and never asked."""
    clock = Clock()
    store = MemoryStore(clock=clock)
    codes = DeviceCodes(store)
    for _ in range(2):
        device, typed = await codes.begin("tv", (), (), seconds=900, now=NOW)
    assert await codes.allow(typed, {"sid": "s"}, NOW)
    clock.now += 901
    assert await codes.find(typed) is None and await codes.look(device, "tv") is not None
    clock.now += REMEMBERED
    assert await codes.look(device, "tv") is None
    for kind in ("user_code", "device", "decision", "pace"):
        assert [one async for one in store.scan(kind)] == []


async def test_of_many_decisions_one_counts() -> None:
    """Fifty people at the same moment: one decides, the others hear that the code has ended."""
    codes = DeviceCodes(SlowStore(MemoryStore(clock=lambda: NOW)))
    device, typed = await codes.begin("tv", (), (), seconds=900, now=NOW)
    won = await asyncio.gather(*(codes.allow(typed, {"by": n}, NOW) for n in range(49)), codes.deny(typed, NOW))
    state = await codes.look(device, "tv")
    assert sum(won) == 1 and state is not None
    assert state.decision == ({"denied": True} if won[-1] else {"allowed": {"by": won.index(True)}})


async def test_the_devices_own_code_is_nowhere_in_the_store() -> None:
    """Who reads the store, or types the person's code, does not learn the device's."""
    store = MemoryStore(clock=lambda: NOW)
    device, typed = await DeviceCodes(store).begin("tv", (), (), seconds=900, now=NOW)
    record = await store.get(user_code_key(typed))
    assert record is not None and device not in str(record.value)
