"""Every plugin hook, on one page.

An implementation names the arguments it wants, may be plain or ``async``, sees what the plugins before it did, and
returns a change or nothing. What it gets is frozen; what it returns is checked. See plugins/README.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import pluggy

if TYPE_CHECKING:
    from proxy.models import Button, Client, Connection
    from proxy.models.route import RouteView

PROJECT = "isthmus"

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def isthmus_request_scopes(connection: Connection, client: Client, scopes: tuple[str, ...]) -> Iterable[str] | None:
    """Before we leave for the tenant: all scopes to ask it for; ``openid`` stays. None: ``scopes`` as they are."""


@hookspec
def isthmus_map_profile(
    connection: Connection, client: Client, claims: Mapping[str, Any], profile: Mapping[str, Any]
) -> Mapping[str, Any] | None:
    """After the tenant answered: attributes to set in the profile (a value of None removes one). None: as it is."""


@hookspec
def isthmus_connection_button(
    connection: Connection, client: Client, button: Button
) -> Button | Mapping[str, str] | None:
    """When the login page is drawn: the button, or a mapping of the fields to change. None: as it is."""


@hookspec
def isthmus_gateway_access(
    connection: Connection, route: RouteView, method: str, path: str, profile: Mapping[str, Any]
) -> bool | None:
    """At every request through the gateway to a route with ``allow.plugin``, when all its other rules hold: may it
    pass? One yes is needed, and one no is enough; so is a fault. None: no opinion."""
