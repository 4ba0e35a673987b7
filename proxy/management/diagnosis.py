"""What was found when a connection's tenant was asked, in plain values: a green check, a red mark, or what is amiss."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from proxy.upstream.connections import Diagnosis

GREEN, RED, INCOMPLETE, UNUSABLE = "green", "red", "incomplete", "unusable"
"""Found; not found; found, but without what the channel needs; found, but wrong in another way."""


def verdict(found: Diagnosis) -> str:
    """One word for all of it."""
    if not found.found:
        return RED
    if found.missing:
        return INCOMPLETE
    return UNUSABLE if found.detail or found.metadata is None else GREEN


def as_json(found: Diagnosis, *, metadata: bool = False) -> dict[str, Any]:
    """The verdict and its reasons, and what the tenant publishes if asked for."""
    shown = asdict(found.metadata) if metadata and found.metadata else None
    return {
        "status": verdict(found),
        "missing": list(found.missing),
        "detail": found.detail,
        **({"metadata": shown} if metadata else {}),
    }
