"""``isthmus sessions``: who is logged in, and how applications hear of a logout.

A session that ends here is gone for every node at once. The notices to applications are written with its end; a running
server delivers them within seconds, and one that starts later finds them. Pages that a browser loads for an application
(front-channel logout) need the person's browser, so nobody loads them here.
"""

from __future__ import annotations

import json as jsons
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

from cyclopts import Parameter

from proxy.cli.common import Config, Json, configuration, instant, logout_of, noted, table, with_store
from proxy.oidc.errors import Misconfigured, Problem

if TYPE_CHECKING:
    from proxy.downstream.deliveries import Delivery
    from proxy.downstream.grant import Grant
    from proxy.models import Session
    from proxy.settings import Settings
    from proxy.store import Key, Store

T = TypeVar("T")
MOST_SHOWN = 1000
AT_ONCE = 200
User = Annotated[str | None, Parameter(name="--user", help="Those of one person, by user id: oidc|corp|ada.")]
Client = Annotated[
    str | None,
    Parameter(name="--client", help="Those that an application has tokens of, or hears the end of, by its client id."),
]
Connection = Annotated[str | None, Parameter(name="--connection", help="Those that began at one connection.")]


@dataclass(frozen=True)
class Wanted:
    """Which sessions are meant: all that fit each part that is given."""

    sid: str = ""
    user: str = ""
    client: str = ""
    connection: str = ""


def list_sessions(
    *,
    user: User = None,
    client: Client = None,
    connection: Connection = None,
    json: Json = False,
    config: Config = None,
) -> int:
    """Show who is logged in, the first thousand at most.

    Example: isthmus sessions list --connection corp
    """
    wanted = Wanted("", user or "", client or "", connection or "")
    found = with_store(configuration(config), lambda store: _sessions(store, wanted))
    found.sort(key=lambda session: session.created_at, reverse=True)
    rows = [_row(session) for session in found[:MOST_SHOWN]]
    if json:
        print(jsons.dumps({"sessions": rows, "total": len(found)}, indent=2))
        return 0
    print(table([("SID", "USER", "CONNECTION", "LOGIN", "ENDS AT LATEST"), *map(_cells, rows)]))
    if len(found) > len(rows):
        print(f"and {len(found) - len(rows)} more; narrow it down with --user, --client or --connection")
    return 0


def revoke(
    sid: Annotated[str | None, Parameter(help="One session, as the list shows it.")] = None,
    /,
    *,
    user: User = None,
    client: Client = None,
    connection: Connection = None,
    tokens: Annotated[
        bool, Parameter(negative="", help="And refresh tokens that outlive a session (offline_access).")
    ] = False,
    json: Json = False,
    config: Config = None,
) -> int:
    """End sessions, with every token that is bound to them, and tell the applications that want to hear.

    Example: isthmus sessions revoke --user 'oidc|corp|ada' --tokens
    """
    wanted = Wanted(sid or "", user or "", client or "", connection or "")
    if wanted == Wanted():
        raise Misconfigured(Problem("sessions", "SID", "name a session, or --user, --client or --connection"))
    settings = configuration(config)

    async def work(store: Store) -> Mapping[str, int]:
        ended = await _end(settings, store, await _sessions(store, wanted))
        return {"sessions": ended, **({"grants": await _revoke_grants(store, wanted)} if tokens else {})}

    done = with_store(settings, work)
    noted("sessions_revoked", operator="isthmus sessions", **asdict(wanted), **done)
    print(jsons.dumps(done, indent=2) if json else ", ".join(f"{count} {what} ended" for what, count in done.items()))
    return 0


def deliveries(*, json: Json = False, config: Config = None) -> int:
    """Show the logout notices to applications: those that wait, and what became of the others in the last day.

    Example: isthmus sessions deliveries --json
    """

    async def work(store: Store) -> tuple[Delivery, ...]:
        from proxy.downstream.deliveries import all_of

        return await all_of(store)

    found = with_store(configuration(config), work)[-MOST_SHOWN:]
    if json:
        print(jsons.dumps([asdict(each) for each in found], indent=2))
    else:
        head = ("CLIENT", "SID", "STATE", "ATTEMPTS", "LAST", "NEXT TRY")
        print(table([head, *map(_delivery_cells, found)]))
    return 0


# --- finding them ---


async def _sessions(store: Store, wanted: Wanted) -> list[Session]:
    """The live sessions that are ``wanted``."""
    from proxy.bridge.session import from_value

    now, found = time.time(), []
    async for record in _records(store, _session_keys(store, wanted)):
        session = from_value(record)
        if session is None:
            continue
        fits = wanted.user in ("", session.user_id) and wanted.connection in ("", session.connection)
        if fits and now < session.expires_at:
            found.append(session)
    return await _with_client(store, found, wanted.client) if wanted.client else found


async def _session_keys(store: Store, wanted: Wanted) -> AsyncIterator[Key]:
    from proxy.bridge.session import sessions_of_user
    from proxy.downstream.grant import session_key

    if wanted.sid:
        yield session_key(wanted.sid)
    elif wanted.user:
        for each in await store.list(sessions_of_user(wanted.user)):
            yield each
    else:
        async for each in store.scan("session"):
            yield each


async def _with_client(store: Store, found: list[Session], client_id: str) -> list[Session]:
    """Those of ``found`` that a client is known to be part of: it has tokens of theirs, or hears of their end."""
    from proxy.downstream.participants import participant_key
    from proxy.store import Get

    sids = {grant.sid async for grant in _grants(store) if grant.client_id == client_id}
    for some in _in_parts([session.sid for session in found]):
        notes = await store.run(*(Get(participant_key(sid, client_id)) for sid in some))
        sids |= {sid for sid, note in zip(some, notes, strict=True) if note is not None}
    return [session for session in found if session.sid in sids]


async def _grants(store: Store) -> AsyncIterator[Grant]:
    from proxy.downstream.grant import Grant

    async for record in _records(store, store.scan("grant")):
        grant = Grant.from_value(record)
        if grant is not None:
            yield grant


async def _records(store: Store, keys: AsyncIterator[Key]) -> AsyncIterator[Mapping[str, Any]]:
    """The values under ``keys``, some hundred in one round trip."""
    from proxy.store import Get

    for some in _in_parts([key async for key in keys]):
        for record in await store.run(*map(Get, some)):
            if record is not None:
                yield record.value


def _in_parts(everything: Sequence[T]) -> Iterator[Sequence[T]]:
    for start in range(0, len(everything), AT_ONCE):
        yield everything[start : start + AT_ONCE]


# --- ending them ---


async def _end(settings: Settings, store: Store, found: list[Session]) -> int:
    from proxy.downstream.clients import Clients

    logout = logout_of(store, Clients(settings.clients, store))
    for session in found:
        await logout.end(session, (), time.time())
    return len(found)


async def _revoke_grants(store: Store, wanted: Wanted) -> int:
    from proxy.downstream.grant import revoke as tombstone

    def fits(grant: Grant) -> bool:
        pairs = ((wanted.sid, grant.sid), (wanted.user, grant.user_id))
        more = ((wanted.client, grant.client_id), (wanted.connection, grant.connection))
        return grant.offline and all(asked in ("", has) for asked, has in (*pairs, *more))

    doomed = [grant.id async for grant in _grants(store) if fits(grant)]
    for some in _in_parts(doomed):
        await store.run(*map(tombstone, some))
    return len(doomed)


# --- showing them ---


def _row(session: Session) -> Mapping[str, Any]:
    names = ("sid", "user_id", "connection", "created_at", "auth_time", "expires_at")
    return {name: getattr(session, name) for name in names}


def _cells(row: Mapping[str, Any]) -> tuple[str, ...]:
    return (row["sid"], row["user_id"], row["connection"], instant(row["auth_time"]), instant(row["expires_at"]))


def _delivery_cells(each: Delivery) -> tuple[str, ...]:
    again = instant(int(each.next_at)) if each.state == "pending" else ""
    return (each.client_id, each.sid, each.state, str(each.attempts), each.last, again)
