"""Our own defaults, as a plugin like any other; it goes first.

Scopes and button are those of the connection. The profile is the standard claims (OIDC Core 5.1) that have the
standard's type, and nothing else: what the tenant calls ``roles`` or ``_internal`` needs an ``attribute_map`` or a
plugin that maps it. Where the connection has an ``attribute_map``, what that says is there already.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from proxy.hooks import hookimpl
from proxy.models import Button, Connection
from proxy.plugins.values import Refusal, measure

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
_STANDARD = (*STANDARD_CLAIMS, "address")
_VERIFIED = (("email", "email_verified"), ("phone_number", "phone_number_verified"))


@hookimpl
def isthmus_request_scopes(connection: Connection) -> tuple[str, ...]:
    """The scopes the connection is configured with."""
    return connection.options.scopes


@hookimpl
def isthmus_map_profile(connection: Connection, claims: Mapping[str, Any]) -> dict[str, Any] | None:
    """The standard claims, unless the connection says how its claims are mapped."""
    return standard(claims) if has_no_map(connection) else None


def has_no_map(connection: Connection) -> bool:
    """Whether the connection leaves it at the standard claims."""
    mapped = connection.options.attribute_map
    return mapped is None or mapped.mapping_mode == "basic_profile"


def standard(claims: Mapping[str, Any]) -> dict[str, Any]:
    """The standard claims as they are, and the names an Auth0 profile always has."""
    found = {name: claims[name] for name in _STANDARD if name in claims and fits(name, claims[name])}
    return completed({name: value for name, value in found.items() if _can_be_kept(value)}, claims)


def fits(name: str, value: Any) -> bool:
    """Whether ``value`` may stand under ``name``: a standard claim has the standard's type, and is absent rather than
    empty (OIDC Core 5.1, 5.3.2)."""
    if types := STANDARD_CLAIMS.get(name):
        return type(value) in types and value != ""
    return name != "address" or isinstance(value, Mapping)


def _can_be_kept(value: Any) -> bool:
    """Whether a profile can hold ``value``; how much it can hold is looked at later, of the whole."""
    try:
        measure(value, sys.maxsize)
    except Refusal:
        return False
    return True


def completed(known: dict[str, Any], claims: Mapping[str, Any]) -> dict[str, Any]:
    """What is ``known``, with what each profile says: whether an address is verified, a name, a nickname."""
    for value, verified in _VERIFIED:
        said = known.pop(verified, None)
        if value in known:  # Nothing but JSON true is a yes; said out loud, for readers who take silence for one.
            known[verified] = said is True
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
