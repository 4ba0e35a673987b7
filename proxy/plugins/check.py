"""What an implementation may return. Anything else is a fault of its plugin.

Every check returns None for "nothing to change" and raises Refusal for what may not be.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from proxy.models import Button, checks
from proxy.models.attribute_map import OF_TOKENS
from proxy.plugins.defaults import STANDARD_CLAIMS
from proxy.plugins.values import Refusal, freeze, measure

MAX_SCOPES, MAX_SCOPE = 64, 256
MAX_PROFILE = 64 * 1024
MAX_NAME = 256
MAX_DISPLAY_NAME, MAX_ICON_URL = 128, 2048

# What applications authorise by (groups, roles, permissions, entitlements) is the plugins' own field.
RESERVED = OF_TOKENS
_SCOPE = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+")  # RFC 6749 3.3


@dataclass(frozen=True, slots=True)
class Change:
    """Attributes to set in the profile (frozen; None removes one), and the reserved names that were refused."""

    values: Mapping[str, Any]
    refused: tuple[str, ...]


def check_scopes(value: Any) -> tuple[str, ...] | None:
    """The scopes to ask for, in order, without doubles. ``openid`` leads if it was left out (OIDC Core 3.1.2.1)."""
    if value is None:
        return None
    if not isinstance(value, (list, tuple, set, frozenset)):
        raise Refusal(f"returned {type(value).__name__}, not a list of scopes")
    if len(value) > MAX_SCOPES:
        raise Refusal(f"returned more than {MAX_SCOPES} scopes")
    if not all(isinstance(scope, str) and len(scope) <= MAX_SCOPE and _SCOPE.fullmatch(scope) for scope in value):
        raise Refusal("returned something that is not a scope (RFC 6749 3.3)")
    scopes = sorted(value) if isinstance(value, (set, frozenset)) else value  # a set has no order of its own
    return tuple(dict.fromkeys(scopes if "openid" in scopes else ("openid", *scopes)))


def check_change(value: Any) -> Change | None:
    """The attributes to set in the profile. Reserved names are taken out, and told."""
    if value is None:
        return None
    if not isinstance(value, Mapping):
        raise Refusal(f"returned {type(value).__name__}, not a mapping of attributes")
    measure(value, MAX_PROFILE)
    values = {name: freeze(item) for name, item in value.items() if name not in RESERVED and name[:1] != "_"}
    for name, item in values.items():
        _check_attribute(name, item)
    return Change(values, tuple(name for name in value if name not in values) if len(values) < len(value) else ())


def _check_attribute(name: str, value: Any) -> None:
    if types := STANDARD_CLAIMS.get(name):
        if type(value) not in types and value is not None:
            raise Refusal(f"sets {name} to {type(value).__name__}, not {types[0].__name__} (OIDC Core 5.1)")
    elif not name or len(name) > MAX_NAME or not name.isprintable():
        raise Refusal("has an attribute whose name is empty, too long or not printable")
    elif name == "address" and not (value is None or isinstance(value, Mapping)):
        raise Refusal("sets address to something that is not an object (OIDC Core 5.1.1)")


def check_access(value: Any) -> bool | None:
    """Yes, no, or no opinion; nothing else is taken for one of them (PL-02)."""
    if value is None or isinstance(value, bool):
        return value
    raise Refusal(f"returned {type(value).__name__}, not True, False or None")


def check_button(value: Any) -> Mapping[str, str] | None:
    """The fields of the button to change: a Button means both, a mapping those it has."""
    if value is None:
        return None
    fields = vars(value) if isinstance(value, Button) else value
    if not isinstance(fields, Mapping):
        raise Refusal(f"returned {type(value).__name__}, not a Button")
    if unknown := [name for name in fields if name not in ("display_name", "icon_url")]:
        raise Refusal(f"returned {len(unknown)} fields that a button does not have")
    try:
        _check_fields(fields)
    except ValueError as error:  # the models' own rules, whose texts never hold the value
        raise Refusal(f"returned a button that cannot be used: {error}") from None
    return dict(fields)


def _check_fields(fields: Mapping[str, Any]) -> None:
    """The rules for a connection's own button; the icon's origin goes into the page's security policy."""
    if "display_name" in fields:
        name = fields["display_name"]
        if not isinstance(name, str) or not name.strip() or len(name) > MAX_DISPLAY_NAME:
            raise ValueError(f"display_name must be text of 1 to {MAX_DISPLAY_NAME} characters")
        checks.words(name)
    if icon := fields.get("icon_url", ""):
        if not isinstance(icon, str) or len(icon) > MAX_ICON_URL:
            raise ValueError(f"icon_url must be an address of at most {MAX_ICON_URL} characters")
        checks.address(icon)
    elif icon != "":
        raise ValueError("icon_url must be text")
