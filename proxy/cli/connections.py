"""``isthmus connections``: the tenants people come from, by the rules of the Management API.

Those of the configuration are shown and never changed here; the others lie in the store. A running server sees a change
within a second.
"""

from __future__ import annotations

import asyncio
import json as jsons
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

from cyclopts import Parameter

from proxy.cli.common import (
    Config,
    Json,
    audited,
    configuration,
    logout_of,
    open_store,
    plain,
    some_at_a_time,
    source_of,
    table,
)
from proxy.cli.connection_options import Given, Name, Register, Token, merged
from proxy.cli.health_lines import lines
from proxy.oidc.errors import Misconfigured, Problem, Refused

if TYPE_CHECKING:
    from proxy.bridge.offboarding import Offboarding
    from proxy.downstream.clients import Clients
    from proxy.management.connections import ManagedConnections
    from proxy.models import Connection
    from proxy.roster import Entry
    from proxy.settings import Settings
    from proxy.store import Store
    from proxy.upstream.health import Health

T = TypeVar("T")
BY = "isthmus connections"
"""Who the log says it was."""


def list_connections(*, json: Json = False, config: Config = None) -> int:
    """Show every connection: those of the configuration, and those that were added.

    Example: isthmus connections list --json
    """
    settings = configuration(config)
    entries = _run(settings, lambda managed: managed.all())
    rows = [_whole(settings, entry) for entry in entries]
    if json:
        print(jsons.dumps(rows, indent=2))
    else:
        print(table([("NAME", "ID", "FROM", "CHANNEL", "TENANT", "CLIENTS"), *map(_cells, rows)]))
    return 0


def show(
    name: Name,
    /,
    *,
    metadata: Annotated[
        bool, Parameter(negative="", help="Ask the tenant, and show what it publishes and what was overridden.")
    ] = False,
    json: Json = False,
    config: Config = None,
) -> int:
    """Show one connection with all its options, but for the secrets, and the callback URL to register at the tenant.

    Example: isthmus connections show corp --metadata
    """
    from proxy.management.diagnosis import as_json, published

    settings = configuration(config)

    async def work(managed: ManagedConnections) -> dict[str, Any]:
        entry = await _find(managed, name)
        whole = _whole(settings, entry)
        if metadata:
            health = await managed.diagnose(entry.connection)
            whole["health"] = as_json(health, details=True)
            whole["discovery"] = published(entry.connection, health, whole["callback_url"])
        return whole

    _print(_run(settings, work), as_json=json)
    return 0


def add(name: Annotated[str, Parameter(help="Its name, for good.")], /, given: Given | None = None, *,
        register: Register = False, token: Token = None, json: Json = False, config: Config = None) -> int:  # fmt: skip
    """Add a connection. What to register at the tenant is printed. With --register that is done, too: the issuer (or a
    person's address there) is all that is needed.

    Example: isthmus connections add corp --discovery-url https://idp.example --client-id isthmus --enable webapp
    """
    settings, said = configuration(config), given or Given()
    from proxy.cli.connection_register import federate, resolved

    if register:
        made, done = _asked(lambda: federate(settings, name, said, token))
        _print({**_whole(settings, _told(made)), "registration": done}, as_json=json)
        return 0
    said = _asked(lambda: resolved(settings, name, said))
    values = {
        "name": name,
        "strategy": "oidc",
        "options": merged({}, said.as_options()),
        **({"display_name": said.display_name} if said.display_name is not None else {}),
        **({"enabled_clients": said.enable} if said.enable else {}),
    }
    entry = _told(_run(settings, lambda managed: managed.create(values, BY, time.time())))
    _print(_whole(settings, entry), as_json=json)
    return 0


def update(
    name: Name, /, given: Given | None = None, *,
    disable: Annotated[
        list[str] | None, Parameter(negative="", help="An application that may not use it any more; may be repeated.")
    ] = None,
    json: Json = False, config: Config = None,
) -> int:  # fmt: skip
    """Change what is given of a connection, and leave the rest.

    Example: isthmus connections update corp --display-name "Acme staff" --enable wiki
    """
    settings, said = configuration(config), given or Given()
    options = said.as_options()

    async def work(managed: ManagedConnections) -> tuple[Entry, tuple[str, ...]]:
        entry = await _changeable(managed, name, config)
        values = _changes(entry, said, options, disable or ())
        return await managed.change(entry.id, values, BY, time.time())

    entry = _told(_run(settings, work))
    _print(_whole(settings, entry), as_json=json)
    return 0


def remove(name: Name, /, *, config: Config = None) -> int:
    """Remove a connection: nobody logs in through it any more, and who came through it is logged out.

    Example: isthmus connections remove corp
    """

    async def work(managed: ManagedConnections) -> None:
        await managed.remove((await _changeable(managed, name, config)).id, BY)

    _run(configuration(config), work)
    return 0


def test(
    name: Annotated[str | None, Parameter(help="One connection; without it, all of them.")] = None,
    /,
    *,
    json: Json = False,
    config: Config = None,
) -> int:
    """Visit the tenants now: a green check, a red mark, or what is missing; then warnings. It is kept as the status.

    Example: isthmus connections test corp --json

    Exit status: 0 all is well, 1 a fault was found.
    """
    from proxy.management.diagnosis import as_json

    async def work(managed: ManagedConnections) -> dict[str, Health]:
        entries = [await _find(managed, name)] if name else list(await managed.all())
        found = await some_at_a_time(managed.diagnose, (entry.connection for entry in entries))
        return {entry.connection.name: one for entry, one in zip(entries, found, strict=True)}

    found = _run(configuration(config), work)
    if json:
        print(jsons.dumps([{"name": key, **as_json(one, details=True)} for key, one in found.items()], indent=2))
    else:
        print("\n".join(line for key, one in found.items() for line in lines(key, one)) or "no connections")
    return 1 if any(one.errors for one in found.values()) else 0


# --- what they share ---


def _run(settings: Settings, work: Callable[[ManagedConnections], Awaitable[T]]) -> T:
    """What ``work`` answers; a refusal is one line on the terminal."""

    async def go() -> T:
        async with _managed(settings) as managed:
            return await work(managed)

    return _asked(lambda: asyncio.run(go()))


def _asked(work: Callable[[], T]) -> T:
    try:
        return work()
    except Refused as error:
        text = error.description.removeprefix("Payload validation error: ")
        text = text.removeprefix("'").removesuffix("'")
        raise Misconfigured(Problem("connections", error.code, text)) from None


@asynccontextmanager
async def _managed(settings: Settings) -> AsyncIterator[ManagedConnections]:
    from proxy.cli.check import _quiet
    from proxy.downstream.clients import Clients
    from proxy.management.connections import ManagedConnections
    from proxy.parts import way_out
    from proxy.roster import Roster
    from proxy.upstream.connection_keys import ConnectionKeys
    from proxy.upstream.connections import Connections
    from proxy.upstream.federation import Federation
    from proxy.upstream.status import Statuses
    from proxy.upstream.visit import Doctor

    with _quiet(), audited():
        async with open_store(settings) as store, way_out(settings) as wire:
            roster = Roster(settings.connections, store)
            doctor, statuses = Doctor(Connections(roster, wire.send, time.time), roster, time.time), Statuses(store)
            clients, federation = Clients(settings.clients, store), Federation(wire.send, store)

            people = _people(store, clients)

            async def concerned(before: Connection, after: Connection | None) -> None:
                if after is not None:
                    await people.end_strangers(before, after, time.time())
                    return
                await people.delete_of_connection(before.name, time.time())
                await ConnectionKeys(store).forget(before)
                if await federation.take_back(before.name) is False:
                    print("connections: the tenant did not forget us; remove the registration there", file=sys.stderr)

            async def seen(connection: Connection) -> Health:
                health = await doctor.see(connection)
                if connection.name in roster:
                    await statuses.keep(connection, health, time.time())
                return health

            yield ManagedConnections(settings.tenant.issuer, roster, clients, seen, concerned)


def _people(store: Store, clients: Clients) -> Offboarding:
    """Logs out who came through a connection that is removed."""
    from proxy.bridge.offboarding import Offboarding

    return Offboarding(store, logout_of(store, clients).end)


async def _find(managed: ManagedConnections, name: str) -> Entry:
    for entry in await managed.all():
        if name in (entry.connection.name, entry.id):
            return entry
    raise Misconfigured(Problem("connections", "NAME", "there is no such connection; see isthmus connections list"))


async def _changeable(managed: ManagedConnections, name: str, config: Path | None) -> Entry:
    """One of the store: what the operator wrote in a file is changed there."""
    entry = await _find(managed, name)
    if entry.is_declared:
        place = f"connections[{entry.connection.name}]"
        raise Misconfigured(Problem(str(source_of(config)), place, "is in this file; change it there"))
    return entry


def _changes(entry: Entry, said: Given, options: Mapping[str, Any], disable: Sequence[str]) -> dict[str, Any]:
    from proxy.management.view import shown_options

    connection = entry.connection
    label = connection.display_name if said.display_name is None else said.display_name
    enabled = [one for one in (*connection.enabled_clients, *(said.enable or ())) if one not in disable]
    values: dict[str, Any] = {"display_name": label, "enabled_clients": list(dict.fromkeys(enabled))}
    if options:
        values["options"] = merged({**(entry.extra or {}), **shown_options(connection, {})}, options)
        if "client_secret" in options and options["client_secret"] is None:
            values["options"]["client_secret"] = None
    return values


def _told(made: tuple[Entry, tuple[str, ...]]) -> Entry:
    entry, warnings = made
    for warning in warnings:
        print(plain(f"connections: {warning}"), file=sys.stderr)
    return entry


def _whole(settings: Settings, entry: Entry) -> dict[str, Any]:
    from proxy.management.view import as_json

    return {
        **as_json(entry),
        "from": "file" if entry.is_declared else "added",
        "callback_url": callback_url(settings, entry.connection),
    }


def callback_url(settings: Settings, connection: Connection) -> str:
    """What to register at the tenant."""
    own = f"/{connection.name}" if connection.options.own_callback else ""
    return f"{settings.tenant.issuer}login/callback{own}"


def _cells(row: Mapping[str, Any]) -> list[str]:
    options = row["options"]
    tenant = options.get("discovery_url") or options.get("issuer", "")
    channel = options["type"].replace("_", " ")
    return [row["name"], row["id"], row["from"], channel, tenant, ", ".join(row["enabled_clients"])]


def _print(whole: Mapping[str, Any], *, as_json: bool) -> None:
    if as_json:
        print(jsons.dumps(whole, indent=2))
        return
    apart = ("options", "discovery")
    rows = {**{key: value for key, value in whole.items() if key not in apart}, **whole["options"]}
    print(table((key, _cell(value)) for key, value in rows.items()))
    if "discovery" in whole:
        told = (
            (key, *map(_cell, (row["published"], row["used"])), row["source"])
            for key, row in whole["discovery"].items()
        )
        print("\n" + table([("NAME", "PUBLISHED", "USED", "FROM"), *told]))


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    return value if isinstance(value, str) else jsons.dumps(value)
