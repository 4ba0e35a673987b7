"""How a connection fares, in plain values: what may be told over HTTP, and what is for the machine's operator alone."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from proxy.models import Connection
from proxy.upstream.health import Health
from proxy.upstream.published import rows


def as_json(found: Health, *, details: bool = False) -> dict[str, Any]:
    """The verdict and its reasons. With ``details`` also what exactly happened at an address: never over HTTP."""
    findings = [{**one.as_json(), **({"detail": one.detail} if details else {})} for one in found.findings]
    return {"status": found.state, "missing": list(found.missing), "detail": found.detail, "findings": findings}


def published(connection: Connection, found: Health, callback_url: str) -> dict[str, dict[str, Any]]:
    """By name: what the tenant publishes, what is used, and where that comes from; at the end the callback URL."""
    listed = map(asdict, rows(connection.options, found.published, callback_url))
    return {row.pop("name"): row for row in listed}
