"""``isthmus clients``: applications, and the tokens with which they register themselves.

Those of the configuration are shown and never changed here; the others lie in the store. A running server sees a change
within a second.
"""

from __future__ import annotations

import json as jsons
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

from cyclopts import Parameter

from proxy.cli.client_options import FirstParty, Grants, Id, Metadata, Method, Name, Redirects, Responses, given
from proxy.cli.common import Config, Json, configuration, noted, source_of, table, with_store
from proxy.oidc.errors import Misconfigured, Problem, Refused

if TYPE_CHECKING:
    from proxy.downstream.client_metadata import House
    from proxy.downstream.registered import Registered, Registry
    from proxy.models import Client
    from proxy.settings import Settings
    from proxy.store import Store

T = TypeVar("T")
BY = "isthmus clients"
"""Who the line of a change says it was."""


def list_clients(*, json: Json = False, config: Config = None) -> int:
    """Show every client: those of the configuration, those that registered themselves, those added here.

    Example: isthmus clients list --json
    """
    settings = configuration(config)
    entries = with_store(settings, lambda store: _registry(store).all())
    rows = [_row(client, "file") for client in settings.clients.values()]
    rows += [_row(entry.client, _origin(entry)) for entry in entries]
    if json:
        print(jsons.dumps(rows, indent=2))
    else:
        print(table([("CLIENT_ID", "NAME", "FROM", "METHOD", "PARTY"), *map(_cells, rows)]))
    return 0


def show(client_id: Id, /, *, json: Json = False, config: Config = None) -> int:
    """Show one client with all its metadata, but for its secret.

    Example: isthmus clients show webapp --json
    """
    settings = configuration(config)
    declared = settings.clients.get(client_id)
    if declared is None:
        entry, _ = with_store(settings, lambda store: _find(store, client_id))
        _print(entry.client, _origin(entry), as_json=json)
    else:
        _print(declared, "file", as_json=json)
    return 0


def add(
    *,
    name: Name = None,
    redirect_uri: Redirects = None,
    method: Method = None,
    grant_type: Grants = None,
    response_type: Responses = None,
    first_party: FirstParty = None,
    metadata: Metadata = None,
    json: Json = False,
    config: Config = None,
) -> int:
    """Add a client. Its id and its secret are printed once; the secret cannot be read again.

    Example: isthmus clients add --name Wiki --redirect-uri https://wiki.example/callback --first-party
    """
    from proxy.downstream.client_metadata import read_operators
    from proxy.downstream.registered import Registered, new_id

    settings = configuration(config)
    wanted = given(metadata, name, redirect_uri, method, grant_type, response_type, first_party)
    client = _checked(lambda: read_operators(wanted, new_id(), _house(settings)))
    entry, secret = Registered(client, int(time.time())).having(client)

    async def work(store: Store) -> None:
        registry = _registry(store)
        await registry.check_room(time.time())
        await registry.add(entry)

    _checked(lambda: with_store(settings, work))
    noted("client_added", operator=BY, client_id=client.client_id)
    _print_issued(client.client_id, secret, as_json=json)
    return 0


def update(
    client_id: Id,
    /,
    *,
    name: Name = None,
    redirect_uri: Redirects = None,
    method: Method = None,
    grant_type: Grants = None,
    response_type: Responses = None,
    first_party: FirstParty = None,
    metadata: Metadata = None,
    new_secret: Annotated[
        bool, Parameter(negative="", help="Make another secret; the one before is good until the next.")
    ] = False,
    json: Json = False,
    config: Config = None,
) -> int:
    """Change what is given, and leave the rest of the client as it is. null in the file removes a key.

    Example: isthmus clients update CLIENT_ID --redirect-uri https://wiki.example/callback
    """
    from proxy.downstream.client_metadata import as_metadata, read_operators

    settings = configuration(config)
    _refuse_declared(settings, client_id, config)
    wanted = given(metadata, name, redirect_uri, method, grant_type, response_type, first_party)

    async def work(store: Store) -> str:
        entry, revision = await _find(store, client_id)
        whole = {**as_metadata(entry.client, operator=True), **wanted}
        client = _checked(lambda: read_operators(whole, client_id, _house(settings)))
        changed, secret = entry.having(client, renew=new_secret)
        await _registry(store).replace(changed, revision)
        return secret

    secret = with_store(settings, work)
    noted("client_changed", operator=BY, client_id=client_id, changed=sorted(wanted), new_secret=new_secret)
    _print_issued(client_id, secret, as_json=json)
    return 0


def remove(client_id: Id, /, *, config: Config = None) -> int:
    """Remove a client: nobody can log in to it any more, and its tokens cannot be refreshed.

    Example: isthmus clients remove CLIENT_ID
    """
    settings = configuration(config)
    _refuse_declared(settings, client_id, config)

    async def work(store: Store) -> None:
        if not await _registry(store).remove(client_id):
            raise _unknown()

    with_store(settings, work)
    noted("client_removed", operator=BY, client_id=client_id)
    return 0


# --- what they share ---


def _registry(store: Store) -> Registry:
    from proxy.downstream.registered import Registry

    return Registry(store)


async def _find(store: Store, client_id: str) -> tuple[Registered, bytes]:
    found = await _registry(store).find(client_id)
    if found is None:
        raise _unknown()
    return found


def _unknown() -> Misconfigured:
    return Misconfigured(Problem("clients", "CLIENT_ID", "there is no such client; see isthmus clients list"))


def _refuse_declared(settings: Settings, client_id: str, config: Path | None) -> None:
    """What the operator wrote in a file is changed there."""
    if client_id in settings.clients:
        raise Misconfigured(
            Problem(str(source_of(config)), f"clients[{client_id}]", "is in this file; change it there")
        )


def _house(settings: Settings) -> House:
    from proxy.downstream.client_metadata import House

    return House(settings.tenant.issuer, settings.keys.algorithms)


def _checked(work: Callable[[], T]) -> T:
    """What ``work`` answers; a refusal is one line on the terminal."""
    try:
        return work()
    except Refused as error:
        raise Misconfigured(Problem("clients", error.code, error.description)) from None


def _origin(entry: Registered) -> str:
    return "registered" if entry.token else "added"


def _row(client: Client, origin: str) -> dict[str, Any]:
    return {
        "client_id": client.client_id,
        "client_name": client.client_name,
        "from": origin,
        "token_endpoint_auth_method": client.auth_method,
        "is_first_party": client.is_first_party,
    }


def _cells(row: Mapping[str, Any]) -> list[str]:
    party = "first" if row["is_first_party"] else "third"
    return [row["client_id"], row["client_name"], row["from"], row["token_endpoint_auth_method"], party]


def _print(client: Client, origin: str, *, as_json: bool) -> None:
    from proxy.downstream.client_metadata import as_metadata

    whole = {"client_id": client.client_id, "from": origin, **as_metadata(client, operator=True)}
    if as_json:
        print(jsons.dumps(whole, indent=2))
    else:
        print(table((key, value if isinstance(value, str) else jsons.dumps(value)) for key, value in whole.items()))


def _print_issued(client_id: str, secret: str, *, as_json: bool) -> None:
    issued = {"client_id": client_id, **({"client_secret": secret} if secret else {})}
    print(jsons.dumps(issued, indent=2) if as_json else table(issued.items()))
