"""``isthmus connections add NAME --issuer URL --register``: found, registered and added in one command.

A tenant that registered us but whose connection could not be added is asked to forget us again.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from proxy.cli.common import audited, instant, open_store
from proxy.cli.connection_options import Given, merged, secret
from proxy.oidc.errors import Misconfigured, Problem, UpstreamError

if TYPE_CHECKING:
    from proxy.management.connections import ManagedConnections
    from proxy.roster import Entry
    from proxy.settings import Settings
    from proxy.upstream.federation import Federation
    from proxy.upstream.registration import Registered
    from proxy.wire import Wire

BY = "isthmus connections"
OF_THE_WIRE = ("allow_private", "trust", "own_callback", "scope")
"""Options that must hold before the tenant is asked for anything."""
Made = tuple["Entry", tuple[str, ...]]


def federate(settings: Settings, name: str, said: Given, token: str | None) -> tuple[Made, Mapping[str, Any]]:
    """The new connection, and what the tenant registered. Raises ``Refused``, ``Misconfigured``, ``Unavailable``."""
    identifier = said.issuer or said.discovery_url
    if not identifier:
        raise _wrong("--issuer", "is missing; name the tenant's issuer, or a person's address there")
    initial = secret(token, "--token") if token else ""
    return asyncio.run(_federate(settings, name, said, identifier, initial))


def resolved(settings: Settings, name: str, said: Given) -> Given:
    """What was said, with the issuer in place of a person's address (WebFinger). Raises ``Misconfigured``."""
    from proxy.upstream.webfinger import is_account

    identifier = said.issuer or ""
    if not is_account(identifier):
        return said

    async def go() -> str:
        async with _opened(settings) as (_, federation, _wire):
            return await _issuer(federation, identifier, name)

    return replace(said, issuer=None, discovery_url=asyncio.run(go()))


async def _issuer(federation: Federation, identifier: str, name: str) -> str:
    try:
        return await federation.issuer_of(identifier, name)
    except ValueError as error:
        raise _wrong("--issuer", str(error)) from None
    except UpstreamError as error:
        raise _wrong("--issuer", error.description) from None


async def _federate(
    settings: Settings, name: str, said: Given, identifier: str, token: str
) -> tuple[Made, Mapping[str, Any]]:
    from proxy.upstream.ourselves import Ourselves

    wanted = {key: value for key, value in said.as_options().items() if key not in ("issuer", "discovery_url")}
    async with _opened(settings) as (managed, federation, wire):
        await _check(managed, name, wanted)
        wire.admit(name, allow_private=wanted.get("allow_private", ()), trust=wanted.get("trust", ()))
        options = {key: wanted[key] for key in ("scope", "own_callback") if key in wanted}
        us = Ourselves(settings.tenant.issuer, settings.tenant.name, name, **options)
        issuer = await _issuer(federation, identifier, name)
        try:
            made = await federation.register(issuer, us, token)
        except ValueError:
            raise _wrong("--issuer", "is no address that a tenant can have (https, no query)") from None
        except UpstreamError as error:
            raise _wrong("--register", error.description) from None
        return await _add(managed, federation, name, said, merged(dict(made.options), wanted), made), _done(made)


async def _check(managed: ManagedConnections, name: str, wanted: Mapping[str, Any]) -> None:
    """What can be known to be wrong before the tenant hears of us. Raises ``Refused``."""
    from proxy.management import reading, refusals

    ours = {key: wanted[key] for key in OF_THE_WIRE if key in wanted}
    options = {"client_id": "registering", "discovery_url": "https://tenant.example", **ours}
    reading.new({"name": name, "strategy": "oidc", "options": options}, managed.issuer)
    if any(entry.connection.name == name for entry in await managed.all()):
        raise refusals.conflict("A connection with the same name already exists")


async def _add(
    managed: ManagedConnections,
    federation: Federation,
    name: str,
    said: Given,
    options: Mapping[str, Any],
    made: Registered,
) -> Made:
    label = {"display_name": said.display_name} if said.display_name is not None else {}
    enabled = {"enabled_clients": said.enable} if said.enable else {}
    values = {"name": name, "strategy": "oidc", "options": dict(options), **label, **enabled}
    try:
        entry, warnings = await managed.create(values, BY, time.time())
    except BaseException:
        if made.client_uri:
            await federation.undo(name, made.client_uri, made.access_token)
        raise
    await federation.remember(name, made)
    return entry, warnings


def _done(made: Registered) -> Mapping[str, Any]:
    """What holds at the tenant, without secrets."""
    ends = {"client_secret_expires_at": instant(made.secret_ends)} if made.secret_ends else {}
    other = {"not_as_asked": sorted(made.changed)} if made.changed else {}
    return {**made.holds, **ends, **other, "taken_back_on_removal": bool(made.client_uri)}


@asynccontextmanager
async def _opened(settings: Settings) -> AsyncIterator[tuple[ManagedConnections, Federation, Wire]]:
    from proxy.cli.check import _quiet
    from proxy.downstream.clients import Clients
    from proxy.management.connections import ManagedConnections
    from proxy.parts import way_out
    from proxy.roster import Roster
    from proxy.upstream.connections import Connections
    from proxy.upstream.federation import Federation
    from proxy.upstream.visit import Doctor

    with _quiet(), audited():
        async with open_store(settings) as store, way_out(settings) as wire:
            roster = Roster(settings.connections, store)
            tenants = Connections(roster, wire.send, time.time)
            doctor = Doctor(tenants, roster, time.time)
            managed = ManagedConnections(settings.tenant.issuer, roster, Clients(settings.clients, store), doctor.see)
            yield managed, Federation(wire.send, store), wire


def _wrong(key: str, remedy: str) -> Misconfigured:
    return Misconfigured(Problem("connections", key, remedy))
