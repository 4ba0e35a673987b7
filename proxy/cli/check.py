"""``isthmus check``: the configuration, held against the tenants it names.

For each connection a green check, a red mark when its document is not found, or the list of what the document lacks for
the channel; then warnings, then the plugins and the hooks they implement.
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

from proxy.cli.common import GREEN, RED, YELLOW, Config, Json, configuration, marked
from proxy.oidc.errors import Misconfigured

if TYPE_CHECKING:
    from proxy.models import Connection
    from proxy.plugins import PluginInfo
    from proxy.settings import Settings
    from proxy.upstream.connections import Diagnosis

AT_USERINFO = frozenset(("profile", "email", "address", "phone"))


@dataclass(frozen=True)
class Report:
    """What was found. ``faults`` are lines about plugins that cannot be loaded."""

    diagnoses: Mapping[str, Diagnosis]
    warnings: tuple[str, ...]
    plugins: tuple[PluginInfo, ...]
    faults: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing stands in the way of a login."""
        return not self.faults and all(map(is_sound, self.diagnoses.values()))


def is_sound(diagnosis: Diagnosis) -> bool:
    """Whether logins through the connection can work."""
    return diagnosis.found and not diagnosis.missing and not diagnosis.detail


def check(*, json: Json = False, config: Config = None) -> int:
    """Read the configuration, ask every connection's tenant for its metadata, and list the plugins.

    Example: isthmus check --json

    Exit status: 0 all is well, 1 a fault was found, 2 the configuration is wrong.
    """
    settings = configuration(config)
    infos, faults = _load_plugins(settings)
    with _quiet():
        diagnoses = asyncio.run(_diagnose(settings))
    warnings = (*settings.warnings, *_only_at_userinfo(settings, diagnoses), *_mix_ups(settings, diagnoses))
    report = Report(diagnoses, warnings, infos, faults)
    print(jsons.dumps(_as_json(report), indent=2) if json else "\n".join(_lines(report, settings)))
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


def _load_plugins(settings: Settings) -> tuple[tuple[PluginInfo, ...], tuple[str, ...]]:
    from proxy.plugins import load

    try:
        loaded = load(settings.plugins)
    except Misconfigured as error:
        return (), tuple(map(str, error.problems))
    loaded.close()
    return loaded.listing(), ()


async def _diagnose(settings: Settings) -> Mapping[str, Diagnosis]:
    """Every tenant asked, all at once."""
    from proxy.app import way_out
    from proxy.upstream.connections import Connections

    async with way_out(settings) as wire:
        tenants = Connections(settings.connections, wire.send, time.time)
        found = await asyncio.gather(*map(tenants.diagnose, settings.connections.values()))
    return dict(zip(settings.connections, found, strict=True))


def _only_at_userinfo(settings: Settings, diagnoses: Mapping[str, Diagnosis]) -> Iterator[str]:
    """With a code, the claims of these scopes are answered at userinfo (OIDC Core 5.4), which we do not ask."""
    for name, connection in settings.connections.items():
        scopes = [scope for scope in connection.options.scopes if scope in AT_USERINFO]
        if connection.options.type == "back_channel" and scopes and diagnoses[name].metadata:
            yield (
                f"connections[{name}].options.scope: {', '.join(scopes)} may be answered at userinfo only, which is "
                "not asked; make sure that the tenant puts these claims into the ID token, or use front_channel"
            )


def _mix_ups(settings: Settings, diagnoses: Mapping[str, Diagnosis]) -> Iterator[str]:
    """Pairs that share the callback and cannot be told apart before the code is sent (RFC 9207, RFC 9700 4.4)."""
    sharing = [name for name, each in settings.connections.items() if _shares_callback(each)]
    for name in sharing:
        metadata = diagnoses[name].metadata
        others = [other for other in sharing if other != name]
        if others and metadata and not metadata.names_itself:
            yield (
                f"connections[{name}].options.own_callback: the tenant does not name itself in its answers (RFC 9207), "
                f"so one of {', '.join(others)} could be sent its codes (mix-up); set own_callback = true"
            )


def _shares_callback(connection: Connection) -> bool:
    return connection.options.type == "back_channel" and not connection.options.own_callback


def _lines(report: Report, settings: Settings) -> Iterator[str]:
    for name, diagnosis in report.diagnoses.items():
        channel = settings.connections[name].options.type.replace("_", " ")
        yield _verdict(diagnosis, name, channel)
    if not report.diagnoses:
        yield "no connections"
    yield from (f"{marked('! warning', YELLOW)}  {warning}" for warning in report.warnings)
    yield from (f"{marked('✗ plugin', RED)}  {fault}" for fault in report.faults)
    yield from (f"plugin {info.name}: {', '.join(info.hooks) or 'no hooks'}" for info in report.plugins)
    yield "all is well" if report.ok else "there are faults"


def _verdict(diagnosis: Diagnosis, name: str, channel: str) -> str:
    if is_sound(diagnosis):
        return f"{marked('✓ found', GREEN)}  {name} ({channel})"
    if not diagnosis.found:
        return f"{marked('✗ not found', RED)}  {name} ({channel}): {diagnosis.detail or 'no discovery document there'}"
    if diagnosis.missing:
        return f"{marked('✗ found, but missing', RED)}  {name} ({channel}): {', '.join(diagnosis.missing)}"
    return f"{marked('✗ found, but unusable', RED)}  {name} ({channel}): {diagnosis.detail}"


def _as_json(report: Report) -> dict[str, Any]:
    return {
        "ok": report.ok,
        "connections": [
            {"name": name, "ok": is_sound(each), "found": each.found, "missing": each.missing, "detail": each.detail}
            for name, each in report.diagnoses.items()
        ],
        "warnings": report.warnings,
        "plugins": [asdict(info) for info in report.plugins],
        "faults": report.faults,
    }
