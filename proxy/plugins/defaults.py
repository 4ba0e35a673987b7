"""Our own defaults, as a plugin like any other; it goes first.

Scopes and button are those of the connection. The profile is the standard claims (OIDC Core 5.1) that have the
standard's type, and nothing else: what the tenant calls ``roles`` or ``_internal`` needs a plugin that maps it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from proxy.hooks import hookimpl
from proxy.models import Button, Connection

_TEXTS = (
    "name",
    "given_name",
    "family_name",
    "middle_name",
    "nickname",
    "preferred_username",
    "profile",
    "picture",
    "website",
    "email",
    "gender",
    "birthdate",
    "zoneinfo",
    "locale",
    "phone_number",
)
# Exact types, as JSON gives them: True is no number, "true" no boolean (OIDC Core 5.1).
STANDARD_CLAIMS: Mapping[str, tuple[type, ...]] = {
    **dict.fromkeys(_TEXTS, (str,)),
    "email_verified": (bool,),
    "phone_number_verified": (bool,),
    "updated_at": (int, float),
}
_VERIFIED = (("email", "email_verified"), ("phone_number", "phone_number_verified"))


@hookimpl
def isthmus_request_scopes(connection: Connection) -> tuple[str, ...]:
    """The scopes the connection is configured with."""
    return connection.options.scopes


@hookimpl
def isthmus_map_profile(claims: Mapping[str, Any]) -> dict[str, Any]:
    """The standard claims as they are, and the names an Auth0 profile always has."""
    known = {  # absent, never empty (OIDC Core 5.3.2)
        name: value
        for name, types in STANDARD_CLAIMS.items()
        if type(value := claims.get(name)) in types and value != ""
    }
    if isinstance(address := claims.get("address"), Mapping):
        known["address"] = address
    for value, verified in _VERIFIED:
        known.pop(verified, None)
        if value in known:  # Nothing but JSON true is a yes; said out loud, for readers who take silence for one.
            known[verified] = claims.get(verified) is True
    return known | _names(known, claims)


def _names(known: Mapping[str, Any], claims: Mapping[str, Any]) -> dict[str, Any]:
    """``name`` and ``nickname`` of Auth0's normalised profile: never missing while there is an email or a ``sub``."""
    email = known.get("email", "")
    name = known.get("name") or known.get("nickname") or email or claims.get("sub")
    nickname = known.get("nickname") or email.partition("@")[0]
    return {key: value for key, value in (("name", name), ("nickname", nickname)) if value}


@hookimpl
def isthmus_connection_button(connection: Connection) -> Button:
    """The connection's display name (else its name) and icon."""
    return Button(connection.label, connection.options.icon_url)
