"""A name and an icon for each login button, per application.

The settings are a table of clients, each a table of connections; ``*`` stands for any. A special entry wins over a
general one, field by field: the client's name counts for more than the connection's.

The hook is ``async`` although it waits for nothing: that spares the way through a thread.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from proxy import hookimpl
from proxy.models import Client, Connection

ANY = "*"
FIELDS = ("display_name", "icon_url")


class Branding:
    """Settings: ``buttons.<client_id>.<connection>``, each with ``display_name`` and/or ``icon_url``."""

    def __init__(self, settings: Mapping[str, Any]) -> None:
        if unknown := set(settings) - {"buttons"}:
            raise ValueError(f"unknown key {min(unknown)}: the only one is buttons")
        self._buttons: dict[tuple[str, str], Mapping[str, str]] = {
            (client, connection): _button(f"buttons.{client}.{connection}", button)
            for client, connections in _table("buttons", settings.get("buttons", {})).items()
            for connection, button in _table(f"buttons.{client}", connections).items()
        }

    @hookimpl
    async def isthmus_connection_button(self, connection: Connection, client: Client) -> Mapping[str, str] | None:
        """The fields that are set for this client and connection, the most special last."""
        fields: dict[str, str] = {}
        for client_id in (ANY, client.client_id):
            for name in (ANY, connection.name):
                fields.update(self._buttons.get((client_id, name), {}))
        return fields or None


def _table(where: str, value: Any) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise ValueError(f"{where} must be a table")
    return value


def _button(where: str, value: Any) -> Mapping[str, str]:
    for name, text in _table(where, value).items():
        if name not in FIELDS:
            raise ValueError(f"{where}: unknown key {name}: known are {', '.join(FIELDS)}")
        if not isinstance(text, str) or not text:
            raise ValueError(f"{where}.{name} must be text, and not empty")
    return dict(value)
