"""The tenant's groups or roles, as an attribute of the profile.

Asks the tenant for the scope that brings the claim, and sets the attribute to what the claim says now: a group that was
taken away upstream is gone at the next login, an empty list empties, an absent claim clears.

The hooks are ``async`` although they wait for nothing: that spares the way through a thread.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from proxy import hookimpl

DEFAULTS = {"scope": "groups", "claim": "groups", "attribute": "groups"}


class Groups:
    """Settings: ``scope`` (empty: ask for none), ``claim``, ``attribute``; each is ``groups`` if not given."""

    def __init__(self, settings: Mapping[str, Any]) -> None:
        for name, value in settings.items():
            if name not in DEFAULTS:
                raise ValueError(f"unknown key {name}: known are {', '.join(DEFAULTS)}")
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
        if not isinstance(names, (list, tuple)) or not all(isinstance(name, str) for name in names):
            raise TypeError(f"claim {self.claim} is not a list of names")
        return {self.attribute: tuple(dict.fromkeys(names))}
