"""How a connection fares, in lines for a terminal: a green check, a red mark, or found but missing; then warnings."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from proxy.cli.common import GREEN, RED, YELLOW, marked, plain

if TYPE_CHECKING:
    from proxy.upstream.health import Finding, Health

WARNED = "! warning"
MARKS = {
    "green": ("✓ found", GREEN),
    "red": ("✗ not found", RED),
    "incomplete": ("✗ found, but missing", RED),
    "unusable": ("✗ found, but unusable", RED),
}


def lines(name: str, health: Health) -> Iterator[str]:
    """The verdict on the connection ``name``, one line; then one for each further error and each warning."""
    words = plain(", ".join(health.missing))
    others = [one for one in health.errors if one.code != "missing"]
    if not words and others:
        words = _told(others.pop(0))
    yield f"{marked(*MARKS[health.state])}  {name}{f': {words}' if words else ''}"
    yield from (f"{marked('✗ fault', RED)}  {name}: {_told(one)}" for one in others)
    yield from (f"{marked(WARNED, YELLOW)}  {name}: {_told(one)}" for one in health.warnings)


def _told(one: Finding) -> str:
    detail = f" ({one.detail})" if one.detail else ""
    return plain(f"{one.words}{detail}{f'; {one.remedy}' if one.remedy else ''}")
