"""How each connection fared when it was last looked at, kept in the store for all nodes.

Kept is what may be told over HTTP: never a finding's ``detail``. A record is of the options it was made for; after a
change of them it counts no more.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping
from typing import Any

from proxy.models import Connection
from proxy.store import Key, Store, Value, key
from proxy.upstream.health import GREEN, Health
from proxy.upstream.published import differences

KEEP = 7 * 86_400
HIDDEN = ("options", "published")
"""What a record holds for the next comparison alone."""
log = logging.getLogger("isthmus.upstream")


def status_key(name: str) -> Key:
    """Where the status of a connection lies."""
    return key("connection_status", name)


class Statuses:
    """The last status of every connection."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def find(self, connection: Connection) -> Mapping[str, Any] | None:
        """The last status, if there is one of today's options. Raises ``Unavailable``."""
        last = await self._last(connection)
        return shown(last) if last else None

    async def keep(self, connection: Connection, health: Health, now: float) -> Mapping[str, Any]:
        """Write down how it fares; answers what is shown of it. Raises ``Unavailable``."""
        last = await self._last(connection)
        value = record(connection, health, now, last)
        await self._store.put(status_key(connection.name), value, KEEP)
        _note(connection, value, last)
        return shown(value)

    async def _last(self, connection: Connection) -> Value | None:
        found = await self._store.get(status_key(connection.name))
        return found.value if found and found.value["options"] == _of(connection) else None


def record(connection: Connection, health: Health, now: float, last: Value | None) -> dict[str, Any]:
    """What is kept. ``changed`` tells what the tenant published differently when that last happened: a visit that
    brought no document compares nothing."""
    last = last or {"published": {}, "metadata_digest": "", "changed": {}, "changed_at": 0}
    both = bool(last["published"] and health.published)
    changed = differences(last["published"], health.published) if both else {}
    return {
        "options": _of(connection),
        "status": health.state,
        "missing": list(health.missing),
        "detail": health.detail,
        "findings": [one.as_json() for one in health.findings],
        "checked_at": int(now),
        "metadata_digest": health.digest or last["metadata_digest"],
        "published": dict(health.published or last["published"]),
        "changed": changed or last["changed"],
        "changed_at": int(now) if changed else last["changed_at"],
    }


def shown(value: Value) -> Mapping[str, Any]:
    """What of a record is told."""
    return {name: one for name, one in value.items() if name not in HIDDEN}


def _of(connection: Connection) -> str:
    """The options, as a mark. Secrets are no part of it: they change nothing that a visit sees."""
    return hashlib.sha256(connection.options.model_dump_json().encode()).hexdigest()


def _note(connection: Connection, value: Value, last: Value | None) -> None:
    """A change is one line in the log; that all is as it was is none."""
    about = {"connection": connection.name, "status": value["status"]}
    before = last["status"] if last else GREEN
    if value["status"] != before:
        codes = [one["code"] for one in value["findings"]]
        log.warning("connection_status", extra={**about, "before": before, "findings": codes})
    if last and value["changed"] != last["changed"]:
        log.warning("metadata_published", extra={**about, "changed": sorted(value["changed"])})
