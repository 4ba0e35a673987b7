"""The tenant's groups or roles, as an attribute of the profile.

Asks the tenant for the scope that brings the claim, and sets the attribute to what the claim says now: a group that was
taken away upstream is gone at the next login, an empty list empties, an absent claim clears. Behind the gateway it can
keep an app's changes for some groups, where everybody else may read.

The hooks are ``async`` although they wait for nothing: that spares the way through a thread.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from proxy import hookimpl

DEFAULTS = {"scope": "groups", "claim": "groups", "attribute": "groups"}
READING = ("GET", "HEAD", "OPTIONS")


class Groups:
    """Settings: ``scope`` (empty: ask for none), ``claim``, ``attribute``; each is ``groups`` if not given. ``write``:
    the groups that may do more than read, behind the gateway; without it there is no opinion on that."""

    def __init__(self, settings: Mapping[str, Any]) -> None:
        settings = dict(settings)
        self.write = frozenset(_names("write", settings.pop("write", ())))
        for name, value in settings.items():
            if name not in DEFAULTS:
                raise ValueError(f"unknown key {name}: known are {', '.join(DEFAULTS)}, write")
            if not isinstance(value, str) or not (value or name == "scope"):
                raise ValueError(f'{name} must be text, like "roles"')
        self.scope, self.claim, self.attribute = (settings.get(name, default) for name, default in DEFAULTS.items())

    @hookimpl
    async def isthmus_request_scopes(self, scopes: tuple[str, ...]) -> tuple[str, ...] | None:
        """Ask for our scope too."""
        return (*scopes, self.scope) if self.scope else None

    @hookimpl
    async def isthmus_map_profile(self, claims: Mapping[str, Any]) -> Mapping[str, Any]:
        """Set the attribute to the claim's list. Raises TypeError for a claim that is no list of names."""
        value = claims.get(self.claim)
        if value is None:
            return {self.attribute: None}
        names = (value,) if isinstance(value, str) else value
        if not _are_names(names):
            raise TypeError(f"claim {self.claim} is not a list of names")
        return {self.attribute: tuple(dict.fromkeys(names))}

    @hookimpl
    async def isthmus_gateway_access(self, method: str, profile: Mapping[str, Any]) -> bool | None:
        """Everybody may read, the groups of ``write`` may do the rest."""
        if not self.write:
            return None
        groups = profile.get(self.attribute, ())
        return method in READING or (_are_names(groups) and not self.write.isdisjoint(groups))


def _are_names(value: Any) -> bool:
    return isinstance(value, (list, tuple)) and all(isinstance(name, str) for name in value)


def _names(key: str, value: Any) -> tuple[str, ...]:
    if not _are_names(value):
        raise ValueError(f'{key} must be a list of names, like ["editors"]')
    return tuple(value)
