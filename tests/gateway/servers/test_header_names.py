"""Header names for servers that must be told each one."""

from __future__ import annotations

from proxy.gateway.identity import PRESETS
from proxy.gateway.names import Names
from proxy.gateway.servers.header_names import CHANGING, IDENTITY, ORIGIN, spellings


def test_gw_02_every_spelling_that_apps_fold() -> None:
    """GW-02: PHP makes the same of a hyphen, a line and a dot."""
    assert set(spellings("A-B-C")) == {f"A{x}B{y}C" for x in "-_." for y in "-_."}
    assert list(spellings("Forwarded")) == ["Forwarded"]


def test_gw_01_what_servers_remove_isthmus_removes_too() -> None:
    """GW-01: the listed names are among those that never reach an app."""
    names = Names()
    assert all(names.are_removed(name.encode()) for name in (*IDENTITY, *ORIGIN, *CHANGING))


def test_gw_01_every_preset_is_listed() -> None:
    """GW-01: an app that trusts another preset than its route has is not lied to."""
    assert {name for preset in PRESETS.values() for name in preset} <= set(IDENTITY)
