"""A connection: an upstream OpenID Connect tenant as configured here.

One shape for the file, the API and the command line, with Auth0's names and limits. What the options have in common is
checked in ``models.connection_rules``, what depends on the rest of the configuration in ``proxy.settings``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from proxy.models import checks
from proxy.models.client import REGISTERED, Client
from proxy.models.connection_options import ConnectionOptions

_NAME = re.compile(r"[a-zA-Z0-9](-[a-zA-Z0-9]|[a-zA-Z0-9])*")


class Connection(BaseModel):
    """An upstream tenant, the applications that may use it, and its button. ``is_domain_connection``: applications
    that are not the operator's own may use it too."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    name: str = Field(max_length=128)
    strategy: Literal["oidc"] = "oidc"
    display_name: str = Field(default="", max_length=128)
    enabled_clients: tuple[str, ...] = ()
    show_as_button: bool = True
    is_domain_connection: bool = False
    realms: tuple[str, ...] = Field(default=(), max_length=10)
    metadata: Mapping[str, str | None] = Field(default={}, max_length=10)
    options: ConnectionOptions

    @property
    def label(self) -> str:
        """The button's words before any plugin: the display name, else the name."""
        return self.display_name or self.name

    @field_validator("name")
    @classmethod
    def _fits_in_a_path(cls, name: str) -> str:
        if not _NAME.fullmatch(name):
            raise ValueError("must be letters, digits and single hyphens, with no hyphen at either end")
        return name

    @field_validator("display_name")
    @classmethod
    def _words(cls, text: str) -> str:
        return checks.words(text)

    @field_validator("metadata")
    @classmethod
    def _notes(cls, notes: Mapping[str, str | None]) -> Mapping[str, str | None]:
        if any(not name or len(name) > 255 or len(value or "") > 255 for name, value in notes.items()):
            raise ValueError("has names and values of at most 255 characters")
        return notes

    @field_validator("enabled_clients", "realms")
    @classmethod
    def _clients(cls, ids: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(checks.not_empty(ids)))


def serves(connection: Connection | None, client: Client) -> bool:
    """Whether the client may use the connection: it is enabled for it, or open to clients of others and to those that
    are not in the file."""
    if connection is None:
        return False
    outside = not client.is_first_party or client.client_id.startswith(REGISTERED)
    open_to_all = connection.is_domain_connection and outside
    return open_to_all or client.client_id in connection.enabled_clients
