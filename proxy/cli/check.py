"""``isthmus check``: the configuration, held against the tenants it names.

For each connection a green check, a red mark when its document is not found, or the list of what the document lacks for
the channel, with warnings; then the gateway's routes, the plugins and the hooks they implement.
"""

from __future__ import annotations

import asyncio
import contextlib
import json as jsons
import logging
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from proxy.cli.common import RED, YELLOW, Config, Json, configuration, marked, plain, some_at_a_time
from proxy.cli.health_lines import WARNED, lines
from proxy.oidc.errors import Misconfigured

if TYPE_CHECKING:
    from proxy.plugins import PluginInfo
    from proxy.settings import Settings
    from proxy.upstream.health import Health


@dataclass(frozen=True)
class Report:
    """What was found. ``faults`` are lines about plugins that cannot be loaded."""

    healths: Mapping[str, Health]
    warnings: tuple[str, ...]
    plugins: tuple[PluginInfo, ...]
    faults: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing stands in the way of a login."""
        return not self.faults and not any(health.errors for health in self.healths.values())


def check(*, json: Json = False, config: Config = None) -> int:
    """Read the configuration, visit every connection's tenant, and list the plugins.

    Example: isthmus check --json

    Exit status: 0 all is well, 1 a fault was found, 2 the configuration is wrong.
    """
    settings = configuration(config)
    infos, faults = _load_plugins(settings)
    with _quiet():
        healths = asyncio.run(_visit(settings))
    report = Report(healths, (*settings.warnings, *_unasked(settings, infos)), infos, faults)
    print(jsons.dumps(_as_json(report, settings), indent=2) if json else "\n".join(_lines(report, settings)))
    return 0 if report.ok else 1


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without the log: what a call logs is told in other words."""
    log = logging.getLogger("isthmus")
    before = log.level
    log.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        log.setLevel(before)


def _unasked(settings: Settings, plugins: tuple[PluginInfo, ...]) -> Iterator[str]:
    """Routes that ask plugins, where none answers."""
    from proxy.plugins.chain import ACCESS

    if not settings.plugins.enabled or any(ACCESS in info.hooks for info in plugins):
        return  # without any plugin the configuration's own warnings say so
    for number, route in enumerate(settings.gateway.routes):
        if route.allow.plugin:
            yield f"gateway.routes[{number}].allow.plugin: no plugin implements {ACCESS}, so nobody gets in"


def _load_plugins(settings: Settings) -> tuple[tuple[PluginInfo, ...], tuple[str, ...]]:
    from proxy.plugins import load

    try:
        loaded = load(settings.plugins)
    except Misconfigured as error:
        return (), tuple(map(str, error.problems))
    loaded.close()
    return loaded.listing(), ()


async def _visit(settings: Settings) -> Mapping[str, Health]:
    """Every tenant visited, all at once."""
    from proxy.parts import way_out
    from proxy.upstream.connections import Connections
    from proxy.upstream.visit import Doctor

    connections = settings.connections
    async with way_out(settings) as wire:
        doctor = Doctor(Connections(connections, wire.send, time.time), connections, time.time)
        found = await some_at_a_time(doctor.see, connections.values())
    return dict(zip(connections, found, strict=True))


def _lines(report: Report, settings: Settings) -> Iterator[str]:
    for name, health in report.healths.items():
        channel = settings.connections[name].options.type.replace("_", " ")
        yield from lines(f"{name} ({channel})", health)
    if not report.healths:
        yield "no connections"
    yield from (f"{marked(WARNED, YELLOW)}  {warning}" for warning in report.warnings)
    yield from (f"{marked('✗ plugin', RED)}  {plain(fault)}" for fault in report.faults)
    yield from (f"route {row['route']}: {row['address']} for {row['who']}" for row in _routes(settings))
    yield from (f"plugin {info.name}: {', '.join(info.hooks) or 'no hooks'}" for info in report.plugins)
    yield "all is well" if report.ok else "there are faults"


def _routes(settings: Settings) -> Iterator[Mapping[str, str]]:
    """The gateway's routes, and who may come through."""
    from proxy.gateway.explain import rules
    from proxy.gateway.routes import Routes

    routes = Routes(settings)
    for route in settings.gateway.routes:
        who = "; ".join(rules(route)) or "everybody who logs in"
        yield {"route": route.label, "address": f"{routes.origin(route.host)}{route.path_prefix}", "who": who}


def _as_json(report: Report, settings: Settings) -> dict[str, Any]:
    from proxy.management.diagnosis import as_json

    return {
        "ok": report.ok,
        "connections": [
            {"name": name, "ok": not health.errors, **as_json(health, details=True)}
            for name, health in report.healths.items()
        ],
        "warnings": report.warnings,
        "routes": list(_routes(settings)),
        "plugins": [asdict(info) for info in report.plugins],
        "faults": report.faults,
    }
