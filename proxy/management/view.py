"""A connection as the API and the command line show it: every option that was set, never a secret."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Any

from proxy.management.reading import AS_IT_IS, FILE_ONLY
from proxy.models import Connection
from proxy.roster import SECRETS, Entry

SECRET_LIKE = re.compile(
    r"secret|passw|credential|(private|signing|decryption|encryption|api)_?key|(access|refresh|auth|bearer)_?token",
    re.IGNORECASE,
)
"""Names in options that we do not know, and that may stand for one."""
FIELDS = (
    "id",
    "name",
    "strategy",
    "display_name",
    "options",
    "enabled_clients",
    "show_as_button",
    "is_domain_connection",
    "realms",
    "metadata",
    *AS_IT_IS,
)
"""What a connection is told by; ``fields`` of a request picks from it."""


def as_json(entry: Entry, *, options: bool = True) -> dict[str, Any]:
    """Everything of a connection; ``options`` only for those who may read them."""
    connection = entry.connection
    return {
        "id": entry.id,
        "name": connection.name,
        "strategy": connection.strategy,
        "display_name": connection.label,
        **({"options": shown_options(connection, entry.extra or {})} if options else {}),
        "enabled_clients": list(connection.enabled_clients),
        "show_as_button": connection.show_as_button,
        "is_domain_connection": connection.is_domain_connection,
        "realms": list(connection.realms or (connection.name,)),
        "metadata": dict(connection.metadata),
        **AS_IT_IS,
    }


def shown_options(connection: Connection, extra: Mapping[str, Any]) -> dict[str, Any]:
    """The options that were set, with those every connection has."""
    hidden = {*SECRETS, *FILE_ONLY}
    set_ones = connection.options.model_dump(mode="json", exclude_defaults=True, exclude=hidden)
    always = {name: getattr(connection.options, name) for name in ("type", "client_id", "scope")}
    return {**always, **set_ones, **_harmless(extra)}


def _harmless(value: Any) -> Any:
    """A value without what looks like a secret, however deep it lies."""
    if isinstance(value, Mapping):
        return {name: _harmless(one) for name, one in value.items() if not SECRET_LIKE.search(name)}
    return [_harmless(one) for one in value] if isinstance(value, list) else value


def etag(entry: Entry) -> str:
    """The version of a connection, for ``If-Match`` (RFC 9110 8.8.3)."""
    version = entry.revision or entry.connection.model_dump_json().encode()
    return f'"{hashlib.sha256(version).hexdigest()[:32]}"'


def matches(condition: str, entry: Entry) -> bool:
    """Whether ``If-Match`` names this version (RFC 9110 13.1.1)."""
    return condition.strip() == "*" or etag(entry) in (one.strip() for one in condition.split(","))
