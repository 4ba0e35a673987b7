"""What can be done with connections: one layer for the Management API and the command line.

What the file declares is read and never changed here. Every change is checked by the file's own rules, holds on every
node when it next looks, and leaves one line in the log: who changed which keys of what, never a value.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from proxy.downstream.clients import Clients
from proxy.management import reading, refusals
from proxy.management.reading import Draft, Values
from proxy.management.view import matches
from proxy.models import Connection
from proxy.models.connection_options import NEEDS
from proxy.roster import MOST, Entry, NameTaken, Roster, new_id
from proxy.settings.gateway_rules import GATEWAY
from proxy.upstream.health import Health

Diagnose = Callable[[Connection], Awaitable[Health]]
Concerned = Callable[[Connection, Connection | None], Awaitable[None]]
Make = Callable[[Entry], Awaitable[tuple[Draft, Sequence[str]]]]
TRIES = 5
log = logging.getLogger("isthmus.management")


async def nobody(before: Connection, after: Connection | None) -> None:
    """Stands where nobody has to hear of a change."""


@dataclass(frozen=True)
class ManagedConnections:
    """``issuer`` is ours. ``diagnose`` asks a tenant; ``concerned`` hears of each change, with the connection before it
    and after it (None: it is being removed, told twice), to end what went with it. All may raise ``Unavailable``."""

    issuer: str
    roster: Roster
    clients: Clients
    diagnose: Diagnose
    concerned: Concerned = nobody

    async def all(self) -> tuple[Entry, ...]:
        """Every connection, those of the file first."""
        await self.roster.refresh()
        return self.roster.entries()

    async def find(self, id: str) -> Entry:
        """The connection of that id. Raises ``Refused`` (404)."""
        await self.roster.refresh()
        entry = self.roster.by_id(id)
        if entry is None:
            raise refusals.no_connection()
        return entry

    async def create(self, values: Values, by: str, now: float) -> tuple[Entry, tuple[str, ...]]:
        """A new connection, and what the operator should hear. Raises ``Refused``: 400, 403, 409."""
        await self.roster.refresh()
        draft = reading.new(values, self.issuer)
        made = Entry(new_id(), draft.connection, extra=draft.extra or None, created_at=int(now))
        if len(self.roster) >= MOST:
            raise refusals.too_many()
        await self._check(made, draft.connection.enabled_clients, now)
        try:
            entry = await self.roster.add(made)
        except NameTaken:
            raise refusals.conflict("A connection with the same name already exists") from None
        if why := self._in_the_way(entry):  # somebody was as quick on another node: both give way
            await self.roster.remove(entry.connection.name)
            raise refusals.conflict(why)
        _note("connection_created", by, entry, values)
        return entry, draft.warnings

    async def change(
        self, id: str, values: Values, by: str, now: float, condition: str = ""
    ) -> tuple[Entry, tuple[str, ...]]:
        """Another version of a connection, made only of the version that ``condition`` (``If-Match``) names. Raises
        ``Refused``: 400, 404, 409, 412."""

        async def make(entry: Entry) -> tuple[Draft, Sequence[str]]:
            draft = reading.changed(entry, values, self.issuer)
            known = set(entry.connection.enabled_clients)
            return draft, [one for one in draft.connection.enabled_clients if one not in known]

        entry, draft = await self._replace(id, make, now, condition)
        _note("connection_changed", by, entry, values)
        return entry, draft.warnings

    async def enable(self, id: str, wanted: Mapping[str, bool], by: str, now: float) -> None:
        """Switch the connection on or off for these applications. Raises ``Refused``: 404, 409."""

        async def make(entry: Entry) -> tuple[Draft, Sequence[str]]:
            kept = [one for one in entry.connection.enabled_clients if wanted.get(one, True)]
            new = [one for one, status in wanted.items() if status and one not in kept]
            connection = entry.connection.model_copy(update={"enabled_clients": (*kept, *new)})
            for one in new:
                if not await self._is_client(one, now):
                    raise refusals.no_client()
            return Draft(connection, entry.extra or {}), ()

        entry, _ = await self._replace(id, make, now, "")
        _note("connection_changed", by, entry, ("enabled_clients",))

    async def remove(self, id: str, by: str) -> None:
        """Take a connection away, and what went with it. One that is gone already is no error, as at Auth0. Raises
        ``Refused`` (409)."""
        await self.roster.refresh()
        entry = self.roster.by_id(id)
        if entry is None:
            return
        if entry.is_declared:
            raise refusals.declared()
        await self.concerned(entry.connection, None)  # first, so that what fails half-way can be asked for again
        if await self.roster.remove(entry.connection.name):
            _note("connection_removed", by, entry, ())
        await self.concerned(entry.connection, None)  # and for those who came meanwhile

    # --- what changes have in common ---

    async def _replace(self, id: str, make: Make, now: float, condition: str) -> tuple[Entry, Draft]:
        """Make a version of the newest there is; begin again when somebody else was quicker."""
        for _ in range(TRIES):
            before = await self.find(id)
            if condition and not matches(condition, before):
                raise refusals.changed_meanwhile()
            if before.is_declared:
                raise refusals.declared()
            draft, new_clients = await make(before)
            wanted = replace(before, connection=draft.connection, extra=draft.extra or None)
            await self._check(wanted, new_clients, now)
            after = await self.roster.replace(wanted)
            if after is None:
                continue
            if why := self._in_the_way(after):
                await self.roster.replace(replace(before, revision=after.revision))
                raise refusals.conflict(why)
            await self.concerned(before.connection, after.connection)
            return after, draft
        raise refusals.changed_meanwhile()

    async def _check(self, entry: Entry, new_clients: Iterable[str], now: float) -> None:
        if why := self._in_the_way(entry):
            raise refusals.conflict(why)
        for number, client_id in enumerate(new_clients):
            if not await self._is_client(client_id, now):
                raise refusals.invalid_body(f"'enabled_clients[{number}] names no client'")
        await self._complete(entry.connection)

    async def _is_client(self, client_id: str, now: float) -> bool:
        return client_id == GATEWAY or await self.clients.find(client_id, now) is not None

    def _in_the_way(self, entry: Entry) -> str:
        """What of another connection this one would take: its realm, or an email domain (one owner for each)."""
        ours, domains = realms(entry.connection), set(entry.connection.options.domain_aliases)
        for other in self.roster.entries():
            if other.id == entry.id or other.connection.name == entry.connection.name:
                continue
            if ours & realms(other.connection):
                return 'There is already another connection with some realms from "realms" parameter'
            if taken := domains.intersection(other.connection.options.domain_aliases):
                return f"options.domain_aliases: {min(taken)} belongs to connection {other.connection.name} already"
        return ""

    async def _complete(self, connection: Connection) -> None:
        """A connection that names neither a document nor every endpoint is taken if its issuer supplies the rest."""
        options = connection.options
        missing = [name for name in NEEDS[options.type] if not getattr(options, name)]
        if options.discovery_url or options.oidc_metadata or not missing:
            return
        found = await self.diagnose(connection)
        if found.metadata is None:
            lacking = [name for name in missing if name in found.missing] or missing
            named = ", ".join(f"options.{name}" for name in lacking)
            said = f" ({found.detail})" if found.detail else ""
            raise refusals.invalid_body(
                f"'{named} is missing, and discovery at options.issuer does not supply it{said}'"
            )


def realms(connection: Connection) -> set[str]:
    """The realms of a connection: those given, else its name."""
    return set(connection.realms or (connection.name,))


def _note(event: str, by: str, entry: Entry, changed: Iterable[str]) -> None:
    """One line: who, what, which; names of keys, no values."""
    about: dict[str, Any] = {"operator": by, "connection": entry.connection.name, "id": entry.id}
    log.info(event, extra={**about, "changed": sorted(changed)})
