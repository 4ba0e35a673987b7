"""The hooks as bridge and gateway use them: each implementation in the operator's order, seeing what those before did.

A fault stops the login or skips the plugin, as ``plugins.on_error`` says; one in a button hook always skips: a button
is decoration, and one in the access hook always means no. Beside every value stands the plugin that set it.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from proxy.models import Button, Client, Connection
from proxy.models.route import Route
from proxy.plugins.call import Check, Fault, Implementation
from proxy.plugins.check import MAX_PROFILE, Change, check_access, check_button, check_change, check_scopes
from proxy.plugins.values import Refusal, freeze, measure, public_client, public_connection, thaw

SCOPES, PROFILE, BUTTON = "isthmus_request_scopes", "isthmus_map_profile", "isthmus_connection_button"
ACCESS = "isthmus_gateway_access"
OURS = "isthmus"

log = logging.getLogger("isthmus.plugins")
T = TypeVar("T")


class PluginFailed(Exception):
    """A plugin failed in a hook that the login needs: the login ends with a page. ``reason`` is for the log."""

    def __init__(self, plugin: str, hook: str, reason: str) -> None:
        super().__init__(f"plugin {plugin}: {hook}: {reason}")
        self.plugin = plugin
        self.hook = hook
        self.reason = reason


@dataclass(frozen=True)
class PluginInfo:
    """A loaded plugin: its version (empty if it says none), where it was found, and the hooks it implements."""

    name: str
    version: str
    found: str
    hooks: tuple[str, ...]


@dataclass(frozen=True)
class Scopes:
    """What to ask the tenant for, and which plugin asked for each."""

    values: tuple[str, ...]
    sources: Mapping[str, str]


@dataclass(frozen=True)
class Mapped:
    """A profile as plain JSON values, and which plugin set each. ``isthmus`` is our own default."""

    profile: Mapping[str, Any]
    sources: Mapping[str, str]


@dataclass(frozen=True)
class Plugins:
    """The loaded plugins. ``implementations`` are in the order of calls; ``skip``: a fault skips the plugin."""

    infos: tuple[PluginInfo, ...]
    implementations: Mapping[str, tuple[Implementation, ...]]
    skip: bool = False

    def listing(self) -> tuple[PluginInfo, ...]:
        """Every loaded plugin, ours first, in the order of calls."""
        return self.infos

    def close(self) -> None:
        """Let the plugins' threads end."""
        for implementation in (each for several in self.implementations.values() for each in several):
            if implementation.runner:
                implementation.runner.close()

    async def request_scopes(self, connection: Connection, client: Client) -> Scopes:
        """The scopes to ask ``connection`` for, ``openid`` always among them. Raises PluginFailed."""
        sources = {"openid": OURS}
        known = self._known(SCOPES, connection, client)
        for step in self._steps(SCOPES):
            wanted = await self._run(step, known | {"scopes": tuple(sources)}, check_scopes)
            if wanted is not None:
                sources = {scope: sources.get(scope, step.plugin) for scope in wanted}
        return Scopes(tuple(sources), sources)

    async def map_profile(
        self, connection: Connection, client: Client, claims: Mapping[str, Any], mapped: Mapping[str, Any] | None = None
    ) -> Mapped:
        """The profile made of verified ``claims``. It begins with what the connection's ``attribute_map`` made of them,
        ``mapped``. Raises PluginFailed."""
        profile: dict[str, Any] = dict(mapped or {})
        sources: dict[str, str] = dict.fromkeys(profile, OURS)
        known = self._known(PROFILE, connection, client) | {
            "claims": freeze(claims) if self._shared(PROFILE) else claims
        }
        for step in self._steps(PROFILE):
            seen = freeze(profile) if step.runner else profile
            change = await self._run(step, known | {"profile": seen}, lambda value: _fit(profile, value))
            if change:
                _tell_refused(step, change)
                _apply(change.values, step.plugin, profile, sources)
        return Mapped(thaw(profile), sources)

    async def button(self, connection: Connection, client: Client) -> tuple[Button, Mapping[str, str]]:
        """The button of ``connection`` on the login page of ``client``, and who set its fields. Never raises."""
        button, sources = Button(connection.name), {"display_name": OURS, "icon_url": OURS}
        known = self._known(BUTTON, connection, client)
        for step in self._steps(BUTTON):
            fields = await self._run(step, known | {"button": button}, check_button) or {}
            sources |= {name: step.plugin for name, value in fields.items() if getattr(button, name) != value}
            button = replace(button, **fields)
        return button, sources

    async def gateway_access(
        self, connection: Connection, route: Route, method: str, path: str, profile: Mapping[str, Any]
    ) -> bool:
        """Whether somebody with this ``profile`` may pass: a plugin says yes, and none says no. A fault is a no,
        whatever ``plugins.on_error`` says (PL-01). Never raises."""
        allowed = False
        known = {
            "connection": public_connection(connection), "route": route.view, "method": method, "path": path,
            "profile": freeze(profile),
        }  # fmt: skip
        for step in self._steps(ACCESS):
            try:
                said = await step.call(known, check_access)
            except Fault as fault:
                _tell_fault(step, fault)
                return False
            if said is False:
                return False
            allowed = allowed or said is True
        return allowed

    def _steps(self, hook: str) -> tuple[Implementation, ...]:
        return self.implementations.get(hook, ())

    def _shared(self, hook: str) -> bool:
        """Whether anyone but us looks: only then need secrets be taken out and values be frozen."""
        return any(step.runner for step in self._steps(hook))

    def _known(self, hook: str, connection: Connection, client: Client) -> dict[str, Any]:
        """What every implementation of ``hook`` may name."""
        if self._shared(hook):
            connection, client = public_connection(connection), public_client(client)
        return {"connection": connection, "client": client}

    async def _run(self, step: Implementation, known: Mapping[str, Any], check: Check[T]) -> T | None:
        try:
            return await step.call(known, check)
        except Fault as fault:
            _tell_fault(step, fault)
            if self.skip or step.hook == BUTTON:
                return None
            raise PluginFailed(step.plugin, step.hook, str(fault)) from fault


def _fit(profile: Mapping[str, Any], value: Any) -> Change | None:
    """The checked change, if the profile stays within bounds with it."""
    change = check_change(value)
    if change and profile:
        try:
            measure({**profile, **change.values}, MAX_PROFILE)
        except Refusal:
            raise Refusal(f"makes the profile larger than {MAX_PROFILE} bytes") from None
    return change


def _tell_fault(step: Implementation, fault: Fault) -> None:
    log.warning("plugin %s failed in %s: it %s", step.plugin, step.hook, fault)
    log.debug("plugin %s failed in %s", step.plugin, step.hook, exc_info=fault.__cause__)


def _tell_refused(step: Implementation, change: Change) -> None:
    if change.refused:
        names = ", ".join(name[:40] for name in change.refused[:20])
        log.warning("plugin %s may not set %r in the profile: reserved", step.plugin, names)


def _apply(values: Mapping[str, Any], plugin: str, profile: dict[str, Any], sources: dict[str, str]) -> None:
    """Set what changed. ``email_verified`` speaks of one address: it starts at false with another, and goes with it."""
    if values.get("email", profile.get("email")) != profile.get("email"):
        values = {"email_verified": False if values["email"] else None, **values}
    for name, value in values.items():
        if value is None:
            profile.pop(name, None)
            sources.pop(name, None)
        elif name not in profile or profile[name] != value:
            profile[name], sources[name] = value, plugin
