"""A ``[[connections]]`` table to paste, for a tenant of the lab. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from proxy.lab.fault import Fault

CLIENT_ID = "isthmus"
SECRET = "lab-secret-of-no-worth-on-this-machine-only"
"""What every tenant of the lab knows every Isthmus by: it is printed on a page, and opens nothing."""
VARIABLE = "LAB_SECRET"


def options(fault: Fault, issuer: str) -> dict[str, Any]:
    """The options of a connection to the tenant at ``issuer`` that shows the fault."""
    given = {name: _filled(value, issuer) for name, value in fault.options.items()}
    channel = given.pop("type", "back_channel")
    secret = {"client_secret": f"${VARIABLE}"} if channel == "back_channel" else {}
    return {"type": channel, "discovery_url": issuer, "client_id": CLIENT_ID, **secret, **given}


def snippet(fault: Fault, issuer: str) -> str:
    """The table as TOML."""
    lines = [
        "[[connections]]",
        f"name = {toml(f'lab-{fault.name}')}",
        f"display_name = {toml(f'Lab: {fault.name}')}",
        'enabled_clients = ["webapp"]',
        "[connections.options]",
        *(f"{name} = {toml(value)}" for name, value in options(fault, issuer).items()),
    ]
    return "\n".join(lines)


def toml(value: Any) -> str:
    """A value as TOML, tables inline."""
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{name} = {toml(item)}" for name, item in value.items()) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(toml, value)) + "]"
    return json.dumps(value)


def _filled(value: Any, issuer: str) -> Any:
    return value.replace("{tenant}", issuer) if isinstance(value, str) else value
